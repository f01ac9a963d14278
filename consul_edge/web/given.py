"""
The indexes that each identity was told here, so that another edge's is not taken for one.

Rule: an index that was not told, or too long ago, says nothing about what its reader has: who
trusted one that only looks right would leave him with rows that are no more.
"""

from collections import OrderedDict
from typing import Final

MOST: Final = 10_000
"""Of all identities together; a reader who comes again knows one of the latest."""


class Given:
    """Remembers them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()

    def note(self, identity: str, *indexes: int) -> None:
        """Remember what an identity is told now."""
        for index in indexes:
            self._told[identity, index] = None
            self._told.move_to_end((identity, index))
        while len(self._told) > MOST:
            self._told.popitem(last=False)

    def has(self, identity: str, index: int) -> bool:
        """Tell whether an identity was told an index."""
        return (identity, index) in self._told
