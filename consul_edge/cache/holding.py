"""
Clients whose blocking queries are parked, and for how long.

Consul's own rules (CONSUL.md A.1): five minutes if the client names no wait, ten at most, and up
to a sixteenth more so that those who came together do not come again together.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from consul_edge import metrics
from consul_edge.cache.line import Line, Waiter
from consul_edge.cache.lines import Lines
from consul_edge.cache.served import Served, served
from consul_edge.cache.watches import Watches

DEFAULT_WAIT: Final = 300.0
LONGEST_WAIT: Final = 600.0
JITTER: Final = 1 / 16


Deliver = Callable[[Served], None]
"""Writes an answer to the client that waits for it."""


class Held:
    """A client that is served by a task, which waits for the news."""

    __slots__ = ("_deliver", "index", "news")

    def __init__(self, index: int, deliver: Deliver | None = None) -> None:
        """
        Begin to wait.

        Args:
            deliver: Called with the news before the task runs.
        """
        self.index = index
        self.news: asyncio.Future[Served | None] = asyncio.get_running_loop().create_future()
        self._deliver = deliver

    def wake(self, news: Served | None) -> None:
        """Deliver the news, and have the task go on."""
        if self.news.done():
            return
        try:
            if news is not None and self._deliver is not None:
                self._deliver(news)
        finally:
            self.news.set_result(news)


class Holding:
    """Parks clients until there is news for them."""

    def __init__(self, lines: Lines, watches: Watches) -> None:
        """Begin with nobody."""
        self.is_draining = False
        self._lines = lines
        self._watches = watches
        self._loop = asyncio.get_running_loop()

    def until(self, wait: float | None) -> float:
        """Choose the moment until which a client that asked for *wait* seconds is held."""
        seconds = min(wait or DEFAULT_WAIT, LONGEST_WAIT)
        return self._loop.time() + seconds * (1 + random.random() * JITTER)  # noqa: S311 - spreads load

    def is_over(self, until: float) -> bool:
        """Tell whether a client is to be answered now, with whatever there is."""
        return self.is_draining or self._loop.time() >= until

    async def park(
        self, line: Line, index: int, until: float, deliver: Deliver | None
    ) -> Served | None:
        """
        Wait for something else than the client has, which it calls *index*.

        Args:
            deliver: Given the news at once, before those who waited for it run: of a thousand
                clients the last one must not wait for the bookkeeping of the others.

        Returns:
            What to answer; None: look again, for the time is over or the line was dropped.
        """
        kept = line.kept(self._loop.time())
        if kept is not None and not kept.is_superseded:
            entry = kept.entry
            if index < entry.index and not entry.covers(index):
                # It came while this client's own fetch, an older one, was under way.
                return served(kept, "held")
        waiter = Held(index, deliver)
        self.hold(line, waiter)
        timer = self._loop.call_at(until, waiter.wake, None)
        try:
            return await waiter.news
        finally:
            timer.cancel()
            self.let_go(line, waiter)

    def hold(self, line: Line, waiter: Waiter) -> None:
        """Have *waiter* woken when there is news, and *line* watched until then."""
        line.waiters[waiter] = None
        self._watches.want(line)
        metrics.BLOCKING_CLIENTS.inc()

    def let_go(self, line: Line, waiter: Waiter) -> None:
        """End what ``hold`` began, whether or not there was news."""
        metrics.BLOCKING_CLIENTS.dec()
        line.waiters.pop(waiter, None)
        line.read_at = self._loop.time()
        self._lines.tidy(line)

    def drain(self) -> None:
        """Have everybody answered with the current value, now and from now on."""
        self.is_draining = True
        for line in self._lines:
            line.release_all()
