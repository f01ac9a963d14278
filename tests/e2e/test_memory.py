"""What is large or endless flows through: memory stays flat, and nobody else waits."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from tests.consul import ConsulAgent
from tests.edge import EdgeProcess
from tests.peers import require
from tests.processes import fresh_address
from tests.scrape import sample
from tests.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

MIB: Final = 1024 * 1024

VALUES: Final = 420

VALUE_BYTES: Final = 512 * 1024 - 1
"""As large as Consul takes them, and random, so that the snapshot cannot be compressed."""

WRITERS: Final = 6

LARGE: Final = 200_000_000
"""What a snapshot of all values is at least."""

MOST: Final = 20 * MIB
"""How much the edge may grow, whatever passes through it."""

POLLS: Final = 100

MONITOR: Final = "/v1/agent/monitor?loglevel=debug"

PLAIN: Final = {"Accept-Encoding": "identity"}
"""Consul 1.8.7 calls the log gzip where gzip is accepted, and sends it plain."""


@dataclass
class Memory:
    """The resident memory of a process, looked at again and again."""

    edge: EdgeProcess
    seen: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Look once more."""
        self.seen.append(self.edge.rss_bytes())

    @property
    def growth(self) -> int:
        """Bytes from the first look to the largest."""
        return max(self.seen) - self.seen[0]


def fill(agent: ConsulAgent) -> None:
    """Write all values over several connections."""

    def write(first: int) -> None:
        connection = HTTPConnection(agent.address, agent.port, timeout=60)
        for number in range(first, VALUES, WRITERS):
            connection.request("PUT", f"/v1/kv/large/{number}", os.urandom(VALUE_BYTES))
            assert connection.getresponse().read().strip() == b"true"
        connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))


@pytest.fixture(scope="module")
def full_agent() -> Iterator[ConsulAgent]:
    """Give an agent of this module that holds more than 200 MB."""
    require("consul")
    with ConsulAgent() as agent:
        fill(agent)
        yield agent


@pytest.fixture(scope="module")
def full_edge(full_agent: ConsulAgent) -> Iterator[EdgeProcess]:
    """Give an edge over the full agent, which has answered already."""
    with EdgeProcess([full_agent.server]) as edge:
        with HTTPConnectionTo(edge) as connection:
            for _ in range(20):
                connection.request("GET", "/v1/catalog/nodes")
                connection.getresponse().read()
        yield edge


class HTTPConnectionTo(HTTPConnection):
    """A connection to the edge that is closed in the end."""

    def __init__(self, edge: EdgeProcess) -> None:
        super().__init__(edge.address, edge.port, timeout=60)

    def __enter__(self) -> "HTTPConnectionTo":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


@pytest.fixture(scope="module")
def snapshot(
    full_edge: EdgeProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Memory]]:
    """Download a snapshot through the edge; give it and what the edge's memory did meanwhile."""
    path = tmp_path_factory.mktemp("memory") / "large.snap"
    memory = Memory(full_edge)
    memory.look()
    with HTTPConnectionTo(full_edge) as connection, path.open("wb") as file:
        connection.request("GET", "/v1/snapshot")
        response = connection.getresponse()
        assert response.status == 200
        while chunk := response.read(MIB):
            file.write(chunk)
            memory.look()
    yield path, memory
    path.unlink()


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with as many connections as are needed."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=100)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        yield client


def test_large_snapshot_downloaded_memory_stays_flat(snapshot: tuple[Path, Memory]) -> None:
    """200 MB from Consul to a client pass through a few."""
    path, memory = snapshot
    assert path.stat().st_size > LARGE
    assert len(memory.seen) > 100
    assert memory.growth < MOST


async def test_reader_pauses_the_edge_holds_little_for_it(full_edge: EdgeProcess) -> None:
    """What a client does not take is left with Consul; others are served meanwhile."""
    memory = Memory(full_edge)
    memory.look()
    async with session() as client, client.get(f"{full_edge.http}/v1/snapshot") as paused:
        await paused.content.readexactly(MIB)
        for _ in range(300):
            async with client.get(f"{full_edge.http}/v1/status/leader") as response:
                assert response.status == 200
            memory.look()
        paused.close()
    assert memory.growth < MOST


async def test_large_snapshot_restored_memory_stays_flat(
    full_agent: ConsulAgent, full_edge: EdgeProcess, snapshot: tuple[Path, Memory]
) -> None:
    """200 MB from a client to Consul pass through a few, and every byte arrives."""
    path, _ = snapshot
    full_agent.put("/v1/kv/large/0", "written after the snapshot")
    memory = Memory(full_edge)
    memory.look()

    async def body() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(MIB):
                yield chunk
                memory.look()

    async def restore() -> tuple[int, str]:
        async with session() as client:
            async with client.put(f"{full_edge.http}/v1/snapshot", data=body()) as response:
                return response.status, await response.text()

    restoring = asyncio.create_task(restore())

    def looked_and_done() -> bool:
        memory.look()
        return restoring.done()

    await eventually(looked_and_done, "restored", within=90)
    assert await restoring == (200, "")
    assert len(full_agent.request("GET", "/v1/kv/large/0?raw").body) == VALUE_BYTES
    assert memory.growth < MOST


@dataclass
class Endless:
    """An agent's log that never ends: one line, and then another whenever ``.more`` is set."""

    more: asyncio.Event = field(default_factory=asyncio.Event)
    opened: int = 0
    closed: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Write lines until the reader is gone."""
        response = web.StreamResponse()
        await response.prepare(request)
        self.opened += 1
        try:
            while True:
                await response.write(b"a line\n")
                await self.more.wait()
                self.more.clear()
        finally:
            self.closed += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve it as a Consul's monitor; give the server's name."""
        app = web.Application()
        app.router.add_get("/v1/agent/monitor", self.handle)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        address = fresh_address()
        try:
            await web.TCPSite(runner, address, 8500).start()
            yield f"{address}:8500"
        finally:
            await runner.cleanup()


async def test_endless_log_its_first_line_arrives_while_it_goes_on() -> None:
    """A line is passed on when it comes, not when there is more of them."""
    log = Endless()
    async with log.running() as server, EdgeProcess([server]) as edge, session() as client:
        async with client.get(f"{edge.http}{MONITOR}") as response:
            assert await response.content.readline() == b"a line\n"
            log.more.set()
            assert await response.content.readline() == b"a line\n"
            assert (log.opened, log.closed) == (1, 0)


async def test_endless_log_its_reader_leaves_and_it_ends_upstream() -> None:
    """Nobody reads any more: the connection to Consul is closed although no line comes."""
    log = Endless()
    async with log.running() as server, EdgeProcess([server]) as edge, session() as client:
        async with client.get(f"{edge.http}{MONITOR}") as response:
            await response.content.readline()
            response.close()
        await eventually(lambda: log.closed == 1, "the end upstream", within=5)


async def test_endless_log_of_a_real_agent_arrives_while_it_goes_on(
    consul_agent: ConsulAgent, edge: EdgeProcess
) -> None:
    """Lines of a real agent's log arrive one after the other through the edge."""
    async with session() as client:
        opening = asyncio.create_task(client.get(f"{edge.http}{MONITOR}", headers=PLAIN))

        def has_head() -> bool:
            consul_agent.request("GET", "/v1/kv/noted-in-the-log")
            return opening.done()

        await eventually(has_head, "the first line")
        async with await opening as response:
            assert response.status == 200
            for _ in range(3):
                consul_agent.request("GET", "/v1/kv/noted-in-the-log")
                assert await response.content.readline()


@pytest.mark.parametrize("mode", ["", "&consistent"], ids=["held", "passed"])
async def test_hundred_parked_polls_keep_no_ordinary_read_waiting(
    consul_agent: ConsulAgent, edge: EdgeProcess, mode: str
) -> None:
    """Reads and writes are answered while a hundred polls are parked, which then all wake."""
    consul_agent.put("/v1/kv/memory/parked", "before")
    index = consul_agent.request("GET", "/v1/kv/memory/parked").headers["x-consul-index"]
    url = f"{edge.http}/v1/kv/memory/parked?raw"

    def parked() -> bool:
        return sample(edge.http, "consul_edge_blocking_clients") == POLLS

    async with session() as client:

        async def read(url: str) -> str:
            async with client.get(url) as response:
                return await response.text()

        polls = [
            asyncio.create_task(read(f"{url}&index={index}&wait=60s{mode}")) for _ in range(POLLS)
        ]
        await eventually(parked, "all polls parked")
        assert [await read(url) for _ in range(50)] == ["before"] * 50
        async with client.put(f"{edge.http}/v1/kv/memory/other", data=b"value") as response:
            assert response.status == 200
        assert parked()
        consul_agent.put("/v1/kv/memory/parked", "after")
        assert await asyncio.gather(*polls) == ["after"] * POLLS
