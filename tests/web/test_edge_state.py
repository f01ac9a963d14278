"""How the edge tells of itself, whoever asks."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from consul_edge.demo.standin import StandIn
from tests.house import House, edge_over
from tests.processes import fresh_address
from tests.waiting import eventually

TARGET: Final = "/api/v1/edge"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    one = StandIn(nodes=3, services=12)
    async with one.running(fresh_address(), 8500):
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it, which lets clients see nothing without a token of their own."""
    async with edge_over(standin.base_url) as one:
        yield one


async def asked(house: House) -> Any:
    """Ask for it."""
    answer = await house.ask("GET", TARGET)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_servers_are_told_with_their_leader(house: House, standin: StandIn) -> None:
    """The active one is named twice: as such, and among all."""
    await house.heard()
    told = await asked(house)
    name = standin.base_url.removeprefix("http://")
    assert told["active_server"] == name
    assert [(one["name"], one["state"]) for one in told["servers"]] == [(name, "active")]
    assert told["servers"][0]["leader"]


async def test_no_server_answers_it_is_told_at_once(house: House, standin: StandIn) -> None:
    """What is known of the servers needs none of them."""
    await house.heard()
    await standin.refuse()

    async def out() -> Any:
        return [one for one in (await asked(house))["servers"] if one["state"] == "out"]

    await eventually(out, "the server told as out")


async def test_reads_are_answered_from_memory_the_ratio_grows(house: House) -> None:
    """A share between none and all, of reads that can be kept."""
    await house.ask("GET", "/v1/catalog/nodes")
    before = (await asked(house))["hit_ratio"]
    for _ in range(20):
        await house.ask("GET", "/v1/catalog/nodes")
    assert 0 <= before < (await asked(house))["hit_ratio"] < 1


async def test_nothing_has_changed_a_client_keeps_what_it_has(house: House) -> None:
    """It is asked for again and again, and mostly the same."""
    await house.heard()
    answer = await house.ask("GET", TARGET)
    tag = answer.header("ETag") or ""
    assert (await house.ask("GET", TARGET, [("If-None-Match", tag)])).status == 304
