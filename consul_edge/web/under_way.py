"""
How many requests of one client may be under way.

A client that asks faster than it is answered would take the connections of all others.  What
waits for a change costs little and is not counted here: it has a bound of its own (``parked``).
What the fast lane answers is never under way: it is answered before anything else is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from consul_edge.core.errors import LimitReached

LIMIT: Final = "limits.requests_per_client"


class UnderWay:
    """Counts, by client address."""

    __slots__ = ("_count", "_most")

    def __init__(self, most: int) -> None:
        """Allow each client *most* at once."""
        self._most = most
        self._count: dict[str, int] = {}

    def adopt(self, most: int) -> None:
        """Allow another number from now on; what is under way goes on."""
        self._most = most

    def enter(self, client: str | None) -> None:
        """
        Count one more of *client*, until it is said to ``leave``.

        Args:
            client: Its address; none is known behind a unix socket, whose file says who may come.

        Raises:
            LimitReached: When it has too many already; then there is nothing to leave.
        """
        if not client:
            return
        count = self._count.get(client, 0)
        if count >= self._most:
            text = f"{LIMIT} ({self._most}) requests of {client} are under way already"
            raise LimitReached(429, LIMIT, text)
        self._count[client] = count + 1

    def leave(self, client: str | None) -> None:
        """Forget one of those that entered."""
        if not client:
            return
        count = self._count[client] - 1
        if count:
            self._count[client] = count
        else:
            del self._count[client]

    @contextmanager
    def aside(self, client: str | None) -> Iterator[None]:
        """Leave one that entered out of the count while it waits; its answer is not refused."""
        self.leave(client)
        try:
            yield
        finally:
            if client:
                self._count[client] = self._count.get(client, 0) + 1
