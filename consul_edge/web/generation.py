"""
The settings in force, and how often they were exchanged.

Whoever reads a setting while it serves reads it here; what was made of settings is made again
when the number moved.
"""

from collections.abc import Callable

from consul_edge.config import Settings


class Generation:
    """Holds them."""

    __slots__ = ("heard", "number", "settings")

    def __init__(self, settings: Settings) -> None:
        """Begin with those of the start."""
        self.settings = settings
        self.number = 0
        self.heard: list[Callable[[], None]] = []
        """Called after each exchange."""

    def advance(self, settings: Settings) -> None:
        """Put others in force, which everybody else has adopted."""
        self.settings = settings
        self.number += 1
        for heard in self.heard:
            heard()
