"""
The settings in force, and how often they were exchanged.

Whoever reads a setting while it serves reads it here; what was made of settings is made again
when the number moved.
"""

from consul_edge.config import Settings


class Generation:
    """Holds them."""

    __slots__ = ("number", "settings")

    def __init__(self, settings: Settings) -> None:
        """Begin with those of the start."""
        self.settings = settings
        self.number = 0

    def advance(self, settings: Settings) -> None:
        """Put others in force, which everybody else has adopted."""
        self.settings = settings
        self.number += 1
