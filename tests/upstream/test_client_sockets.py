"""The sessions over real sockets, with the stand-in at the other end."""

import asyncio

import pytest

from consul_edge.core.errors import ServerFailed
from consul_edge.demo.faults import Moment
from consul_edge.demo.standin import StandIn
from consul_edge.upstream.client import Intent
from tests.upstream.making import ask, client_with
from tests.waiting import eventually

TARGETS = [
    "/v1/kv/?recurse",
    "/v1/kv/a%2Fb",
    "/v1/kv/a%2fb%20c",
    "//v1/kv/a",
    "/v1//kv/a",
    "/v1/kv/a/../b",
    "/v1/kv/./a",
    "/v1/kv/a//",
    "/v1/kv/%zz%",
    "/v1/kv/a:b@c|d{e}",
    "/v1/kv/a?q=a%26b+c&q=&=x&&y",
    "/v1/kv/a?x;dc=dc1",
    "/v1/kv/a?b?c/d",
    "/v1/kv/a?%72aw",
    "/v1/kv/" + "k" * 8000,
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target)[:40])
async def test_target_arrives_byte_for_byte(target: str) -> None:
    """What the client wrote is what Consul reads: nothing is cleaned, decoded or encoded."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        await ask(client, url, target)
        assert [seen.target for seen in standin.seen] == [target]


async def test_hash_in_a_target_arrives_as_part_of_the_path() -> None:
    """In a request line it begins no fragment; encoded it means the same to Consul."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        await ask(client, url, "/v1/kv/a#b?raw#c")
        assert [seen.target for seen in standin.seen] == ["/v1/kv/a%23b?raw%23c"]


async def test_prefix_of_an_address_comes_before_the_target() -> None:
    """A reverse proxy in front of Consul strips it again."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        await ask(client, f"{url}/consul/", "//v1/kv/a")
        assert [seen.target for seen in standin.seen] == ["/consul//v1/kv/a"]


async def test_headers_that_the_client_did_not_send_are_not_added() -> None:
    """What aiohttp would add, ``Accept``, ``Accept-Encoding`` and ``User-Agent``, stays away."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        await ask(client, url, "/v1/kv/?keys")
        (seen,) = standin.seen
        assert {name.lower() for name in seen.headers} == {"host"}


def connections(standin: StandIn) -> int:
    """Count the connections that are open at a stand-in."""
    assert standin._runner is not None
    assert standin._runner.server is not None
    return len(standin._runner.server.connections)


@pytest.mark.parametrize("kept", [0, 1, 3])
@pytest.mark.parametrize("intent", [Intent.READ, Intent.WATCH], ids=lambda intent: intent.value)
async def test_idle_connections_beyond_the_bound_are_closed(intent: Intent, kept: int) -> None:
    """However many were in use at once, only so many are kept while idle."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with(kept) as client:
        hung = standin.faults.hang(path="/v1/kv/")
        asking = [asyncio.create_task(ask(client, url, "/v1/kv/?keys", intent)) for _ in range(6)]
        await eventually(lambda: connections(standin) == 6, "all six in use")
        await eventually(lambda: hung.hits == 6, "all six asked")
        standin.faults.clear()
        await asyncio.gather(*asking)
        await eventually(lambda: connections(standin) <= kept, "the others closed")
        assert connections(standin) == kept


async def test_idle_connection_is_used_again() -> None:
    """Reads one after the other need one connection."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        for _ in range(5):
            await ask(client, url, "/v1/kv/?keys")
            assert connections(standin) == 1


async def test_idle_connection_is_closed_after_its_time() -> None:
    """An expiry of nothing keeps nothing for long."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with(keepalive_expiry=0.01) as client:
        await ask(client, url, "/v1/kv/?keys")
        await eventually(lambda: connections(standin) == 0, "the idle one closed")


async def test_write_opens_a_connection_and_closes_it() -> None:
    """A connection that was never kept can be no dead one that makes aiohttp replay."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        await ask(client, url, "/v1/kv/?keys")
        for _ in range(3):
            await ask(client, url, "/v1/kv/a", Intent.WRITE, "PUT")
        await eventually(lambda: connections(standin) == 1, "the writes' closed")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_write_whose_server_hangs_up_is_sent_once(method: str) -> None:
    """The library would send it a second time by itself; this session does not."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        standin.faults.reset(Moment.READ, method=method)
        with pytest.raises(ServerFailed) as caught:
            await ask(client, url, "/v1/kv/a", Intent.WRITE, method)
        assert caught.value.sent
        assert len(standin.seen.of(method)) == 1


async def test_parked_poll_does_not_keep_a_read_waiting() -> None:
    """Polls have connections of their own."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url, client_with() as client:
        standin.faults.hang(path="/v1/kv/parked")
        poll = asyncio.create_task(ask(client, url, "/v1/kv/parked", Intent.WATCH))
        await eventually(lambda: standin.seen.of("GET"), "the poll parked")
        assert await ask(client, url, "/v1/status/leader")
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)


async def test_closed_client_leaves_no_connection() -> None:
    """Closing closes the idle ones of every intent."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running() as url:
        async with client_with() as client:
            for intent in (Intent.READ, Intent.WATCH):
                await ask(client, url, "/v1/kv/?keys", intent)
            assert connections(standin) == 2
        await eventually(lambda: connections(standin) == 0, "all closed")
