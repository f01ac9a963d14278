"""
Asks ``core.policy`` what to do with a request, and does it.

Rule 1: nothing is decided here but who waits for whom.
Rule 2: whatever goes wrong upstream, a read ends in one of three ways: an answer of Consul's, a
kept one that says how old it is, or an error that says what each server did.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from consul_edge.cache.fetching import Fetcher, TooLarge, Unanswered
from consul_edge.cache.flights import Flights
from consul_edge.cache.holding import Deliver, Holding
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.plan import Question
from consul_edge.cache.reads import Reads
from consul_edge.cache.served import Passed, Served, served
from consul_edge.core.ask import Ask, Mode
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError, LimitReached, NoServer, ServerFailed
from consul_edge.core.failover import Verdict
from consul_edge.core.policy import (
    Bypass,
    Hold,
    PassOn,
    Rule,
    Serve,
    conclude,
    decide,
    stand_in,
)
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.servers import Servers

LAST_WORD: Final = 1.0
"""Seconds for a last fetch when the edge shuts down."""

SOON_AGAIN: Final = 1.0
"""Seconds that a client is held which insists on an index above Consul's: it was told once."""

TOLD: Final = 60.0
"""Seconds within which it is not told again at once."""

_TOLD_MOST: Final = 1000

Forward = Callable[[], Awaitable[Answer]]
"""Sends the client's own request."""

OUTAGES: Final = (NoServer, LimitReached, ServerFailed, Unanswered)
"""What leaves a read without an answer, though another time it would have one."""


class Unkept(Exception):
    """Raised when a client cannot be held, for Consul's answer is none to keep."""


class Gateway:
    """Answers reads from what is kept, or has it fetched."""

    def __init__(
        self,
        servers: Servers,
        lines: Lines,
        fetcher: Fetcher,
        flights: Flights,
        holding: Holding,
        reads: Reads,
    ) -> None:
        """Put the parts together."""
        self._servers = servers
        self._lines = lines
        self._fetcher = fetcher
        self._flights = flights
        self._holding = holding
        self._reads = reads
        self._now = fetcher.now

    async def read(
        self,
        question: Question,
        rule: Rule,
        token: str,
        forward: Forward,
        deliver: Deliver | None,
        until: float | None,
    ) -> Served | Passed:
        """
        Answer a read that has a key.

        Args:
            token: That which the key's identity stands for.

            deliver: Given what a held client was waiting for, before its task runs.

            until: When its wait is over; None: it has just begun.

        Raises:
            EdgeError: When no server answers, and nothing that is kept may.
        """
        key, ask = question.key, question.ask
        line = self._lines.find(key, token)
        now = self._now()
        kept = line.kept(now) if line is not None else None
        decision = decide(ask, rule, kept)
        if isinstance(decision, Serve) and line is not None and kept is not None:
            self._reads.note(line, now)
            return served(kept, decision.result)
        if isinstance(decision, Bypass) or self._fetcher.was_too_large(key):
            reason = decision.reason if isinstance(decision, Bypass) else "size"
            return await self._pass(forward, reason, ask, line)
        if ask.index and ask.mode is Mode.STALE and not self._servers.well():
            # Without a leader nothing can be fetched to be kept, but any server may answer this.
            return await self._pass(forward, "stale", ask, line)
        line = self._lines.obtain(key, rule, token)
        line.guests += 1
        try:
            if ask.index:
                until = self._holding.until(ask.wait) if until is None else until
                return await self._block(line, ask, until, deliver)
            return await self._fetch(line, ask)
        except (TooLarge, Unkept) as error:
            reason = "size" if isinstance(error, TooLarge) else "unproven"
            return await self._pass(forward, reason, ask, None)
        finally:
            line.guests -= 1
            self._lines.tidy(line)

    async def _pass(
        self, forward: Forward, reason: str, ask: Ask, line: Line | None
    ) -> Served | Passed:
        """Ask Consul with the client's own words; what is kept stands in if nobody answers."""
        if line is None:
            return Passed(await forward(), reason)
        if self._servers.are_out:
            stale = self._stand_in(line, ask)
            if stale is not None:
                return stale
        try:
            answer = await forward()
        except OUTAGES:
            stale = self._stand_in(line, ask)
            if stale is None:
                raise
            return stale
        if answer.verdict is not Verdict.FINAL:
            return self._stand_in(line, ask) or Passed(answer, reason)
        return Passed(answer, reason)

    async def _fetch(self, line: Line, ask: Ask) -> Served:
        if self._servers.are_useless(self._now()):
            # Their heartbeats will tell: no client need wait for what others have waited for.
            stale = self._stand_in(line, ask)
            if stale is not None:
                return stale
        try:
            entry, is_joined = await self._flights.fetch(line)
        except OUTAGES as error:
            return self._answer_in_outage(line, ask, error)
        self._reads.note(line, self._now())
        return Served(entry, "collapsed" if is_joined else "miss")

    async def _block(self, line: Line, ask: Ask, until: float, deliver: Deliver | None) -> Served:
        """Hold a blocking query until there is something else than its client has."""
        if self._was_told(line, ask.index) and not self._holding.is_over(until):
            soon = min(until, self._now() + SOON_AGAIN)
            news = await self._holding.park(line, ask.index, soon, deliver)
            if news is not None:
                return news
        while True:
            kept = line.kept(self._now())
            decision = decide(ask, line.rule, kept)
            is_over = self._holding.is_over(until)
            if kept is not None and isinstance(decision, Serve):
                return served(kept, decision.result)
            if kept is not None and isinstance(decision, Hold) and is_over and kept.is_live:
                return served(kept, "held")
            if is_over or not isinstance(decision, Hold):
                found = await self._catch_up(line, ask, until)
                if found is not None:
                    return found
            news = await self._holding.park(line, ask.index, until, deliver)
            if news is not None:
                return news

    async def _catch_up(self, line: Line, ask: Ask, until: float) -> Served | None:
        """Fetch for a blocking query; None: its client has the best that there is already."""
        try:
            entry, is_joined = await self._fetch_newer(line, ask.index)
        except OUTAGES as error:
            kept = line.kept(self._now())
            is_news = kept is None or (
                ask.index < kept.entry.index and not kept.entry.covers(ask.index)
            )
            if is_news or self._holding.is_over(until):
                return self._answer_in_outage(line, ask, error)
            return None
        if entry.status in (200, 404) and not self._holding.is_over(until):
            is_unkept = line.entry is None and conclude(line.rule, entry, None) == PassOn()
            if entry.index <= ask.index and is_unkept:
                # Nothing is kept of such answers, so no watch would tell of the next one.
                raise Unkept
            if entry.covers(ask.index):
                return None
            if entry.index < ask.index:
                self._note_told(line, ask.index)
        return Served(entry, "collapsed" if is_joined else "miss")

    async def _fetch_newer(self, line: Line, index: int) -> tuple[Entry, bool]:
        """Fetch; if that began before the client came and lacks what it has, fetch again."""
        timeout = LAST_WORD if self._holding.is_draining else None
        try:
            async with asyncio.timeout(timeout):
                entry, is_joined = await self._flights.fetch(line)
                if is_joined and entry.index < index:
                    entry, is_joined = await self._flights.fetch(line)
                return entry, is_joined
        except TimeoutError:
            raise NoServer({"every server": "was silent while the edge shut down"}) from None

    def _was_told(self, line: Line, index: int) -> bool:
        """Tell whether a client with *index* has just been told that Consul's is lower."""
        return self._now() - line.told.get(index, float("-inf")) < TOLD

    def _note_told(self, line: Line, index: int) -> None:
        if len(line.told) >= _TOLD_MOST:
            line.told.clear()
        line.told[index] = self._now()

    def _answer_in_outage(self, line: Line, ask: Ask, error: EdgeError) -> Served:
        stale = self._stand_in(line, ask)
        self._lines.tidy(line)
        if stale is not None:
            return stale
        if isinstance(error, Unanswered):
            return Served(error.entry, "miss")
        raise error

    def _stand_in(self, line: Line, ask: Ask) -> Served | None:
        kept = line.kept(self._now())
        if kept is None or not stand_in(ask, line.rule, kept):
            return None
        line.read_at = self._now()
        return Served(kept.entry, "stale", kept.age, is_live=False)
