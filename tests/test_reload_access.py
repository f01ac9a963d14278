"""Who waits or reads a stream while a reload changes who may see what."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE, PARKED
from tests.house import House, edge_over
from tests.waiting import eventually
from tests.wire import Answer, exchange

NODES = "/v1/catalog/nodes"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a Consul."""
    standin = StandIn(nodes=3, services=5)
    async with standin.running():
        yield standin


@pytest.fixture(params=["true", "false"], ids=["fastlane", "aiohttp"])
async def house(request: pytest.FixtureRequest, standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url, FASTLANE=request.param) as house:
        yield house


async def parked(house: House, asking: "list[asyncio.Task[int]]") -> None:
    """Wait until all of them wait."""

    def waiting() -> int:
        return sum(len(line.waiters) for line in house.app[CACHE].lines)

    await eventually(lambda: waiting() == len(asking), "parked")


async def polls(house: House, count: int) -> "list[asyncio.Task[int]]":
    """Have clients wait for other nodes; the later ones are known to the fast lane."""
    asking: list[asyncio.Task[int]] = []
    index = (await house.ask("GET", NODES)).header("X-Consul-Index")
    target = f"{NODES}?index={index}&wait=60s"

    async def ask() -> int:
        async with house.client.get(house.base + target) as response:
            await response.read()
            return response.status

    for _ in range(count):
        asking.append(asyncio.create_task(ask()))
        await parked(house, asking)
    return asking


async def register(standin: StandIn, name: str) -> None:
    """Have one node more."""
    body = b'{"Node": "%s", "Address": "10.9.9.9"}' % name.encode()
    done = await asyncio.to_thread(
        exchange, ("127.0.0.1", standin.port), "PUT", "/v1/catalog/register", (), body
    )
    assert done.status == 200


async def test_query_that_waits_is_refused_what_was_denied_meanwhile(
    house: House, standin: StandIn
) -> None:
    """What is new is not told to who may not know it any more, however long he waits already."""
    asking = await polls(house, 4)
    await house.reload(ACCESS__DENY="catalog_nodes")
    await register(standin, "new")
    assert await asyncio.wait_for(asyncio.gather(*asking), 20) == [403] * 4


async def test_query_that_waits_and_may_go_on_is_answered(house: House, standin: StandIn) -> None:
    """Who is judged anew and let through gets the news, and none is lost."""
    asking = await polls(house, 4)
    await house.reload(ACCESS__DENY="kv")
    assert not any(one.done() for one in asking)
    await register(standin, "new")
    assert await asyncio.wait_for(asyncio.gather(*asking), 20) == [200] * 4


async def test_document_that_is_waited_for_is_refused_once_it_is_denied(
    house: House, standin: StandIn
) -> None:
    """The same for the edge's own documents."""
    index = (await house.ask("GET", "/api/v1/nodes")).json()["index"]
    target = f"/api/v1/nodes?index={index}&wait=60s"
    asking = asyncio.create_task(house.ask("GET", target))
    await eventually(lambda: _parked(house) == 1, "parked")
    await house.reload(ACCESS__DENY="api")
    await register(standin, "new")
    answer: Answer = await asyncio.wait_for(asking, 20)
    assert answer.status == 403
    assert b"10.9.9.9" not in answer.body


@pytest.mark.parametrize(
    ("name", "value"), [("ACCESS__DENY", "api"), ("CONSUL__TOKEN_FOR_CLIENTS", "true")]
)
async def test_stream_ends_when_a_reload_changes_who_may_see_what(
    house: House, name: str, value: str
) -> None:
    """Its reader comes again and is judged; without that it would read on for ever."""
    async with house.client.get(f"{house.base}/api/v1/events") as response:
        assert b"hello" in await response.content.readuntil(b"\n\n")
        await house.reload(**{name: value})
        await asyncio.wait_for(response.read(), 20)


async def test_stream_goes_on_through_a_reload_of_other_settings(
    house: House, standin: StandIn
) -> None:
    """Nobody is sent away whom the change does not concern."""
    async with house.client.get(f"{house.base}/api/v1/events") as response:
        assert b"hello" in await response.content.readuntil(b"\n\n")
        await house.reload(CACHE__TTL="7s", ALLOWED_HOSTS="other.test")
        await register(standin, "new")
        async with asyncio.timeout(20):
            while b"10.9.9.9" not in await response.content.readuntil(b"\n\n"):
                pass


async def test_endless_answer_is_broken_off_once_it_is_denied() -> None:
    """What Consul would stream for ever, such as its log, is judged as soon as it is closed."""

    async def tell(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a line")
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/v1/agent/monitor", tell)
    async with TestServer(app) as consul, edge_over(str(consul.make_url(""))) as house:
        async with house.client.get(f"{house.base}/v1/agent/monitor") as response:
            assert await response.content.readany() == b"a line"
            await house.reload(ACCESS__DENY="/v1/agent/")
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(response.read(), 20)
        assert (await house.ask("GET", "/v1/agent/monitor")).status == 403


async def test_write_under_way_is_told_what_became_of_it(house: House, standin: StandIn) -> None:
    """A write that Consul has done is not called refused."""
    fault = standin.faults.hang(path="/v1/kv/a")
    writing = asyncio.create_task(house.ask("PUT", "/v1/kv/a", body=b"x"))
    await eventually(lambda: fault.hits == 1, "the write is under way")
    await house.reload(ACCESS__READ_ONLY="true")
    fault.lift()
    assert (await writing).status == 200


def _parked(house: House) -> int:
    """Count who waits, as the bound does."""
    return sum(house.app[PARKED]._count.values())
