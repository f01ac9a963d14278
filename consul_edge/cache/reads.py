"""
That a line is read: what is read twice within a minute is worth a watch.
"""

from typing import Final

from consul_edge.cache.line import Line
from consul_edge.cache.watches import Watches
from consul_edge.core.endpoints import Treatment

SECOND_READ: Final = 60.0
"""Seconds within which a second read of a key earns it a watch."""


class Reads:
    """Notes them."""

    def __init__(self, watches: Watches) -> None:
        """Note reads, and have *watches* begun."""
        self._watches = watches

    def note(self, line: Line, now: float) -> None:
        """Note a read."""
        is_second = now - line.read_at <= SECOND_READ
        line.read_at = now
        if is_second and not line.is_watched and line.rule.treatment is Treatment.WATCH:
            self._watches.want(line)
