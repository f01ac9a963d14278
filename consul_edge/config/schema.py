"""
The settings as a table by dotted path: what the file, the environment and the checks go by.

It is made from the structs of ``settings`` and holds no fact of its own.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args, get_type_hints

from consul_edge.config.fields import Section
from consul_edge.config.kinds import Kind
from consul_edge.config.settings import Settings

PREFIX: Final = "CONSUL_EDGE_"
"""Of every variable that is ours."""

_SECRET_NAME: Final = re.compile(r"tok|auth|secret|passw|credential", re.IGNORECASE)
_SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: a setting that is no section."""

    path: str
    """``consul.pool.max_connections``."""

    kind: Kind

    default: object

    @property
    def variable(self) -> str:
        """``CONSUL_EDGE_CONSUL__POOL__MAX_CONNECTIONS``."""
        return PREFIX + self.path.upper().replace(".", "__")


def _rows(section: Section, prefix: str) -> Iterator[Setting | str]:
    """List the settings below *section*, and before them the path of each section."""
    for name, hint in get_type_hints(type(section), include_extras=True).items():
        default = getattr(section, name)
        path = f"{prefix}{name}"
        if isinstance(default, Section):
            yield path
            yield from _rows(default, f"{path}.")
        else:
            kind = next(extra for extra in get_args(hint) if isinstance(extra, Kind))
            yield Setting(path, kind, default)


_ROWS: Final = tuple(_rows(Settings(), ""))

SETTINGS: Final[Mapping[str, Setting]] = {
    row.path: row for row in _ROWS if isinstance(row, Setting)
}
"""Every setting by its path, in the order of the structs."""

SECTIONS: Final = frozenset(row for row in _ROWS if isinstance(row, str))
"""The paths of what holds settings."""


def build(values: Mapping[str, object]) -> Settings:
    """Make the settings of *values* by path; what is not there is at its default."""

    def section(of: Section, prefix: str) -> Section:
        fields: dict[str, Any] = {}
        for name in of.__struct_fields__:
            default, path = getattr(of, name), f"{prefix}{name}"
            fields[name] = (
                section(default, f"{path}.")
                if isinstance(default, Section)
                else values.get(path, default)
            )
        return type(of)(**fields)

    made = section(Settings(), "")
    assert isinstance(made, Settings)  # noqa: S101 - for the type checker: it is type(of)
    return made


def suggest(path: str) -> str:
    """
    Say that a key is unknown, and which known one is the nearest.

    The same name elsewhere counts as nearest, then a similar one beside it, then anywhere.
    """
    parent, _, name = path.rpartition(".")
    known = [*SECTIONS, *SETTINGS]
    beside = [one for one in known if one.rpartition(".")[0] == parent]
    for paths, cutoff in ((known, 1.0), (beside, 0.6), (known, 0.6)):
        names = {one.rpartition(".")[2] for one in paths}
        for found in difflib.get_close_matches(name, sorted(names), n=1, cutoff=cutoff):
            same = (one for one in paths if one.rpartition(".")[2] == found)
            best = max(same, key=lambda one: difflib.SequenceMatcher(None, one, path).ratio())
            return f"unknown key; did you mean {best}?"
    return f"unknown key; known here: {', '.join(one.rpartition('.')[2] for one in beside)}"


def mask(path: str, value: object) -> object:
    """
    Make *value* fit for a problem's text: no secret in it, and not too long.

    A key that is unknown may be a misspelt ``token``, and an address may have a password in it.
    """
    setting = SETTINGS.get(path)
    if setting.kind.secret if setting else _SECRET_NAME.search(path):
        return "***"
    if isinstance(value, str):
        value = re.sub(r"((?:^|,)(?:\w+://)?)[^,]*@", r"\1***@", value)
        value = re.sub(r"([?#;]).+", r"\1***", value)
        return value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}..."
    if isinstance(value, list):
        return [mask(path, item) for item in value[:5]]
    if isinstance(value, dict) and setting:
        inner = list(value.items())[:5]
        return {mask(path, key): mask(f"{path}.{key}", item) for key, item in inner}
    return "{...}" if isinstance(value, dict) else value
