"""
Connections that a Consul server counts against this machine.

Consul refuses an address with 200 connections (``limits.http_max_conns_per_client``), and closing
a blocking query's connection frees nothing there until its wait has ended.  So what counts is what
is in use here *plus* what was abandoned and is still held over there.
"""

import heapq
from collections.abc import Callable


class Slots:
    """The connection budget of one server."""

    def __init__(self, *, limit: int, poll_limit: int, now: Callable[[], float]) -> None:
        """
        Open a budget.

        Args:
            limit: Connections of every kind together, abandoned ones included.

            poll_limit: How many of them may be parked blocking queries, so that these leave room
                for reads and writes.

            now: A monotonic clock.
        """
        self.limit = limit
        self.poll_limit = poll_limit
        self.short = 0
        self.polls = 0
        self._now = now
        self._abandoned: list[float] = []

    @property
    def abandoned(self) -> int:
        """How many given-up queries the server still holds."""
        if self._abandoned:
            now = self._now()
            while self._abandoned and self._abandoned[0] <= now:
                heapq.heappop(self._abandoned)
        return len(self._abandoned)

    def has_room(self, *, poll: bool) -> bool:
        """Tell whether one more connection may be opened."""
        if poll and self.polls >= self.poll_limit:
            return False
        return self.short + self.polls + self.abandoned < self.limit

    def take(self, *, poll: bool) -> None:
        """Count one more connection in use."""
        if poll:
            self.polls += 1
        else:
            self.short += 1

    def give(self, *, poll: bool) -> None:
        """Count one less."""
        if poll:
            self.polls -= 1
        else:
            self.short -= 1

    def abandon(self, seconds: float) -> None:
        """Charge a connection that was closed here for as long as the server may still hold it."""
        heapq.heappush(self._abandoned, self._now() + seconds)
