"""The bound on requests that one client has under way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from aiohttp import ClientResponse
from prometheus_client import REGISTRY

from consul_edge.core.errors import LimitReached
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE, UNDER_WAY
from consul_edge.web.under_way import UnderWay
from tests.house import House, edge_over
from tests.waiting import eventually

SLOW = "/v1/session/list"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a server that has not answered yet what is slow."""
    standin = StandIn(nodes=3, services=5)
    async with standin.running(host="127.0.0.1", port=0):
        yield standin


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge that lets each client have two requests under way."""
    settings = {"LIMITS__REQUESTS_PER_CLIENT": "2", "CONSUL__TIMEOUT": "20s"}
    async with edge_over(standin.base_url, ADMIN__TOKEN="letmein", **settings) as house:
        yield house


@contextlib.asynccontextmanager
async def busy(house: House, standin: StandIn) -> AsyncIterator[None]:
    """Have a client at its bound."""
    fault = standin.faults.hang(path=SLOW)
    tasks = [asyncio.create_task(house.client.get(f"{house.base}{SLOW}")) for _ in range(2)]
    try:
        await eventually(lambda: fault.hits >= 2, "two requests are under way")
        yield
    finally:
        fault.lift()
        answers = await asyncio.gather(*tasks)
    assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize("target", ["/v1/catalog/nodes", "/api/v1/sites", "/", "/v1/kv/a"])
async def test_request_beyond_the_bound_is_refused_by_name(
    house: House, standin: StandIn, target: str
) -> None:
    """The client learns which bound it met and when to come again."""
    async with busy(house, standin):
        refused = await house.ask("GET", target)
    assert refused.status == 429
    assert refused.header("Retry-After") == "1"
    assert b"limits.requests_per_client (2) requests of 127.0.0.1 are under way" in refused.body


async def test_request_beyond_the_bound_does_not_reach_consul(
    house: House, standin: StandIn
) -> None:
    """A refused write was not done."""
    async with busy(house, standin):
        assert (await house.ask("PUT", "/v1/kv/a")).status == 429
    assert standin.seen.of("PUT") == []


async def test_client_is_served_again_once_it_has_fewer(house: House, standin: StandIn) -> None:
    """The bound is on what is under way, not on what was; nothing is remembered."""
    async with busy(house, standin):
        pass
    assert (await house.ask("GET", "/v1/catalog/nodes")).status == 200
    assert not house.app[UNDER_WAY]._count


@pytest.mark.parametrize(
    "target", ["/-/healthy", "/-/ready", "/metrics", "/api/v1/admin/cache/proxy/info"]
)
async def test_health_metrics_and_admin_calls_are_on_no_count(
    house: House, standin: StandIn, target: str
) -> None:
    """Who watches over the edge, or mends it, is let in however busy his machine is."""
    async with busy(house, standin):
        bearer = ("Authorization", "Bearer letmein")
        assert (await house.ask("GET", target, [bearer])).status == 200


async def test_blocking_query_that_waits_is_not_counted(house: House) -> None:
    """It has a bound of its own: more of them may wait than requests be under way."""
    poll = f"/v1/kv/none?index={(await house.ask('GET', '/v1/kv/none')).index}&wait=60s"
    async with waiting(house, poll, lambda _, count: parked(house) == count):
        assert (await house.ask("GET", "/v1/catalog/nodes")).status == 200
    await eventually(lambda: not house.app[UNDER_WAY]._count, "nobody is counted")


async def test_blocking_query_of_the_enriched_api_that_waits_is_not_counted(house: House) -> None:
    """The edge's own index waits like Consul's."""
    index = (await house.ask("GET", "/api/v1/nodes")).json()["index"]
    before = blocking()
    poll = f"/api/v1/nodes?index={index}&wait=60s"

    def waits(_: object, count: int) -> bool:
        return blocking() - before == count

    async with waiting(house, poll, waits):
        assert (await house.ask("GET", "/v1/catalog/nodes")).status == 200


async def test_stream_of_events_is_not_counted(house: House) -> None:
    """It is there for long, and counts among what waits."""
    async with waiting(house, "/api/v1/events", lambda tasks, _: tasks[-1].done()):
        assert (await house.ask("GET", "/v1/catalog/nodes")).status == 200


@contextlib.asynccontextmanager
async def waiting(
    house: House, target: str, waits: Callable[[list[asyncio.Task[ClientResponse]], int], bool]
) -> AsyncIterator[None]:
    """Have more of something waiting than requests may be under way, begun one by one."""
    tasks: list[asyncio.Task[ClientResponse]] = []
    try:
        for count in range(1, 5):
            tasks.append(asyncio.create_task(house.client.get(f"{house.base}{target}")))
            await eventually(partial(waits, tasks, count), f"{count} wait")
        yield
    finally:
        for task in tasks:
            task.cancel()
        for answer in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(answer, BaseException):
                answer.close()


def blocking() -> float:
    """Read how many clients wait, here or there."""
    return REGISTRY.get_sample_value("consul_edge_blocking_clients") or 0.0


def parked(house: House) -> int:
    """Count the clients whose blocking queries wait."""
    return sum(len(line.waiters) for line in house.app[CACHE].lines)


async def test_client_that_left_is_not_counted(house: House, standin: StandIn) -> None:
    """Whoever hangs up in the middle leaves no count behind."""
    fault = standin.faults.hang(path=SLOW)
    task = asyncio.create_task(house.client.get(f"{house.base}{SLOW}"))
    await eventually(lambda: fault.hits >= 1, "a request is under way")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await eventually(lambda: not house.app[UNDER_WAY]._count, "nobody is counted")
    fault.lift()


def test_clients_are_counted_apart() -> None:
    """One client's requests take nothing from another."""
    under_way = UnderWay(1)
    under_way.enter("10.0.0.1")
    under_way.enter("10.0.0.2")
    with pytest.raises(LimitReached):
        under_way.enter("10.0.0.1")
    under_way.leave("10.0.0.1")
    under_way.enter("10.0.0.1")


def test_client_of_a_unix_socket_is_not_bounded() -> None:
    """It has no address to be told apart by; the socket's file says who may come."""
    under_way = UnderWay(1)
    for client in (None, "", None):
        under_way.enter(client)
    with under_way.aside(None):
        pass
    for client in (None, "", None):
        under_way.leave(client)


def test_client_that_waited_is_answered_whatever_it_did_meanwhile() -> None:
    """Coming back from waiting is no new request, and is counted until it leaves."""
    under_way = UnderWay(1)
    under_way.enter("10.0.0.1")
    with under_way.aside("10.0.0.1"):
        under_way.enter("10.0.0.1")
    with pytest.raises(LimitReached):
        under_way.enter("10.0.0.1")
    under_way.leave("10.0.0.1")
    under_way.leave("10.0.0.1")
    assert not under_way._count


def test_other_bound_counts_from_the_next_request_on() -> None:
    """A reload ends nothing that is under way."""
    under_way = UnderWay(2)
    under_way.enter("10.0.0.1")
    under_way.enter("10.0.0.1")
    under_way.adopt(1)
    with pytest.raises(LimitReached, match=r"\(1\)"):
        under_way.enter("10.0.0.1")
    under_way.leave("10.0.0.1")
    under_way.leave("10.0.0.1")
    under_way.enter("10.0.0.1")
