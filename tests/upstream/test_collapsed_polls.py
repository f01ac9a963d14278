"""
Blocking queries that the edge holds: what their servers see of them, which is one watch a key.

``test_polls`` and ``test_pressure`` have those that pass the cache, each of which is a poll.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from tests.house import House, edge_over
from tests.waiting import eventually

Begin = Callable[[str], Awaitable["asyncio.Task[tuple[int, bytes]]"]]


def small() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


async def index_of(edge: House, key: str, value: bytes = b"before") -> str:
    """Write a key and return its index."""
    assert (await edge.ask("PUT", f"/v1/kv/{key}", body=value)).status == 200
    return (await edge.ask("GET", f"/v1/kv/{key}")).header("X-Consul-Index") or ""


def waiting(edge: House) -> int:
    """Count the clients that are parked at the edge."""
    return sum(len(line.waiters) for line in edge.app[CACHE].lines)


def pending(edge: House) -> int:
    """Count the watches whose round waits at a server."""
    return sum(line.round is not None for line in edge.app[CACHE].lines)


@contextlib.asynccontextmanager
async def beginning(edge: House) -> AsyncIterator[Begin]:
    """Give a function that begins to poll a key; whoever is not answered by the end hangs up."""
    tasks: list[asyncio.Task[tuple[int, bytes]]] = []

    async def ask(target: str) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with edge.client.get(edge.base + target, timeout=timeout) as response:
            return response.status, await response.read()

    async def begin(poll: str) -> asyncio.Task[tuple[int, bytes]]:
        tasks.append(asyncio.create_task(ask(f"/v1/kv/{poll}&raw&wait=10m")))
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_clients_poll_a_key_their_server_holds_one_query() -> None:
    """However many wait for a key, and whatever they know of it, one connection waits for all."""
    standin = small()
    async with standin.running() as one, edge_over(one, WATCH__MAX_PER_SERVER="1") as edge:
        index = await index_of(edge, "a")
        async with beginning(edge) as begin:
            polls = [await begin(f"a?index={index}") for _ in range(60)]
            await eventually(lambda: waiting(edge) == 60, "all held")
            await eventually(lambda: standin.parked == 1, "one parked")
            assert edge.rotation.servers.active.slots.polls == 1
            await edge.ask("PUT", "/v1/kv/a", body=b"after")
            assert set(await asyncio.gather(*polls)) == {(200, b"after")}


async def test_client_leaves_and_no_query_is_abandoned_for_it() -> None:
    """Consul holds the watch's query anyway: it goes on, and nothing is charged."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        index = await index_of(edge, "a")
        async with beginning(edge) as begin:
            await begin(f"a?index={index}")
            await eventually(lambda: pending(edge) == 1 == waiting(edge), "held and watched")
        await eventually(lambda: waiting(edge) == 0, "left")
        slots = edge.rotation.servers.active.slots
        assert (slots.polls, slots.abandoned) == (1, 0)


async def test_keys_beyond_the_limit_are_polled_in_turn_and_their_clients_woken() -> None:
    """Nobody who can be held is refused: without room for a watch the edge itself looks again."""
    standin = small()
    async with standin.running() as one, edge_over(one, WATCH__MAX_PER_SERVER="1") as edge:
        keys = ("a", "b", "c")
        indexes = [await index_of(edge, key) for key in keys]
        async with beginning(edge) as begin:
            polls = [
                await begin(f"{key}?index={index}")
                for key, index in zip(keys, indexes, strict=True)
            ]
            await eventually(lambda: waiting(edge) == len(keys), "all held")
            await eventually(lambda: standin.parked == 1, "one watched")
            for key in keys:
                # Past the edge: its own writes are no test of how it learns of others'.
                standin.state.keys.put(key, b"after")
            # Long before a watch that nobody needs any more makes room.
            await eventually(lambda: all(poll.done() for poll in polls), "all woken")
            assert await asyncio.gather(*polls) == [(200, b"after")] * len(keys)
            assert standin.parked <= 1


async def test_keys_beyond_one_servers_limit_are_watched_at_the_next() -> None:
    """Watches are spread: the next server takes what the first has no room for."""
    one = small()
    two = StandIn(state=one.state, server=1)
    async with one.running() as first, two.running() as second:
        async with edge_over(first, second, WATCH__MAX_PER_SERVER="1") as edge:
            indexes = [await index_of(edge, key) for key in ("a", "b")]
            async with beginning(edge) as begin:
                for key, index in zip(("a", "b"), indexes, strict=True):
                    await begin(f"{key}?index={index}")
                await eventually(lambda: (one.parked, two.parked) == (1, 1), "one at each")


async def test_watches_of_a_lost_server_never_overfill_the_next() -> None:
    """What moves finds its place within the bounds; who has none is polled, and woken."""
    one = small()
    two = StandIn(state=one.state, server=1)
    keys = [f"k{number}" for number in range(6)]
    async with one.running() as first, two.running() as second:
        async with edge_over(first, second, WATCH__MAX_PER_SERVER="3") as edge:
            indexes = [await index_of(edge, key) for key in keys]
            async with beginning(edge) as begin:
                polls = [
                    await begin(f"{key}?index={index}")
                    for key, index in zip(keys, indexes, strict=True)
                ]
                await eventually(lambda: (one.parked, two.parked) == (3, 3), "three at each")
                await one.refuse()
                lost, other = edge.rotation.servers
                await eventually(lambda: lost.is_out and lost.slots.polls == 0, "lost")
                assert other.slots.polls == 3
                assert waiting(edge) == len(keys)
                for key in keys:
                    one.state.keys.put(key, b"after")
                await eventually(lambda: all(poll.done() for poll in polls), "all woken")
                assert await asyncio.gather(*polls) == [(200, b"after")] * len(keys)
                assert other.slots.polls == 3


async def test_edge_drains_whoever_is_held_gets_the_current_value() -> None:
    """Shutting down, all are answered from what is live, without a question for each."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge:
        index = await index_of(edge, "a")
        async with beginning(edge) as begin:
            polls = [await begin(f"a?index={index}") for _ in range(60)]
            await eventually(lambda: waiting(edge) == 60 and pending(edge) == 1, "all held")
            asked = len(standin.seen.of(path="/v1/kv/a"))
            edge.app[CACHE].drain()
            assert set(await asyncio.gather(*polls)) == {(200, b"before")}
            assert len(standin.seen.of(path="/v1/kv/a")) <= asked + 1
