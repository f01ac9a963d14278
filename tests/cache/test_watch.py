"""One watch: its fill, its rounds, what ends it, and what never does."""

import pytest

from consul_edge import metrics
from consul_edge.cache.line import Line
from consul_edge.cache.served import Served
from consul_edge.cache.watch import BURST, SHARE
from consul_edge.upstream.slots import Slots
from tests.cache.making import KV, SERVICES, WEB, Edge, clock, play, settled, until
from tests.upstream.making import value_of
from tests.virtual import elapse

HELD = 30 * 17 / 16 + 7
"""Seconds that Consul may hold an abandoned round of 30 s."""


def slots_of(edge: Edge, number: int = 0) -> Slots:
    """Give a server's connections."""
    return edge.servers[number].slots


def rounds(outcome: str) -> float:
    """Count the rounds that came to *outcome*."""
    return value_of(metrics.WATCH_ROUNDS.labels(outcome))


def body_of(line: Line) -> bytes:
    """Say what is kept."""
    entry = line.entry
    assert entry is not None
    return entry.body


async def heard(edge: Edge) -> None:
    """Have every server's leader known."""
    for server in edge.servers:
        edge.upstream.rotation.listen(server)
    await until(lambda: all(server.tenure is not None for server in edge.servers))


def test_entry_is_of_that_server_and_leader_the_watch_goes_on_from_it() -> None:
    """No second fetch for what was just fetched."""

    async def scene(edge: Edge) -> None:
        await heard(edge)
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        assert [one.target for one in edge.consul.asked] == [WEB, f"{WEB}?index=5&wait=30s"]

    play(scene)


def test_entry_is_another_servers_the_watch_begins_with_a_fill() -> None:
    """Indexes are comparable within one server only."""

    async def scene(edge: Edge) -> None:
        await heard(edge)
        edge.consul.say(WEB, b"[1]", 5, server="a")
        edge.consul.say(WEB, b"[1]", 4, server="b")
        slots_of(edge).lease(poll=True)
        await edge.watched(WEB)
        asked = [(one.server, one.target) for one in edge.consul.asked]
        assert asked == [("a", WEB), ("b", WEB), ("b", f"{WEB}?index=4&wait=30s")]

    play(scene, "ab")


def test_entry_is_of_an_earlier_leader_the_watch_begins_with_a_fill() -> None:
    """What was forwarded to a leader that is gone may never have been true."""

    async def scene(edge: Edge) -> None:
        await heard(edge)
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.leader_of_all = "10.0.0.2:8300"
        edge.upstream.rotation.wake(edge.servers[0])
        await elapse(2.0)
        await edge.kept(WEB)
        await until(lambda: edge.consul.parked)
        assert len(edge.consul.of(WEB, polls=False)) == 2

    play(scene, CACHE__TTL="60s")


def test_entry_is_superseded_the_watch_begins_with_a_fill() -> None:
    """It would be told nothing: the change came before its first round."""

    async def scene(edge: Edge) -> None:
        await heard(edge)
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        line = edge.line(WEB)

        async def register() -> None:
            edge.consul.say(WEB, b"[2]", 6)

        await edge.write("PUT", "/v1/catalog/register", register)
        edge.cache.watches.want(line)
        await until(lambda: edge.consul.parked)
        assert (body_of(line), line.is_superseded) == (b"[2]", False)

    play(scene)


def test_change_comes_it_is_kept_and_the_next_round_waits_for_another() -> None:
    """From the index that it came with."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        edge.consul.say(WEB, b"[2]", 9)
        await settled()
        assert body_of(line) == b"[2]"
        assert edge.consul.asked[-1].target == f"{WEB}?index=9&wait=30s"

    play(scene)


def test_round_ends_without_a_change_the_entry_stays_live() -> None:
    """Round follows round at the same index, and its age is that of a heartbeat all the time."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        for _ in range(1000):
            await elapse(0.1)
            known = line.kept(clock())
            assert known is not None
            assert known.age <= 1.2
        assert len(edge.consul.of(WEB, polls=True)) == 4
        assert len(edge.consul.of(WEB, polls=False)) <= 2

    play(scene)


def test_rights_narrow_at_the_same_index_the_next_rounds_end_shows_it() -> None:
    """An index that stays does not mean a body that stays (CONSUL.md 0)."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1,2]", 5)
        line = await edge.watched(WEB)
        began = clock()
        edge.consul.say(WEB, b"[1]", 5)
        await until(lambda: body_of(line) == b"[1]")
        assert clock() - began <= HELD

    play(scene)


def test_another_leader_is_found_the_watch_begins_anew() -> None:
    """The pending round may never tell: it is charged for as long as Consul may hold it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        before = len(edge.consul.of(WEB, polls=False))
        edge.consul.leader_of_all = "10.0.0.2:8300"
        await until(lambda: slots_of(edge).abandoned)
        known = line.kept(clock())
        assert known is not None
        assert not known.is_live
        await until(lambda: line.round is not None and line.round.is_live(clock()), within=2.0)
        assert len(edge.consul.of(WEB, polls=False)) == before + 1
        assert slots_of(edge).abandoned == 1
        await elapse(HELD)
        assert (slots_of(edge).abandoned, slots_of(edge).polls) == (0, 1)

    play(scene)


def test_server_falls_silent_the_watch_goes_on_at_another() -> None:
    """With a fill there; what hung on the silent one is charged to it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        edge.consul.silent.add("a")
        edge.consul.say(WEB, b"[2]", 4, server="b")
        await until(lambda: body_of(line) == b"[2]", within=10.0)
        await until(lambda: edge.consul.of(f"{WEB}?index=4"))
        assert (slots_of(edge, 0).abandoned, slots_of(edge, 0).polls) == (1, 0)
        assert slots_of(edge, 1).polls == 1

    play(scene, "ab")


def test_server_refuses_what_it_is_asked_the_watch_goes_on_at_another() -> None:
    """Its heartbeat is well and nothing hangs on it, so by its polls it would be chosen again."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        edge.consul.say(WEB, b"it broke", 0, 500, server="a")
        edge.consul.say(WEB, b"[2]", 6)
        await until(lambda: body_of(line) == b"[2]", within=10.0)
        await until(lambda: slots_of(edge, 1).polls == 1)
        assert slots_of(edge, 0).polls == 0

    play(scene, "ab")


def test_server_falls_silent_the_entry_is_not_live_for_longer_than_three_seconds() -> None:
    """Its age is the time since the server was heard last, and goes on growing."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        edge.consul.silent.add("a")
        began = clock()
        while clock() - began < 20.0:
            await elapse(0.1)
            known = line.kept(clock())
            assert known is not None
            assert known.age >= clock() - began - 0.1
            assert not (known.is_live and clock() - began > 3.1)

    play(scene)


def test_name_stands_for_another_server_the_watch_goes_on_there() -> None:
    """When its round ends; the one that is gone is asked nothing more, not even for its leader."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        gone, stays = edge.servers
        edge.upstream.servers.replace([stays])
        edge.upstream.rotation.forget(gone)
        edge.consul.say(WEB, b"[2]", 6)
        await until(lambda: edge.consul.of(f"{WEB}?index=6"))
        await elapse(40.0)
        assert {one.server for one in edge.consul.of(f"{WEB}?index=6")} == {"b"}
        known = line.kept(clock())
        assert known is not None
        assert known.is_live
        assert (gone.slots.polls, stays.slots.polls) == (0, 1)
        assert gone not in edge.upstream.rotation._heartbeats

    play(scene, "ab")


def test_index_went_back_consul_is_asked_again() -> None:
    """A restored snapshot: the fill decides, and rounds go on from what it says."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 50)
        client = await edge.parks(f"{KV}?index=50")
        await until(lambda: edge.consul.parked)
        before = rounds("asked again")
        edge.consul.say(KV, b"[0]", 7)
        found = await client
        assert isinstance(found, Served)
        assert (found.entry.index, found.entry.body) == (7, b"[0]")
        assert rounds("asked again") - before == 1
        await until(lambda: edge.consul.of(f"{KV}?index=7"))

    play(scene)


def test_round_is_overtaken_by_a_write_its_answer_is_not_kept() -> None:
    """It may be from before the write: Consul is asked again, and that answer counts."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        client.cancel()
        gate = edge.consul.gate(f"{KV}?index=5")
        line = edge.line(KV)
        await elapse(40.0)
        edge.consul.say(KV, b"[2]", 6)
        await gate.reached.wait()

        async def put() -> None:
            edge.consul.say(KV, b"[3]", 7)

        await edge.write("PUT", KV, put)
        fill = edge.consul.gate(KV)
        gate.open()
        await fill.reached.wait()
        assert (body_of(line), line.is_superseded) == (b"[1]", True)
        fill.open()
        await settled()
        assert (body_of(line), line.is_superseded) == (b"[3]", False)

    play(scene)


def test_round_is_overtaken_by_a_newer_fetch_the_newer_answer_stays() -> None:
    """No reader sees an index go back because two answers came in another order."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        gate = edge.consul.gate(f"{WEB}?index=5")
        await until(lambda: len(edge.consul.of(WEB, polls=True)) == 2)
        edge.consul.say(WEB, b"[2]", 6)
        await gate.reached.wait()
        edge.consul.say(WEB, b"[3]", 7)
        await edge.cache._flights.fetch(line)
        assert body_of(line) == b"[3]"
        gate.open()
        await settled()
        assert body_of(line) == b"[3]"
        assert edge.consul.asked[-1].target == f"{WEB}?index=7&wait=30s"

    play(scene)


def test_round_is_overtaken_by_a_newer_fetch_elsewhere_its_server_is_asked_again() -> None:
    """Neither goes the index back for readers, nor waits the watch for another server's."""

    async def scene(edge: Edge) -> None:
        await heard(edge)
        edge.consul.say(WEB, b"[1]", 5)
        slots_of(edge).lease(poll=True)
        line = await edge.watched(WEB)
        gate = edge.consul.gate(f"{WEB}?index=5")
        await until(lambda: len(edge.consul.of(WEB, polls=True)) == 2)
        edge.consul.say(WEB, b"[2]", 6)
        await gate.reached.wait()
        edge.consul.say(WEB, b"[3]", 7)
        await edge.cache._flights.fetch(line)
        before = line.version
        gate.open()
        await settled()
        assert (body_of(line), line.version) == (b"[3]", before + 1)
        asked = [(one.server, one.target) for one in edge.consul.asked[-2:]]
        assert asked == [("b", WEB), ("b", f"{WEB}?index=7&wait=30s")]

    play(scene, "ab")


def test_permission_is_denied_the_watch_ends() -> None:
    """And does not ask for what it may not see again and again."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        edge.consul.say(WEB, b"Permission denied", 0, 403)
        await until(lambda: not line.is_watched)
        asked = len(edge.consul.asked)
        await elapse(60.0)
        assert len(edge.consul.asked) == asked
        assert len(edge.cache.lines) == 0

    play(scene)


def test_consul_fails_the_watch_backs_off_and_its_clients_stay_parked() -> None:
    """What it said last stays, and the recovery reaches everybody who waits."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        client = await edge.parks(f"{WEB}?index=5&wait=10m")
        await until(lambda: edge.consul.parked)
        asked = len(edge.consul.asked)
        edge.consul.say(WEB, b"oops", 1, 500)
        await elapse(120.0)
        assert 3 <= len(edge.consul.asked) - asked <= 30
        assert (body_of(edge.line(WEB)), client.done()) == (b"[1]", False)
        edge.consul.say(WEB, b"[2]", 6)
        found = await client
        assert isinstance(found, Served)
        assert found.entry.body == b"[2]"

    play(scene)


@pytest.mark.parametrize(
    ("target", "most"),
    [(SERVICES, 2 + 10 + 1), (WEB, BURST + 10 * SHARE + 1)],
    ids=["table-wide", "single service"],
)
def test_index_moves_all_the_time_the_rounds_are_paced(target: str, most: int) -> None:
    """A whole table's index follows all changes: at most one round each second for long."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(target, b"{}", 5)
        line = await edge.watched(target)
        before = len(edge.consul.of(target, polls=True))
        for index in range(6, 1006):
            edge.consul.say(target, b"{}", index)
            await elapse(0.01)
        assert len(edge.consul.of(target, polls=True)) - before <= most
        await elapse(2.0)
        assert line.entry is not None
        assert line.entry.index == 1005

    play(scene)


def test_nobody_reads_any_more_the_watch_ends_with_its_round() -> None:
    """A round is never broken off for want of interest: Consul would hold it all the same."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        await elapse(25.0)
        assert (line.is_watched, edge.consul.parked) == (True, 1)
        await elapse(10.0)
        assert (line.is_watched, edge.consul.parked) == (False, 0)
        assert (slots_of(edge).abandoned, slots_of(edge).polls) == (0, 0)
        assert body_of(line) == b"[1]"

    play(scene, WATCH__IDLE="1s")


def test_somebody_reads_now_and_then_the_watch_goes_on() -> None:
    """As long as no gap is longer than ``watch.idle``."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        for _ in range(10):
            await elapse(35.0)
            assert (await edge.kept(WEB)).result == "live"
        assert line.is_watched

    play(scene, WATCH__IDLE="60s")


def test_line_is_flushed_the_watch_begins_anew_for_those_who_wait() -> None:
    """With a fill, at the end of the round that is pending."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        await until(lambda: edge.consul.parked)
        edge.cache.flush([edge.line(KV)], "api")
        edge.consul.say(KV, b"[2]", 6)
        found = await client
        assert isinstance(found, Served)
        assert found.entry.body == b"[2]"
        await until(lambda: edge.line(KV).entry is not None)
        assert body_of(edge.line(KV)) == b"[2]"

    play(scene)


def test_leader_changes_under_many_watches_few_fill_at_once() -> None:
    """All want to begin anew in the same moment; Consul is not to pay for that."""

    async def scene(edge: Edge) -> None:
        targets = [f"/v1/health/service/{number}" for number in range(50)]
        for target in targets:
            edge.consul.say(target, b"[1]", 5)
            await edge.watched(target)
        slots = edge.upstream.slots[0]
        slots.most_short = 0
        asked = len(edge.consul.of(polls=False))
        edge.consul.latency = 1.0
        edge.consul.leader_of_all = "10.0.0.2:8300"
        await until(lambda: edge.consul.parked == 50 and slots.abandoned == 50)
        assert len(edge.consul.of(polls=False)) - asked == 50
        assert slots.most_short == 16

    play(scene)


def _another_cluster_answers(edge: Edge) -> None:
    """Have another leader found, and lower indexes of what is true now."""
    edge.consul.leader_of_all = "10.0.0.2:8300"
    edge.consul.say(SERVICES, b'{"b":[]}', 50)


def test_another_leader_is_found_while_the_watch_paces_it_begins_anew() -> None:
    """A round from the former leader's index would bring nothing until its own time is over."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(SERVICES, b'{"a":[]}', 100)
        line = await edge.watched(SERVICES)
        for index in range(101, 104):
            edge.consul.say(SERVICES, b'{"a":["%d"]}' % index, index)
            await settled()
        await until(lambda: line.round is None)
        _another_cluster_answers(edge)
        await until(lambda: edge.servers[0].leader == edge.consul.leader_of_all)
        assert line.round is None
        await until(lambda: body_of(line) == b'{"b":[]}', within=5.0)

    play(scene, WATCH__REFRESH_INTERVAL="2s")
