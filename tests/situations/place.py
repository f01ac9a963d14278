"""
An edge with its Consul behind it, and two ways to ask: through the edge, and past it.

One body of a test runs over the stand-in and over a real Consul: what both can show is asked of
both.  Names are the test's own (``place.name``), for the real Consul is shared.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from consul_edge.cache.cache import Cache
from consul_edge.cache.line import Line
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from tests.consul import ConsulAgent
from tests.house import House, edge_over
from tests.waiting import eventually

_NUMBERS: Final = itertools.count(1)

_FOR_EVER: Final = aiohttp.ClientTimeout(total=None)

Backing = StandIn | ConsulAgent
"""What is behind an edge."""


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    headers: CIMultiDictProxy[str] = field(repr=False)
    body: bytes

    @property
    def index(self) -> int:
        """``X-Consul-Index``; 0 without."""
        return int(self.headers.get("X-Consul-Index", 0))

    @property
    def cache(self) -> str:
        """``Cache-Status`` without the edge's name."""
        return self.headers.get("Cache-Status", "").removeprefix("consul-edge; ")

    @property
    def is_live(self) -> bool:
        """Whether the edge answered it from a live entry."""
        return self.cache == "hit; detail=live"

    @property
    def is_stale(self) -> bool:
        """Whether it stood in for an answer that nobody gave."""
        return "X-Consul-Edge-Stale" in self.headers

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)


class Asker:
    """A client of one base URL; what it began and nobody awaited is cancelled at the end."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str = "") -> None:
        """Ask *base* with *token*, unless a call brings another."""
        self._session = session
        self._base = base
        self._token = token
        self._tasks: list[asyncio.Task[Got]] = []

    async def ask(
        self, method: str, target: str, body: Any = None, token: str = "", **headers: str
    ) -> Got:
        """Send a request; a mapping or list goes as JSON, ``cache_control="x"`` as a header."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if token or self._token:
            told["X-Consul-Token"] = token or self._token
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        request = self._session.request(
            method,
            URL(self._base + target, encoded=True),
            data=data,
            headers={"Accept-Encoding": "identity"} | told,
            timeout=_FOR_EVER,
            allow_redirects=False,
        )
        async with request as response:
            return Got(response.status, response.headers, await response.read())

    async def get(self, target: str, token: str = "", **headers: str) -> Got:
        """Read."""
        return await self.ask("GET", target, None, token, **headers)

    async def put(self, target: str, body: Any = b"", token: str = "") -> Got:
        """Write something that must succeed."""
        got = await self.ask("PUT", target, body, token)
        assert got.status == 200, (target, got)
        return got

    def begin(self, target: str, token: str = "", **headers: str) -> "asyncio.Task[Got]":
        """Begin to read, and go on."""
        task = asyncio.create_task(self.get(target, token, **headers))
        self._tasks.append(task)
        return task

    async def close(self) -> None:
        """Hang up on what was begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Place:
    """An edge over one Consul."""

    house: House
    edge: Asker
    consul: Asker
    backing: Backing | None
    """None for a cluster."""

    @property
    def cache(self) -> Cache:
        """What the edge keeps."""
        return self.house.app[CACHE]

    @property
    def standin(self) -> StandIn:
        """The stand-in, in a test that has one."""
        assert isinstance(self.backing, StandIn)
        return self.backing

    def name(self, kind: str = "thing") -> str:
        """Give a name that nobody used before."""
        return f"{kind}-{next(_NUMBERS)}"

    def lines(self, target: str) -> list[Line]:
        """List the lines of a target that has no control parameters."""
        return [line for line in self.cache.lines if line.key.target == target]

    def is_parked(self, target: str, count: int = 1) -> bool:
        """Whether that many clients wait for *target*, and Consul would tell a change."""
        lines = self.lines(target)
        return sum(len(line.waiters) for line in lines) >= count and all(
            line.round is not None and not line.is_superseded for line in lines
        )

    async def until_parked(self, target: str, count: int = 1) -> None:
        """Wait for clients to be parked, and a round to be pending."""
        await eventually(lambda: self.is_parked(target, count), f"{count} parked at {target}")

    async def until_live(self, target: str, token: str = "") -> Got:
        """Read until that is answered from a live entry; give that answer."""
        found: list[Got] = []

        async def read() -> bool:
            found.append(await self.edge.get(target, token))
            return found[-1].is_live

        def look() -> bool | Awaitable[bool]:
            return read()

        await eventually(look, f"{target} live")
        return found[-1]

    async def until_gone(self, target: str) -> None:
        """Wait until nothing is kept for *target*."""

        def is_gone() -> bool:
            return all(line.entry is None for line in self.lines(target))

        await eventually(is_gone, f"{target} dropped")

    async def register(
        self, service: str, node: str = "", port: int = 80, token: str = ""
    ) -> None:
        """Register an instance at Consul itself, past the edge."""
        await self.consul.put("/v1/catalog/register", instance(service, node, port), token)


async def woken(poll: "asyncio.Task[Got]") -> Got:
    """Wait for a parked client's answer, far less long than it would be held for nothing."""
    await eventually(poll.done, "a parked client woken")
    return poll.result()


def instance(service: str, node: str = "", port: int = 80) -> dict[str, Any]:
    """Describe an instance for ``/v1/catalog/register``; the node is the service's by default."""
    return {
        "Node": node or f"node-of-{service}",
        "Address": "10.1.2.3",
        "Service": {"Service": service, "Port": port},
    }


def small(**options: Any) -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0, **options)


@contextlib.asynccontextmanager
async def place_over(backing: Backing, token: str = "", **settings: str) -> AsyncIterator[Place]:
    """
    Run an edge over one Consul, without a TTL: what is answered from the cache is live.

    Args:
        token: That both ways of asking bring, unless a call brings another.

        settings: As ``edge_over`` has them.
    """
    url = backing.base_url if isinstance(backing, StandIn) else backing.http
    # A thousand clients have one address here.
    usual = {"CACHE__TTL": "0s", "LIMITS__REQUESTS_PER_CLIENT": "2000"}
    async with edge_over(url, **usual | settings) as house:
        session = house.client
        place = Place(
            house, Asker(session, house.base, token), Asker(session, url, token), backing
        )
        try:
            yield place
        finally:
            await place.edge.close()
            await place.consul.close()
