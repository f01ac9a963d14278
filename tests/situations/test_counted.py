"""What ``/metrics`` tells of the cache: each read by endpoint and result, and what was flushed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.scrape import sample, samples
from tests.situations.place import Place, place_over, small
from tests.waiting import eventually

WEB = "/v1/health/service/web"
NODES = "/v1/catalog/nodes"

ENDPOINTS = ("health_service", "catalog_nodes", "kv", "agent_self")
RESULTS = ("live", "ttl", "held", "stale", "miss", "collapsed", "bypass")


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give an edge over a stand-in, whose entries are young for long."""
    standin = small()
    async with standin.running(), place_over(standin, CACHE__TTL="1h") as place:
        await place.register("web")
        yield place


async def requests(place: Place) -> dict[tuple[str, str], float]:
    """Count the reads of each endpoint, by their result."""
    name = "consul_edge_cache_requests_total"
    found = await asyncio.to_thread(samples, place.house.base, name)
    told = {(labels["endpoint"], labels["result"]): value for labels, value in found}
    return {
        (endpoint, result): told.get((endpoint, result), 0.0)
        for endpoint in ENDPOINTS
        for result in RESULTS
    }


async def counted(
    place: Place, doing: Callable[[], Awaitable[object]]
) -> dict[tuple[str, str], float]:
    """Say what *doing* added."""
    before = await requests(place)
    await doing()
    after = await requests(place)
    return {at: after[at] - before[at] for at in after if after[at] != before[at]}


async def test_reads_are_counted_by_endpoint_and_result(place: Place) -> None:
    """Each by its own endpoint, a hit by its proof, and what Consul had to answer by why."""
    get = place.edge.get
    assert await counted(place, lambda: get(WEB)) == {("health_service", "miss"): 1}
    assert await counted(place, lambda: get(WEB)) == {("health_service", "ttl"): 1}
    await place.until_live(WEB)
    assert await counted(place, lambda: get(WEB)) == {("health_service", "live"): 1}
    consistent = f"{WEB}?consistent"
    assert await counted(place, lambda: get(consistent)) == {("health_service", "bypass"): 1}
    assert await counted(place, lambda: get(NODES)) == {("catalog_nodes", "miss"): 1}


async def test_reads_that_are_never_kept_are_not_counted(place: Place) -> None:
    """Plain reads of KV and an agent's own are no reads of what can be kept."""

    async def read() -> None:
        for target in ("/v1/kv/a", "/v1/agent/self"):
            await place.edge.get(target)

    assert await counted(place, read) == {}


async def test_client_that_waited_is_counted_as_held(place: Place) -> None:
    """Once, when it is answered."""
    known = await place.until_live(WEB)

    async def wait() -> None:
        poll = place.edge.begin(f"{WEB}?index={known.index}&wait=300s")
        await place.until_parked(WEB)
        await place.register("web", port=81)
        await poll

    assert await counted(place, wait) == {("health_service", "held"): 1}


async def test_clients_that_share_a_fetch_are_counted_as_one_miss_and_collapsed(
    place: Place,
) -> None:
    """Only one of them cost Consul anything."""
    place.standin.faults.delay(0.2, path=NODES, times=1)

    async def read() -> None:
        await asyncio.gather(*(place.edge.get(NODES) for _ in range(5)))

    assert await counted(place, read) == {
        ("catalog_nodes", "miss"): 1,
        ("catalog_nodes", "collapsed"): 4,
    }


async def test_answer_that_stands_in_is_counted_as_stale(place: Place) -> None:
    """Whoever watches the edge sees an outage in it."""
    await place.until_live(WEB)
    await place.standin.refuse()
    await eventually(lambda: place.house.rotation.servers.are_out, "the outage noticed")
    # What was written may have changed: young is no proof any more.
    await place.edge.ask("PUT", "/v1/catalog/deregister", {"Node": "nobody"})
    assert await counted(place, lambda: place.edge.get(WEB)) == {("health_service", "stale"): 1}


TRIGGERS = ("admin", "acl", "denied", "identity")


async def flushes(place: Place) -> dict[str, float]:
    """Count the answers that were dropped at once, by what did it."""
    name = "consul_edge_cache_flushes_total"
    return {
        trigger: await asyncio.to_thread(sample, place.house.base, name, trigger=trigger)
        for trigger in TRIGGERS
    }


async def flushed(place: Place, doing: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Say which of two answers, kept for one token, *doing* cost."""
    for target in (WEB, NODES):
        await place.edge.get(target, "somebody")
    before = await flushes(place)
    await doing()
    after = await flushes(place)
    return {
        trigger: after[trigger] - before[trigger]
        for trigger in TRIGGERS
        if after[trigger] != before[trigger]
    }


@pytest.mark.parametrize(
    ("text", "cost"),
    [("Permission denied", {"denied": 1}), ("ACL not found", {"denied": 1, "identity": 1})],
)
async def test_refused_read_is_counted_with_what_it_cost(
    place: Place, text: str, cost: dict[str, float]
) -> None:
    """A question that may not be asked any more costs its answer, an unknown token its others."""

    async def refuse() -> None:
        place.standin.faults.answer(403, text, path=WEB)
        await place.edge.put("/v1/catalog/register", {"Node": "x", "Address": "10.1.2.4"})
        await place.edge.get(WEB, "somebody")

    assert await flushed(place, refuse) == cost


@pytest.mark.parametrize(
    ("status", "cost"), [(200, {"acl": 2}), (403, {})], ids=["done", "refused"]
)
async def test_write_of_rights_is_counted_with_all_that_it_cost(
    place: Place, status: int, cost: dict[str, float]
) -> None:
    """Nothing if it was refused."""
    path = "/v1/acl/policy/x"
    place.standin.faults.answer(status, b"{}", path=path)
    assert await flushed(place, lambda: place.edge.ask("PUT", path, b"{}")) == cost
