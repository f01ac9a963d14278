"""The enriched API over views that a test puts on: real documents, no Consul."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import aiohttp
from aiohttp import web
from msgspec.structs import replace

from consul_edge.cache.identity import Identities
from consul_edge.config import Settings, load
from consul_edge.core.errors import EdgeError
from consul_edge.enrich.archive import Archive
from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.packaged import packaged_rules
from consul_edge.enrich.rules import Rules
from consul_edge.enrich.shapes import CheckShape, HealthShape, MemberShape, NodeShape, ServiceShape
from consul_edge.enrich.sites import Sites, parse_sites
from consul_edge.enrich.snapshot import Failure, Snapshot
from consul_edge.enrich.standing import Standing, State
from consul_edge.enrich.view import View, compose
from consul_edge.upstream.credentials import Credentials
from consul_edge.web.access import Access
from consul_edge.web.access_log import AccessLog
from consul_edge.web.enriched import Enriched
from consul_edge.web.events import Events
from consul_edge.web.generation import Generation
from consul_edge.web.hosts import Hosts
from consul_edge.web.keys import ACCESS, GENERATION, HOSTS, INSTANCE, UNDER_WAY
from consul_edge.web.middlewares import guard, tidy
from consul_edge.web.parked import Parked
from consul_edge.web.routes import add_api
from consul_edge.web.under_way import UnderWay
from tests.processes import fresh_address
from tests.wire import Answer, Headers, Wire, exchange

PORT: Final = 8510

UNMAPPED: Final = "Nao mapeado"

SITES: Final = parse_sites(
    json.dumps(
        [
            {"code": "rio", "name": "Rio", "prometheus_instance": "10.0.0.2"},
            {"code": "palmas", "name": "Palmas", "prometheus_instance": "10.0.0.1"},
        ]
    )
)

NODES: Final = {"n1": "10.0.0.1", "n2": "10.0.0.2", "n3": "10.0.0.3"}


@dataclass(frozen=True)
class Instance:
    """One registered instance, as a test says it."""

    id: str
    service: str = "blackbox_exporter"
    node: str = "n1"
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    address: str = ""
    status: str = "passing"


def snapshot(
    instances: Sequence[Instance],
    nodes: Mapping[str, str] = NODES,
    missing: Mapping[str, Failure] | None = None,
) -> Snapshot:
    """Describe a cluster of some instances."""
    shapes = {name: NodeShape(name, address, "dc1") for name, address in nodes.items()}
    services: dict[str, list[HealthShape]] = {}
    for one in instances:
        service = ServiceShape(one.id, one.service, one.tags, one.meta, one.port, one.address)
        check = CheckShape(one.node, f"check:{one.id}", one.status, one.id)
        services.setdefault(one.service, []).append(
            HealthShape(shapes[one.node], service, (check,))
        )
    return Snapshot(
        nodes=shapes,
        members={
            name: MemberShape(name, address, 1, {"role": "node"})
            for name, address in nodes.items()
        },
        node_checks={},
        services={name: tuple(found) for name, found in services.items()},
        missing=missing or {},
    )


class FakeViews:
    """Shows each token what a test has put on for it."""

    def __init__(self) -> None:
        """Begin with nothing to see."""
        self.asked: list[str] = []
        """The tokens in whose name somebody looked."""
        self.is_draining = False
        self.stands = Standing(State.LIVE, 0.25, "10.0.0.1:8500", "10.0.0.1")
        self.rules = packaged_rules()
        self.categorizer = Categorizer(self.rules)
        self.waiting = 0
        self._count = count(1_000)
        self._shown: dict[str, View | EdgeError] = {}
        self._changed = asyncio.Event()

    async def read(self) -> Rules:
        """Give the rules, which are those of the package."""
        return self.rules

    def show(
        self, *instances: Instance, token: str = "", sites: Sites = SITES, **said: Any
    ) -> View:
        """Put a cluster on, after that which was shown before."""
        before = self._shown.get(token)
        view = compose(
            before if isinstance(before, View) else None,
            snapshot(instances, **said),
            sites,
            self.rules,
            self.categorizer,
            unmapped=UNMAPPED,
            next_index=lambda: next(self._count),
        )
        self._put(token, view)
        return view

    def fail(self, error: EdgeError, token: str = "") -> None:
        """Show nothing any more."""
        self._put(token, error)

    def stand(self, state: State, age: float = 0.0, server: str = "10.0.0.1:8500") -> None:
        """Say how views stand from now on."""
        self.stands = Standing(state, age, server, "10.0.0.1")

    def drain(self) -> None:
        """Have everybody answered, as ``Views.drain`` does."""
        self.is_draining = True
        self._wake()

    async def view(self, token: str, _client: str = "") -> View:
        """Give what is shown."""
        self.asked.append(token)
        shown = self._shown[token]
        if isinstance(shown, EdgeError):
            raise shown
        return shown

    async def other_than(self, token: str, index: int, wait: float, _client: str = "") -> View:
        """Give it once it is another."""
        view = await self.view(token)
        self.waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    while view.index == index and not self.is_draining:
                        await self._changed.wait()
                        view = await self.view(token)
        finally:
            self.waiting -= 1
        return view

    def standing(self, token: str) -> Standing:
        """Tell how it stands."""
        assert token in self._shown
        return replace(self.stands)

    def _put(self, token: str, shown: View | EdgeError) -> None:
        self._shown[token] = shown
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass(frozen=True)
class Stage:
    """A running API."""

    address: str
    views: FakeViews
    archive: Archive
    events: Events
    client: aiohttp.ClientSession

    async def ask(self, target: str, headers: Headers = (), method: str = "GET") -> Answer:
        """Send one request exactly as written."""
        return await asyncio.to_thread(exchange, (self.address, PORT), method, target, headers)

    async def json(self, target: str, headers: Headers = ()) -> Any:
        """Ask for a document, and decode it."""
        answer = await self.ask(target, headers)
        assert answer.status == 200, answer.body
        return answer.json()

    async def ids(self, target: str) -> list[str]:
        """List the instances of a document by their ids, in its order."""
        return [row["ID"] for row in (await self.json(target))["data"]]

    def wire(self) -> Wire:
        """Connect."""
        return Wire(self.address, PORT)


@contextlib.asynccontextmanager
async def stage(
    *, parked: int = 100, own_token: str = "", borrow: bool = False, **settings: str
) -> AsyncIterator[Stage]:
    """Run the API, with nothing to see."""
    views = FakeViews()
    address = fresh_address()
    credentials = Credentials(token=lambda: own_token, auth=lambda: "", token_for_clients=borrow)
    enriched = Enriched(
        views,
        views,
        credentials,
        Identities().of,
        Parked(parked),
        ttls={"nodes": 60.0, "sites": 300.0},
        instance="e1",
    )
    app = web.Application(middlewares=[guard])
    app[GENERATION] = Generation(_settings(settings))
    app[INSTANCE] = "e1"
    app[HOSTS] = Hosts(())
    app[ACCESS] = Access(app[GENERATION].settings)
    app[UNDER_WAY] = UnderWay(app[GENERATION].settings.limits.requests_per_client)
    add_api(app, enriched)
    app.on_response_prepare.append(tidy)

    async def drain(_app: web.Application) -> None:
        views.drain()
        enriched.drain()

    app.on_shutdown.append(drain)
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log_class=AccessLog, shutdown_timeout=5.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, address, PORT).start()
        async with aiohttp.ClientSession(f"http://{address}:{PORT}") as client:
            yield Stage(address, views, enriched.archive, enriched.events, client)
    finally:
        await runner.cleanup()
        await enriched.close()


def _settings(settings: Mapping[str, str]) -> Settings:
    env = {f"CONSUL_EDGE_{name}": value for name, value in settings.items()}
    return load(file=None, env=env, flags={}).settings
