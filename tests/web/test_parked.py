"""The bound on blocking queries of one client."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from consul_edge.core.errors import LimitReached
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from consul_edge.web.parked import Parked
from tests.house import House, edge_over
from tests.waiting import eventually


@pytest.fixture
async def house() -> AsyncIterator[House]:
    standin = StandIn(nodes=3, services=5)
    async with (
        standin.running(host="127.0.0.1", port=0) as url,
        edge_over(url, LIMITS__PARKED_PER_CLIENT="2") as house,
    ):
        yield house


def waiting(house: House) -> int:
    """Count the clients that are parked."""
    return sum(len(line.waiters) for line in house.app[CACHE].lines)


async def test_polls_beyond_the_bound_are_refused_by_name(house: House) -> None:
    """The client is told which bound it met; its plain reads are served on."""
    index = (await house.ask("GET", "/v1/kv/none")).header("X-Consul-Index")
    poll = f"/v1/kv/none?index={index}"
    parked = [
        asyncio.create_task(house.client.get(f"{house.base}{poll}&wait=60s")) for _ in range(2)
    ]
    try:
        await eventually(lambda: waiting(house) == 2, "two polls are parked")
        refused = await house.ask("GET", f"{poll}&wait=60s")
        assert refused.status == 503
        assert b"limits.parked_per_client (2)" in refused.body
        assert (await house.ask("GET", "/v1/catalog/nodes")).status == 200
    finally:
        for task in parked:
            task.cancel()
        await asyncio.gather(*parked, return_exceptions=True)
    await eventually(lambda: waiting(house) == 0, "nobody is parked")
    assert (await house.ask("GET", f"{poll}&wait=10ms")).status == 404


def test_clients_are_counted_apart_and_forgotten_when_they_left() -> None:
    """One client's polls take nothing from another, and none of its memory stays."""
    parked = Parked(1)
    with (
        parked.one_of("10.0.0.1"),
        parked.one_of("10.0.0.2"),
        pytest.raises(LimitReached),
        parked.one_of("10.0.0.1"),
    ):
        pass
    assert not parked._count


def test_clients_of_a_unix_socket_are_not_bounded() -> None:
    """They have no address to be told apart by; the socket's file says who may come."""
    parked = Parked(1)
    with parked.one_of(None), parked.one_of(None):
        pass
