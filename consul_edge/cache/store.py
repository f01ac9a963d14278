"""
Kept answers in memory, bounded by entries and by bytes; the least recently used goes first.

Rule 1: only this file knows aiocache.  Its asynchronous interface is what Redis can join behind;
the proxy's own path (``peek``, ``keep``, ``drop``) is synchronous, for a dict needs no waiting.
Rule 2: whatever comes in comes in by ``_put``, and whatever goes goes by ``drop``: the sums are
exact at any time, and no timer outlives its entry.
Rule 3: what is needed is never evicted.  Found so when its turn comes, it leaves the queue and
stands aside, where eviction passes it by; a few of those are looked at again with each eviction.
Rule 4: no clock and no freshness here.  A TTL is garbage collection, nothing else.
Rule 5: what aiocache would silently get wrong is right here or refused: ``ttl=0`` (for ever),
``None`` (a miss), bare ``clear()`` (old timers delete new entries), namespaces (mere prefixes),
``AIOCACHE_DISABLE`` (no cache), values without a size.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

from aiocache import SimpleMemoryCache

LOOKS: Final = 4
"""How many of those that stand aside are asked again, per eviction, whether they are needed."""


class Sized(Protocol):
    """What can be kept."""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory; read once, when it is kept."""


T = TypeVar("T", bound=Sized)


def _always(command: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Take off aiocache's outermost layer, which skips *command* if AIOCACHE_DISABLE says so."""
    return command.__wrapped__  # type: ignore[no-any-return] # aiocache has no types


class MemoryStore(SimpleMemoryCache, Generic[T]):  # type: ignore[misc] # aiocache has no types
    """Values of known size by name, kept as the objects they are: never encoded or copied."""

    def __init__(
        self,
        *,
        max_entries: int,
        max_bytes: int,
        is_needed: Callable[[str], bool] = lambda _: False,
        evicted: Callable[[str, str], None] = lambda _name, _reason: None,
    ) -> None:
        """
        Begin empty.

        Args:
            max_entries: How many may be kept; 0: none but those that are needed.

            max_bytes: What they may take together.

            is_needed: Asked before an eviction; those it says yes for stay, beyond the bounds
                if they must.

            evicted: Called after an eviction with the name and the bound that was met,
                ``entries`` or ``bytes``; not when something was dropped, replaced or expired.
        """
        # Its default of 5 s runs each command in a task with a timer: for a dict, at five times
        # the price.
        super().__init__(timeout=None)
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.size_bytes = 0
        """What all that is kept takes together."""
        self._is_needed = is_needed
        self._evicted = evicted
        # Each name is in exactly one of these, with the size that was counted for it.
        self._queue: OrderedDict[str, int] = OrderedDict()
        self._aside: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cache)

    def __contains__(self, name: object) -> bool:
        return name in self._cache

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names as they are now: the next to go first, the needed last."""
        return iter((*self._queue, *self._aside))

    def peek(self, name: str, *, touch: bool = True) -> T | None:
        """Give what is kept under *name*, which if touched is the last to go; None: a miss."""
        value: T | None = self._cache.get(name)
        if touch and value is not None and name in self._queue:
            self._queue.move_to_end(name)
        return value

    def keep(self, name: str, value: T) -> bool:
        """
        Keep *value*, without a TTL, in place of what was kept under *name*.

        Returns:
            Whether it is kept.  Not if it alone is larger than ``max_bytes``, nor if the bounds
            are taken up by what is needed; the older value is gone in any case.

        Raises:
            TypeError: When it is None or has no size.
        """
        return self._put(name, value, None)

    def drop(self, name: str) -> bool:
        """Forget *name*, needed or not, and tell whether it was there."""
        room = self._queue if name in self._queue else self._aside
        size = room.pop(name, None)
        if size is None:
            return False
        del self._cache[name]
        self.size_bytes -= size
        self._disarm(name)
        return True

    def drop_where(self, predicate: Callable[[str], bool]) -> int:
        """Forget every name that *predicate* says yes for, and tell how many those were."""
        return sum(self.drop(name) for name in self if predicate(name))

    def _put(self, name: str, value: T, ttl: float | None) -> bool:
        size = _size_of(value)
        self.drop(name)
        if size > self.max_bytes:
            return False
        self._cache[name] = value
        self._queue[name] = size
        self.size_bytes += size
        if ttl is not None:
            self._arm(name, ttl)
        self.make_room(name)
        return name in self._cache

    def make_room(self, newest: str = "") -> None:
        """Evict until the bounds hold, or nothing is left but what is needed."""
        while True:
            if len(self._cache) > self.max_entries:
                reason = "entries"
            elif self.size_bytes > self.max_bytes:
                reason = "bytes"
            else:
                return
            name = self._next_to_go(newest)
            if name is None:
                return
            self.drop(name)
            self._evicted(name, reason)

    def _next_to_go(self, newest: str) -> str | None:
        """
        Find what was used longest ago and is not needed.

        Nobody says when a name ceases to be needed, and looking at all that stand aside would
        make each eviction as dear as they are many: so a few are looked at, in turn.
        """
        for _ in range(min(LOOKS, len(self._aside))):
            name = next(iter(self._aside))
            # Needed until lately, it queues up behind all but the newest.
            room = self._aside if self._is_needed(name) else self._queue
            room[name] = self._aside.pop(name)
        if newest in self._queue:
            self._queue.move_to_end(newest)
        while self._queue:
            name = next(iter(self._queue))
            if not self._is_needed(name):
                return name
            self._aside[name] = self._queue.pop(name)
        return None

    def _arm(self, name: str, ttl: float) -> None:
        loop = asyncio.get_running_loop()
        self._handlers[name] = loop.call_later(ttl, self._expired, name, ttl)

    def _disarm(self, name: str) -> None:
        timer = self._handlers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _expired(self, name: str, ttl: float) -> None:
        if self._is_needed(name):
            self._arm(name, ttl)
        else:
            self.drop(name)

    # The asynchronous interface: aiocache's commands, and below them what they do.

    get = _always(SimpleMemoryCache.get)
    multi_get = _always(SimpleMemoryCache.multi_get)
    exists = _always(SimpleMemoryCache.exists)
    set = _always(SimpleMemoryCache.set)
    multi_set = _always(SimpleMemoryCache.multi_set)
    add = _always(SimpleMemoryCache.add)
    expire = _always(SimpleMemoryCache.expire)
    delete = _always(SimpleMemoryCache.delete)
    clear = _always(SimpleMemoryCache.clear)
    increment = _always(SimpleMemoryCache.increment)
    raw = _always(SimpleMemoryCache.raw)

    def _build_key(self, key: str, namespace: str | None = None) -> str:
        return key if namespace is None else _prefix(namespace) + key

    async def _get(self, key: str, **_: object) -> T | None:
        return self.peek(key)

    async def _multi_get(self, keys: list[str], **_: object) -> list[T | None]:
        return [self.peek(key) for key in keys]

    async def _set(
        self,
        key: str,
        value: T,
        ttl: float | None = None,
        _cas_token: T | None = None,
        **_: object,
    ) -> bool:
        _check_ttl(ttl)
        if _cas_token is not None and _cas_token != self._cache.get(key):
            return False
        return self._put(key, value, ttl)

    async def _add(self, key: str, value: T, ttl: float | None = None, **_: object) -> None:
        # aiocache answers True to whoever is not stopped by an error: what is not kept is one.
        if key in self._cache:
            raise ValueError(f"{key!r} is kept already: set() replaces it")
        if not await self._set(key, value, ttl):
            raise ValueError(f"{key!r} was not kept: there is no room for its size")

    async def _multi_set(
        self, pairs: list[tuple[str, T]], ttl: float | None = None, **_: object
    ) -> None:
        _check_ttl(ttl)
        # All or nothing: what is refused is refused before anything is replaced.
        for key, value in pairs:
            if _size_of(value) > self.max_bytes:
                raise ValueError(f"{key!r} is larger than everything together may be")
        for key, value in pairs:
            self._put(key, value, ttl)

    async def _expire(self, key: str, ttl: float | None, **_: object) -> bool:
        _check_ttl(ttl)
        if key not in self._cache:
            return False
        self._disarm(key)
        if ttl is not None:
            self._arm(key, ttl)
        return True

    async def _delete(self, key: str, **_: object) -> int:
        return int(self.drop(key))

    async def _clear(self, namespace: str | None = None, **_: object) -> bool:
        # Bare clear() is not refused: operators flush all, and here the timers go along.
        prefix = "" if namespace is None else _prefix(namespace)
        self.drop_where(lambda name: name.startswith(prefix))
        return True

    async def _close(self, **_: object) -> None:
        await self._clear()

    async def _refuse(self, *_: object, **__: object) -> None:
        raise TypeError("no raw, increment or locks here: only values with a size are kept")

    _raw = _increment = _redlock_release = _refuse


def _size_of(value: Sized | None) -> int:
    if value is None:
        raise TypeError("None cannot be kept: nobody could tell it from a miss")
    size = getattr(value, "size_bytes", None)
    if not isinstance(size, int) or size < 0:
        kind = type(value).__name__
        raise TypeError(f"what is kept needs its size_bytes; that of this {kind} is {size!r}")
    return size


def _check_ttl(ttl: float | None) -> None:
    """Refuse what aiocache takes for "for ever" and Redis for an error."""
    if ttl is not None and not 0 < ttl < math.inf:
        raise ValueError(f"ttl={ttl!r}: expected seconds above 0, or None for no limit")


def _prefix(namespace: str) -> str:
    """
    Make the beginning of each name in a namespace, so that no other begins with it too.

    One with a colon inside is refused: ``a:b`` with ``c`` would be ``a`` with ``b:c``.
    """
    word = namespace.removesuffix(":")
    if not word or ":" in word:
        raise ValueError(f"namespace={namespace!r}: expected a word, with a colon at most behind")
    return word + ":"
