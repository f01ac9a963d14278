"""All watches together: who has one, who is polled in turn, and what each costs at a server."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from consul_edge.cache.served import Served
from consul_edge.cache.watch import Watch
from tests.cache.making import KV, SERVICES, WEB, CountedSlots, Edge, clock, play, settled, until
from tests.virtual import elapse

NODES = "/v1/catalog/nodes"


def kv(number: int) -> str:
    """Name one of many keys."""
    return f"/v1/kv/{number}"


def slots_of(edge: Edge) -> list[CountedSlots]:
    """Give the connections of all servers."""
    return edge.upstream.slots


async def parked(edge: Edge, count: int) -> "list[asyncio.Task[Served]]":
    """Park one client at each of *count* keys."""
    clients = []
    for number in range(count):
        edge.consul.say(kv(number), b"[1]", 5)
        clients.append(asyncio.create_task(edge.kept(f"{kv(number)}?index=5&wait=10m")))
    await until(lambda: edge.waiters == count)
    return clients


def test_lines_are_watched_where_the_fewest_polls_are() -> None:
    """Watches are spread over the servers that are well."""

    async def scene(edge: Edge) -> None:
        clients = await parked(edge, 9)
        await settled()
        assert [slots.polls for slots in slots_of(edge)] == [3, 3, 3]
        for client in clients:
            client.cancel()

    play(scene, "abc")


def test_five_hundred_lines_want_watches_no_server_carries_more_than_it_may() -> None:
    """And everybody is woken all the same: those without a watch are polled in turn."""

    async def scene(edge: Edge) -> None:
        clients = await parked(edge, 500)
        await elapse(5.0)
        assert [slots.polls for slots in slots_of(edge)] == [5, 5, 5]
        for number in range(500):
            edge.consul.say(kv(number), b"[2]", 6)
        found = await asyncio.wait_for(asyncio.gather(*clients), 60.0)
        assert {one.entry.body for one in found} == {b"[2]"}
        assert max(slots.most for slots in slots_of(edge)) == 5

    play(scene, "abc", poll_limit=5)


def test_servers_come_and_go_under_too_many_lines_the_bound_holds() -> None:
    """Abandoned rounds count for as long as Consul may hold them."""

    async def scene(edge: Edge) -> None:
        await parked_and_left_alone(edge)
        for number in range(12):
            name = "ab"[number % 2]
            edge.consul.silent.add(name)
            await elapse(7.0)
            edge.consul.silent.clear()
            edge.consul.leader_of_all = f"10.0.0.{number}:8300"
            await elapse(7.0)
        assert max(slots.most for slots in slots_of(edge)) <= 5

    async def parked_and_left_alone(edge: Edge) -> None:
        for client in await parked(edge, 40):
            edge._clients.add(client)

    play(scene, "ab", poll_limit=5)


def test_room_of_a_round_is_wanted_in_the_moment_of_its_answer_it_is_not_given_away() -> None:
    """Between two rounds of a watch its place is its own."""

    async def scene(edge: Edge) -> None:
        for target in (WEB, SERVICES):
            edge.consul.say(target, b"{}", 5)
        await edge.watched(WEB)
        await edge.kept(SERVICES)
        edge.consul.freed = lambda: edge.cache.watches.want(edge.line(SERVICES))
        for index in range(6, 16):
            edge.consul.say(WEB, b"{}", index)
            await settled()
        assert slots_of(edge)[0].most == 1
        assert edge.line(WEB).is_watched

    play(scene, poll_limit=1)


def test_line_is_over_budget_it_is_polled_about_once_a_second() -> None:
    """Not more often, however many clients wait for it."""

    async def scene(edge: Edge) -> None:
        for target in (WEB, KV):
            edge.consul.say(target, b"[1]", 5)
        await edge.parks(f"{WEB}?index=5")
        await settled()
        clients = [await edge.parks(f"{KV}?index=5") for _ in range(20)]
        before = len(edge.consul.of(KV))
        await elapse(60.0)
        assert 50 <= len(edge.consul.of(KV)) - before <= 61
        edge.consul.say(KV, b"[2]", 6)
        began = clock()
        await asyncio.gather(*clients)
        assert clock() - began <= 1.1

    play(scene, poll_limit=1)


def test_nobody_waits_any_more_the_polling_in_turn_ends() -> None:
    """No question, no task and no line is left of it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        await elapse(5.0)
        client.cancel()
        await elapse(2.0)
        asked = len(edge.consul.asked)
        await elapse(60.0)
        assert len(edge.consul.asked) == asked
        assert (edge.cache.watches._polling, edge.cache.watches.wanted) == (None, 0)

    play(scene, poll_limit=0)


def test_denied_line_is_over_budget_its_clients_are_told() -> None:
    """What is not kept cannot wake anybody: they look for themselves."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        edge.consul.say(KV, b"Permission denied", 0, 403)
        found = await client
        assert isinstance(found, Served)
        assert found.entry.status == 403

    play(scene, poll_limit=0)


def test_room_is_free_again_a_line_that_was_polled_is_watched() -> None:
    """At once, and it is polled in turn no more."""

    async def scene(edge: Edge) -> None:
        (lease,) = [slots.lease(poll=True) for slots in slots_of(edge)]
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        await elapse(5.0)
        line = edge.line(KV)
        assert not line.is_watched
        lease.give()
        await until(lambda: line.is_watched, within=2.0)
        await until(lambda: edge.consul.parked)
        plain = len(edge.consul.of(KV, polls=False))
        await elapse(25.0)
        assert len(edge.consul.of(KV, polls=False)) == plain
        client.cancel()

    play(scene, poll_limit=1)


def test_watch_that_nobody_reads_makes_room_for_a_line_that_is_read() -> None:
    """At the end of its round, and the next read of the other one earns the place."""

    async def scene(edge: Edge) -> None:
        for target in (WEB, NODES):
            edge.consul.say(target, b"[1]", 5)
        idle = await edge.watched(WEB)
        while clock() < 70.0:
            await edge.kept(NODES)
            await elapse(1.0)
        assert (idle.is_watched, edge.line(NODES).is_watched) == (False, True)
        assert slots_of(edge)[0].abandoned == 0

    play(scene, poll_limit=1)


def test_watch_with_parked_clients_never_makes_room() -> None:
    """However often something else is read."""

    async def scene(edge: Edge) -> None:
        for target in (KV, NODES):
            edge.consul.say(target, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5&wait=10m")
        for _ in range(200):
            await edge.kept(NODES)
            await elapse(1.0)
        assert edge.line(KV).is_watched
        assert not edge.line(NODES).is_watched
        client.cancel()

    play(scene, poll_limit=1)


def test_lines_are_read_in_a_circle_the_watches_stay_where_they_are() -> None:
    """Three times as many keys as there is room for: none is driven out by the next."""

    async def scene(edge: Edge) -> None:
        targets = [f"/v1/health/service/{number}" for number in range(15)]
        for target in targets:
            edge.consul.say(target, b"[1]", 5)
        watched: list[set[str]] = []
        for _ in range(20):
            for target in targets:
                await edge.kept(target)
                await elapse(1.0)
            watched.append({one for one in targets if edge.line(one).is_watched})
        assert {len(one) for one in watched[2:]} == {5}
        assert all(one == other for one, other in pairwise(watched[2:]))

    play(scene, poll_limit=5)


def test_many_idle_watches_are_wanted_they_make_room_one_after_the_other() -> None:
    """Not more than ten each second, though all their rounds end together."""

    async def scene(edge: Edge) -> None:
        targets = [f"/v1/health/service/{number}" for number in range(20)]
        for target in [*targets, NODES]:
            edge.consul.say(target, b"[1]", 5)
        lines = await asyncio.gather(*(edge.watched(target) for target in targets))
        ended: list[tuple[float, int]] = []

        async def note() -> None:
            while True:
                ended.append((clock(), sum(not line.is_watched for line in lines)))
                await elapse(0.05)

        noting = asyncio.create_task(note())
        while clock() < 100.0:
            await edge.kept(NODES)
            await elapse(1.0)
        noting.cancel()
        most = max(after - before for (_, before), (_, after) in pairwise(ended))
        assert ended[-1][1] >= 1
        assert most <= 1

    play(scene, poll_limit=20)


def test_no_server_is_well_those_who_wait_are_watched_when_one_is() -> None:
    """Nothing is asked meanwhile, and the first heartbeat brings them back."""

    async def scene(edge: Edge) -> None:
        clients = await parked(edge, 30)
        await settled()
        edge.consul.silent.add("a")
        await elapse(100.0)
        assert len(edge.cache.watches) == 30
        asked = len(edge.consul.asked)
        await elapse(100.0)
        assert len(edge.consul.asked) == asked
        edge.consul.silent.clear()
        for number in range(30):
            edge.consul.say(kv(number), b"[2]", 6)
        began = clock()
        await asyncio.gather(*clients)
        assert clock() - began <= 5.0
        assert len(edge.consul.asked) - asked <= 3 * 30

    play(scene)


def test_watch_is_wanted_twice_there_is_one() -> None:
    """Whoever parks says so, and a thousand may."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        clients = [await edge.parks(f"{KV}?index=5") for _ in range(10)]
        await settled()
        assert (len(edge.cache.watches), edge.consul.parked) == (1, 1)
        for client in clients:
            client.cancel()

    play(scene)


def test_edge_closes_no_watch_begins_or_goes_on() -> None:
    """Also for those who still come."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        await edge.cache.close()
        await settled()
        edge.cache.watches.want(line)
        await settled()
        assert (len(edge.cache.watches), edge.consul.parked) == (0, 0)

    play(scene)


def test_watch_has_a_defect_it_is_tried_again_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes nobody with it, does not go in circles, and when it is over there are news."""
    whole = Watch._watch_at
    failures: list[float] = []

    async def broken(watch: Watch, *place: Any) -> bool:
        if len(failures) < 8:
            failures.append(clock())
            raise RuntimeError("a defect")
        return await whole(watch, *place)

    async def scene(edge: Edge) -> None:
        monkeypatch.setattr(Watch, "_watch_at", broken)
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        await until(lambda: len(failures) == 8)
        assert failures[-1] - failures[0] >= 5.0
        edge.consul.say(KV, b"[2]", 6)
        found = await client
        assert isinstance(found, Served)
        assert (found.entry.body, slots_of(edge)[0].polls) == (b"[2]", 1)

    play(scene)


def test_some_leave_that_were_polled_in_turn_the_others_alone_are_polled() -> None:
    """Those who wait longest and have no room do not keep up what nobody waits for."""

    async def scene(edge: Edge) -> None:
        clients = []
        for number in range(6):
            edge.consul.say(kv(number), b"[1]", 5)
            clients.append(await edge.parks(f"{kv(number)}?index=5&wait=600s"))
            await settled()
        assert edge.cache.watches.wanted == 5
        for client in clients[3:]:
            client.cancel()
        await elapse(3.0)
        before = len(edge.consul.asked)
        await elapse(20.0)
        asked = {one.target for one in edge.consul.asked[before:] if not one.is_poll}
        assert asked == {kv(1), kv(2)}
        assert edge.cache.watches.wanted == 2

    play(scene, poll_limit=1)


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * 3000, 200), (b"Permission denied", 403)], ids=["large", "denied"]
)
def test_followed_line_without_room_cannot_be_kept_it_is_not_polled_for_ever(
    body: bytes, status: int
) -> None:
    """Whoever follows it looks again, now and then; nobody waits for it meanwhile."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[]", 5)
        await edge.parks(f"{KV}?index=5&wait=600s")
        await until(lambda: edge.consul.parked)
        edge.consul.say(WEB, b"[1]", 5)
        following = edge.cache.follow(WEB, "", lambda: None)
        await following.fetch()
        assert edge.cache.watches.wanted == 1
        edge.consul.say(WEB, body, 6 if status == 200 else 0, status)
        await elapse(5.0)
        before = len(edge.consul.of(WEB))
        await elapse(60.0)
        assert len(edge.consul.of(WEB)) == before
        assert edge.cache.watches.wanted == 0
        edge.consul.say(WEB, b"[2]", 7)
        await following.fetch()
        assert edge.cache.watches.wanted == 1
        following.close()

    play(scene, poll_limit=1, CACHE__MAX_ENTRY_BYTES="2KiB")
