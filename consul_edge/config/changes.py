"""
What differs between two configurations, in words fit for a log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from consul_edge.config.render import inline, show
from consul_edge.config.schema import SETTINGS, mask
from consul_edge.config.settings import Settings

NEEDS_RESTART: Final[frozenset[str]] = frozenset()
"""Settings that a reload reads and checks, but that hold only from the next start on."""

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that is another."""

    path: str

    before: str
    """As the file would say it; of a secret, that there is one."""

    after: str


def changes(before: Settings, after: Settings) -> list[Change]:
    """List the settings that are others, in the order of the file."""
    return list(_changes(before, after))


def _changes(before: Settings, after: Settings) -> Iterator[Change]:
    for path in SETTINGS:
        was, now = (attrgetter(path)(settings) for settings in (before, after))
        if was != now:
            yield Change(path, _shown(path, was), _shown(path, now))


def _shown(path: str, value: object) -> str:
    return inline(None if value is None else mask(path, show(path, value)))[:_SHOWN]
