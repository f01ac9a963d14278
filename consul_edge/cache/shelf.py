"""The store of a cache's lines: what is evicted is counted, and its line told."""

from consul_edge import metrics
from consul_edge.cache.line import Store
from consul_edge.cache.lines import Lines
from consul_edge.config.settings import Cache


def store_of(bounds: Cache, lines: Lines) -> Store:
    """Make the store of *lines*."""

    def evicted(name: str, reason: str) -> None:
        metrics.CACHE_EVICTIONS.labels(reason).inc()
        lines.evicted(name)

    return Store(
        max_entries=bounds.max_entries,
        max_bytes=bounds.max_bytes,
        is_needed=lines.is_needed,
        evicted=evicted,
    )
