"""Readiness: something to serve is enough, and says so when it is stale."""

from collections.abc import AsyncIterator

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from tests.house import House, edge_over
from tests.waiting import eventually


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    standin = StandIn(nodes=3, services=5)
    async with standin.running(host="127.0.0.1", port=0):
        yield standin


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    async with edge_over(standin.base_url, CONSUL__RETRY_DELAY="10ms") as house:
        yield house


async def lose(standin: StandIn, house: House) -> None:
    """Take the only server away, and have the edge notice."""
    await standin.refuse()
    await house.ask("GET", "/v1/catalog/datacenters?consistent")
    assert house.rotation.servers.are_out


async def test_server_is_well_the_edge_is_ready(house: House) -> None:
    """Nothing has to be asked to say so."""
    answer = await house.ask("GET", "/-/ready")
    assert (answer.status, answer.body) == (200, b"consul-edge is ready\n")


async def test_no_server_and_nothing_kept_is_not_ready(standin: StandIn, house: House) -> None:
    """There is nothing that it could serve."""
    await lose(standin, house)
    answer = await house.ask("GET", "/-/ready")
    assert (answer.status, b"no Consul server answers" in answer.body) == (503, True)


async def test_no_server_but_kept_answers_stays_ready_and_says_so(
    standin: StandIn, house: House
) -> None:
    """Taking a serving edge out of a pool would turn an age into an error."""
    for _ in range(2):
        assert (await house.ask("GET", "/v1/catalog/nodes")).status == 200
    await eventually(lambda: house.rotation.servers.silent_for(0) < 0, "a heartbeat was heard")
    await lose(standin, house)
    answer = await house.ask("GET", "/-/ready")
    assert (answer.status, b"serves stale answers" in answer.body) == (200, True)
    demanding = await house.ask("GET", "/-/ready?max_stale=1ms")
    assert demanding.status == 503


async def test_no_server_and_only_what_never_goes_stale_is_not_ready(
    standin: StandIn, house: House
) -> None:
    """KV holds locks: what is kept of it for those who wait answers nobody without Consul."""
    assert (await house.ask("PUT", "/v1/kv/a", body=b"1")).status == 200
    assert (await house.ask("GET", "/v1/kv/a?index=1")).status == 200
    assert len(house.app[CACHE].lines.store) == 1
    await eventually(lambda: house.rotation.servers.silent_for(0) < 0, "a heartbeat was heard")
    await lose(standin, house)
    assert (await house.ask("GET", "/v1/kv/a")).status == 500
    assert (await house.ask("GET", "/-/ready")).status == 503


async def test_max_stale_that_is_no_duration_is_refused(house: House) -> None:
    """The field, the value and what was expected are named."""
    answer = await house.ask("GET", "/-/ready?max_stale=soon")
    assert answer.status == 400
    assert b"max_stale: 'soon': expected a duration" in answer.body
