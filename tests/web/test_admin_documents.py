"""Flushing and inspecting the documents of the enriched API."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from consul_edge.demo.standin import StandIn
from tests.house import House, edge_over
from tests.wire import Headers

TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"
BEARER: Final = [("Authorization", f"Bearer {TOKEN}")]
NODES: Final = "/v1/catalog/nodes"


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    one = StandIn(nodes=3, services=8)
    async with one.running():
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge with an admin token."""
    async with edge_over(standin.base_url, ADMIN__TOKEN=TOKEN) as edge:
        yield edge


async def admin(house: House, method: str, path: str, headers: Headers = BEARER) -> Any:
    """Call the admin API; give the decoded answer."""
    answer = await house.ask(method, f"/api/v1/admin/cache/{path}", headers)
    assert answer.status == 200, answer.body
    return answer.json()


async def test_flush_of_nodes_has_the_cluster_asked_anew(house: House, standin: StandIn) -> None:
    """After a flush the next reader gets what Consul says then, and what was kept is counted."""
    await house.ask("GET", "/api/v1/nodes")
    before = len(standin.seen.of(path=NODES))
    done = await admin(house, "POST", "nodes/flush")
    assert (done["keys_flushed"], done["namespaces"]) == (1, ["nodes"])
    await house.ask("GET", "/api/v1/nodes")
    asked = [one for one in standin.seen.of(path=NODES)[before:] if "index=" not in one.target]
    assert len(asked) == 1
    assert (await admin(house, "POST", "nodes/flush?key=/api/v1/nodes"))["keys_flushed"] == 1
    assert (await admin(house, "POST", "nodes/flush?key=/api/v1/other"))["keys_flushed"] == 0


async def test_flush_of_nothing_is_a_success(house: House) -> None:
    """Nobody has read: nothing is flushed, nothing is asked, and that is no error."""
    done = await admin(house, "POST", "nodes/flush")
    assert (done["success"], done["keys_flushed"]) == (True, 0)


@pytest.mark.parametrize("name", ["nodes", "services", "sites", "rules", "proxy"])
async def test_info_tells_when_it_was_flushed_last(house: House, name: str) -> None:
    """Of each cache, and of all at once; a flush of another one is none of it."""
    assert (await admin(house, "GET", f"{name}/info"))["last_flush"] is None
    done = await admin(house, "POST", f"{name}/flush")
    last = (await admin(house, "GET", f"{name}/info"))["last_flush"]
    assert (last["trigger"], last["flushed"]) == ("admin", done["flushed"])
    assert last["at"][:19] <= done["flushed_at"][:19]
    told = (await admin(house, "GET", "all/info"))["namespaces"]
    assert {one for one, fields in told.items() if fields["last_flush"]} == {name}


async def test_info_of_nodes_tells_what_is_kept(house: House) -> None:
    """The original's fields, and what it did not have: entries, bytes, hits, misses and ages."""
    empty = await admin(house, "GET", "nodes/info")
    assert (empty["entries"], empty["oldest_age_seconds"]) == (0, None)
    for _ in range(3):
        await house.ask("GET", "/api/v1/nodes")
    told = await admin(house, "GET", "nodes/info")
    assert (told["nodes_cache_key"], told["nodes_ttl_seconds"]) == ("/api/v1/nodes", 60.0)
    assert (told["entries"], told["misses"], told["hits"]) == (1, 1, 2)
    assert told["bytes"] > 1000
    assert told["oldest_age_seconds"] >= 0.0
    assert told["identities"] == 1


async def test_flush_of_services_leaves_nodes_kept(house: House) -> None:
    """One name's documents go, the other's stay."""
    await house.ask("GET", "/api/v1/nodes")
    await house.ask("GET", "/api/v1/services?page_size=2")
    assert (await admin(house, "POST", "services/flush"))["keys_flushed"] == 1
    assert (await admin(house, "GET", "nodes/info"))["entries"] == 1


async def test_info_of_services_as_text(house: House) -> None:
    """People get a line for each fact."""
    answer = await house.ask(
        "GET",
        "/api/v1/admin/cache/services/info",
        [*BEARER, ("Accept", "text/plain")],
    )
    assert b"entries" in answer.body
    assert answer.body.startswith(b"cache ")
