"""
The rules as they are now: of the KV key if it exists, else of the file, else of the package.

Rule 1: the last good document of a place holds until another one there is good, or the place has
none; one that was never good leaves in force what is.
Rule 2: equal rules are the same object, and so is what decides by them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from consul_edge import metrics
from consul_edge.cache.cache import Cache
from consul_edge.config import Settings
from consul_edge.core.errors import EdgeError
from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.document import MAX_BYTES
from consul_edge.enrich.ended import Ended
from consul_edge.enrich.followed_file import FollowedFile
from consul_edge.enrich.kv_document import KvDocument
from consul_edge.enrich.packaged import packaged_rules
from consul_edge.enrich.rules import NoRules, Rules, parse_rules
from consul_edge.enrich.source_status import Listeners, Source, SourceStatus, log_problems

log = structlog.get_logger()

LARGE_BYTES: Final = 16 * 1024
"""Documents beyond are read outside the event loop: patterns take longer than JSON."""

TTL: Final = 300.0
"""Seconds after which the key is read again, should no watch tell its edits."""


@dataclass(frozen=True, slots=True)
class _Good:
    """Rules that work, and what decides by them."""

    rules: Rules
    categorizer: Categorizer
    loaded_at: datetime


class _Place:
    """What one place holds."""

    def __init__(self, source: Source, where: str) -> None:
        self.source = source
        self.where = where
        self.good: _Good | None = None
        """The last good document, unless there is none any more."""
        self.bad: str | None = None
        """Why the newest one is none."""
        self.content: bytes | None = None
        """The newest one."""

    async def take(self, content: bytes | None) -> None:
        """Read what the place holds now; None: nothing."""
        if content is not None and content == self.content:
            return
        if content is None:
            self.good, self.bad = None, None
        else:
            try:
                is_large = len(content) > LARGE_BYTES
                good = await asyncio.to_thread(_made, content) if is_large else _made(content)
            except NoRules as problem:
                self.bad = str(problem)
                log.warning("document is refused", what="rules", where=self.where, reason=self.bad)
            else:
                self.good, self.bad = good, None
        # Last: what was broken off on the way here is taken again.
        self.content = content


class RuleSource:
    """Knows which rules are in force."""

    def __init__(self, settings: Settings, cache: Cache, token: Callable[[], str]) -> None:
        """
        Prepare, inside a running loop, with the rules of the package.

        Args:
            token: Gives the edge's own token as it is now.
        """
        rules = packaged_rules()
        self._packaged = _Good(rules, Categorizer(rules), datetime.now(UTC))
        self._kv = _Place(Source.KV, settings.rules.kv_key)
        self._file = _Place(Source.FILE, str(settings.rules.file))
        self._in_force = self._packaged
        self._from: _Place | None = None
        self._timeout = settings.consul.timeout
        self._changes = Listeners()
        self.on_change = self._changes.add
        self._cache = cache
        self._token = token
        self.document = self._of(settings)
        self._followed = self._file_of(settings, self._file)
        self._ended = Ended()
        metrics.DOCUMENT_GOOD.labels("rules").set_function(lambda: self._error is None)

    @property
    def value(self) -> Rules:
        """The rules in force."""
        return self._in_force.rules

    @property
    def categorizer(self) -> Categorizer:
        """What decides by them."""
        return self._in_force.categorizer

    @property
    def _error(self) -> str | None:
        errors = [
            (self._kv, self.document.error),
            (self._kv, self._kv.bad),
            (self._file, self._file.bad),
        ]
        if self._followed is not None:
            errors.append((self._file, self._followed.error))
        return "; ".join(f"{at.where}: {why}" for at, why in errors if why) or None

    @property
    def status(self) -> SourceStatus:
        """How they stand now."""
        document, followed, place = self.document, self._followed, self._from
        is_of_file = followed is not None and place is self._file
        return SourceStatus(
            source=place.source if place is not None else Source.DEFAULTS,
            where=place.where if place is not None else None,
            loaded_at=self._in_force.loaded_at,
            age_seconds=followed.age if followed is not None and is_of_file else document.age,
            is_live=document.is_live and (followed is None or followed.error is None),
            error=self._error,
            problems=[str(problem) for problem in self.value.problems],
            count=len(self.value.rules),
        )

    async def start(self) -> None:
        """Follow the file; the first who reads begins to follow the document."""
        if self._followed is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._followed.look()
            self._followed.start()

    async def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Read the file that other settings name.

        Returns:
            What goes by it, and by the key that they name, from then on.  Until that key is read,
            what its predecessor held stays.

        Raises:
            EdgeError: When the file cannot be read, or has no rules.
        """
        place = _Place(Source.FILE, str(settings.rules.file))
        followed = self._file_of(settings, place)
        if followed is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    await followed.look()
            except TimeoutError:
                followed.error = f"not read within {self._timeout:g} s"
            if followed.error or place.bad:
                raise EdgeError(f"rules.file: {place.where}: {followed.error or place.bad}")

        def adopt() -> None:
            self._timeout = settings.consul.timeout
            self.document.bound(ttl=TTL, timeout=self._timeout)
            if self.document.key != settings.rules.kv_key:
                good, self._kv = self._kv.good, _Place(Source.KV, settings.rules.kv_key)
                self._kv.good = good
                before, self.document = self.document, self._of(settings)
                before.hand_over(self.document, self._ended)
            if self._followed is not None:
                self._ended.take(self._followed.close())
            self._file, self._followed = place, followed
            if followed is not None:
                followed.start()
            self._choose()

        return adopt

    async def close(self) -> None:
        """Follow them no longer; what is in force stays."""
        await self.document.close()
        if self._followed is not None:
            await self._followed.close()
        await self._ended.wait()

    async def refresh(self) -> None:
        """Load both now, and wait until that is over, however it ended."""
        if self._followed is not None:
            await self._followed.look(anew=True)
        await self.document.refresh()

    async def read(self) -> Rules:
        """Give the rules, the first time after waiting for those of the key: never for long."""
        await self.document.tried()
        return self.value

    def _of(self, settings: Settings) -> KvDocument:
        return KvDocument(
            settings.rules.kv_key,
            self._cache,
            self._token,
            ttl=TTL,
            timeout=settings.consul.timeout,
            what="rules",
            take=partial(self._take, self._kv),
            fail=lambda _: None,
        )

    def _file_of(self, settings: Settings, place: _Place) -> FollowedFile | None:
        file, take = settings.rules.file, partial(self._take, place)
        return FollowedFile(file, take, max_bytes=MAX_BYTES) if file is not None else None

    async def _take(self, place: _Place, content: bytes | None) -> None:
        await place.take(content)
        if place in (self._kv, self._file):
            self._choose()

    def _choose(self) -> None:
        """Put in force what goes before everything else that is good."""
        place = next((place for place in (self._kv, self._file) if place.good is not None), None)
        good = place.good if place is not None and place.good is not None else self._packaged
        if good is self._in_force and place is self._from:
            return
        before, self._from = self._in_force, place
        if good.rules == before.rules:
            # The same objects: what was made of them stays good.
            self._in_force = _Good(before.rules, before.categorizer, good.loaded_at)
            if place is not None:
                place.good = self._in_force
            return
        self._in_force = good
        source = place.source if place is not None else Source.DEFAULTS
        where = place.where if place is not None else ""
        log_problems("rules", where, [str(problem) for problem in good.rules.problems])
        log.info("rules changed", source=source.value, where=where, rules=len(good.rules.rules))
        self._changes.tell()


def _made(content: bytes) -> _Good:
    rules = parse_rules(content)
    return _Good(rules, Categorizer(rules), datetime.now(UTC))
