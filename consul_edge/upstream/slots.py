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

            poll_limit: How many of them may be blocking queries, parked or abandoned, so that
                these leave room for reads and writes.

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

    def count_abandoned(self) -> int:
        """Tell the same, and change nothing: for whoever asks from a thread."""
        now = self._now()
        return sum(until > now for until in tuple(self._abandoned))

    @property
    def is_overfull(self) -> bool:
        """Whether there are more polls than there may be (any more)."""
        return self.polls + self.abandoned > self.poll_limit

    def has_room(self, *, poll: bool) -> bool:
        """Tell whether one more connection may be opened."""
        long = self.polls + self.abandoned
        return self.short + long < self.limit and not (poll and long >= self.poll_limit)

    def lease(self, *, poll: bool) -> "Lease":
        """Count one more connection in use, room or not: whoever asks has looked before."""
        if poll:
            self.polls += 1
        else:
            self.short += 1
        return Lease(self, poll=poll)

    def charge(self, seconds: float) -> None:
        """Count a connection that was closed here for as long as the server may still hold it."""
        heapq.heappush(self._abandoned, self._now() + seconds)


class Lease:
    """One connection in use; given back once, however often that is said."""

    __slots__ = ("_is_poll", "_slots")

    def __init__(self, slots: Slots | None, *, poll: bool) -> None:
        """Hold what *slots* has counted."""
        self._slots = slots
        self._is_poll = poll

    @classmethod
    def of_nobody(cls) -> "Lease":
        """Make one that counts nowhere."""
        return cls(None, poll=False)

    def give(self) -> None:
        """Count the connection as free."""
        slots, self._slots = self._slots, None
        if slots is None:
            return
        if self._is_poll:
            slots.polls -= 1
        else:
            slots.short -= 1

    def abandon(self, seconds: float) -> None:
        """Count it as free here, and as held over there for *seconds*."""
        slots = self._slots
        self.give()
        if slots is not None and seconds > 0:
            slots.charge(seconds)


class Place:
    """Room for one poll after the other, kept between them."""

    def __init__(self, slots: Slots) -> None:
        """Count a poll that is not yet sent."""
        self._slots = slots
        self._lease = slots.lease(poll=True)

    def lend(self) -> Lease:
        """Let a poll have the room, which goes on to be counted whatever becomes of the poll."""
        return _Lent(self._slots, poll=True)

    def give(self) -> None:
        """Count the room as free."""
        self._lease.give()


class _Lent(Lease):
    """Counted by the place that lent it: only what is abandoned is charged beside that."""

    __slots__ = ()

    def give(self) -> None:
        self._slots = None
