"""
How many blocking queries one client may have waiting.

What waits costs little, but costs it for ten minutes: without a bound one client that opens polls
and forgets them would take the memory of all others.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from consul_edge.core.errors import LimitReached

LIMIT = "limits.parked_per_client"


class Parked:
    """Counts, by client address."""

    def __init__(self, most: int) -> None:
        """Allow each client *most* at once."""
        self._most = most
        self._count: Counter[str] = Counter()

    def adopt(self, most: int) -> None:
        """Allow another number from now on; who waits already waits on."""
        self._most = most

    @contextmanager
    def one_of(self, client: str | None) -> Iterator[None]:
        """
        Count one more of *client* for as long as the context lasts.

        Args:
            client: Its address; none is known behind a unix socket, whose file says who may come.

        Raises:
            LimitReached: When it has too many already.
        """
        self.enter(client)
        try:
            yield
        finally:
            self.leave(client)

    def enter(self, client: str | None) -> None:
        """Count one more, as ``one_of`` does; ``leave`` ends it."""
        if not client:
            return
        if self._count[client] >= self._most:
            text = f"{LIMIT} ({self._most}) blocking queries of {client} are waiting already"
            raise LimitReached(503, LIMIT, text)
        self._count[client] += 1

    def leave(self, client: str | None) -> None:
        """Count one less."""
        if client:
            self._count[client] -= 1
            if not self._count[client]:
                del self._count[client]
