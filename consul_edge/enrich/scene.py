"""
What one identity sees, kept current: a gathering's snapshot, sites and rules made into views.

Rule 1: a change is shown at once; after that, the next one waits as long as showing it took, so
that a busy cluster takes half of the time at most.
Rule 2: whoever waits is woken by a view with another index, and by nothing else.
Rule 3: views are made outside the event loop.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import structlog
from msgspec import Struct

from consul_edge import metrics
from consul_edge.core.backoff import backoff
from consul_edge.core.errors import EdgeError, LimitReached
from consul_edge.enrich.gathering import Gathering
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.snapshot import Snapshot
from consul_edge.enrich.view import View, compose

log = structlog.get_logger()

_last_success = metrics.CACHE_LAST_SUCCESS.labels("nodes")

SHORTEST_REST: Final = 0.02
LONGEST_REST: Final = 1.0
"""Seconds between two views, however long making one takes."""

LONGEST_PAUSE: Final = 30.0
"""Seconds after a view that could not be made before the next is tried."""

LOOK_INTERVAL: Final = 10.0
"""Seconds after which a view is looked at though nothing told a change."""


class Sources(Struct):
    """What all identities share."""

    sites: SiteSource
    rules: RuleSource
    unmapped: str
    """The name of the site of nodes that have none."""

    patience: float
    """Seconds that a call may take."""

    next_index: Callable[[], int]


class Scene:
    """One identity's views."""

    def __init__(self, make: Callable[[Callable[[], None]], Gathering], sources: Sources) -> None:
        """
        Ask nothing yet.

        Args:
            make: Makes the gathering, which calls what it is given when there is news.
        """
        self._news = asyncio.Event()
        self._sources = sources
        self._now = asyncio.get_running_loop().time
        self._view: View | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        """Set, and replaced, whenever the view or the error is another."""
        self._is_draining = False
        self._wanted = self._renewed = 0
        """How often everything was to be asked for anew, and how often it was."""
        self.is_broken = False
        """Whether making the view failed for a reason of the edge's own."""
        self.gathering = make(self._news.set)
        self.error: EdgeError | None = None
        """Why nothing can be shown (any more): it is over."""
        self.waiting: Counter[str] = Counter()
        """How many wait for a view, or for another one, by client."""
        self.read_at = self._now()

    async def view(self, client: str = "") -> View:
        """
        Give what is seen now; the first time that takes asking Consul.

        Args:
            client: Who waits for it, as an address.

        Raises:
            EdgeError: When there is nothing to show.
        """
        self.read_at = self._now()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="scene")
        wanted = self._wanted
        with self._waits(client):
            while (self._view is None or self._renewed < wanted) and not self._is_draining:
                if self.error is not None:
                    raise self.error
                await self._changed.wait()
        if self._view is None:
            raise self.error or LimitReached(503, "drain", "the edge is shutting down")
        return self._view

    def ask_again(self) -> None:
        """Have everything asked for anew; who reads from now on waits for that to be over."""
        if self._task is not None:
            self._wanted += 1
            self.gathering.ask_again()

    async def other_than(self, index: int, until: float, client: str = "") -> View:
        """
        Give a view with another index, or the one that there is by *until*.

        Raises:
            EdgeError: As ``view``.
        """
        view = await self.view(client)
        with self._waits(client), suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while view.index == index and not self._is_draining:
                    await self._changed.wait()
                    view = await self.view()
        self.read_at = self._now()
        return view

    def drain(self) -> None:
        """Have everyone who waits answered with what there is."""
        self._is_draining = True
        self._wake()

    def tell(self) -> None:
        """Look whether there is news: sites or rules may have changed."""
        self._news.set()

    async def close(self) -> None:
        """Follow nothing any more; whoever waits is answered with what there is."""
        self.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.gathering.close()
        if self.error is None:
            self.error = LimitReached(503, "identities", "this view was closed; ask again")

    async def _run(self) -> None:
        failures = 0
        while self.error is None:
            self._news.clear()
            began = self._now()
            try:
                await self._renew()
            except EdgeError as error:
                # What was seen before may not be seen any more, or nothing ever was.
                self._end(error)
                return
            except Exception:
                # The top of a background loop: who waits is told, and what is there grows old.
                log.exception("view cannot be made")
                if self._view is None:
                    self._end(EdgeError("an internal error; the log has it"))
                    return
                failures += 1
                self.is_broken = True
                await asyncio.sleep(backoff(failures, first=LONGEST_REST, most=LONGEST_PAUSE))
            else:
                failures, self.is_broken = 0, False
            took = self._now() - began
            await asyncio.sleep(min(max(took, SHORTEST_REST), LONGEST_REST))
            due_at = min(self.gathering.due_at, self._now() + LOOK_INTERVAL)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_at):
                    await self._news.wait()

    def _end(self, error: EdgeError) -> None:
        self.error, self._view = error, None
        self.gathering.close()
        self._wake()

    async def _renew(self) -> None:
        """Make the view of now; whatever comes of it, nobody waits for a renewal any longer."""
        wanted, before = self._wanted, self._view
        is_awaited = self._renewed < wanted
        try:
            self._view = await self._made()
            if self._view.snapshot.is_whole:
                _last_success.set_to_current_time()
        finally:
            self._renewed = wanted
            is_other = before is None or self._view is None or before.index != self._view.index
            if is_awaited or is_other:
                self._wake()

    async def _made(self) -> View:
        sources = self._sources
        if self._view is None:
            snapshot = await self._first_snapshot()
        else:
            snapshot = await self.gathering.catch_up()
        make = partial(
            compose,
            self._view,
            snapshot,
            sources.sites.value,
            sources.rules.value,
            sources.rules.categorizer,
            unmapped=sources.unmapped,
            next_index=sources.next_index,
        )
        return await asyncio.to_thread(make)

    async def _first_snapshot(self) -> Snapshot:
        """Gather, with sites and rules loaded meanwhile: the first view shall have them."""
        documents = (self._sources.sites.document, self._sources.rules.document)
        began = self._now()
        snapshot, _ = await asyncio.gather(
            self.gathering.catch_up(),
            asyncio.gather(*(document.tried() for document in documents)),
        )
        if self._now() - began > self._sources.patience:
            # Whoever led was waited for; what failed meanwhile may be had now.
            late = [document for document in documents if document.error is not None]
            await asyncio.gather(*(document.refresh() for document in late))
        return snapshot

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def shown(self) -> View | None:
        """What is seen now, without waiting; None: nothing (any more)."""
        return self._view

    @contextmanager
    def _waits(self, client: str) -> Iterator[None]:
        self.waiting[client] += 1
        try:
            yield
        finally:
            self.waiting -= Counter({client: 1})
