"""Settings as YAML that could be loaded again, each value with its source, secrets masked."""

from operator import attrgetter
from typing import Any

import yaml

from consul_edge.config.load import Loaded
from consul_edge.config.schema import SETTINGS


def render(loaded: Loaded) -> str:
    """
    Write every setting in the file's own form, with its source as a comment.

    Secrets become ``***``: the text says that there is one and not which.
    """
    lines: list[str] = []
    open_sections: list[str] = []
    for path in SETTINGS:
        *sections, name = path.split(".")
        for depth, section in enumerate(sections):
            if open_sections[: depth + 1] != sections[: depth + 1]:
                lines.append(f"{'  ' * depth}{section}:")
        open_sections = sections
        value = inline(show(path, attrgetter(path)(loaded.settings)))
        lines.append(f"{'  ' * len(sections)}{name}: {value}  # {loaded.sources[path]}")
    return "\n".join(lines) + "\n"


def show(path: str, value: object) -> object:
    """Turn the *value* of a setting into what a file would hold, made of YAML's own kinds."""
    kind = SETTINGS[path].kind
    if value is None:
        return None
    if isinstance(value, tuple):
        shown: list[Any] = [kind.show(item) for item in value]
        return dict(shown) if kind.mapping else shown
    return kind.show(value)


def inline(value: object) -> str:
    """Write a value of YAML's own kinds in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=2**31)
    return text.removesuffix("\n").removesuffix("\n...")
