"""
Who sees what: one scene for each identity, and no more of them than can be afforded.

Rule 1: nobody sees what another token may see: each has its own snapshot, asked for in its name.
Rule 2: scenes are made when they are read for the first time, and end when nobody has read them
for as long as a watch may go unread.
Rule 3: there are at most ``MOST``; the one that was read longest ago makes room, unless somebody
waits for it.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from consul_edge import metrics
from consul_edge.cache.cache import Cache
from consul_edge.config import Settings
from consul_edge.core.errors import LimitReached
from consul_edge.enrich.allowance import Allowance
from consul_edge.enrich.asking import PATIENCE, Asker
from consul_edge.enrich.gathering import Gathering
from consul_edge.enrich.rows import NodeRow
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.scene import Scene, Sources
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.view import View
from consul_edge.upstream.upstream import Upstream

MOST: Final = 16
"""Identities whose picture of the cluster is kept at once."""

SWEEP_INTERVAL: Final = 10.0
"""Seconds between two looks for scenes that nobody reads."""


class State(StrEnum):
    """How sure it is that a view is what Consul would say now."""

    LIVE = "live"
    """Proven by watches all the time."""

    FRESH = "fresh"
    """Read a moment ago, and being proven again."""

    STALE = "stale"
    """Given for want of anything better."""


class Standing(Struct, frozen=True):
    """How a view stands."""

    state: State
    age: float
    """Seconds since the least proven part of it was proven last."""

    active_server: str
    """``host:port``."""

    main_server: str
    """A bare host, as the original had it."""


class Views:
    """All scenes."""

    def __init__(
        self,
        cache: Cache,
        upstream: Upstream,
        settings: Settings,
        sites: SiteSource,
        rules: RuleSource,
    ) -> None:
        """Prepare, inside a running loop; nothing is asked before somebody reads."""
        consul = settings.consul
        self._cache = cache
        self._servers = upstream.servers
        self._credentials = upstream.credentials
        self._now = asyncio.get_running_loop().time
        self._patience = PATIENCE * consul.timeout
        self._deadline = consul.deadline
        self._idle = settings.watch.idle
        self._ttl = settings.nodes.ttl
        main = consul.main_server or consul.servers[0]
        self._main_server = main.host or main.name
        self._may_ask = asyncio.Semaphore(consul.semaphore_limit)
        self._allowance = Allowance(lambda: cache.watches.limit)
        # Seeded from the time, so that an index of an earlier process is none of this one's.
        count = itertools.count(time.time_ns() // 1_000_000)
        self._sources = Sources(
            sites, rules, settings.sites.unmapped, self._patience, lambda: next(count)
        )
        self._scenes: dict[str, Scene] = {}
        """By identity, the one read longest ago first."""
        self._ending: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._is_draining = False
        sites.on_change(self._tell)
        rules.on_change(self._tell)
        metrics.NODES.set_function(lambda: len(self._anonymous_nodes()))
        metrics.NODES_IN_ERROR.set_function(
            lambda: sum(node.services_status != "ok" for node in self._anonymous_nodes())
        )

    async def view(self, token: str) -> View:
        """
        Give what *token* may see now.

        Raises:
            EdgeError: When nothing can be shown.
        """
        scene = self._scene(token)
        if scene.shown is not None:
            await self._sources.sites.read()
            return await scene.view()
        view, _ = await asyncio.gather(scene.view(), self._sources.sites.read())
        return view

    async def other_than(self, token: str, index: int, wait: float) -> View:
        """
        Give a view with another index than *index*, or after *wait* seconds the same.

        Raises:
            EdgeError: As ``view``.
        """
        until = self._now() if self._is_draining else self._now() + wait
        return await self._scene(token).other_than(index, until)

    def standing(self, token: str) -> Standing:
        """Tell how the view of *token* stands."""
        scene = self._scenes.get(self._cache.identities.of(token))
        is_live, age = scene.gathering.proof() if scene is not None else (False, 0.0)
        state = State.LIVE if is_live else State.FRESH
        if not is_live and (self._servers.are_useless(self._now()) or age > self._ttl):
            state = State.STALE
        return Standing(state, age, self._servers.active.name, self._main_server)

    def drain(self) -> None:
        """Have everyone who waits answered with what there is."""
        self._is_draining = True
        for scene in self._scenes.values():
            scene.drain()

    def ask_again(self) -> int:
        """Have everything that is seen asked for anew; tell for how many identities."""
        for scene in self._scenes.values():
            scene.ask_again()
        return len(self._scenes)

    def __len__(self) -> int:
        return len(self._scenes)

    async def close(self) -> None:
        """End everything."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for identity in tuple(self._scenes):
            self._end(identity)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _scene(self, token: str) -> Scene:
        identity = self._cache.identities.of(token)
        scene = self._scenes.pop(identity, None)
        if scene is None or scene.error is not None:
            if scene is not None:
                self._close(scene)
            self._make_room()
            scene = Scene(lambda news: self._gathering(token, news), self._sources)
        self._scenes[identity] = scene
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="views")
        return scene

    def _gathering(self, token: str, news: Callable[[], None]) -> Gathering:
        asker = Asker(self._cache, token, self._may_ask, self._patience, self._deadline)
        return Gathering(asker, self._allowance, self._now, news)

    def _make_room(self) -> None:
        while len(self._scenes) >= MOST:
            idle = (name for name, scene in self._scenes.items() if not scene.waiting)
            identity = next(idle, None)
            if identity is None:
                raise LimitReached(
                    503, "identities", f"{MOST} tokens are waiting for their views already"
                )
            self._end(identity)

    async def _sweep(self) -> None:
        """End the scenes that nobody reads."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            now = self._now()
            for identity, scene in tuple(self._scenes.items()):
                if scene.error is not None or (
                    not scene.waiting and now - scene.read_at > self._idle
                ):
                    self._end(identity)

    def _end(self, identity: str) -> None:
        self._close(self._scenes.pop(identity))

    def _close(self, scene: Scene) -> None:
        ending = asyncio.create_task(scene.close(), name="scene ends")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _anonymous_nodes(self) -> Sequence[NodeRow]:
        """Give what those see who bring no token, if anybody has looked."""
        token = self._credentials.token_in(())
        scene = self._scenes.get(self._cache.identities.of(token))
        shown = scene.shown if scene is not None else None
        return shown.nodes.rows if shown is not None else ()

    def _tell(self) -> None:
        for scene in self._scenes.values():
            scene.tell()
