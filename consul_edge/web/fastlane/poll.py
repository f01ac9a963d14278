"""
A blocking query that is parked with nothing behind it: no request, no response, no task.

Rule 1: it is woken like any other (``cache.line``), holds for its client's own wait and jitter,
and ends with its client's departure.
Rule 2: what cannot be answered at once, or is to be judged by other settings than it was, is given
to aiohttp, with the moment until which to hold.
"""

import asyncio
from typing import TYPE_CHECKING

from consul_edge.cache.line import Line
from consul_edge.cache.served import Served
from consul_edge.web.fastlane.spot import Spot

if TYPE_CHECKING:
    from consul_edge.web.fastlane.connection import Connection
    from consul_edge.web.fastlane.lane import Lane


class Poll:
    """One client that waits."""

    __slots__ = (
        "_access",
        "_connection",
        "_policy",
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
        lane: "Lane",
        spot: Spot,
        head: bytes,
        line: Line,
        client: str | None,
        until: float,
    ) -> None:
        """
        Note who waits for what.

        Args:
            head: What came, for aiohttp.

            line: At which it is held.

            client: Its address, as it is counted.

            until: When its wait is over, by the loop's clock.
        """
        self._access = lane.access
        self._policy = lane.access.policy
        self._connection = connection
        self.spot = spot
        self.index = spot.question.ask.index
        self.head = head
        self.line = line
        self.client = client
        self.until = until
        self.since = lane.now()
        """When it began."""
        self.timer: asyncio.TimerHandle
        """Tells when that is."""

    @property
    def is_judged(self) -> bool:
        """Whether the judgement by which it waits is that of the settings in force."""
        return self._access.policy is self._policy

    def wake(self, news: Served | None) -> None:
        """Answer it, or look again."""
        self._connection.woken(self, news)
