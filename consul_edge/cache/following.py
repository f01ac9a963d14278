"""
What the edge itself follows, as the enrichment does: one question, current whoever reads it.

Rule 1: who follows shares the line with its clients, and so their watch, flights and rights; what
it asks for is asked in the name of the token that it was given.
Rule 2: who follows hears of everything that is published, also of an index that moved without a
change of the body: that may be an edit which this answer does not show (CONSUL.md A.1.1).
Rule 3: a watch that ended (a refusal, no room) is wanted again by ``look``, not by itself.
"""

from collections.abc import Callable

from consul_edge.cache.flights import Flights
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.watches import Watches
from consul_edge.core.entry import Entry
from consul_edge.core.policy import Kept


class Following:
    """The interest in one line; it lasts until it is closed."""

    def __init__(
        self,
        line: Line,
        lines: Lines,
        flights: Flights,
        watches: Watches,
        heard: Callable[[], None],
    ) -> None:
        """
        Begin; nothing is asked before ``fetch``.

        Args:
            heard: Called after each answer that is published, and after each that is forgotten;
                it must not wait, nor raise.
        """
        self._line = line
        self._lines = lines
        self._flights = flights
        self._watches = watches
        self._heard = heard
        line.followers[self] = heard

    @property
    def entry(self) -> Entry | None:
        """What is kept now; None: nothing is."""
        return self._line.entry

    def kept(self, now: float) -> Kept | None:
        """Say how young it is, and whether it is live."""
        return self._line.kept(now, touch=False)

    async def fetch(self) -> Entry:
        """
        Ask Consul now, or wait for who does; have it watched from then on.

        Returns:
            The answer, whatever it says: only a good one is kept and watched.

        Raises:
            EdgeError: When no server answers.

            TooLarge: When it cannot be kept.
        """
        entry, _ = await self._flights.fetch(self._line)
        self.look()
        return entry

    def look(self) -> None:
        """Have it watched, if it is kept and is not watched (any more)."""
        if self._line.entry is not None and self in self._line.followers:
            self._watches.want(self._line)

    def close(self) -> None:
        """Follow no longer; the watch goes on for as long as clients are interested."""
        self._line.followers.pop(self, None)
        self._lines.tidy(self._line)
