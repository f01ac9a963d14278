"""
The file: YAML of plain values, each kept with its line.

The nodes are walked rather than loaded: only they know of a key that stands twice, and of lines.
Nothing but scalars and lists of them is ever constructed, by PyYAML's safe constructor.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from consul_edge.config.kinds import Item
from consul_edge.config.schema import SECTIONS, SETTINGS, mask, suggest
from consul_edge.config.sources import Given, Rank
from consul_edge.core.errors import Problem

# Besides its own errors, PyYAML lets through what int("x"), {}["x"] and None.groups() raise for
# a tag that does not fit its scalar.
_UNFIT: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError)


def read_file(file: Path) -> tuple[list[Given], list[Problem]]:
    """Find what *file* says; whatever cannot be read or is not known is a problem."""
    try:
        loader = yaml.SafeLoader(file.read_bytes())
        root = loader.get_single_node()
    except OSError as error:
        reason = f"expected a readable file: {error.strerror}"
        return [], [Problem("--config", "file", str(file), reason)]
    except yaml.MarkedYAMLError as error:
        # The line itself is not shown: it may be the one with the token.
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        found = error.problem or error.context
        return [], [Problem(where, "syntax", found, "expected valid YAML")]
    except (yaml.YAMLError, RecursionError):
        expected = "expected YAML in UTF-8, without control characters and endless nesting"
        return [], [Problem(str(file), "syntax", "...", expected)]
    given: list[Given] = []
    problems: list[Problem] = []
    for one in _walk(file, loader, root, "") if root is not None else ():
        if isinstance(one, Given):
            given.append(one)
        else:
            problems.append(one)
    return given, problems


def _walk(
    file: Path, loader: yaml.SafeLoader, node: yaml.Node, prefix: str
) -> Iterator[Given | Problem]:
    if not isinstance(node, yaml.MappingNode):
        if node.tag != "tag:yaml.org,2002:null":  # a section with all its keys commented out
            path = prefix.rstrip(".") or "top level"
            shown: object = "[...]"
            if isinstance(node, yaml.ScalarNode):
                # A secret may be all that stands in the place of the section that it belongs to.
                shown = "***" if _may_hold_secrets(prefix) else mask(path, node.value)
            yield Problem(_where(file, node), path, shown, "expected a mapping of keys to values")
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        path = f"{prefix}{key.value}" if isinstance(key, yaml.ScalarNode) else f"{prefix}?"
        if path in seen:
            shown = mask(path, value.value if isinstance(value, yaml.ScalarNode) else "...")
            expected = f"expected once; it is also in line {seen[path]}"
            yield Problem(_where(file, key), path, shown, expected)
            continue
        seen[path] = key.start_mark.line + 1
        if path in SECTIONS:
            yield from _walk(file, loader, value, f"{path}.")
        else:
            yield _leaf(file, loader, path, key, value)


def _leaf(
    file: Path, loader: yaml.SafeLoader, path: str, key: yaml.Node, node: yaml.Node
) -> Given | Problem:
    setting = SETTINGS.get(path)
    is_mapping = setting is not None and setting.kind.mapping
    try:
        value: object
        if is_mapping and isinstance(node, yaml.MappingNode):
            value = _items(file, loader, node)
        else:
            value = loader.construct_object(node, deep=True)
        if is_mapping and value is None:
            value = []  # all its keys are commented out
    except _UNFIT:
        return Problem(_where(file, node), path, node.tag, "expected a plain value without a tag")
    if setting:
        return Given(path, value, _where(file, key), Rank.FILE)
    return Problem(_where(file, key), path, mask(path, value), suggest(path))


def _items(file: Path, loader: yaml.SafeLoader, node: yaml.MappingNode) -> list[Item]:
    """Take a mapping apart: a dict would lose a key that stands twice, and the lines."""
    return [
        Item(
            loader.construct_object(key, deep=True),
            loader.construct_object(value, deep=True),
            _where(file, key),
        )
        for key, value in node.value
    ]


def _where(file: Path, node: yaml.Node) -> str:
    return f"{file}:{node.start_mark.line + 1}"


def _may_hold_secrets(prefix: str) -> bool:
    return any(path.startswith(prefix) and row.kind.secret for path, row in SETTINGS.items())
