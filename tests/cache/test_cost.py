"""What a crowd costs Consul in a minute: nothing for each of its clients (issue 3)."""

import asyncio
import random

from consul_edge.cache.served import Served
from tests.cache.making import WEB, Edge, play, until
from tests.virtual import elapse

CLIENTS = 1000
"""That poll, and as many again that watch."""

MINUTE = 60.0

POLLING = 2.0
"""Seconds between two reads of a client that polls."""

WAIT = 20
"""Seconds of a client's blocking query: it comes back several times in the minute."""


async def poller(edge: Edge, seen: set[bytes], first: float) -> None:
    """Read again and again, from *first* on."""
    await elapse(first)
    while True:
        seen.add((await edge.kept(WEB)).entry.body)
        await elapse(POLLING)


async def watcher(edge: Edge, seen: list[bytes], first: float) -> None:
    """Wait for a change, again and again, from *first* on."""
    await elapse(first)
    index = (await edge.kept(WEB)).entry.index
    while True:
        found = await edge.kept(f"{WEB}?index={index}&wait={WAIT}s")
        assert isinstance(found, Served)
        index = found.entry.index
        seen.append(found.entry.body)


def test_thousand_poll_and_thousand_watch_for_a_minute_consul_is_asked_for_one_watch() -> None:
    """One watch's rounds and its fill, one heartbeat a second; a change reaches everybody."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        edge.consul.asked.clear()
        beats = edge.consul.beats
        chance = random.Random(3)
        polled: set[bytes] = set()
        watched: list[list[bytes]] = [[] for _ in range(CLIENTS)]
        starts = [chance.uniform(0.0, POLLING) for _ in range(2 * CLIENTS)]
        crowd = [
            *(poller(edge, polled, start) for start in starts[:CLIENTS]),
            *(watcher(edge, seen, at) for seen, at in zip(watched, starts[CLIENTS:], strict=True)),
        ]
        tasks = [asyncio.create_task(one) for one in crowd]
        await until(lambda: edge.waiters == CLIENTS)
        await elapse(MINUTE / 2)
        assert edge.consul.parked == 1
        edge.consul.say(WEB, b"[2]", 6)
        await elapse(MINUTE / 2)
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert polled == {b"[1]", b"[2]"}
        assert all(seen[-1] == b"[2]" and len(seen) >= MINUTE // WAIT - 1 for seen in watched)
        # Its rounds: of 30 s each, of which one ends early.
        assert [one.is_poll for one in edge.consul.asked] == [True] * len(edge.consul.asked)
        assert 1 <= len(edge.consul.asked) <= 4
        assert edge.consul.beats - beats <= MINUTE + 5
        assert (edge.consul.parked, edge.forwarded, edge.upstream.slots[0].most) == (1, 0, 1)

    play(scene, CACHE__TTL="0s")
