"""
What is kept whether or not anybody reads it: the targets of ``cache.warm``.

Rule 1: they are asked for with the edge's own token, and so shared only with clients that bring
the same one, or borrow it: without a token of its own, with those who bring none.
Rule 2: nothing here ends: what cannot be kept now is tried again, but never at once.  A watch goes
on by itself while servers are away; only a refusal, or an answer too large to keep, ends it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from consul_edge.cache.fetching import Fetcher, TooLarge
from consul_edge.cache.flights import Flights
from consul_edge.cache.identity import Identities
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.rulebook import Rulebook
from consul_edge.cache.watches import Watches
from consul_edge.core.errors import EdgeError
from consul_edge.core.key import parse_key
from consul_edge.core.request import parse_call, redacted
from consul_edge.upstream.credentials import Credentials

log = structlog.get_logger()

LOOK_INTERVAL: Final = 10.0
"""Seconds between two looks: at the token, at what is not watched, at what cannot be."""

REFRESH_SECONDS: Final = 60.0
"""How old an answer of an endpoint without watches becomes before it is fetched again."""


class Warming:
    """Keeps lines warm."""

    def __init__(
        self,
        targets: Sequence[str],
        lines: Lines,
        identities: Identities,
        rules: Rulebook,
        credentials: Credentials,
        fetcher: Fetcher,
        flights: Flights,
        watches: Watches,
    ) -> None:
        """Ask nothing yet."""
        self._targets = targets
        self._lines = lines
        self._identities = identities
        self._rules = rules
        self._credentials = credentials
        self._fetcher = fetcher
        self._flights = flights
        self._watches = watches
        self._now = fetcher.now
        self._token: str | None = None
        """That the lines below were made with; None: none were."""
        self._warm: list[Line] = []
        self._cold: set[Line] = set()
        """Lines of which it was said that they are not watched."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Have everything fetched and watched, without waiting for it."""
        if self._targets:
            self._follow_token()
            self._task = asyncio.create_task(self._run(), name="warming")

    @property
    def warmth(self) -> tuple[int, int]:
        """How many targets are kept, and how many there are."""
        store = self._lines.store
        return sum(line.name in store for line in self._warm), len(self._targets)

    def adopt(self, targets: Sequence[str]) -> None:
        """Keep others warm from now on."""
        if targets == self._targets:
            return
        self._targets = targets
        self._token = self._credentials.own
        self._renew(self._token)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if targets:
            self._task = asyncio.create_task(self._run(), name="warming")

    async def close(self) -> None:
        """Stop looking; the watches end with all others."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._refresh()
                await asyncio.sleep(LOOK_INTERVAL)
                self._look()
            except Exception:
                # The top of a background loop: a defect must not end the warming.
                log.exception("warm targets cannot be looked at")
                await asyncio.sleep(LOOK_INTERVAL)

    def _look(self) -> None:
        self._follow_token()
        for line in self._warm:
            if not line.rule.is_watchable:
                continue
            if line.is_watched:
                # One that is being tried may be refused again, and was told of already.
                if line.name in self._lines.store:
                    self._cold.discard(line)
                continue
            if line not in self._cold:
                log.warning("warm target is not watched", target=redacted(line.key.target))
                self._cold.add(line)
            if not self._fetcher.was_too_large(line.key):
                self._watches.want(line)

    def _follow_token(self) -> None:
        """Make lines for the edge's token, others than before if that is another."""
        token = self._credentials.own
        if token != self._token:
            self._token = token
            self._renew(token)

    def _renew(self, token: str) -> None:
        before, self._warm = self._warm, [self._line(target, token) for target in self._targets]
        self._cold.clear()
        for line in self._warm:
            line.is_warm = True
        for line in before:
            if line not in self._warm:
                # It belongs to whose clients are left now; its watch ends when they are gone.
                line.is_warm = False
                self._lines.tidy(line)
        for line in self._warm:
            if line.rule.is_watchable:
                self._watches.want(line)

    def _line(self, target: str, token: str) -> Line:
        call = parse_call("GET", target)
        # The settings let nothing pass that is unclear.
        key, _ = parse_key(call, (), self._identities.of(token))
        return self._lines.obtain(key, self._rules.of(call), token)

    async def _refresh(self) -> None:
        """Fetch what cannot be watched, once it is old."""
        due = [line for line in self._warm if not line.rule.is_watchable and self._is_old(line)]
        await asyncio.gather(*(self._fetch(line) for line in due))

    def _is_old(self, line: Line) -> bool:
        kept = line.kept(self._now(), touch=False)
        is_good = kept is not None and not kept.is_superseded and kept.age < REFRESH_SECONDS
        return not is_good and not self._fetcher.was_too_large(line.key)

    async def _fetch(self, line: Line) -> None:
        with suppress(EdgeError, TooLarge):
            await self._flights.fetch(line)
