"""The edge as a process: how it starts, how it leaves, and what it finishes before."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from consul_edge.demo.faults import Fault
from consul_edge.demo.standin import StandIn
from tests.consul import ConsulAgent
from tests.edge import EdgeProcess
from tests.processes import fresh_address
from tests.scrape import sample
from tests.waiting import eventually

POLLS = 50

SOON = 10.0
"""Seconds within which an edge that waits for nobody must be gone: far above what it needs, far
below the time that requests under way are given."""

CONSUL_PORT = 8500

SLOW = "/v1/kv/slow"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    made = StandIn(nodes=1, services=0)
    async with made.running():
        yield made


@pytest.fixture
async def own_edge(standin: StandIn) -> AsyncIterator[EdgeProcess]:
    """Give an edge over the stand-in, which the test may end."""
    async with EdgeProcess([standin.base_url]) as process:
        yield process


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session with as many connections as are needed."""
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def status(client: aiohttp.ClientSession, url: str) -> int:
    """Read something and give its status."""
    async with client.get(url) as response:
        await response.read()
        return response.status


def send(edge: EdgeProcess, number: signal.Signals = signal.SIGTERM) -> float:
    """Send a signal and give the time."""
    assert edge.process is not None
    edge.process.send(number)
    return time.monotonic()


def is_refused(edge: EdgeProcess) -> bool:
    """Tell whether a new connection is refused."""
    try:
        socket.create_connection((edge.address, edge.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


async def until(client: aiohttp.ClientSession, url: str, wanted: int) -> None:
    """Read a URL until its status is the *wanted* one."""

    def look() -> bool | Awaitable[bool]:
        return is_answered(client, url, wanted)

    await eventually(look, f"{wanted} at {url}")


async def is_answered(client: aiohttp.ClientSession, url: str, wanted: int) -> bool:
    """Read a URL once and tell whether its status is the *wanted* one."""
    return await status(client, url) == wanted


async def gone(edge: EdgeProcess, since: float) -> int | None:
    """Wait for the end of the process, which must come soon after a moment."""
    left = since + SOON - time.monotonic()
    await eventually(lambda: edge.returncode is not None, "the edge gone", within=left)
    return edge.returncode


@asynccontextmanager
async def held(
    standin: StandIn, edge: EdgeProcess, client: aiohttp.ClientSession, path: str = SLOW
) -> AsyncIterator[tuple[Fault, "asyncio.Task[int]"]]:
    """Have a read under way that is not answered until the fault is lifted."""
    fault = standin.faults.hang(path=path)
    reading = asyncio.create_task(status(client, edge.http + path))
    try:
        await fault.met.wait()
        yield fault, reading
    finally:
        fault.lift()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.real
@pytest.mark.parametrize("mode", ["", "&consistent"], ids=["held", "passed"])
async def test_sigterm_answers_parked_polls_with_the_current_value(
    consul_agent: ConsulAgent, client: aiohttp.ClientSession, mode: str
) -> None:
    """Each of fifty parked polls gets a 200 with what is there now; then the process ends well."""
    consul_agent.put("/v1/kv/lifecycle/parked", "value")
    index = consul_agent.request("GET", "/v1/kv/lifecycle/parked").headers["x-consul-index"]

    async def poll(edge: EdgeProcess) -> tuple[int, str, str]:
        url = f"{edge.http}/v1/kv/lifecycle/parked?raw&index={index}&wait=5m{mode}"
        async with client.get(url) as response:
            text = await response.text()
            return response.status, text, response.headers["X-Consul-Index"]

    async with EdgeProcess([consul_agent.server]) as edge:
        polls = [asyncio.create_task(poll(edge)) for _ in range(POLLS)]
        await eventually(
            lambda: sample(edge.http, "consul_edge_blocking_clients") == POLLS, "all parked"
        )
        send(edge)
        answers = await asyncio.gather(*polls)
        answered = time.monotonic()
        assert answers == [(200, "value", index)] * POLLS
        assert await gone(edge, answered) == 0


async def test_sigterm_lets_a_slow_request_finish(
    standin: StandIn, own_edge: EdgeProcess, client: aiohttp.ClientSession
) -> None:
    """A request under way gets its answer before the process ends."""
    async with held(standin, own_edge, client) as (fault, reading):
        send(own_edge)
        await eventually(lambda: is_refused(own_edge), "new connections refused")
        assert own_edge.returncode is None
        assert not reading.done()
        fault.lift()
        assert await reading == 404  # the stand-in's own: there is no such key
        assert await gone(own_edge, time.monotonic()) == 0


@pytest.mark.parametrize("mode", ["", "&consistent"], ids=["held", "passed"])
async def test_sigterm_answers_parked_polls_while_a_slow_request_goes_on(
    standin: StandIn, own_edge: EdgeProcess, client: aiohttp.ClientSession, mode: str
) -> None:
    """Nobody's poll waits for somebody else's slow request."""
    url = f"{own_edge.http}/v1/catalog/nodes"
    async with client.get(url) as response:
        index = response.headers["X-Consul-Index"]
    async with held(standin, own_edge, client) as (_, reading):
        poll = asyncio.create_task(status(client, f"{url}?index={index}&wait=5m{mode}"))
        await eventually(
            lambda: sample(own_edge.http, "consul_edge_blocking_clients") == 1, "the poll parked"
        )
        send(own_edge)
        assert await poll == 200
        assert not reading.done()


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_second_signal_cuts_nobody_off(
    standin: StandIn,
    own_edge: EdgeProcess,
    client: aiohttp.ClientSession,
    first: signal.Signals,
    second: signal.Signals,
) -> None:
    """An impatient supervisor changes nothing: what is under way is answered, the exit is 0."""
    async with held(standin, own_edge, client) as (fault, reading):
        send(own_edge, first)
        await eventually(lambda: is_refused(own_edge), "new connections refused")
        send(own_edge, second)
        fault.lift()
        assert await reading == 404
        assert await gone(own_edge, time.monotonic()) == 0


@pytest.mark.real
async def test_sigterm_ends_an_endless_stream_at_once(
    consul_agent: ConsulAgent, client: aiohttp.ClientSession
) -> None:
    """A log that goes on for ever ends orderly, as an agent's does that leaves."""
    async with EdgeProcess([consul_agent.server]) as edge:
        url = f"{edge.http}/v1/agent/monitor?loglevel=debug"
        # Consul 1.8.7 calls the log gzip where gzip is accepted, and sends it plain.
        async with client.get(url, headers={"Accept-Encoding": "identity"}) as response:
            consul_agent.get("/v1/catalog/nodes")  # something to log
            assert await response.content.readany()
            terminated = send(edge)
            await response.content.read()  # raises unless the last chunk is an empty one
        assert await gone(edge, terminated) == 0


async def test_sigterm_ends_an_endless_stream_that_has_not_begun_at_once(
    standin: StandIn, own_edge: EdgeProcess, client: aiohttp.ClientSession
) -> None:
    """A log whose head has not come yet does not hold the exit up either."""
    async with held(standin, own_edge, client, "/v1/agent/monitor"):
        assert await gone(own_edge, send(own_edge)) == 0


async def test_sigterm_does_not_wait_for_idle_connections(
    own_edge: EdgeProcess, client: aiohttp.ClientSession
) -> None:
    """Connections that are kept between requests, or never had one, do not delay the exit."""
    url = f"{own_edge.http}/v1/catalog/nodes"
    assert await asyncio.gather(*(status(client, url) for _ in range(10))) == [200] * 10
    silent = [await asyncio.open_connection(own_edge.address, own_edge.port) for _ in range(10)]
    half = [await asyncio.open_connection(own_edge.address, own_edge.port) for _ in range(3)]
    for _, writer in half:
        writer.write(b"GET /v1/catalog/nodes HTTP/1.1\r\nHost: loc")
        await writer.drain()
    assert await gone(own_edge, send(own_edge)) == 0
    for _, writer in (*silent, *half):
        writer.close()


async def test_sigint_ends_it_as_sigterm_does(own_edge: EdgeProcess) -> None:
    """Ctrl-C is a clean end, too."""
    assert await gone(own_edge, send(own_edge, signal.SIGINT)) == 0


async def test_sigterm_is_logged_from_begin_to_end(own_edge: EdgeProcess) -> None:
    """The log says that it drains and that it stopped, and nothing alarming between."""
    await gone(own_edge, send(own_edge))
    levels_and_events = [line.split()[1:3] for line in own_edge.log_lines()]
    assert levels_and_events == [
        ["level=info", 'event="admin'],  # "admin token made", and where
        ["level=info", "event=serving"],
        ["level=info", "event=draining"],
        ["level=info", "event=stopped"],
    ]


async def test_start_without_consul_it_lives_but_is_not_ready(
    client: aiohttp.ClientSession,
) -> None:
    """With no server to ask it is healthy, not ready, and says in each 500 who refused."""
    consul = f"{fresh_address()}:{CONSUL_PORT}"
    async with EdgeProcess([consul], {"consul": {"max_retries": 0}}) as edge:
        async with client.get(f"{edge.http}/v1/catalog/nodes") as response:
            assert response.status == 500
            text = f"consul-edge: no Consul server answered: {consul} refused"
            assert await response.text() == text
        assert await status(client, f"{edge.http}/-/healthy") == 200
        await until(client, f"{edge.http}/-/ready", 503)


async def test_consul_appears_after_the_start_it_is_found_without_a_restart(
    client: aiohttp.ClientSession,
) -> None:
    """A Consul that starts later than its edge is used as soon as it is there."""
    address = fresh_address()
    async with EdgeProcess([f"{address}:{CONSUL_PORT}"], {"consul": {"max_retries": 0}}) as edge:
        url = f"{edge.http}/v1/catalog/nodes"
        assert await status(client, url) == 500
        async with StandIn(nodes=1, services=0).running(host=address, port=CONSUL_PORT):
            await until(client, url, 200)
            await until(client, f"{edge.http}/-/ready", 200)


async def test_name_of_consul_unknown_at_the_start_it_starts(
    client: aiohttp.ClientSession,
) -> None:
    """A name that does not resolve yet is no reason not to start; the 500 says so."""
    async with EdgeProcess(["consul.invalid"], {"consul": {"max_retries": 0}}) as edge:
        async with client.get(f"{edge.http}/v1/catalog/nodes") as response:
            assert response.status == 500
            assert "consul.invalid:8500 has a name that cannot be resolved" in (
                await response.text()
            )
