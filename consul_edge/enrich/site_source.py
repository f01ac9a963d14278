"""
The sites as they are now: those of the document in KV, or none.

Rule 1: the last good document holds until another one is good, or the key is gone.
Rule 2: equal sites are the same object, so that what was made of them stays good.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from consul_edge import metrics
from consul_edge.cache.cache import Cache
from consul_edge.cache.fetching import LARGE_BYTES
from consul_edge.config import Settings
from consul_edge.enrich.ended import Ended
from consul_edge.enrich.kv_document import KvDocument
from consul_edge.enrich.sites import NoSites, Sites, parse_sites
from consul_edge.enrich.source_status import Listeners, Source, SourceStatus, log_problems

log = structlog.get_logger()


class SiteSource:
    """Knows which sites there are."""

    def __init__(self, settings: Settings, cache: Cache, token: Callable[[], str]) -> None:
        """
        Prepare, inside a running loop.

        Args:
            token: Gives the edge's own token as it is now.
        """
        self.value = Sites()
        """The last good ones."""

        self._cache = cache
        self._token = token
        self.document = self._of(settings)
        self._ended = Ended()
        self._changes = Listeners()
        self.on_change = self._changes.add
        self._content: bytes | None = None
        self._bad: str | None = None
        """Why the newest document is none."""
        self._is_known = False
        """Whether there is a good document, or it is known that there is none."""
        metrics.DOCUMENT_GOOD.labels("sites").set_function(lambda: self._error is None)
        self._loaded_at: datetime | None = None

    @property
    def _error(self) -> str | None:
        return self.document.error or self._bad

    @property
    def status(self) -> SourceStatus:
        """How it stands now."""
        document = self.document
        is_read = self._loaded_at is not None
        return SourceStatus(
            source=Source.KV if is_read else Source.NONE,
            where=document.key if is_read else None,
            loaded_at=self._loaded_at,
            age_seconds=document.age,
            is_live=document.is_live,
            error=self._error,
            problems=_problems(self.value),
            count=len(self.value.sites),
        )

    async def start(self) -> None:
        """Be ready: the first who reads begins to follow the document, and waits for it."""

    def adopt(self, settings: Settings) -> None:
        """Follow what other settings name; what is known stays until that is read."""
        self.document.bound(ttl=settings.sites.ttl, timeout=settings.consul.timeout)
        if self.document.key != settings.sites.kv_key:
            before, self.document = self.document, self._of(settings)
            self._content = self._bad = None
            before.hand_over(self.document, self._ended)

    async def close(self) -> None:
        """Follow it no longer; what is known stays."""
        await self.document.close()
        await self._ended.wait()

    async def refresh(self) -> None:
        """Load the document now, and wait until that is over, however it ended."""
        await self.document.refresh()

    async def read(self) -> Sites:
        """Give the sites, the first time after waiting for them: never for long."""
        metrics.SITES_CACHE_STATUS.labels("hit" if self._is_known else "miss").inc()
        if not self._is_known:
            await self.document.tried()
        return self.value

    def _of(self, settings: Settings) -> KvDocument:
        return KvDocument(
            settings.sites.kv_key,
            self._cache,
            self._token,
            ttl=settings.sites.ttl,
            timeout=settings.consul.timeout,
            what="sites",
            take=self._take,
            fail=self._fail,
        )

    def _fail(self, _reason: str) -> None:
        metrics.SITES_CACHE_STATUS.labels("error").inc()

    async def _take(self, content: bytes | None) -> None:
        if content is None:
            self._adopt(Sites(), None)
        elif content != self._content:
            try:
                sites = await _parsed(content)
            except NoSites as problem:
                self._refuse(content, str(problem))
            else:
                self._adopt(sites, content)
        if content is not None:
            metrics.SITES_CACHE_STATUS.labels("error" if self._bad else "refresh").inc()

    def _refuse(self, content: bytes, reason: str) -> None:
        if reason != self._bad:
            log.warning("document is refused", what="sites", key=self.document.key, reason=reason)
        self._content, self._bad = content, reason

    def _adopt(self, sites: Sites, content: bytes | None) -> None:
        self._content, self._bad, self._is_known = content, None, True
        self._loaded_at = datetime.now(UTC) if content is not None else None
        if sites != self.value:
            self.value = sites
            log_problems("sites", self.document.key, _problems(sites))
            log.info("sites changed", key=self.document.key, sites=len(sites.sites))
            self._changes.tell()


async def _parsed(content: bytes) -> Sites:
    if len(content) < LARGE_BYTES:
        return parse_sites(content)
    return await asyncio.to_thread(parse_sites, content)


def _problems(sites: Sites) -> list[str]:
    told = [str(problem) for problem in sites.problems]
    if sites.problems_left_out:
        told.append(f"{sites.problems_left_out} more")
    return told
