"""
Blocking queries that are passed through: how long, how many, and what is left of them.

They ask for ``?consistent``, which no cache answers; ``test_collapsed_polls`` has the others.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.upstream.servers import Server
from tests.house import House, edge_over
from tests.waiting import eventually
from tests.warp import skip, warped

KEY = "/v1/kv/polled"
POLL = f"{KEY}?consistent"
"""Passes the cache."""

Park = Callable[[str], Awaitable[asyncio.StreamWriter]]

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


def small() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


async def index_of(edge: House) -> str:
    """Write the key and return its index."""
    assert (await edge.ask("PUT", KEY, body=b"before")).status == 200
    return (await edge.ask("GET", KEY)).header("X-Consul-Index") or ""


@contextlib.asynccontextmanager
async def parking(edge: House) -> AsyncIterator[Park]:
    """Give a function that parks a poll on a connection of its own; hang up at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def park(target: str) -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection(edge.address, 8510)
        writers.append(writer)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return writer

    yield park
    for writer in writers:
        writer.transport.abort()


def first(edge: House) -> Server:
    """Return the first of the edge's servers."""
    return next(iter(edge.rotation.servers))


@pytest.mark.parametrize("wait", ["&wait=10m", ""], ids=["ten-minutes", "default"])
def test_long_wait_is_not_cut(wait: str) -> None:
    """A poll is held as long as Consul holds it, its jitter included, and asked only once."""

    async def ten_minutes() -> None:
        standin = small()
        async with standin.running() as one, edge_over(one) as edge:
            index = await index_of(edge)
            loop = asyncio.get_running_loop()
            began = loop.time()
            url = f"{edge.base}{POLL}&index={index}{wait}"
            poll = asyncio.create_task(edge.client.get(url, timeout=_NO_TIMEOUT))
            while not poll.done():
                skip(0.5)
                # An ordinary read: whatever is due happens before its answer is here.
                async with edge.client.get(f"{edge.base}{KEY}?raw", timeout=_NO_TIMEOUT) as read:
                    assert read.status == 200
            response = poll.result()
            assert (response.status, response.headers["X-Consul-Index"]) == (200, index)
            assert loop.time() - began >= (600 if wait else 300)
            assert len(standin.seen.of(path=f"{POLL}&index={index}")) == 1

    warped(ten_minutes())


async def test_server_refuses_the_poll_is_parked_at_the_next_with_its_remaining_wait() -> None:
    """A poll that moves keeps its index and asks only for what is left of its wait."""
    one, two = small(), small()
    async with one.running() as first_url, two.running() as second_url:
        async with edge_over(first_url, second_url) as edge, parking(edge) as park:
            index = await index_of(edge)
            await park(f"{POLL}&index={index}&wait=60s&raw")
            await eventually(lambda: one.parked, "parked at the first")
            await one.refuse()
            await eventually(lambda: two.seen.of(path=f"{POLL}&index={index}"), "asked again")
            target = two.seen.of(path=f"{POLL}&index={index}")[0].target
            assert target.startswith(f"{POLL}&index={index}&raw&wait=")
            assert target != f"{POLL}&index={index}&raw&wait=60s"


async def test_client_leaves_its_poll_is_charged_for_what_consul_may_hold() -> None:
    """An abandoned poll still counts against the server until its wait would have ended."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge, parking(edge) as park:
        index = await index_of(edge)
        writer = await park(f"{POLL}&index={index}&wait=60s")
        await eventually(lambda: standin.parked, "parked")
        slots = first(edge).slots
        assert (slots.polls, slots.abandoned) == (1, 0)
        writer.transport.abort()
        await eventually(lambda: slots.polls == 0, "left")
        assert slots.abandoned == 1


def test_abandoned_poll_is_forgiven_when_its_wait_has_ended() -> None:
    """The charge ends after ``wait*17/16 + 7 s``."""

    async def forgiven() -> None:
        standin = small()
        async with standin.running() as one, edge_over(one) as edge, parking(edge) as park:
            index = await index_of(edge)
            writer = await park(f"{POLL}&index={index}&wait=16s")
            await eventually(lambda: standin.parked, "parked")
            writer.transport.abort()
            slots = first(edge).slots
            await eventually(lambda: slots.abandoned == 1, "charged")
            skip(23)
            assert slots.abandoned == 1
            skip(1.1)
            assert slots.abandoned == 0

    warped(forgiven())


async def test_polls_beyond_the_limit_are_told_which() -> None:
    """A poll that fits nowhere is answered 503 with the setting's name; reads still pass."""
    standin = small()
    async with (
        standin.running() as one,
        edge_over(one, WATCH__MAX_PER_SERVER="2") as edge,
        parking(edge) as park,
    ):
        index = await index_of(edge)
        for _ in range(2):
            await park(f"{POLL}&index={index}&wait=60s")
        await eventually(lambda: standin.parked == 2, "two parked")
        answer = await edge.ask("GET", f"{POLL}&index={index}&wait=60s")
        assert answer.status == 503
        assert answer.body == b"consul-edge: watch.max_per_server (2) is reached at every server"
        assert (await edge.ask("GET", f"{KEY}?raw")).body == b"before"


async def test_polls_beyond_one_servers_limit_go_to_the_next() -> None:
    """Polls are spread: the next server takes what the first has no room for."""
    one, two = small(), small()
    async with one.running() as first_url, two.running() as second_url:
        async with (
            edge_over(first_url, second_url, WATCH__MAX_PER_SERVER="1") as edge,
            parking(edge) as park,
        ):
            index = await index_of(edge)
            for _ in range(2):
                await park(f"{POLL}&index={index}&wait=60s")
            await eventually(lambda: (one.parked, two.parked) == (1, 1), "one parked at each")


async def test_another_leader_is_found_the_poll_is_asked_anew() -> None:
    """What was forwarded to a leader that is gone may hang for long: it is not waited for."""
    standin = small()
    async with standin.running() as one, edge_over(one) as edge, parking(edge) as park:
        index = await index_of(edge)
        await eventually(lambda: first(edge).leader, "a first heartbeat")
        await park(f"{POLL}&index={index}&wait=60s")
        await eventually(lambda: standin.parked == 1, "parked")
        standin.faults.answer(200, '"127.0.0.99:8300"', path="/v1/status/leader")
        await eventually(lambda: len(standin.seen.of(path=f"{POLL}&index={index}")) == 2, "anew")
