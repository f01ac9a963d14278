"""What a leader that has just been elected says: it may be what was true before."""

from typing import Final

import pytest

from consul_edge import metrics
from consul_edge.cache.served import Served
from tests.cache.making import KV, WEB, Edge, play, settled, until
from tests.upstream.making import value_of
from tests.virtual import elapse

OLD: Final = b'[{"ID":"1"},{"ID":"2"}]'
NEW: Final = b'[{"ID":"1"},{"ID":"2"},{"ID":"3"}]'
NEXT_LEADER: Final = "10.0.0.2:8300"


def _elect_one_that_lags(edge: Edge, target: str, body: bytes, index: int, status: int) -> None:
    """Have another leader, whose log is applied as far as *index* until it is asked for all."""
    truth = edge.consul.now("", target)
    edge.consul.leader_of_all = NEXT_LEADER
    edge.consul.say(target, body, index, status)
    gate = edge.consul.gate(f"{target}?consistent")

    async def catch_up() -> None:
        await gate.reached.wait()
        edge.consul.say(target, truth.body, truth.index, truth.status)
        gate.open()

    edge.begin(catch_up())


async def _until_elected(edge: Edge) -> None:
    await until(lambda: edge.servers[0].leader == NEXT_LEADER)
    await settled()


def test_leader_lags_what_the_former_one_acknowledged_stays() -> None:
    """Its older body, at a lower index, is neither answered nor kept: promise 5."""

    async def scene(edge: Edge) -> None:
        refuted = metrics.CACHE_CONFIRMATIONS.labels("refuted")
        before = value_of(refuted)
        edge.consul.say(WEB, OLD, 90)
        line = await edge.watched(WEB)
        edge.consul.say(WEB, NEW, 100)
        await edge.write("PUT", "/v1/catalog/register", settled)
        await edge.watched(WEB)
        published = line.version
        _elect_one_that_lags(edge, WEB, OLD, 90, 200)
        await _until_elected(edge)
        await edge.watched(WEB)
        found = await edge.kept(WEB)
        assert (found.entry.index, found.entry.body, found.result) == (100, NEW, "live")
        assert value_of(refuted) - before == 1
        assert line.version == published + 1

    play(scene)


@pytest.mark.parametrize(
    ("body", "status"), [(b'[{"LockIndex":1}]', 200), (b"", 404)], ids=["released", "deleted"]
)
def test_leader_lags_who_watches_a_lock_is_not_told_of_its_former_holder(
    body: bytes, status: int
) -> None:
    """Two would hold it: the one that got it meanwhile, and the one that gave it back."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, body, 100, status)
        parked = await edge.parks(f"{KV}?index=100&wait=600s")
        await until(lambda: edge.consul.parked)
        _elect_one_that_lags(edge, KV, b'[{"Session":"former"}]', 90, 200)
        await _until_elected(edge)
        await elapse(5)
        assert not parked.done()
        edge.consul.say(KV, b'[{"Session":"next"}]', 110)
        news = await parked
        assert isinstance(news, Served)
        assert (news.entry.index, news.entry.body) == (110, b'[{"Session":"next"}]')

    play(scene)


def test_snapshot_was_restored_what_it_says_at_a_lower_index_is_believed() -> None:
    """Asked for once more it is said again, and confirmed; then nobody asks twice any more."""

    async def scene(edge: Edge) -> None:
        confirmed = metrics.CACHE_CONFIRMATIONS.labels("confirmed")
        before = value_of(confirmed)
        edge.consul.say(WEB, NEW, 100)
        parked = await edge.parks(f"{WEB}?index=100&wait=600s")
        await until(lambda: edge.consul.parked)
        edge.consul.leader_of_all = NEXT_LEADER
        edge.consul.say(WEB, OLD, 90)
        news = await parked
        assert isinstance(news, Served)
        assert (news.entry.index, news.entry.body) == (90, OLD)
        await edge.watched(WEB)
        asked = len(edge.consul.of(WEB, polls=False))
        await elapse(20)
        assert len(edge.consul.of(WEB, polls=False)) == asked
        assert value_of(confirmed) - before == 1

    play(scene)


def test_write_and_a_newer_answer_have_overtaken_a_fetch_nobody_asks_again() -> None:
    """Its lower index is no wonder, and it replaces nothing: who asked then may have it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, OLD, 90)
        gate = edge.consul.gate(WEB)
        early = edge.client(WEB)
        await gate.reached.wait()
        edge.consul.say(WEB, NEW, 100)
        await edge.write("PUT", "/v1/catalog/register", settled)
        assert (await edge.kept(WEB)).entry.body == NEW
        asked = len(edge.consul.asked)
        gate.open()
        found = await early
        assert isinstance(found, Served)
        assert (found.entry.body, len(edge.consul.asked)) == (OLD, asked)
        assert (await edge.kept(WEB)).entry.body == NEW

    play(scene)
