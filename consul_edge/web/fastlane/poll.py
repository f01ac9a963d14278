"""
A blocking query that is parked with nothing behind it: no request, no response, no task.

Rule 1: it is woken like any other (``cache.line``), holds for its client's own wait and jitter,
and ends with its client's departure.
Rule 2: what cannot be answered at once is given to aiohttp, with the moment until which to hold.
"""

import asyncio
from typing import TYPE_CHECKING

from consul_edge.cache.line import Line
from consul_edge.cache.served import Served
from consul_edge.web.fastlane.spot import Spot

if TYPE_CHECKING:
    from consul_edge.web.fastlane.connection import Connection


class Poll:
    """One client that waits."""

    __slots__ = (
        "_connection",
        "client",
        "head",
        "index",
        "line",
        "since",
        "spot",
        "timer",
        "until",
    )

    def __init__(
        self,
        connection: "Connection",
        spot: Spot,
        head: bytes,
        line: Line,
        client: str | None,
        until: float,
        since: float,
    ) -> None:
        """
        Note who waits for what.

        Args:
            head: What came, for aiohttp.

            line: At which it is held.

            client: Its address, as it is counted.

            until: When its wait is over, by the loop's clock.

            since: When it began.
        """
        self._connection = connection
        self.spot = spot
        self.index = spot.question.ask.index
        self.head = head
        self.line = line
        self.client = client
        self.until = until
        self.since = since
        self.timer: asyncio.TimerHandle
        """Tells when that is."""

    def wake(self, news: Served | None) -> None:
        """Answer it, or look again."""
        self._connection.woken(self, news)
