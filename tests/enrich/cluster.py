"""A cluster that a fake Consul tells of, for what the enrichment asks."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from consul_edge.cache.cache import Cache
from consul_edge.enrich.allowance import Allowance
from consul_edge.enrich.asking import Asker
from consul_edge.enrich.gathering import MEMBERS, NAMES, NODE_CHECKS, NODES, Gathering
from consul_edge.enrich.snapshot import Snapshot
from tests.cache.making import Edge, until

HEALTH = "/v1/health/service/"


class Cluster:
    """What Consul says, by service and node; each change moves the indexes that it would move."""

    def __init__(self, edge: Edge, nodes: Sequence[str] = ("n1", "n2")) -> None:
        """Begin with nodes alone."""
        self.edge = edge
        self.index = 10
        self.nodes = list(nodes)
        self.members: dict[str, int] = dict.fromkeys(nodes, 1)
        self.services: dict[str, list[dict[str, Any]]] = {}
        self.say_all()

    def put(self, service: str, node: str, name: str = "", **fields: object) -> None:
        """Register an instance, or another one in place of the same."""
        instance_id = name or f"{service}-{node}"
        told = {"ID": instance_id, "Service": service, "Tags": [], "Meta": {}, **fields}
        instances = self.services.setdefault(service, [])
        kept = [one for one in instances if (one["Node"], one["ID"]) != (node, instance_id)]
        self.services[service] = [*kept, {"Node": node, **told}]
        self._moved(service)

    def drop(self, service: str) -> None:
        """Have no instance of *service* any more."""
        del self.services[service]
        self._moved(service)

    def say_all(self) -> None:
        """Tell everything."""
        self._moved(*self.services)

    def say_mixed(self, *services: str) -> None:
        """Answer for each of *services* with the instances of all, as Consul does by case."""
        told = [self._told(one) for name in services for one in self.services[name]]
        for service in services:
            self.edge.consul.say(f"{HEALTH}{service}", msgspec.json.encode(told), self.index)

    def asked(self, start: str = "/v1/", *, polls: bool = False) -> list[str]:
        """List what was asked, without what waits for changes."""
        return [one.target for one in self.edge.consul.of(start, polls=polls)]

    def _moved(self, *services: str) -> None:
        self.index += 1
        say = self.edge.consul.say
        names = {
            name: sorted({tag for one in instances for tag in one["Tags"]})
            for name, instances in self.services.items()
        }
        for service in services:
            told = [self._told(one) for one in self.services.get(service, [])]
            say(f"{HEALTH}{service}", msgspec.json.encode(told), self.index)
        say(NAMES, msgspec.json.encode(names), self.index)
        say(NODES, msgspec.json.encode([self._node(name) for name in self.nodes]), self.index)
        say(
            NODE_CHECKS, msgspec.json.encode([self._serf(name) for name in self.nodes]), self.index
        )
        members = [
            {"Name": name, "Addr": f"10.0.0.{at}", "Status": status, "Tags": {"role": "node"}}
            for at, (name, status) in enumerate(self.members.items(), 1)
        ]
        say(MEMBERS, msgspec.json.encode(members))

    def _told(self, one: Mapping[str, Any]) -> dict[str, Any]:
        node = one["Node"]
        return {"Node": self._node(node), "Service": one, "Checks": [self._serf(node)]}

    def _node(self, name: str) -> dict[str, Any]:
        return {"Node": name, "Address": f"10.0.0.{self.nodes.index(name) + 1}", "Meta": None}

    def _serf(self, node: str) -> dict[str, Any]:
        return {"Node": node, "CheckID": "serfHealth", "Status": "passing", "ServiceID": ""}


class Keeper:
    """Keeps a gathering current, as a scene does."""

    def __init__(
        self, cache: Cache, *, limit: int = 100, parallel: int = 5, token: str = ""
    ) -> None:
        """Begin; nothing is asked before ``ready``."""
        self.news = asyncio.Event()
        self.snapshots: list[Snapshot] = []
        loop = asyncio.get_running_loop()
        asker = Asker(cache, token, asyncio.Semaphore(parallel), 2.8, 20.0)
        self.allowance = Allowance(lambda: limit)
        self.gathering = Gathering(asker, self.allowance, loop.time, self.news.set)
        self._task: asyncio.Task[None] | None = None

    async def ready(self) -> Snapshot:
        """Gather for the first time, and go on from then on."""
        self.snapshots.append(await self.gathering.catch_up())
        self._task = asyncio.create_task(self._run())
        return self.now

    @property
    def now(self) -> Snapshot:
        """The snapshot that there is."""
        return self.snapshots[-1]

    async def shows(self, condition: Callable[[Snapshot], object], within: float = 120.0) -> None:
        """Wait until the snapshot fulfils *condition*."""
        await until(lambda: condition(self.now), within)

    @property
    def is_live(self) -> bool:
        """Whether all is proven all the time."""
        return self.gathering.proof()[0]

    def has_failed(self) -> bool:
        """Whether it ended by itself."""
        return self._task is not None and self._task.done()

    @property
    def error(self) -> BaseException | None:
        """What ended it."""
        return self._task.exception() if self._task is not None else None

    async def close(self) -> None:
        """Follow nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.gathering.close()
        self.gathering.give_back()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self.news.clear()
            self.snapshots.append(await self.gathering.catch_up())
            pause = max(self.gathering.due_at - clock(), 0.0)
            try:
                async with asyncio.timeout(min(pause, 10.0)):
                    await self.news.wait()
            except TimeoutError:
                continue
