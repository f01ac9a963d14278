"""
Who sees what: one scene for each identity, and no more of them than can be afforded.

Rule 1: nobody sees what another token may see: each has its own snapshot, asked for in its name.
Rule 2: scenes are made when they are read for the first time, and end when nobody has read them
for as long as a watch may go unread.
Rule 3: there are at most ``MOST`` that show something, and as many that are being made: a token
that Consul refuses takes nobody's place.  The one that was read longest ago makes room; if all are
waited for, one of a client that waits for more than ``FAIR`` of them.
Rule 4: the watches of a scene that ended are its own until their rounds are over.
"""

import asyncio
import itertools
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from consul_edge import metrics
from consul_edge.cache.cache import Cache
from consul_edge.config import Settings
from consul_edge.core.errors import LimitReached
from consul_edge.enrich.allowance import Allowance
from consul_edge.enrich.asking import PATIENCE, Asker
from consul_edge.enrich.counts import most, worst
from consul_edge.enrich.gathering import Gathering
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.scene import Scene, Sources
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.standing import Standing, State
from consul_edge.enrich.view import View
from consul_edge.upstream.turnstile import Turnstile
from consul_edge.upstream.upstream import Upstream

MOST: Final = 16
"""Identities whose picture of the cluster is kept at once."""

FAIR: Final = 4
"""Scenes that one client may wait for without being the first to lose one."""

SEED_BITS: Final = 10
"""Of chance in the first index, so that two edges that start together do not share any."""

SWEEP_INTERVAL: Final = 10.0
"""Seconds between two looks for scenes that nobody reads."""


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
        self._cache = cache
        self._servers = upstream.servers
        self._now = asyncio.get_running_loop().time
        self._bound(settings)
        self._may_ask = Turnstile(settings.consul.semaphore_limit, "enrichment")
        self._allowance = Allowance(self._watch_limit)
        # Seeded from the time, so that an index of an earlier process is none of this one's; below
        # 2**53, for those who read JSON by floating point.
        seed = time.time_ns() // 1_000_000 << SEED_BITS
        count = itertools.count(seed + secrets.randbits(SEED_BITS))
        self._sources = Sources(
            sites, rules, settings.sites.unmapped, self._patience, lambda: next(count)
        )
        self._scenes: dict[str, Scene] = {}
        """By identity, the one read longest ago first."""
        self._cold: dict[str, Scene] = {}
        """The same, of those that show nothing as yet."""
        self._ending: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._is_draining = False
        sites.on_change(self._tell)
        rules.on_change(self._tell)
        metrics.NODES.set_function(lambda: worst(view.nodes for view in self._shown())[0])
        metrics.NODES_IN_ERROR.set_function(lambda: worst(view.nodes for view in self._shown())[1])
        metrics.ROWS.set_function(lambda: most(view.services for view in self._shown()))

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on; every picture stays, and is looked at again."""
        self._bound(settings)
        self._may_ask.resize(settings.consul.semaphore_limit)
        self._sources.unmapped = settings.sites.unmapped
        self._sources.patience = self._patience
        for scene in self._all():
            scene.gathering.asker.bound(self._patience, self._deadline)
        self._tell()

    def _bound(self, settings: Settings) -> None:
        consul = settings.consul
        self._patience = PATIENCE * consul.timeout
        self._deadline = consul.deadline
        self._idle = settings.watch.idle
        self._ttl = settings.nodes.ttl
        main = consul.main_server or consul.servers[0]
        self._main_server = main.host or main.name
        self._lingering = settings.watch.wait * 17 / 16 + 1.0
        """Seconds until a watch that nobody wants has ended (CONSUL.md A.1)."""

    async def view(self, token: str, client: str = "") -> View:
        """
        Give what *token* may see now.

        Args:
            client: Who asks, as an address.

        Raises:
            EdgeError: When nothing can be shown.
        """
        identity = self._cache.identities.of(token)
        scene = self._scene(identity, token)
        if scene.shown is not None:
            await self._sources.sites.read()
            return await scene.view(client)
        try:
            view, _ = await asyncio.gather(scene.view(client), self._sources.sites.read())
        finally:
            self._settle(identity, scene, client)
        return view

    async def other_than(self, token: str, index: int, wait: float, client: str = "") -> View:
        """
        Give a view with another index than *index*, or after *wait* seconds the same.

        Raises:
            EdgeError: As ``view``.
        """
        view = await self.view(token, client)
        if view.index != index:
            return view
        identity = self._cache.identities.of(token)
        scene = self._scene(identity, token)
        until = self._now() if self._is_draining else self._now() + wait
        try:
            return await scene.other_than(index, until, client)
        finally:
            self._settle(identity, scene, client)

    def standing(self, token: str) -> Standing:
        """Tell how the view of *token* stands."""
        scene = self._scenes.get(self._cache.identities.of(token))
        is_live, age = scene.gathering.proof() if scene is not None else (False, 0.0)
        state = State.LIVE if is_live else State.FRESH
        is_broken = scene is not None and scene.is_broken
        is_old = self._servers.are_useless(self._now()) or age > self._ttl
        if is_broken or (not is_live and is_old):
            state = State.STALE
        return Standing(state, age, self._servers.active.name, self._main_server)

    def drain(self) -> None:
        """Have everyone who waits answered with what there is."""
        self._is_draining = True
        for scene in self._all():
            scene.drain()

    def ask_again(self) -> int:
        """Have everything that is seen asked for anew; tell for how many identities."""
        for scene in self._all():
            scene.ask_again()
        return len(self._scenes)

    def __len__(self) -> int:
        return len(self._scenes)

    async def close(self) -> None:
        """End everything."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for task in tuple(self._ending):
            task.cancel()
        await asyncio.gather(*(scene.close() for scene in self._all()))
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _all(self) -> Sequence[Scene]:
        return (*self._scenes.values(), *self._cold.values())

    def _scene(self, identity: str, token: str) -> Scene:
        """Find a token's scene, or begin it."""
        scene = self._scenes.pop(identity, None)
        if scene is not None and scene.error is None:
            self._scenes[identity] = scene
            return scene
        if scene is not None:
            self._close(scene)
        scene = self._cold.get(identity)
        if scene is None:
            if len(self._cold) >= MOST:
                raise LimitReached(
                    503, "identities", f"{MOST} tokens are waiting for their first views already"
                )
            scene = Scene(lambda news: self._gathering(token, news), self._sources)
            self._cold[identity] = scene
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="views")
        return scene

    def _settle(self, identity: str, scene: Scene, client: str) -> None:
        """Give a scene its place once it shows something, or take it away if it never will."""
        if scene.error is not None:
            for scenes in (self._scenes, self._cold):
                if scenes.get(identity) is scene:
                    self._close(scenes.pop(identity))
        elif self._cold.get(identity) is scene and scene.shown is not None:
            del self._cold[identity]
            try:
                self._make_room(client)
            except LimitReached:
                self._close(scene)
                raise
            self._scenes[identity] = scene

    def _gathering(self, token: str, news: Callable[[], None]) -> Gathering:
        asker = Asker(self._cache, token, self._may_ask, self._patience, self._deadline)
        return Gathering(asker, self._allowance, self._now, news)

    def _make_room(self, client: str) -> None:
        """
        Have a place for a scene that *client* looks at.

        Raises:
            LimitReached: When all are taken by those who may have them.
        """
        while len(self._scenes) >= MOST:
            idle = (name for name, scene in self._scenes.items() if not scene.waiting)
            identity = next(idle, None) or self._of_the_greediest(client)
            if identity is None:
                raise LimitReached(
                    503, "identities", f"{MOST} tokens are waiting for their views already"
                )
            self._end(identity)

    def _of_the_greediest(self, client: str) -> str | None:
        """Name the oldest scene of the client that waits for most of them, if those are many."""
        held = Counter(one for scene in self._scenes.values() for one in scene.waiting)
        del held[client]
        greediest, scenes = next(iter(held.most_common(1)), ("", 0))
        if scenes <= FAIR:
            return None
        waited = (name for name, scene in self._scenes.items() if greediest in scene.waiting)
        return next(waited, None)

    async def _sweep(self) -> None:
        """End the scenes that nobody reads."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            now = self._now()
            for scenes in (self._scenes, self._cold):
                for identity, scene in tuple(scenes.items()):
                    is_unread = not scene.waiting and now - scene.read_at > self._idle
                    if scene.error is not None or is_unread:
                        self._close(scenes.pop(identity))

    def _end(self, identity: str) -> None:
        self._close(self._scenes.pop(identity))

    def _close(self, scene: Scene) -> None:
        ending = asyncio.create_task(self._closed(scene), name="scene ends")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _closed(self, scene: Scene) -> None:
        await scene.close()
        await asyncio.sleep(self._lingering)
        scene.gathering.give_back()

    def _watch_limit(self) -> int:
        """Tell how many watches there may be at the servers that are well."""
        servers = self._servers.well() or tuple(self._servers)
        return sum(server.slots.poll_limit for server in servers)

    def _shown(self) -> Sequence[View]:
        """Give what is seen now, by all; gauges ask for it from a thread."""
        views = [scene.shown for scene in tuple(self._scenes.values())]
        return [view for view in views if view is not None]

    def _tell(self) -> None:
        for scene in self._all():
            scene.tell()
