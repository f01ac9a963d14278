"""All servers were gone and come back: how soon everything is live, and what that costs them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from consul_edge.cache.served import Served
from tests.cache.making import LATENCY, Edge, clock, play
from tests.virtual import elapse

KEYS = 30
READERS = 6
"""Of each key."""

READING = 0.1
"""Seconds between two reads of a reader."""

OUTAGE = 40.0
"""Seconds; long enough for the pauses between attempts to be far longer than ``SOON``."""

SOON = 2.0
"""Seconds between the first read that a leader answers and the last entry live again."""

FEW = 4
"""Requests for a key when servers are back: a fetch of those who read meanwhile, the watch's fill
and its round, and one that an unlucky moment repeats.
"""

NAMES = "abc"


def service(number: int) -> str:
    """Name one of many keys."""
    return f"/v1/health/service/s{number}"


TARGETS = [service(number) for number in range(KEYS)]


def refuse(edge: Edge) -> None:
    """Let all servers' ports be closed."""
    edge.consul.refusing.update(NAMES)


def accept(edge: Edge) -> None:
    """Open them again."""
    edge.consul.refusing.clear()


def fall_silent(edge: Edge) -> None:
    """Let all servers hang."""
    edge.consul.silent.update(NAMES)


def speak(edge: Edge) -> None:
    """Let them go on."""
    edge.consul.silent.clear()


def depose(edge: Edge) -> None:
    """Take the leader away."""
    edge.consul.leader_of_all = ""
    for target in TARGETS:
        edge.consul.say(target, b"No cluster leader", status=500)


def elect(edge: Edge) -> None:
    """Give the servers another leader."""
    edge.consul.leader_of_all = "10.0.0.2:8300"
    know(edge)


def know(edge: Edge) -> None:
    """Let the servers have an answer for each key."""
    for target in TARGETS:
        edge.consul.say(target, b"[1]", 5)


def is_live(edge: Edge, target: str) -> bool:
    """Tell whether a watch proves what is kept of a key."""
    kept = edge.line(target).kept(clock(), touch=False)
    return kept is not None and kept.is_live


@asynccontextmanager
async def readers(edge: Edge) -> AsyncIterator[set[int]]:
    """Have each key read many times a second; give the statuses of all answers."""
    statuses: set[int] = set()

    async def read(target: str) -> None:
        while True:
            found = await edge.get(target)
            assert isinstance(found, Served)
            statuses.add(found.entry.status)
            await elapse(READING)

    tasks = [asyncio.create_task(read(target)) for target in TARGETS for _ in range(READERS)]
    try:
        yield statuses
    finally:
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert failed == []


@pytest.mark.parametrize(
    ("end", "begin"),
    [(refuse, accept), (fall_silent, speak), (depose, elect)],
    ids=["refusing", "silent", "leaderless"],
)
@pytest.mark.parametrize("has_to_spread", [False, True], ids=["room-at-one", "room-at-all"])
def test_servers_return_everything_is_live_soon_and_no_stampede_meets_them(
    has_to_spread: bool, end: Callable[[Edge], None], begin: Callable[[Edge], None]
) -> None:
    """Within 2 s of the first leader read, at a few requests for each key, however many read."""

    async def scene(edge: Edge) -> None:
        know(edge)
        for target in TARGETS:
            await edge.watched(target)
        async with readers(edge) as statuses:
            end(edge)
            await elapse(OUTAGE)
            assert not any(is_live(edge, target) for target in TARGETS)
            edge.consul.asked.clear()
            begun = clock()
            begin(edge)
            live_at: dict[str, float] = {}
            heard_at: dict[str, float] = {}
            while len(live_at) < KEYS:
                assert clock() < begun + 60.0, f"only {len(live_at)} are live again"
                for server in edge.servers:
                    if server.tenure is not None:
                        heard_at.setdefault(server.name, clock())
                for target in TARGETS:
                    if target not in live_at and is_live(edge, target):
                        live_at[target] = clock()
                await elapse(LATENCY)
            await elapse(SOON)
        first_read_at = next(at for at, _ in edge.consul.answered if at >= begun)
        costs = Counter(one.target.partition("?")[0] for one in edge.consul.asked)
        for target in TARGETS:
            # Who finds no room is read until there is some, by all readers together.
            waited = live_at[target] - first_read_at
            assert costs[target] <= FEW + waited / READING
        # Room for all there is only at those that were heard.
        have_room_at = max(heard_at.values()) if has_to_spread else first_read_at
        assert max(live_at.values()) - max(have_room_at, first_read_at) <= SOON
        assert (statuses, edge.forwarded) == ({200}, 0)

    play(scene, NAMES, poll_limit=KEYS // 2 if has_to_spread else 110, CACHE__TTL="0s")
