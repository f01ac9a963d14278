"""
What each identity was given here: indexes, so that another edge's is not taken for one, and the
latest documents' views.

Rule 1: an index that was not told, or too long ago, says nothing about what its reader has: who
trusted one that only looks right would leave him with rows that are no more.
Rule 2: who loads a document and then follows the events is told what has changed in between,
also where something changes all the time; else he would load again for ever.
"""

from collections import OrderedDict
from typing import Final

from consul_edge.enrich.view import View
from consul_edge.web.remembered import Remembered

MOST: Final = 10_000
"""Of all identities together; a reader who comes again knows one of the latest."""

VIEWS: Final = 16
"""Documents of all identities together; who follows them does so at once."""


class Given:
    """Remembers it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._views = Remembered[tuple[str, int]](VIEWS)

    def note(self, identity: str, *indexes: int) -> None:
        """Remember what an identity is told now."""
        for index in indexes:
            self._told[identity, index] = None
            self._told.move_to_end((identity, index))
        while len(self._told) > MOST:
            self._told.popitem(last=False)

    def keep(self, identity: str, index: int, view: View) -> None:
        """Remember a document as well, whose own index is that of its part of a view."""
        self.note(identity, index)
        self._views.keep((identity, index), view)

    def has(self, identity: str, index: int) -> bool:
        """Tell whether an identity was told an index."""
        return (identity, index) in self._told

    def view(self, identity: str, index: int) -> View | None:
        """Find the view of a document that it was given, which is that part of it alone."""
        return self._views.at((identity, index))
