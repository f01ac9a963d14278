"""What clients cost Consul: by the keys that they ask for, not by their number."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from consul_edge.upstream.servers import Server
from tests.consul import ConsulAgent
from tests.peers import require
from tests.scrape import sample
from tests.situations.place import Got, Place, place_over, small
from tests.waiting import eventually

WEB = "/v1/health/service/web"

CLIENTS = 1000

READS = 5
"""Of each polling client."""

KEYS = 300
"""Far more than a server has room for watches."""


@pytest.mark.usefixtures("unhurried_heartbeats")
async def test_thousand_pollers_and_thousand_watchers_cost_one_watch() -> None:
    """Nothing upstream is per client: one watch, and a few fetches before it was there."""
    standin = small()
    async with standin.running(), place_over(standin) as place:
        await place.register("web")
        standin.seen.clear()
        known = await place.until_live(WEB)
        polls = [place.edge.begin(f"{WEB}?index={known.index}&wait=300s") for _ in range(CLIENTS)]
        await place.until_parked(WEB, CLIENTS)

        async def poller() -> set[tuple[int, bytes]]:
            answers = [await place.edge.get(WEB) for _ in range(READS)]
            return {(got.status, got.body) for got in answers}

        answers = await asyncio.gather(*(poller() for _ in range(CLIENTS)))
        assert set().union(*answers) == {(200, known.body)}
        assert not any(poll.done() for poll in polls)
        asked = standin.seen.of("GET", "/v1/health/")
        assert len([seen for seen in asked if "index=" in seen.target]) == 1
        # Two reads earn a watch, which begins with a fill; a third may come in between.
        assert len(asked) <= 5, asked
        others = {seen.target for seen in standin.seen if seen not in asked}
        assert others == {"/v1/status/leader"}


@pytest.mark.usefixtures("unhurried_heartbeats")
async def test_thousand_readers_of_what_is_new_are_one_fetch(standin_place: Place) -> None:
    """Those who come while it is fetched wait for that one answer."""
    place = standin_place
    await place.register("web")
    stalled = place.standin.faults.stall(path=WEB, times=1)
    reads = [place.edge.begin(WEB) for _ in range(CLIENTS)]
    await stalled.met.wait()
    await eventually(lambda: waiting(place) >= CLIENTS, "all at the edge")
    stalled.lift()
    answers = await asyncio.gather(*reads)
    assert {(got.status, got.body) for got in answers} == {(200, answers[0].body)}
    results = sorted(got.cache for got in answers)
    assert results.count("fwd=miss") == 1
    assert results.count("fwd=miss; collapsed") == CLIENTS - 1
    fetches = [seen for seen in place.standin.seen.of("GET", WEB) if "index" not in seen.target]
    # Their number earned a watch, whose fill is the second.
    assert len(fetches) <= 2


def waiting(place: Place) -> int:
    """Count who waits for the flight, and the flight itself."""
    return sum(line.guests for line in place.lines(WEB))


@pytest.fixture
async def limited() -> AsyncIterator[Place]:
    """Give an edge with its defaults over a real Consul with its own: 200 connections."""
    require("consul")
    with ConsulAgent("agent-limited", connections=200) as agent:
        async with place_over(agent) as place:
            yield place


def server_of(place: Place) -> Server:
    """Give the edge's only server."""
    return next(iter(place.house.rotation.servers))


def used(place: Place) -> int:
    """Count the connections that Consul holds for the edge, as far as that knows."""
    slots = server_of(place).slots
    return slots.short + slots.polls + slots.abandoned


async def refusals(place: Place) -> float:
    """Count the attempts at Consul that came to nothing."""
    counts = [
        await asyncio.to_thread(
            sample,
            place.house.base,
            "consul_server_fallback_total",
            server=server_of(place).label,
            status=status,
        )
        for status in ("failure", "timeout")
    ]
    return sum(counts)


class Bystander:
    """Somebody else, who reads one thing over and over."""

    def __init__(self, place: Place) -> None:
        """Begin to read."""
        self.got: list[Got] = []
        self._place = place
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self.got.append(await self._place.edge.get("/v1/kv/bystander?raw"))
            await asyncio.sleep(0)

    def leave(self) -> list[Got]:
        """Stop; give what it got."""
        self._task.cancel()
        return self.got


@pytest.mark.real
@pytest.mark.parametrize("mode", ["", "consistent&"], ids=["collapsed", "passed"])
async def test_thousand_abandoned_polls_on_distinct_keys_refuse_nobody(
    limited: Place, mode: str
) -> None:
    """Consul holds what is abandoned: the edge never opens so much that it is refused (0)."""
    place = limited
    await place.consul.put("/v1/kv/bystander", b"1")
    before = await refusals(place)
    missing = await place.edge.get("/v1/kv/gone/0")
    bystander = Bystander(place)
    most = 0
    for start in range(0, CLIENTS, 50):
        polls = [
            place.edge.begin(f"/v1/kv/gone/{key}?{mode}index={missing.index}&wait=20s")
            for key in range(start, start + 50)
        ]

        def are_there(polls: "list[asyncio.Task[Got]]" = polls) -> bool:
            passed = server_of(place).slots.polls if mode else 0
            return parked(place) + passed + sum(poll.done() for poll in polls) >= len(polls)

        await eventually(are_there, "the clients wait")
        # By the time that as many others were answered, those have arrived at Consul.
        for _ in polls:
            assert (await place.consul.get("/v1/status/leader")).status == 200
        most = max(most, used(place))
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
    await eventually(lambda: len(bystander.got) > 100, "the bystander served")
    assert {(got.status, got.body) for got in bystander.leave()} == {(200, b"1")}
    assert most <= 180
    assert await refusals(place) == before
    # As one who comes from the same address without an edge can tell.
    assert (await place.consul.get("/v1/status/leader")).status == 200


def parked(place: Place) -> int:
    """Count the clients who wait."""
    return sum(len(line.waiters) for line in place.cache.lines)


@pytest.mark.real
async def test_three_hundred_keys_read_in_a_cycle_refuse_nobody(limited: Place) -> None:
    """More keys than watches: each read is answered, and watches do not go round (section 0)."""
    place = limited
    await place.consul.put("/v1/kv/bystander", b"1")
    before = await refusals(place)
    bystander = Bystander(place)
    for _ in range(4):
        for number in range(KEYS):
            got = await place.edge.get(f"/v1/health/service/service-{number}")
            assert (got.status, got.json()) == (200, [])
            assert used(place) <= 180
    watched = [line for line in place.cache.lines if line.is_watched]
    assert 0 < len(watched) <= 110
    keys = {line.key for line in watched}
    for number in range(KEYS):
        await place.edge.get(f"/v1/health/service/service-{number}")
    after = {line.key for line in place.cache.lines if line.is_watched}
    assert len(keys - after) <= 10, "the same keys are watched after one more turn"
    assert {(got.status, got.body) for got in bystander.leave()} == {(200, b"1")}
    assert await refusals(place) == before


@pytest.mark.real
async def test_clients_beyond_the_watches_are_woken_all_the_same(limited: Place) -> None:
    """Keys without room for a watch are asked for in turn, and whoever waits there is told."""
    place = limited
    first = await place.consul.put("/v1/kv/many/0", b"1")
    assert first.status == 200
    for number in range(KEYS):
        await place.consul.put(f"/v1/kv/many/{number}", b"before")
    indexes = [(await place.edge.get(f"/v1/kv/many/{number}")).index for number in range(KEYS)]
    polls = [
        place.edge.begin(f"/v1/kv/many/{number}?index={index}&wait=300s")
        for number, index in enumerate(indexes)
    ]
    await eventually(lambda: parked(place) == KEYS, "everybody waits", within=60)
    assert sum(line.is_watched for line in place.cache.lines) <= 110
    for number in range(KEYS):
        await place.consul.put(f"/v1/kv/many/{number}", b"after")
    await eventually(lambda: all(poll.done() for poll in polls), "everybody told", within=60)
    for poll, index in zip(polls, indexes, strict=True):
        assert (poll.result().status, poll.result().index > index) == (200, True)
