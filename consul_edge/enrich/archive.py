"""
Rendered documents, kept for as long as they are true, and each rendered once however many ask.

Rule 1: a document is kept by who may see it, what it is and what was asked of it, together with
the index of the rows that it shows: another index is another document, and takes its place.
Rule 2: what is whole (nodes, sites) has a TTL besides, as the backstop; what was picked out is
many things, and is bounded by its bytes alone.
Rule 3: rendering is work for a thread, of which there are few; who leaves takes nothing from
those who wait for the same.
Rule 4: how long a search takes, its client decides: so searches have threads of their own, and
each a ``patience``, which is over too when nobody waits for it any more.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from consul_edge.cache.store import MemoryStore
from consul_edge.enrich.patience import Patience
from consul_edge.enrich.zipping import Zipped, zip_up

MAX_DOCUMENTS: Final = 1_000
MAX_LISTINGS: Final = 1_000
MAX_BYTES: Final = 128 * 2**20
"""Of each of the two: a hundred thousand instances are 60 MB of JSON, and 5 zipped."""

THREADS: Final = 2
"""How many searches are rendered at once; the executor is everybody's."""

WHOLE_THREADS: Final = 1
"""How many others are, besides."""

SEARCH_SECONDS: Final = 5.0
"""That a thread works for one search: a hundred thousand rows by three columns as CSV are 2."""

_OVERHEAD: Final = 500
"""Bytes of a kept document beside its content, about."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for."""

    document: str
    """``nodes``, ``services``, ..."""

    identity: str
    listing: str
    """What is asked of it, in one spelling; empty: all of it."""

    index: int
    """Of the rows that it is made of."""

    is_search: bool = True
    """Whether what is asked decides how long it takes, and not the rows alone."""

    @property
    def name(self) -> str:
        """What it is kept under; a listing may be long."""
        digest = hashlib.blake2b(self.listing.encode("utf-8", "surrogatepass"), digest_size=16)
        return f"{self.document}:{self.identity}:{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Print:
    """One rendering."""

    order: Order
    content: bytes | Zipped
    made_at: float
    """By the loop's clock."""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.content) + len(self.order.listing) + _OVERHEAD


@dataclass(slots=True, eq=False)
class Job:
    """One rendering under way."""

    task: asyncio.Task[Print]
    patience: Patience | None
    """None: it takes what it takes, and serves whoever comes next."""

    waiting: int = 0
    """Who wants it."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What is kept of one document."""

    entries: int
    size_bytes: int
    hits: int
    misses: int
    ages: tuple[float, ...]
    """Seconds since each of them was made, the youngest first."""


Content = TypeVar("Content", bytes, Zipped)


class Archive:
    """Keeps them."""

    def __init__(self, ttls: Mapping[str, float], *, max_bytes: int = MAX_BYTES) -> None:
        """
        Begin empty, inside a running loop.

        Args:
            ttls: Seconds that a document as a whole is kept at most, by its name.
        """
        self._ttls = ttls
        self._documents = MemoryStore[Print](max_entries=MAX_DOCUMENTS, max_bytes=max_bytes)
        self._listings = MemoryStore[Print](max_entries=MAX_LISTINGS, max_bytes=max_bytes)
        self._running: dict[tuple[str, int], Job] = {}
        """Those that may be waited for."""
        self._jobs: set[Job] = set()
        """All, also those that everybody has left."""
        self._for_searches = asyncio.Semaphore(THREADS)
        self._for_others = asyncio.Semaphore(WHOLE_THREADS)
        self._loop = asyncio.get_running_loop()
        self._asked: dict[str, list[int]] = {}
        """By document, how often it was there and how often it was not."""

    def adopt(self, ttls: Mapping[str, float]) -> None:
        """Keep what is made from now on for other times."""
        self._ttls = ttls

    async def plain(self, order: Order, render: Callable[[], bytes]) -> bytes:
        """
        Give a document.

        Args:
            render: Called in a thread if it is not there.
        """
        self._count(order, "plain")
        return await self._give(order, "plain", render, bytes)

    async def zipped(self, order: Order, render: Callable[[], bytes]) -> Zipped:
        """Give a document compressed; it is kept so beside the other."""
        self._count(order, "gzip")
        kept = self._peek(order, "gzip")
        if isinstance(kept, Zipped):
            return kept
        body = await self._give(order, "plain", render, bytes)
        return await self._give(order, "gzip", partial(zip_up, body), Zipped)

    def flush(self, document: str) -> int:
        """Forget all that is kept of a document, and tell how many that was."""
        begin = f"{document}:"
        stores = (self._documents, self._listings)
        return sum(store.drop_where(lambda name: name.startswith(begin)) for store in stores)

    def stock(self, document: str) -> Stock:
        """Say what is kept of a document."""
        now = self._loop.time()
        prints = list(self._kept(document))
        hits, misses = self._asked.get(document, (0, 0))
        return Stock(
            entries=len(prints),
            size_bytes=sum(one.size_bytes for one in prints),
            hits=hits,
            misses=misses,
            ages=tuple(sorted(now - one.made_at for one in prints)),
        )

    async def close(self) -> None:
        """Wait for nothing that is still being rendered."""
        jobs = tuple(self._jobs)
        for job in jobs:
            _end(job)
            job.task.cancel()
        await asyncio.gather(*(job.task for job in jobs), return_exceptions=True)

    def _kept(self, document: str) -> Iterator[Print]:
        for store in (self._documents, self._listings):
            for name in store:
                one = store.peek(name, touch=False)
                if one is not None and one.order.document == document:
                    yield one

    def _peek(self, order: Order, form: str) -> bytes | Zipped | None:
        one = self._store(order).peek(f"{order.name}:{form}")
        # Its index is another once the rows are; and digests are short.
        return one.content if one is not None and one.order == order else None

    async def _give(
        self, order: Order, form: str, make: Callable[[], Content], kind: type[Content]
    ) -> Content:
        content = self._peek(order, form)
        if content is None:
            content = (await self._once(order, form, make)).content
        assert isinstance(content, kind), "kept under its form"  # noqa: S101 - for the type checker
        return content

    async def _once(self, order: Order, form: str, make: Callable[[], bytes | Zipped]) -> Print:
        key = (f"{order.name}:{form}", order.index)
        job = self._running.get(key) or self._begin(key, order, form, make)
        job.waiting += 1
        try:
            return await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if not job.waiting and _end(job):
                self._leave(key, job)

    def _begin(
        self,
        key: tuple[str, int],
        order: Order,
        form: str,
        make: Callable[[], bytes | Zipped],
    ) -> Job:
        patience = Patience(SEARCH_SECONDS) if order.is_search else None
        work = make if patience is None else partial(patience.spend, make)
        job = Job(asyncio.create_task(self._make(order, form, work)), patience)
        self._running[key] = job
        self._jobs.add(job)
        job.task.add_done_callback(partial(self._done, key, job))
        return job

    async def _make(self, order: Order, form: str, make: Callable[[], bytes | Zipped]) -> Print:
        # A task that is given up keeps its place: its thread works up to the next check.
        async with self._for_searches if order.is_search else self._for_others:
            content = await asyncio.to_thread(make)
        one = Print(order, content, self._loop.time())
        ttl = None if order.listing else self._ttls.get(order.document)
        await self._store(order).set(f"{order.name}:{form}", one, ttl=ttl)
        return one

    def _leave(self, key: tuple[str, int], job: Job) -> None:
        """Have nobody else wait for it."""
        if self._running.get(key) is job:
            del self._running[key]

    def _done(self, key: tuple[str, int], job: Job, task: asyncio.Task[Print]) -> None:
        self._jobs.discard(job)
        self._leave(key, job)
        # Told to whoever waited; nobody may be left.
        if not task.cancelled():
            task.exception()

    def _store(self, order: Order) -> MemoryStore[Print]:
        is_whole = not order.listing and order.document in self._ttls
        return self._documents if is_whole else self._listings

    def _count(self, order: Order, form: str) -> None:
        is_miss = self._peek(order, form) is None
        self._asked.setdefault(order.document, [0, 0])[is_miss] += 1


def _end(job: Job) -> bool:
    """Have a job end that has a patience, and tell whether it has one."""
    if job.patience is None:
        return False
    job.patience.end()
    return True
