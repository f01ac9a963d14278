"""The gateway: how each read is answered, while Consul is well, slow, and gone."""

import asyncio

import pytest

from consul_edge.cache.served import Passed, Served
from consul_edge.core.errors import LimitReached, NoServer
from tests.cache.making import KV, SERVICES, WEB, Edge, clock, play, settled, until
from tests.virtual import elapse

NODES = "/v1/catalog/nodes"
CONFIG = "/v1/config/service-defaults/web"
LARGE = b"[" + b"1," * 2000 + b"1]"


def body_of(found: Served | Passed) -> bytes:
    """Say what a client got."""
    return found.entry.body if isinstance(found, Served) else found.answer.body


def test_entry_is_young_it_answers_and_then_consul_is_asked_again() -> None:
    """For ``cache.ttl`` without a watch, with its age."""

    async def scene(edge: Edge) -> None:
        edge.consul.say("/v1/catalog/datacenters", b'["dc1"]')
        results = []
        for pause in (0.0, 0.5, 0.6):
            await elapse(pause)
            results.append(await edge.kept("/v1/catalog/datacenters"))
        assert [one.result for one in results] == ["miss", "ttl", "miss"]
        assert results[1].age == pytest.approx(0.5, abs=0.01)
        assert not results[1].is_live

    play(scene)


def test_key_is_read_twice_within_a_minute_it_is_watched() -> None:
    """The third read is answered by a live entry, whose age is that of a heartbeat."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        await elapse(59.0)
        await edge.kept(WEB)
        await elapse(20.0)
        third = await edge.kept(WEB)
        assert (third.result, third.is_live) == ("live", True)
        assert third.age <= 3.0

    play(scene)


def test_key_is_read_seldom_it_is_not_watched() -> None:
    """More than a minute apart: a watch would cost more than it saves."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        for _ in range(3):
            await edge.kept(WEB)
            await elapse(61.0)
        assert len(edge.cache.watches) == 0
        assert len(edge.consul.asked) == 3

    play(scene)


@pytest.mark.parametrize("target", ["/v1/catalog/datacenters", "/v1/coordinate/nodes"])
def test_endpoint_is_kept_for_a_while_only_reading_it_often_earns_no_watch(target: str) -> None:
    """It cannot wait for a change, or changes all the time."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(target, b"[1]", 5)
        for _ in range(5):
            await edge.kept(target)
        await settled()
        assert len(edge.cache.watches) == 0

    play(scene)


@pytest.mark.parametrize("token", ["", "wrong"])
def test_error_is_read_often_it_earns_no_watch_and_leaves_no_line(token: str) -> None:
    """Also when several read it at once."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"Permission denied", 0, 403)
        for _ in range(3):
            found = await asyncio.gather(*(edge.kept(WEB, token=token) for _ in range(3)))
            assert {one.entry.status for one in found} == {403}
        await settled()
        assert (len(edge.cache.lines), len(edge.cache.watches)) == (0, 0)
        assert len(edge.consul.asked) == 3

    play(scene)


BYPASSES = [
    (f"{WEB}?consistent", "consistent"),
    (f"{WEB}?near=_agent", "near"),
    (f"{WEB}?cached&cached", "cached-repeated"),
    (f"{WEB}?a;b", "uri"),
    (KV, ""),
    ("/v1/session/list", ""),
    ("/v1/agent/self", ""),
]


@pytest.mark.parametrize(("target", "reason"), BYPASSES, ids=[row[0] for row in BYPASSES])
def test_read_that_is_consuls_alone_is_passed_and_leaves_nothing(target: str, reason: str) -> None:
    """With the client's own words, and the reason for ``Cache-Status``."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(target, b"[1]", 5)
        for _ in range(3):
            found = await edge.get(target)
            assert isinstance(found, Passed)
            assert found.reason == reason
        assert (edge.forwarded, len(edge.cache.lines)) == (3, 0)

    play(scene)


def test_stale_read_fills_nothing() -> None:
    """Only default-mode answers are given to others: a stale one proves nothing (CONSUL.md 0)."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(f"{WEB}?stale", b"[old]", 5)
        edge.consul.say(WEB, b"[new]", 6)
        found = await edge.get(f"{WEB}?stale")
        assert isinstance(found, Passed)
        assert (found.reason, body_of(found)) == ("stale", b"[old]")
        assert (await edge.kept(WEB)).result == "miss"
        found = await edge.get(f"{WEB}?stale")
        assert (body_of(found), isinstance(found, Served)) == (b"[new]", True)

    play(scene)


def test_stored_fetch_says_nothing_of_who_asked_or_how() -> None:
    """It is rendered from the key alone: another client's headers cannot change it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(f"{WEB}?passing", b"[1]", 5)
        headers = [("X-Odd", "1"), ("Accept", "x"), ("X-Consul-Namespace", "team")]
        await edge.get(f"{WEB}?cached&passing&wait=3s", token="t", headers=headers)
        (asked,) = edge.consul.asked
        assert asked.target == f"{WEB}?passing"
        names = {name for name, _ in asked.headers}
        assert names == {"Via", "X-Consul-Token", "X-Consul-Namespace"}

    play(scene)


# Blocking queries


def test_index_lies_below_the_entrys_it_is_answered_at_once() -> None:
    """From a live entry, without asking anybody."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.watched(WEB)
        asked = len(edge.consul.asked)
        found = await edge.kept(f"{WEB}?index=4")
        assert (found.result, found.entry.index) == ("live", 5)
        assert len(edge.consul.asked) == asked

    play(scene)


def test_nothing_is_kept_a_blocking_query_fetches_and_then_holds() -> None:
    """One fetch says whether there is news, and one watch with its fill is begun for all."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        clients = [edge.client(f"{KV}?index=5") for _ in range(20)]
        await until(lambda: edge.waiters == 20)
        await settled()
        assert [one.is_poll for one in edge.consul.asked] == [False, False, True]
        edge.consul.say(KV, b"[2]", 6)
        assert {body_of(one) for one in await asyncio.gather(*clients)} == {b"[2]"}

    play(scene)


@pytest.mark.parametrize("index", [1, 4])
def test_nothing_is_kept_and_consul_is_ahead_the_fetch_answers(index: int) -> None:
    """It has what the client has not."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        found = await edge.kept(f"{KV}?index={index}")
        assert (found.result, found.entry.index) == ("miss", 5)

    play(scene)


def test_index_is_above_the_entrys_one_fetch_catches_up() -> None:
    """The client saw it elsewhere: then the edge is behind, and holds only what it has now."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, b"[2]", 6)
        client = await edge.parks(f"{WEB}?index=6")
        entry = edge.line(WEB).entry
        assert entry is not None
        assert entry.body == b"[2]"
        assert not client.done()

    play(scene)


def test_flight_that_began_earlier_lacks_what_the_client_has_another_one_is_waited_for() -> None:
    """He must not be told a lower index only because somebody asked before he saw the higher."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        early = edge.client(WEB)
        await gate.reached.wait()
        edge.consul.say(WEB, b"[2]", 6)
        client = edge.client(f"{WEB}?index=6")
        await settled()
        gate.open()
        await early
        await until(lambda: edge.waiters == 1)
        assert not client.done()

    play(scene)


def test_body_was_another_one_in_between_who_saw_that_is_not_held() -> None:
    """A key that was made and deleted while nobody watched: a plain read had passed its value."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"", 5, 404)
        client = await edge.parks(f"{KV}?index=5")
        client.cancel()
        await elapse(700.0)
        assert len(edge.cache.watches) == 0
        edge.consul.say(KV, b"[1]", 6)
        assert body_of(await edge.get(KV)) == b"[1]"
        edge.consul.say(KV, b"", 9, 404)
        began = clock()
        found = await edge.kept(f"{KV}?index=6")
        assert (found.entry.status, found.entry.index) == (404, 9)
        assert clock() - began < 0.1

    play(scene)


def test_consul_is_truly_lower_the_client_is_told_once_and_then_held() -> None:
    """It resets; one that insists does not spin: a second each time, and no question each."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        began = clock()
        first = await edge.kept(f"{KV}?index=900")
        at_once = clock() - began
        second = await edge.kept(f"{KV}?index=900")
        assert (first.entry.index, second.entry.index) == (5, 5)
        assert at_once < 0.1
        assert clock() - began >= 1.0

    play(scene)


def test_client_insists_on_too_high_an_index_news_reaches_it_at_once() -> None:
    """It is held only until something happens."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        await edge.kept(f"{KV}?index=900")
        client = await edge.parks(f"{KV}?index=900")
        began = clock()
        edge.consul.say(KV, b"[2]", 6)
        assert body_of(await client) == b"[2]"
        assert clock() - began < 0.1

    play(scene)


@pytest.mark.parametrize("pause", [61.0, 0.0], ids=["a-minute-later", "after-a-change"])
def test_client_was_told_long_ago_or_of_another_index_it_is_told_again(pause: float) -> None:
    """What it was told then may not be what is true now."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        await edge.kept(f"{KV}?index=900")
        await elapse(pause)
        if not pause:
            edge.consul.say(KV, b"[2]", 6)
        began = clock()
        await edge.kept(f"{KV}?index=900")
        assert clock() - began < 0.1

    play(scene)


def test_clients_insist_on_many_indexes_what_is_remembered_is_bounded() -> None:
    """Promise 8: a client that counts upwards fills no memory."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        for index in range(100, 2200):
            await edge.kept(f"{KV}?index={index}")
        assert len(edge.line(KV).told) <= 1000

    play(scene)


def test_poll_begins_during_a_write_consul_is_not_stormed() -> None:
    """Nothing can be kept meanwhile, and the line is known to the write when it ends."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        done = asyncio.Event()
        writing = asyncio.create_task(edge.write("PUT", KV, done.wait))
        await settled()
        client = await edge.parks(f"{KV}?index=5")
        await elapse(10.0)
        assert len(edge.consul.asked) <= 120
        done.set()
        await writing
        await elapse(1.0)
        assert not edge.line(KV).is_superseded
        assert len(edge.cache.watches) == 1
        edge.consul.say(KV, b"[2]", 6)
        assert body_of(await client) == b"[2]"

    play(scene)


def test_own_write_ends_a_poll_behind_it_sees_it() -> None:
    """Whoever read his own index from the write's answer is never held on the older body."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        parked = await edge.parks(f"{KV}?index=5")

        async def put() -> None:
            edge.consul.say(KV, b"[2]", 6)

        await edge.write("PUT", KV, put)
        found = await edge.kept(f"{KV}?index=5")
        assert (found.entry.body, body_of(await parked)) == (b"[2]", b"[2]")

    play(scene)


def test_permission_is_denied_a_parked_client_is_told() -> None:
    """At the end of the watch's round: by Consul's own words, of which none is kept."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        client = await edge.parks(f"{KV}?index=5")
        await settled()
        edge.consul.say(KV, b"Permission denied", 0, 403)
        found = await client
        assert isinstance(found, Served)
        assert (found.entry.status, found.is_hit) == (403, False)
        await settled()
        assert (len(edge.cache.lines), len(edge.cache.watches)) == (0, 0)

    play(scene)


# Too large


def test_answer_is_too_large_it_is_passed_on_uncached_for_a_minute() -> None:
    """Trying to keep it would cost a second transfer each time."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, LARGE, 5)
        first = await edge.get(WEB)
        second = await edge.get(WEB)
        assert [one.reason for one in (first, second) if isinstance(one, Passed)] == ["size"] * 2
        assert body_of(second) == LARGE
        assert len(edge.consul.asked) == 3
        await elapse(61.0)
        edge.consul.say(WEB, b"[1]", 6)
        assert (await edge.kept(WEB)).result == "miss"

    play(scene, CACHE__MAX_ENTRY_BYTES="1KiB")


def test_answer_grows_too_large_parked_clients_have_it_nonetheless() -> None:
    """Each by himself, and the watch does not fetch it again and again."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        clients = [await edge.parks(f"{WEB}?index=5") for _ in range(2)]
        await settled()
        edge.consul.say(WEB, LARGE, 6)
        found = await asyncio.gather(*clients)
        assert [body_of(one) for one in found] == [LARGE] * 2
        asked = len(edge.consul.asked)
        await elapse(10.0)
        assert len(edge.consul.asked) == asked
        assert (len(edge.cache.lines), len(edge.cache.watches)) == (0, 0)

    play(scene, CACHE__MAX_ENTRY_BYTES="1KiB")


def test_answer_grows_too_large_where_no_watch_has_room_parked_clients_are_told() -> None:
    """Their own polls have no room either: they hear which bound it is instead of nothing."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        client = await edge.parks(f"{WEB}?index=5")
        edge.consul.say(WEB, LARGE, 6)
        began = clock()
        with pytest.raises(LimitReached, match=r"watch\.max_per_server"):
            await client
        assert clock() - began <= 2.0

    play(scene, CACHE__MAX_ENTRY_BYTES="1KiB", poll_limit=0)


# Not to be kept


@pytest.mark.parametrize(
    "header",
    [("X-Consul-Knownleader", "false"), ("X-Consul-Effective-Consistency", "stale")],
    ids=["no-leader-known", "stale-by-the-servers-setting"],
)
def test_answer_is_none_to_keep_a_blocking_query_is_consuls_to_hold(
    header: tuple[str, str],
) -> None:
    """Nothing at the edge would wake its client: no watch goes on from such an answer."""

    async def scene(edge: Edge) -> None:
        said = (header,)
        edge.consul.say(WEB, b"[1]", 5, headers=said)
        client = edge.client(f"{WEB}?index=5")
        await settled()
        assert [one.is_poll for one in edge.consul.of(WEB)] == [False, True]
        edge.consul.say(WEB, b"[2]", 6, headers=said)
        found = await client
        assert isinstance(found, Passed)
        assert (found.reason, body_of(found)) == ("unproven", b"[2]")
        assert (len(edge.cache.lines), len(edge.cache.watches)) == (0, 0)

    play(scene)


def test_write_overtakes_the_fetch_of_a_blocking_query_it_is_held_here_all_the_same() -> None:
    """That nothing was kept just then does not mean that nothing ever is."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        client = edge.client(f"{WEB}?index=5")
        await gate.reached.wait()
        await edge.write("PUT", "/v1/catalog/register", settled)
        gate.open()
        await until(lambda: edge.waiters == 1 or client.done())
        edge.consul.say(WEB, b"[2]", 6)
        assert isinstance(await client, Served)

    play(scene, poll_limit=0)


def test_config_entry_is_deleted_and_consul_repeats_it_the_watch_asks_again() -> None:
    """Consul 1.8 ends the query with the old entry at the new index; nobody is told that."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(CONFIG, b"{}", 5)
        repeated = edge.consul.gate(f"{CONFIG}?index=")
        client = await edge.parks(f"{CONFIG}?index=5")
        await settled()
        edge.consul.say(CONFIG, b"{}", 6)
        await repeated.reached.wait()
        edge.consul.say(CONFIG, b"not found", 6, 404)
        opened = clock()
        repeated.open()
        assert body_of(await client) == b"not found"
        # Not when the next round has waited for nothing.
        assert clock() - opened < 1.0

    play(scene)


# Outages


def test_no_server_answers_what_is_kept_stands_in_with_its_age() -> None:
    """Fail static, honestly (promise 7)."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.refusing.add("a")
        await elapse(100.0)
        found = await edge.kept(WEB)
        assert (found.result, found.is_live, found.entry.body) == ("stale", False, b"[1]")
        assert 100.0 <= found.age <= 103.0

    play(scene)


def test_outage_is_known_nobody_waits_for_the_same_refusals_again() -> None:
    """The heartbeats will tell when it is over."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.refusing.add("a")
        await elapse(5.0)
        await edge.kept(WEB)
        asked, began = len(edge.consul.asked), clock()
        found = [await edge.kept(WEB) for _ in range(10)]
        assert {one.result for one in found} == {"stale"}
        assert (len(edge.consul.asked), clock()) == (asked, began)

    play(scene)


def test_kept_answer_is_too_old_the_outage_is_told() -> None:
    """Beyond ``stale_if_error`` an error is better than a lie."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.refusing.add("a")
        await elapse(11.0)
        with pytest.raises(NoServer):
            await edge.get(WEB)

    play(scene, CACHE__STALE_IF_ERROR="10s")


def test_kv_is_never_stood_in_for_unless_asked_stale() -> None:
    """A lock must not be believed to be held on the word of an old answer."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        await edge.get(f"{KV}?index=1")
        await elapse(2.0)
        edge.consul.refusing.add("a")
        for target in (KV, f"{KV}?index=1"):
            with pytest.raises(NoServer):
                await edge.get(target)
        assert (await edge.kept(f"{KV}?stale")).result == "stale"

    play(scene)


def test_consul_has_no_leader_and_nothing_is_kept_its_own_words_are_passed_on() -> None:
    """What it said is better than anything the edge could say; it is not kept."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"No cluster leader", 0, 500)
        found = await edge.kept(WEB)
        assert (found.entry.status, body_of(found)) == (500, b"No cluster leader")
        assert (found.is_hit, len(edge.cache.lines)) == (False, 0)

    play(scene)


def test_consul_has_no_leader_what_is_kept_stands_in() -> None:
    """For reads that may be stale the election is over when it is over."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        await elapse(5.0)
        edge.consul.say(WEB, b"No cluster leader", 0, 500)
        assert (await edge.kept(WEB)).result == "stale"

    play(scene)


def test_servers_are_lost_parked_clients_hold_until_they_are_back() -> None:
    """What they have is the best that there is; the news after the outage reaches them."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        client = await edge.parks(f"{WEB}?index=5")
        await settled()
        edge.consul.silent.add("a")
        await elapse(60.0)
        assert not client.done()
        edge.consul.say(WEB, b"[2]", 6)
        edge.consul.silent.clear()
        back = clock()
        assert body_of(await client) == b"[2]"
        assert clock() - back <= 5.0

    play(scene)


def test_wait_ends_in_an_outage_the_client_gets_what_it_has_marked_stale() -> None:
    """Catalog: the old body; KV: the outage itself."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        edge.consul.say(KV, b"[1]", 5)
        clients = [await edge.parks(f"{target}?index=5&wait=30s") for target in (WEB, KV)]
        await settled()
        edge.consul.refusing.add("a")
        edge.consul.silent.add("a")
        web, kv = await asyncio.gather(*clients, return_exceptions=True)
        assert isinstance(web, Served)
        assert (web.result, web.entry.index) == ("stale", 5)
        assert isinstance(kv, NoServer)

    play(scene)


def test_client_has_newer_than_is_kept_an_outage_never_takes_it_back() -> None:
    """What it had during a write was never kept: it holds, and then sees an error."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.refusing.add("a")
        began = clock()
        client = await edge.parks(f"{WEB}?index=6&wait=30s")
        with pytest.raises(NoServer):
            await client
        assert clock() - began >= 30.0

    play(scene)


def test_everything_is_over_nothing_is_left() -> None:
    """No line but those with an entry, no flight, no watch, no waiter, no timer."""

    async def scene(edge: Edge) -> None:
        for target in (WEB, KV, SERVICES, NODES):
            edge.consul.say(target, b"[1]", 5)
            client = await edge.parks(f"{target}?index=5")
            client.cancel()
            await settled()
        await elapse(60.0)
        assert len(edge.cache.watches) == 4
        await elapse(700.0)
        assert len(edge.cache.watches) == 0
        lines = list(edge.cache.lines)
        assert [line for line in lines if line.waiters or line.flight or line.guests] == []
        assert [line for line in lines if line.entry is None] == []
        edge.cache.flush(lines, "api")
        assert len(edge.cache.lines) == 0
        slots = edge.servers[0].slots
        assert (slots.polls, slots.short) == (0, 0)

    play(scene)
