"""
What can be flushed and looked at: the proxy's cache, the documents that the edge follows, and
those that it renders.

Rule 1: a flush of what is followed loads it anew; what was good stays until something better is
there, for nobody is helped by having nothing.
Rule 2: looking changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from consul_edge.cache.cache import Cache
from consul_edge.cache.inventory import Selection, take_stock
from consul_edge.config import Settings
from consul_edge.enrich.archive import Archive
from consul_edge.enrich.kv_document import KvDocument
from consul_edge.enrich.rule_source import TTL as RULES_TTL
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.source_status import SourceStatus
from consul_edge.enrich.views import Views
from consul_edge.web.admin_text import document_lines, source_lines, stock_lines

_RAW: Final = "?raw"


@dataclass(frozen=True, slots=True)
class Look:
    """What is there."""

    fields: Mapping[str, Any]
    """For programs."""

    lines: Callable[[], list[str]]
    """Writes it for people."""


class AdminCache(Protocol):
    """Something that can be flushed and looked at."""

    async def flush(self, selection: Selection) -> int:
        """Forget, or load anew, what is meant; tell how much that was."""

    def look(self, selection: Selection) -> Look:
        """Say what is there, and list what is meant."""


class ProxyCache:
    """The answers that the proxy keeps."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        """Serve *cache*."""
        self._cache = cache
        self._settings = settings

    async def flush(self, selection: Selection) -> int:
        """Forget what is kept under the keys that are meant."""
        return self._cache.flush(selection.pick(self._cache.lines), "admin")

    def look(self, selection: Selection) -> Look:
        """Say what is kept, and list the keys that are meant."""
        stock = take_stock(self._cache, self._settings, selection)
        told = {field.name: getattr(stock, field.name) for field in fields(stock)}
        return Look(told, lambda: stock_lines(stock))


class SourceCache:
    """A document that the edge follows, and what was made of it."""

    def __init__(self, name: str, source: "_Source", ttl: float) -> None:
        """
        Serve *source*.

        Args:
            ttl: Seconds after which it is loaded again, should no watch prove it.
        """
        self._name = name
        self._source = source
        self._ttl = ttl

    async def flush(self, selection: Selection) -> int:
        """Load the document anew, if it is meant."""
        status = self._source.status
        if not self._is_meant(selection):
            return 0
        await self._source.refresh()
        return int(status.is_read)

    def look(self, selection: Selection) -> Look:
        """Say where it is from, how young it is, and what is wrong with it."""
        status = self._source.status
        told = {
            # As the original called them.
            f"{self._name}_cache_key": self._source.document.target,
            f"{self._name}_ttl_seconds": self._ttl,
            "entries": int(status.is_read),
            "matched": int(status.is_read and self._is_meant(selection)),
            **msgspec.structs.asdict(status),
        }
        return Look(told, lambda: source_lines(self._source.document.target, self._ttl, status))

    def _is_meant(self, selection: Selection) -> bool:
        target = self._source.document.target
        return selection.takes(target) or selection.takes(target.removesuffix(_RAW))


class DocumentCache:
    """What the enriched API shows of the cluster, for every identity that looks."""

    def __init__(
        self,
        name: str,
        archive: Archive,
        views: Views,
        ttl: float | None,
        beside: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """
        Serve the documents called *name*.

        Args:
            ttl: Seconds that one as a whole is kept at most; None: while it is true.

            beside: What else is told of them.
        """
        self._name = name
        self._archive = archive
        self._views = views
        self._ttl = ttl
        self._beside = beside

    async def flush(self, selection: Selection) -> int:
        """Forget what was rendered, and have the cluster asked anew before it is shown again."""
        if not selection.takes(self._target):
            return 0
        self._views.ask_again()
        return self._archive.flush(self._name)

    def look(self, selection: Selection) -> Look:
        """Say what is kept, how young it is, and how often it was there."""
        stock = self._archive.stock(self._name)
        told = {
            # As the original called them.
            f"{self._name}_cache_key": self._target,
            f"{self._name}_ttl_seconds": self._ttl,
            **self._beside,
            "entries": stock.entries,
            "matched": stock.entries if selection.takes(self._target) else 0,
            "bytes": stock.size_bytes,
            "hits": stock.hits,
            "misses": stock.misses,
            "newest_age_seconds": min(stock.ages, default=None),
            "oldest_age_seconds": max(stock.ages, default=None),
            "identities": len(self._views),
        }
        return Look(told, lambda: document_lines(told))

    @property
    def _target(self) -> str:
        return f"/api/v1/{self._name}"


class _Source(Protocol):
    """What sites and rules have in common."""

    document: KvDocument

    @property
    def status(self) -> SourceStatus: ...

    async def refresh(self) -> None: ...


def caches(
    cache: Cache,
    settings: Settings,
    sites: SiteSource,
    rules: RuleSource,
    archive: Archive,
    views: Views,
) -> dict[str, AdminCache]:
    """List what there is, by the names of admin calls, in the order of an ``all``."""
    # Whoever asked the original about nodes was told this of their sites, too.
    also = {
        "sites_cache_key": sites.document.target,
        "sites_ttl_seconds": settings.sites.ttl,
    }
    return {
        "proxy": ProxyCache(cache, settings),
        "nodes": DocumentCache("nodes", archive, views, settings.nodes.ttl, also),
        "services": DocumentCache("services", archive, views, None),
        "sites": SourceCache("sites", sites, settings.sites.ttl),
        "rules": SourceCache("rules", rules, RULES_TTL),
    }
