"""
Bodies that were written before, each good for one version of what it says.

A version is whatever moves when the body may have changed, mostly an index.
"""

from collections.abc import Callable

from consul_edge.demo.answers import Body


class Kept:
    """Written bodies, bounded by bytes: the eldest go first."""

    def __init__(self, limit: int = 256 * 1024 * 1024) -> None:
        """Keep at most *limit* bytes of plain bodies."""
        self._limit = limit
        self.size = 0
        self._kept: dict[tuple[object, ...], tuple[object, Body]] = {}

    def body(self, key: tuple[object, ...], version: object, write: Callable[[], bytes]) -> Body:
        """Give the body of *key*, written again if its *version* is another."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] == version:
            return kept[1]
        if kept is not None:
            self._drop(key)
        body = Body(write())
        self._kept[key] = (version, body)
        self.size += len(body.plain)
        while self.size > self._limit and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        return body

    def _drop(self, key: tuple[object, ...]) -> None:
        self.size -= len(self._kept.pop(key)[1].plain)
