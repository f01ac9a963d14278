"""
The loop that keeps one line fresh: a fill, then one blocking query after the other.

Rule 1: rounds follow each other at one server, under one leader; another server or leader begins
anew with a fill, for indexes are comparable only within one.
Rule 2: an answer's body counts, not its index: rights narrow silently, at the same index
(CONSUL.md 0).  An index that went back, or a round that a write has overtaken, is no answer but a
reason to fetch.
Rule 3: a round that nobody is interested in any more is finished all the same; only then is it
seen whether another one follows.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final

import structlog

from consul_edge import metrics
from consul_edge.cache.fetching import Fetcher, TooLarge
from consul_edge.cache.flights import Flights, Ticket
from consul_edge.cache.line import Line
from consul_edge.core.backoff import backoff
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError, ServerFailed
from consul_edge.core.pace import Pace
from consul_edge.core.watching import is_doubtful, is_table_wide
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.rotation import Rotation
from consul_edge.upstream.rounds import Round
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Lease, Place

log = structlog.get_logger()

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 60.0
"""Seconds before a watch that failed tries again; news of a server or leader cut them short."""

BURST: Final = 10
"""Rounds that may follow each other at once; a table-wide watch has 2, as Consul advises."""

SHARE: Final = 50
"""How much faster than a table-wide watch any other may go on for long."""


_ANSWERS: Final = frozenset({200, 404})
"""Statuses of what can be kept."""


@dataclass(slots=True)
class Tools:
    """What all watches share."""

    rotation: Rotation
    fetcher: Fetcher
    flights: Flights
    refresh_interval: float
    """Seconds that lie between the rounds of a table-wide watch at least."""

    choose: Callable[[Server | None], Server | None]
    """Gives the server for a watch, if one has room; the one given only if there is no other."""

    may_fill: AbstractAsyncContextManager[None]
    """How many may fill at once: when servers come back, all watches want to."""

    goes_on: Callable[[Line], bool]
    """Asked after each round."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A round's answer."""

    answer: Answer
    ticket: Ticket
    """Of the round's beginning."""
    index: int
    """That the round waited for to be surpassed."""
    came_at: float


class Watch:
    """Keeps one line fresh until it is not worth it."""

    def __init__(self, line: Line, tools: Tools) -> None:
        """Prepare to watch."""
        self._line = line
        self._tools = tools
        self._rotation = tools.rotation
        table_wide = is_table_wide(line.key.endpoint)
        self._share = 1 if table_wide else SHARE
        self._pace = Pace(burst=2 if table_wide else BURST, interval=tools.refresh_interval)
        self._failures = 0
        self._failed_at: Server | None = None
        """Where it failed last: a server that refuses has few polls, and would be chosen again."""

    async def run(self) -> None:
        """Watch; return when it is not worth it, cannot be done, or there is no room."""
        while self._tools.goes_on(self._line):
            server = self._tools.choose(self._failed_at)
            if server is None:
                if self._rotation.servers.well():
                    return
                await self._pause()
                continue
            place = Place(server.slots)
            try:
                if not await self._watch_at(server, place):
                    return
            except TooLarge:
                # Whoever waits looks again, and then is passed on by himself.
                self._line.drop()
                self._line.release_all()
                return
            except EdgeError as error:
                log.debug("watch failed", endpoint=self._line.key.endpoint.name, error=str(error))
                _count("failed")
                self._failed_at = server
                place.give()
                await self._pause()
            except Exception:
                # The top of a background loop: a defect must not leave those who wait alone.
                log.exception("watch failed", endpoint=self._line.key.endpoint.name)
                place.give()
                await self._pause()
            finally:
                place.give()

    async def _watch_at(self, server: Server, place: Place) -> bool:
        """Fill, then do rounds; tell whether the watch is to go on elsewhere."""
        line, rotation = self._line, self._rotation
        await rotation.hear(server)
        tenure = server.tenure
        entry = line.entry
        if entry is not None and self._is_filled(entry, server):
            index = entry.index
        else:
            async with self._tools.may_fill:
                index = await self._fill(server)
        while index and self._tools.goes_on(line):
            if line.entry is None:
                # Flushed or evicted, and still wanted: begin anew; but while a write is under
                # way nothing is kept, and asking again and again would not change that.
                await asyncio.sleep(FIRST_PAUSE)
                if line.writes:
                    continue
                return True
            if server.slots.is_overfull:
                # It may have fewer than before.
                return False
            self._pace.interval = self._tools.refresh_interval / self._share
            delay = self._pace.delay(rotation.now())
            if delay:
                await asyncio.sleep(delay)
            if server not in rotation.servers or server.tenure is not tenure:
                # Meanwhile its name has come to stand for others, and nobody listens to it any
                # more; or it follows another leader, whose indexes are others.
                return True
            change = await self._wait_for_change(server, index, place.lend())
            index = await self._take(server, change)
            self._failures = 0
        return False

    def _is_filled(self, entry: Entry, server: Server) -> bool:
        """
        Whether what is kept came from *server*, under the leader that it has now.

        After a failure nobody knows what was missed: its way may swallow blocking queries alone.
        """
        line, tenure = self._line, server.tenure
        return (
            not self._failures
            and not line.is_superseded
            and tenure is not None
            and entry.server == server.name
            and line.proved_at >= tenure.began_at
        )

    async def _fill(self, server: Server) -> int:
        """
        Ask without waiting; give the index to go on from, or 0 if there is none.

        If another server's answer was published meanwhile, once more: whose is newer nobody can
        tell then, but of the second one it is known that it was asked for later.
        """
        tools, line = self._tools, self._line
        for _ in range(2):
            ticket = tools.flights.ticket(line)
            asking = Round(self._rotation, server, tools.fetcher.question(line), 0)
            entry = await tools.fetcher.entry_of(line, await asking.answer())
            if not self._was_overtaken_at(server, ticket):
                break
        return await self._settle(server, entry, ticket)

    async def _wait_for_change(self, server: Server, index: int, lease: Lease) -> _Change:
        line, now = self._line, self._rotation.now
        ticket = self._tools.flights.ticket(line)
        question = self._tools.fetcher.question(line, index=index)
        pending = line.round = Round(self._rotation, server, question, index, lease)
        try:
            answer = await pending.answer()
        finally:
            line.round = None
            if ticket.generation == line.generation and not line.is_superseded:
                # What the round has proven stays proven.
                line.proved_at = max(line.proved_at, pending.heard_at)
        return _Change(answer, ticket, index, now())

    async def _take(self, server: Server, change: _Change) -> int:
        """Make use of a round's answer; give the index to go on from, or 0 if there is none."""
        tools, line = self._tools, self._line
        entry = await tools.fetcher.entry_of(line, change.answer)
        if entry.status in _ANSWERS:
            overtaken = change.ticket.generation != line.generation or line.writes > 0
            if overtaken:
                # Good for those who wait, but it is not kept.
                await tools.flights.settle(line, entry, change.ticket)
            doubtful = is_doubtful(line.key.endpoint, entry, line.entry)
            doubtful |= self._was_overtaken_at(server, change.ticket)
            if overtaken or doubtful or entry.index < change.index:
                _count("asked again")
                return await self._fill(server)
        # Still the ticket of its beginning: what a flight brought meanwhile may be newer.
        ticket = replace(change.ticket, true_at=change.came_at)
        return await self._settle(server, entry, ticket)

    def _was_overtaken_at(self, server: Server, ticket: Ticket) -> bool:
        """Whether another server's answer has been published since *ticket*."""
        line = self._line
        entry = line.entry
        return ticket.version != line.version and entry is not None and entry.server != server.name

    async def _settle(self, server: Server, entry: Entry, ticket: Ticket) -> int:
        line = self._line
        if line.entry is not None and line.entry.server != server.name:
            # Only from its own server's answer can a watch go on: indexes are comparable only
            # within one, and of two that differ a fetch begun later has the last word.
            ticket = replace(ticket, version=line.version)
        entry, is_kept = await self._tools.flights.settle(line, entry, ticket)
        if is_kept:
            _count("answered")
            if entry.server != server.name:
                # Its answer was doubted, and another server asked: not to be asked again at once.
                raise ServerFailed(server.name, "was asked about by another's answer", sent=True)
            return entry.index
        _count("refused")
        if entry.status == 403:
            return 0
        raise ServerFailed(server.name, f"answered {entry.status}", sent=True)

    async def _pause(self) -> None:
        """Wait for longer after each failure, or for news that promise something."""
        self._failures += 1
        seconds = backoff(
            self._failures,
            first=FIRST_PAUSE,
            most=LONGEST_PAUSE,
            jitter=random.random(),  # noqa: S311 - spreads load, guards nothing
        )
        await asyncio.wait((self._rotation.servers.news(),), timeout=seconds)


def _count(outcome: str) -> None:
    metrics.WATCH_ROUNDS.labels(outcome).inc()
