"""However many keys are asked for, what is kept, watched and under way has its bounds."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from consul_edge.web.keys import CACHE
from tests.bare import BareConsul, parked, read_all
from tests.edge import EdgeProcess
from tests.house import PORT, House, edge_over
from tests.scrape import scrape
from tests.waiting import TooLateError, eventually

KEYS: Final = 100_000

PART: Final = 5_000
"""Keys between two looks at the memory."""

MAX_BYTES: Final = 16 * 2**20

MAX_ENTRIES: Final = 10_000
"""The default of ``cache.max_entries``."""

BEYOND: Final = 30_000_000
"""Bytes that the edge may grow beside what it keeps."""

CONNECTIONS: Final = 8

WATCHES: Final = 110
"""The default of ``watch.max_per_server``."""


def services(word: str, count: int, first: int = 0) -> list[str]:
    """Give paths of services that no other word has."""
    return [f"/v1/health/service/{word}-{number}" for number in range(first, first + count)]


def values(word: str, count: int) -> list[str]:
    """Give paths of KV keys."""
    return [f"/v1/kv/{word}-{number}" for number in range(count)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an edge that many keys were read from."""

    grown_bytes: int
    """At most, since the warm-up."""
    metrics: dict[str, float]
    """Those without labels, and those with one by its value."""
    rewatched: float
    """Its watches after many of the keys had been read twice."""
    most_held: int
    """Blocking queries that Consul ever held at once."""


def read_once(count: int, cache: dict[str, Any]) -> Seen:
    """Read *count* keys once from a process of its own, and then a few of them twice."""

    async def reading() -> Seen:
        async with (
            BareConsul().running() as consul,
            EdgeProcess([consul.server], {"cache": cache}) as edge,
        ):
            where = (edge.address, edge.port)
            await read_all(where, services("warm", 500), connections=CONNECTIONS)
            before = edge.rss_bytes()
            grown = []
            for first in range(0, count, PART):
                await read_all(where, services("once", PART, first), connections=CONNECTIONS)
                grown.append(edge.rss_bytes() - before)
            metrics = await scraped(edge)
            assert consul.reads >= count + 500, "each key was asked for"
            twice = services("twice", 3 * WATCHES)
            await read_all(where, twice + twice, connections=CONNECTIONS)
            await eventually(lambda: len(consul.held) >= WATCHES, "watched")
            watched = (await scraped(edge))["consul_edge_blocking_upstream_queries"]
            return Seen(max(grown), metrics, watched, consul.most_held)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(reading())


async def scraped(edge: EdgeProcess) -> dict[str, float]:
    """Read the metrics of the cache."""
    text = await asyncio.to_thread(scrape, edge.http)
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.timeout(600)
def test_hundred_thousand_keys_read_once_memory_stays_within_its_bound() -> None:
    """Memory grows by what may be kept and a little more, and one read earns no watch."""
    seen = read_once(KEYS, {"max_bytes": MAX_BYTES, "max_entry_bytes": 2**20})

    assert seen.grown_bytes <= MAX_BYTES + BEYOND
    assert MAX_BYTES * 0.9 < seen.metrics["consul_edge_cache_size_bytes"] <= MAX_BYTES
    entries = seen.metrics["consul_edge_cache_entries"]
    assert entries < MAX_ENTRIES
    assert seen.metrics["consul_edge_cache_evictions_total bytes"] == KEYS + 500 - entries
    assert seen.metrics["consul_edge_blocking_upstream_queries"] == 0
    assert seen.rewatched == seen.most_held == WATCHES


def test_more_keys_than_entries_read_once_memory_grows_by_what_is_counted() -> None:
    """With the bounds as they come, the number of entries binds, and their sizes are honest."""
    seen = read_once(2 * MAX_ENTRIES, {})

    assert seen.metrics["consul_edge_cache_entries"] == MAX_ENTRIES
    assert seen.metrics["consul_edge_cache_evictions_total entries"] == MAX_ENTRIES + 500
    assert seen.grown_bytes <= seen.metrics["consul_edge_cache_size_bytes"] + BEYOND


def going_on(house: House) -> Counter[str]:
    """Count what runs, waits or is due in the edge's loop, and what its cache has open."""
    loop: Any = asyncio.get_running_loop()
    tasks: Any = asyncio.all_tasks()
    cache = house.app[CACHE]
    kept = set(cache.lines.store)
    known = {line.name for line in cache.lines}
    slots = [server.slots for server in house.rotation.servers]
    found = Counter(f"task {task.get_coro().__qualname__}" for task in tasks)
    found.update(
        f"timer {timer._callback.__qualname__}"
        for timer in loop._scheduled
        if not timer.cancelled()
    )
    found["lines without an entry"] = len(known - kept)
    found["entries without a line"] = len(kept - known)
    found["waiters"] = sum(len(line.waiters) for line in cache.lines)
    found["flights"] = len(cache._flights._tasks)
    found["orphaned reads"] = len(house.rotation.orphans)
    found["watches"] = len(cache.watches)
    found["watches wanted"] = cache.watches.wanted
    found["polls"] = sum(one.polls + one.abandoned for one in slots)
    found["short reads"] = sum(one.short for one in slots)
    return +found


async def resting(house: House) -> Counter[str]:
    """Give what goes on when there are no clients: a server is listened to some seconds longer."""

    def is_at_rest() -> bool:
        found = going_on(house)
        return not found["timer Timeout._on_timeout"] and not found["task RequestHandler.start"]

    await eventually(is_at_rest, "at rest")
    return going_on(house)


async def left_behind(house: House, consul: BareConsul, before: Counter[str]) -> Counter[str]:
    """Let the watches' rounds end until no more goes on than *before*; give what stays."""

    def is_gone() -> bool:
        consul.release()
        return not going_on(house) - before

    with suppress(TooLateError):
        await eventually(is_gone, "nothing left behind")
    return going_on(house) - before


async def test_keys_read_and_polled_and_left_leave_nothing_behind() -> None:
    """When clients are gone and their entries evicted there is no task, timer or line of theirs,
    though more keys were polled at once than may be kept or watched.
    """
    settings = {
        "CACHE__MAX_ENTRIES": "100",
        "WATCH__MAX_PER_SERVER": "20",
        "WATCH__IDLE": "50ms",
    }
    async with BareConsul().running() as consul, edge_over(consul.server, **settings) as house:
        where = (house.address, PORT)
        await read_all(where, services("warm", 300), connections=CONNECTIONS)
        before = await resting(house)

        await read_all(where, services("once", 2000), connections=CONNECTIONS)
        async with parked(where, services("polled", 100) + values("polled", 100), consul.index):
            await eventually(lambda: going_on(house)["waiters"] == 200, "all are parked")
            await eventually(lambda: going_on(house)["watches"] == 20, "some are watched")
            assert going_on(house)["watches wanted"] == 180
        await read_all(where, services("later", 2000), connections=CONNECTIONS)

        assert await left_behind(house, consul, before) == Counter()
        assert consul.most_held == 20
        assert len(house.app[CACHE].lines) == len(house.app[CACHE].lines.store) == 100


async def test_more_keys_polled_than_may_be_kept_or_watched_all_are_held_and_woken() -> None:
    """What somebody waits for is kept beyond the bounds, and polled in turn without a watch."""
    settings = {"CACHE__MAX_ENTRIES": "10", "WATCH__MAX_PER_SERVER": "5"}
    async with BareConsul().running() as consul, edge_over(consul.server, **settings) as house:
        where = (house.address, PORT)
        async with parked(where, services("polled", 30), consul.index) as clients:
            await eventually(lambda: going_on(house)["waiters"] == 30, "all are parked")
            await eventually(lambda: len(house.app[CACHE].lines.store) == 30, "all are kept")
            consul.index += 1
            consul.release()
            async with asyncio.timeout(20):
                heads = [(await client.readuntil(b"\r\n\r\n")).decode() for client in clients]

        assert [head.split()[1] for head in heads] == ["200"] * 30
        assert all(f"X-Consul-Index: {consul.index}\r\n" in head for head in heads)
        assert consul.most_held == 5


async def test_more_keys_read_twice_than_may_be_watched_watches_stay_within_their_budget() -> None:
    """Readers in a hurry never make a server hold more polls than it is meant to, also when all
    of its watches have news at once.
    """
    async with AsyncExitStack() as stack:
        consuls = [await stack.enter_async_context(BareConsul().running()) for _ in range(2)]
        servers = [consul.server for consul in consuls]
        house = await stack.enter_async_context(edge_over(*servers, WATCH__MAX_PER_SERVER="5"))
        for turn in range(5):
            twice = 2 * services(f"turn-{turn}", 100)
            await read_all((house.address, PORT), twice, connections=CONNECTIONS)
            await eventually(
                lambda: [len(consul.held) for consul in consuls] == [5, 5], "all polls are held"
            )
            for consul in consuls:
                consul.release()

        assert [consul.most_held for consul in consuls] == [5, 5]
        assert len(house.app[CACHE].watches) == 10


async def test_watch_between_two_rounds_its_room_is_not_free() -> None:
    """Whoever looks for room in the moment between a watch's polls finds none."""
    settings = {"WATCH__MAX_PER_SERVER": "5"}
    async with BareConsul().running() as consul, edge_over(consul.server, **settings) as house:
        twice = 2 * services("watched", 5)
        await read_all((house.address, PORT), twice, connections=CONNECTIONS)
        await eventually(lambda: len(consul.held) == 5, "all are watched")
        (server,) = house.rotation.servers

        polls = set()
        consul.release()
        while len(consul.held) < 5:
            await asyncio.sleep(0)
            polls.add(server.slots.polls)

        assert polls == {5}
