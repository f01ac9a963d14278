"""Many at once, or one for long: what one server's trouble may cost the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import aiohttp
import pytest

from consul_edge.demo.faults import Moment
from consul_edge.demo.standin import StandIn
from consul_edge.upstream.reads import Read
from consul_edge.web.keys import UPSTREAM
from tests.house import House, edge_over
from tests.scrape import sample
from tests.waiting import eventually
from tests.warp import skip, warped
from tests.wire import exchange

READ = "/v1/catalog/datacenters?consistent"
KEY = "/v1/kv/polled"
POLL = f"{KEY}?consistent"
"""Both pass the cache, so that each request of a client is one at a server."""

Fire = Callable[[str], Awaitable["asyncio.Task[tuple[int, bytes]]"]]


def small() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


@contextlib.asynccontextmanager
async def firing(edge: House) -> AsyncIterator[Fire]:
    """Give a function that begins a request; what is not answered by the end is left."""
    tasks: list[asyncio.Task[tuple[int, bytes]]] = []

    async def ask(target: str) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=None)
        plain = {"Accept-Encoding": "identity"}
        url = edge.base + target
        async with edge.client.get(url, timeout=timeout, headers=plain) as response:
            return response.status, await response.read()

    async def fire(target: str) -> asyncio.Task[tuple[int, bytes]]:
        tasks.append(asyncio.create_task(ask(target)))
        return tasks[-1]

    yield fire
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def index_of(edge: House) -> str:
    """Write the key and return its index."""
    assert (await edge.ask("PUT", KEY, body=b"before")).status == 200
    return (await edge.ask("GET", KEY)).header("X-Consul-Index") or ""


async def test_hung_local_agent_keeps_no_other_read_waiting() -> None:
    """Calls that hang at one agent do not use up what reads of the servers need."""
    server, agent = small(), small()
    settings = {"CONSUL__TIMEOUT": "1s", "CONSUL__POOL__MAX_CONNECTIONS": "10"}
    async with server.running() as one, agent.running() as local:
        async with edge_over(one, **settings, CONSUL__LOCAL_AGENT=local) as edge:
            agent.faults.hang()
            async with firing(edge) as fire:
                for _ in range(40):
                    await fire("/v1/agent/self")
                await eventually(lambda: agent.seen.of(path="/v1/agent/self"), "calls hanging")
                # Half of the deadline, and it would be refused for want of a connection.
                assert (await edge.ask("GET", READ)).status == 200


async def test_many_parked_polls_are_all_answered_at_the_end() -> None:
    """Shutting down, every parked poll gets its current value, however full the server is."""
    standin = small()
    async with standin.running() as one, edge_over(one, WATCH__MAX_PER_SERVER="60") as edge:
        index = await index_of(edge)
        async with firing(edge) as fire:
            polls = [await fire(f"{POLL}&raw&index={index}&wait=60s") for _ in range(60)]
            await eventually(lambda: standin.parked == 60, "all parked")
            edge.rotation.drain()
            assert set(await asyncio.gather(*polls)) == {(200, b"before")}


async def test_polls_of_a_lost_server_never_overfill_the_next() -> None:
    """What moves finds its place within the bounds, or waits for one."""
    one, two = small(), small()
    async with one.running() as first, two.running() as second:
        async with edge_over(first, second, WATCH__MAX_PER_SERVER="3") as edge:
            index = await index_of(edge)
            await asyncio.to_thread(_put, second)
            async with firing(edge) as fire:
                for _ in range(6):
                    await fire(f"{POLL}&index={index}&wait=60s")
                await eventually(lambda: (one.parked, two.parked) == (3, 3), "three at each")
                await one.refuse()
                lost, other = edge.rotation.servers
                await eventually(lambda: lost.is_out and lost.slots.polls == 0, "lost")
                assert (await edge.ask("GET", READ)).status == 200
                assert other.slots.polls == 3
                assert len(two.seen.of(path=f"{POLL}&index={index}")) == 3


def _put(url: str) -> None:
    host, _, port = url.removeprefix("http://").rpartition(":")
    exchange((host, int(port)), "PUT", KEY, body=b"before")


async def test_clients_that_park_and_leave_take_no_connection_from_reads() -> None:
    """Abandoned polls count as polls: reads keep their share, and go on."""
    standin = small()
    settings = {"WATCH__MAX_PER_SERVER": "6", "CONSUL__CONNECTIONS_PER_SERVER": "8"}
    async with standin.running() as one, edge_over(one, **settings) as edge:
        index = await index_of(edge)
        slots = edge.rotation.servers.active.slots
        for _ in range(3):
            async with firing(edge) as fire:
                for _ in range(6):
                    await fire(f"{POLL}&index={index}&wait=10m")
                await eventually(lambda: slots.polls + slots.abandoned >= 6, "parked")
        await eventually(lambda: slots.polls == 0, "all left")
        assert slots.abandoned == 6
        assert (await edge.ask("GET", READ)).status == 200


@pytest.mark.usefixtures("patient_heartbeats")
def test_hedged_read_waits_without_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    """While two servers are slow the read sleeps until something happens."""
    turns = 0
    original = Read._wait

    async def counted(read: Read) -> None:
        nonlocal turns
        turns += 1
        await original(read)

    monkeypatch.setattr(Read, "_wait", counted)

    async def wait() -> None:
        one, two = small(), small()
        async with one.running() as first, two.running() as second:
            async with edge_over(first, second) as edge, firing(edge) as fire:
                hung = [standin.faults.hang(path=READ) for standin in (one, two)]
                read = await fire(READ)
                for fault in hung:
                    await fault.met.wait()
                    # Beyond the time-out: another one would be asked, if there were any.
                    skip(2.1)
                for _ in range(50):
                    assert (await edge.ask("GET", "/v1/status/leader")).status == 200
                for fault in hung:
                    fault.lift()
                assert (await read)[0] == 200

    warped(wait())
    assert turns < 20


async def test_all_servers_hang_the_waiting_read_is_answered_by_the_first_that_returns() -> None:
    """A read that waits at servers that are out does not miss the return of one."""
    one, two = small(), small()
    async with one.running() as first, two.running() as second:
        settings = {"CONSUL__TIMEOUT": "200ms", "CONSUL__MAX_RETRIES": "50"}
        async with edge_over(first, second, **settings) as edge:
            hung = one.faults.hang()
            two.faults.hang()
            async with firing(edge) as fire:
                read = await fire(READ)
                await eventually(
                    lambda: all(server.is_out for server in edge.rotation.servers), "all out"
                )
                hung.lift()
                assert (await read)[0] == 200
            two.faults.clear()


@pytest.mark.parametrize(
    "target", [f"{POLL}&index=5&wait=1s", "/v1/snapshot"], ids=["poll", "stream"]
)
async def test_no_leader_ever_also_polls_and_streams_end(target: str) -> None:
    """A deadline holds for whatever is not parked: Consul's own error is passed on at last."""
    standin = small()
    async with standin.running() as one, edge_over(one, CONSUL__DEADLINE="300ms") as edge:
        standin.faults.answer(500, "No cluster leader", path=target.partition("?")[0])
        answer = await edge.ask("GET", target)
        assert (answer.status, answer.body) == (500, b"No cluster leader")


async def test_heartbeat_that_stalls_in_its_answer_is_a_failed_one() -> None:
    """A server that begins to answer and stops is as silent as one that does not begin."""
    one, two = small(), small()
    async with one.running() as first, two.running() as second:
        async with edge_over(first, second, CONSUL__TIMEOUT="1s") as edge:
            await edge.heard()
            one.faults.stall(after=0)
            answer = await edge.ask("GET", READ)
            assert answer.header("X-Consul-Edge-Server") == second.removeprefix("http://")
            server = next(iter(edge.rotation.servers))
            await eventually(lambda: server.is_out, "found out")
            one.faults.clear()


async def test_pool_is_full_the_next_read_waits_its_turn() -> None:
    """No more short requests are under way than ``pool.max_connections``."""
    standin = small()
    async with standin.running() as one:
        async with edge_over(one, CONSUL__POOL__MAX_CONNECTIONS="2") as edge:
            fault = standin.faults.hang(path=READ)
            async with firing(edge) as fire:
                reads = [await fire(READ) for _ in range(3)]
                await eventually(lambda: fault.hits == 2, "two under way")
                assert edge.rotation.servers.active.slots.short == 3
                fault.lift()
                assert [status for status, _ in await asyncio.gather(*reads)] == [200] * 3
                assert fault.hits == 2


@pytest.mark.usefixtures("patient_heartbeats")
def test_pool_stays_full_the_waiting_read_is_told_so() -> None:
    """A read for which no connection becomes free in time is refused with the setting's name."""

    async def told() -> None:
        standin = small()
        settings = {"CONSUL__POOL__MAX_CONNECTIONS": "1", "CONSUL__DEADLINE": "20s"}
        async with standin.running() as one, edge_over(one, **settings) as edge:
            fault = standin.faults.hang(path=READ)
            async with firing(edge) as fire:
                await fire(READ)
                await fault.met.wait()
                read = await fire("/v1/catalog/nodes")
                slots = edge.rotation.servers.active.slots
                await eventually(lambda: slots.short == 2, "waiting for a connection")
                # Half of the deadline; the first read has the other half, too.
                skip(10.1)
                text = b"consul-edge: consul.pool.max_connections (1) are all in use"
                assert await read == (503, text)
                fault.lift()

    warped(told())


async def test_connections_are_all_in_use_a_write_says_which_bound() -> None:
    """A write that finds no connection is refused with the setting's name, and counted."""
    standin = small()
    settings = {"WATCH__MAX_PER_SERVER": "1", "CONSUL__CONNECTIONS_PER_SERVER": "2"}
    async with standin.running() as one:
        async with edge_over(one, **settings, CONSUL__MAX_RETRIES="0") as edge:
            fault = standin.faults.hang(path=READ)
            async with firing(edge) as fire:
                for _ in range(2):
                    await fire(READ)
                await eventually(lambda: fault.hits == 2, "two under way")
                limit = "consul.connections_per_server"
                metric = "consul_edge_limits_reached_total"
                before = await asyncio.to_thread(sample, edge.base, metric, limit=limit)
                answer = await edge.ask("PUT", KEY, body=b"1")
                text = f"consul-edge: {limit} (2) is reached at every server"
                assert (answer.status, answer.body.decode()) == (503, text)
                after = await asyncio.to_thread(sample, edge.base, metric, limit=limit)
                assert after - before == 1
                fault.lift()


async def test_429_elsewhere_is_obeyed_within_the_budget() -> None:
    """A server that sends everybody away cannot double the load of the next one."""
    one, two = small(), small()
    async with one.running() as first, two.running() as second, edge_over(first, second) as edge:
        text = "rate limit exceeded, try again later or against a different server"
        one.faults.answer(429, text, path=READ)
        for _ in range(100):
            assert (await edge.ask("GET", READ)).status in (200, 429)
        assert len(two.seen.of(path=READ)) <= 10 + 100 // 10


@pytest.mark.usefixtures("rare_heartbeats")
async def test_rounds_are_as_many_as_configured() -> None:
    """With nobody reachable each server is asked once a round, ``max_retries`` times more."""
    standin = small()
    settings = {"CONSUL__MAX_RETRIES": "3", "CONSUL__RETRY_DELAY": "10ms"}
    async with standin.running() as one, edge_over(one, **settings) as edge:
        await edge.heard()
        labels = {"server": one.removeprefix("http://"), "status": "failure"}
        metric = "consul_server_fallback_total"
        # A port may have served an earlier test of this process: only the difference counts.
        before = await asyncio.to_thread(sample, edge.base, metric, **labels)
        await standin.refuse()
        assert (await edge.ask("GET", READ)).status == 500
        assert await asyncio.to_thread(sample, edge.base, metric, **labels) - before == 4


async def test_server_reached_by_name_is_told_its_name() -> None:
    """Virtual hosts know the name, not the address that it stands for now."""
    standin = small()
    async with standin.running() as one:
        port = one.rpartition(":")[2]
        async with edge_over(f"http://localhost:{port}") as edge:
            assert (await edge.ask("GET", READ)).status == 200
            assert standin.seen.of(path=READ)[0].headers["Host"] == f"localhost:{port}"


async def test_address_that_is_gone_is_listened_to_no_more() -> None:
    """Servers that a name does not stand for any more are forgotten, heartbeats and all."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        upstream = edge.app[UPSTREAM]
        (server,) = upstream.servers
        for last in range(2, 30):
            gone = replace(server.address, host=f"127.0.0.{last}")
            upstream._follow([(server.address, gone)])
        upstream._follow([(server.address, server.address)])
        names = [task.get_name() for task in asyncio.all_tasks()]
        await eventually(
            lambda: sum("heartbeat" in task.get_name() for task in asyncio.all_tasks()) <= 1,
            f"one heartbeat left of {len(names)} tasks",
        )


async def test_half_an_answer_never_looks_whole() -> None:
    """A large answer that breaks off upstream breaks off here, without its proper end."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        for number in range(6):
            await edge.ask("PUT", f"/v1/kv/big/{number}", body=b"x" * 500_000)
        standin.faults.stall(after=2_500_000, path="/v1/kv/big")
        reader, writer = await asyncio.open_connection(edge.address, 8510)
        writer.write(b"GET /v1/kv/big?recurse HTTP/1.1\r\nHost: localhost\r\n\r\n")
        got = await reader.readexactly(2_000_000)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        standin.disconnect()
        rest = b""
        with contextlib.suppress(ConnectionResetError):
            rest = await asyncio.wait_for(reader.read(), 10)
        assert not rest.endswith(b"0\r\n\r\n")
        writer.close()
        slots = edge.rotation.servers.active.slots
        await eventually(lambda: slots.short == 0, "the connection given back")
        standin.faults.clear()


async def test_reset_read_has_its_servers_heartbeat_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broken connection makes a server suspect: it is asked at once who leads."""
    one, two = small(), small()
    async with one.running() as first, two.running() as second, edge_over(first, second) as edge:
        woken: list[object] = []
        monkeypatch.setattr(edge.rotation, "wake", woken.append)
        one.faults.reset(Moment.READ, path=READ)
        assert (await edge.ask("GET", READ)).status == 200
        assert edge.rotation.servers.active in woken
