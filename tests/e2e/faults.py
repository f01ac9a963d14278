"""
What is done to edges so that their alerts fire: each fault goes on until it is cancelled.

Rule: nothing here knows of Prometheus; whoever waits for an alert ends the fault.
"""

import asyncio
import itertools
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp

from consul_edge.demo.standin import StandIn
from tests.edge import EdgeProcess
from tests.waiting import eventually

BEAT: Final = 0.2
"""Seconds between two blows."""

KEYS: Final = 13
"""For which clients wait; the edge has fewer connections."""

ADMIN_TOKEN: Final = "the admin token of a test"

KV: Final = "/v1/kv/some/key"
NODES: Final = "/v1/catalog/nodes"
SITES: Final = "/v1/kv/skills/eye/metadata/sites"


class House:
    """An edge over stand-ins of its own, and a client."""

    def __init__(
        self, edge: EdgeProcess, client: aiohttp.ClientSession, *servers: StandIn
    ) -> None:
        """Hold them."""
        self.edge = edge
        self.servers = servers
        self._client = client

    async def ask(self, target: str, method: str = "GET", **options: Any) -> int:
        """Send a request and read the answer; gives its status, or 0 if there was none."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._client.request(method, self.edge.http + target, **options) as answer:
                await answer.read()
                return answer.status
        return 0

    async def index_of(self, target: str) -> int:
        """Give Consul's index of a read; 0 if there was no answer."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._client.get(self.edge.http + target) as answer:
                return int(answer.headers.get("X-Consul-Index", 0))
        return 0


async def again(blow: Callable[[], Awaitable[object]]) -> None:
    """Strike until cancelled."""
    while True:
        await blow()
        await asyncio.sleep(BEAT)


async def is_well(house: House) -> None:
    """No fault: what is asked is answered, mostly from memory, and documents are what they are."""

    async def live() -> None:
        for target in (NODES, NODES, NODES, KV, "/api/v1/nodes", "/api/v1/sites", "/-/ready"):
            await house.ask(target)

    await again(live)


async def is_killed(house: House) -> None:
    """End it without a word."""
    house.edge.kill()


async def loses_all_servers(house: House) -> None:
    """After something is kept, its only server is gone; its clients go on asking."""
    for _ in range(3):
        await house.ask(NODES)
    await house.servers[0].refuse()

    async def live() -> None:
        await asyncio.gather(house.ask(NODES), house.ask(KV))

    await again(live)


async def has_a_flapping_server(house: House) -> None:
    """Its only server comes and goes."""

    async def reached() -> bool:
        return await house.ask(KV) != 500

    def answers() -> bool | Awaitable[bool]:
        return reached()

    async def turn() -> None:
        (server,) = house.servers
        await server.refuse()
        await house.ask(KV)
        await server.listen()
        await eventually(answers, "it is asked again")

    await again(turn)


async def is_out_of_connections(house: House) -> None:
    """Its clients wait for more keys than it may have connections for."""

    async def wait_for(target: str) -> None:
        index = await house.index_of(target)
        await house.ask(f"{target}?index={index}&wait=60s")
        await asyncio.sleep(BEAT)

    targets = [f"/v1/health/service/wanted-{number}" for number in range(KEYS)]
    await asyncio.gather(*(again(partial(wait_for, target)) for target in targets))


async def has_a_queue(house: House) -> None:
    """One read hangs at Consul, and holds the only place; others come behind."""
    house.servers[0].faults.hang(path=KV)
    await asyncio.gather(*(again(lambda: house.ask(KV)) for _ in range(3)))


async def is_stopped_again_and_again(house: House) -> None:
    """The machine does not let it run."""
    process = house.edge.process
    assert process is not None

    async def stop() -> None:
        process.send(signal.SIGSTOP)
        await asyncio.sleep(3 * BEAT)
        process.send(signal.SIGCONT)
        await asyncio.sleep(2 * BEAT)

    await again(stop)


async def is_busy_with_nothing_good(house: House) -> None:
    """
    Nothing is asked for twice, and some bodies are too large; Consul does not tell of services,
    and nonsense is where sites should be; the folder of the snapshot is gone, and somebody tries
    admin tokens; and what it is told to reload is no configuration.
    """
    names = itertools.count()
    (server,) = house.servers
    await house.ask(SITES, "PUT", data=b"no document")
    server.faults.answer(403, "Permission denied", path="/v1/health/service/")
    for _ in range(3):
        await house.ask(NODES)
    shutil.rmtree(Path(house.edge.settings["cache"]["snapshot"]).parent)
    house.edge.config.write_text("nonsense: true\n")
    os.kill(house.edge.pid, signal.SIGHUP)

    def flush(token: str) -> Awaitable[int]:
        headers = {"Authorization": f"Bearer {token}"}
        return house.ask("/api/v1/admin/cache/proxy/flush", "POST", headers=headers)

    async def live() -> None:
        await asyncio.gather(
            *(house.ask(f"/v1/catalog/service/other-{next(names)}") for _ in range(5)),
            house.ask(KV, "PUT", data=b"x" * 5000),
            house.ask("/api/v1/nodes"),
            house.ask("/api/v1/sites"),
            flush("guess"),
        )
        await flush(ADMIN_TOKEN)

    await again(live)
