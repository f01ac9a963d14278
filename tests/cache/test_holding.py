"""Parked clients: for how long, what wakes them, and what is left of them."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge import metrics
from consul_edge.cache.holding import Holding
from consul_edge.cache.served import Served
from tests.cache.making import KV, SERVICES, WEB, Edge, clock, play, settled
from tests.upstream.making import value_of
from tests.virtual import elapse


def holding_of(edge: Edge) -> Holding:
    """Reach the part that is tested here."""
    return edge.cache.holding


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [(None, 300.0), (10.0, 10.0), (600.0, 600.0), (3600.0, 600.0), (0.001, 0.001)],
)
@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.0), (0.5, 1 / 32), (1.0, 1 / 16)])
def test_client_is_held_as_long_as_consul_would(
    wait: float | None,
    seconds: float,
    chance: float,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five minutes by default, ten at most, and behind the cap up to a sixteenth more."""
    monkeypatch.setattr(random, "random", lambda: chance)

    async def scene(edge: Edge) -> None:
        held = holding_of(edge).until(wait) - clock()
        assert held == pytest.approx(seconds * (1 + share))

    play(scene)


@given(st.none() | st.floats(0.001, 1e6))
def test_wait_is_never_shorter_than_asked_nor_longer_than_consul_allows(
    wait: float | None,
) -> None:
    """The jitter only adds, and the sum is bounded: no client is held for ever."""

    async def scene(edge: Edge) -> None:
        held = holding_of(edge).until(wait) - clock()
        assert min(wait or 300.0, 600.0) <= held <= 637.5

    play(scene)


def test_time_is_over_the_client_gets_what_it_has() -> None:
    """The same body at the same index, from a live entry without asking anybody."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        began, asked = clock(), len(edge.consul.of(WEB, polls=False))
        found = await edge.kept(f"{WEB}?index=5&wait=10s")
        assert (found.entry.body, found.entry.index, found.result) == (b"[1]", 5, "held")
        assert 10.0 <= clock() - began <= 10.7
        assert len(edge.consul.of(WEB, polls=False)) == asked

    play(scene)


def test_wait_is_longer_than_a_watchs_round_the_client_is_held_over_several() -> None:
    """Rounds end after 30 s; the client's five minutes do not."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        began = clock()
        await edge.kept(f"{WEB}?index=5")
        assert clock() - began >= 300.0
        assert len(edge.consul.of(WEB, polls=True)) >= 9

    play(scene)


def test_change_comes_all_who_wait_have_it_at_once() -> None:
    """A thousand clients are one poll at Consul, and no fetch."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        before = len(edge.consul.asked)
        clients = [await edge.parks(f"{WEB}?index=5") for _ in range(100)]
        edge.consul.say(WEB, b"[2]", 6)
        began = clock()
        found = await asyncio.gather(*clients)
        assert {one.entry.index for one in found if isinstance(one, Served)} == {6}
        assert clock() - began < 0.01
        await settled()
        assert len(edge.consul.asked) - before == 1

    play(scene)


def test_index_of_the_table_moves_without_a_visible_change_nobody_is_woken() -> None:
    """And who comes with any index that this body was seen at is held, until it does change."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(SERVICES, b'{"a":[]}', 5)
        line = await edge.watched(SERVICES)
        early = await edge.parks(f"{SERVICES}?index=5")
        for index in (6, 7, 8):
            edge.consul.say(SERVICES, b'{"a":[]}', index)
            await elapse(5.0)
        assert line.entry is not None
        assert line.entry.index == 8
        late = [await edge.parks(f"{SERVICES}?index={index}") for index in (5, 7, 8)]
        assert not early.done()
        edge.consul.say(SERVICES, b'{"b":[]}', 9)
        found = await asyncio.gather(early, *late)
        assert {one.entry.index for one in found if isinstance(one, Served)} == {9}

    play(scene)


def test_kv_entry_is_written_with_the_same_value_who_waits_is_woken() -> None:
    """Somebody wrote what is asked for: Consul would tell it, too."""

    async def scene(edge: Edge) -> None:
        target = f"{KV}?raw"
        edge.consul.say(target, b"x", 5)
        client = await edge.parks(f"{target}&index=5")
        edge.consul.say(target, b"x", 6)
        found = await client
        assert isinstance(found, Served)
        assert (found.entry.body, found.entry.index) == (b"x", 6)

    play(scene)


def test_line_is_dropped_who_waits_looks_again_and_waits_on() -> None:
    """A flush never closes a long poll (DESIGN.md 7): what it has is still the newest."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        client = await edge.parks(f"{WEB}?index=5")
        line = edge.line(WEB)
        edge.cache.flush([line], "api")
        line.release_all()
        await elapse(10.0)
        assert not client.done()
        edge.consul.say(WEB, b"[2]", 6)
        found = await client
        assert isinstance(found, Served)
        assert found.entry.body == b"[2]"

    play(scene)


def test_client_is_answered_its_timer_goes_with_it() -> None:
    """A thousand short polls an hour leave no thousand timers of five minutes."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        for index in range(6, 30):
            client = await edge.parks(f"{KV}?index={index - 1}")
            edge.consul.say(KV, b"[1]", index)
            await client
        timers: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined] # of asyncio's own loops
        left = [timer for timer in timers if not timer.cancelled()]
        assert [timer for timer in left if "_look_again" in repr(timer)] == []

    play(scene)


def test_client_leaves_nothing_is_left_of_it() -> None:
    """Neither a waiter nor a timer, and the gauge goes back; the others stay parked."""

    async def scene(edge: Edge) -> None:
        before = value_of(metrics.BLOCKING_CLIENTS)
        edge.consul.say(WEB, b"[1]", 5)
        leaves = await edge.parks(f"{WEB}?index=5")
        stays = await edge.parks(f"{WEB}?index=5")
        assert value_of(metrics.BLOCKING_CLIENTS) - before == 2
        leaves.cancel()
        await settled()
        assert (edge.waiters, value_of(metrics.BLOCKING_CLIENTS) - before) == (1, 1)
        assert not stays.done()
        stays.cancel()
        await settled()
        assert (edge.waiters, value_of(metrics.BLOCKING_CLIENTS) - before) == (0, 0)

    play(scene)


def test_news_is_delivered_the_same_is_answered() -> None:
    """Whoever writes it to the client before its task runs has written what the task returns."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        delivered: list[Served] = []
        asking = asyncio.create_task(edge.get(f"{WEB}?index=5", deliver=delivered.append))
        await settled()
        edge.consul.say(WEB, b"[2]", 6)
        found = await asking
        assert [found] == delivered

    play(scene)


def test_client_is_sent_to_look_again_nothing_is_delivered() -> None:
    """Only news are written; the end of a wait is answered by the client's own task."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        delivered: list[Served] = []
        await edge.get(f"{WEB}?index=5&wait=1s", deliver=delivered.append)
        assert not delivered

    play(scene)


def test_edge_drains_everybody_is_answered_with_the_current_value() -> None:
    """At once, however long they wanted to wait, and nobody is parked any more."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        edge.consul.say(KV, b"[1]", 5)
        await edge.watched(WEB)
        clients = [await edge.parks(f"{target}?index=5") for target in (WEB, WEB, KV)]
        began = clock()
        edge.cache.drain()
        found = await asyncio.gather(*clients)
        found.append(await edge.get(f"{WEB}?index=5"))
        assert {one.entry.index for one in found if isinstance(one, Served)} == {5}
        assert clock() - began < 1.0

    play(scene)
