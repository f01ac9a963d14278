"""What must not storm, stop or lose its way: each was once found by a stranger's look."""

import asyncio
from typing import Any, Final

import pytest

from consul_edge.cache.line import Line
from consul_edge.cache.served import Passed, Served
from consul_edge.core.effects import KvEntry
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError, LimitReached, NoServer
from consul_edge.upstream.credentials import Credentials
from tests.cache.making import KV, WEB, Edge, clock, line_in, lines_with, play, settled, until
from tests.virtual import elapse

MANY = b"[" + b",".join(b'{"ID":"%d"}' % number for number in range(500)) + b"]"


@pytest.mark.parametrize("length", [10, 512, 513, 500_000])
def test_key_of_any_length_touches_what_it_begins_with(length: int) -> None:
    """A megabyte of key is compared with the lines there are, not taken apart."""
    lines = lines_with()
    key = "a" * length
    above = [line_in(lines, f"/v1/kv/{path}?recurse") for path in ("", "a", "aaa")]
    beside = line_in(lines, "/v1/kv/b?recurse")
    with lines.writing([KvEntry(key)]):
        assert [line.writes for line in above] == [1, 1, 1]
        assert beside.writes == 0


def test_news_came_while_an_older_fetch_was_under_way_its_client_is_not_parked_on_it() -> None:
    """What its own fetch brought was overtaken; what is kept is what it waits for."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        slow = edge.consul.gate(KV)
        waiting = edge.client(f"{KV}?index=5&wait=60s")
        await slow.reached.wait()

        async def written() -> None:
            edge.consul.say(KV, b"[2]", 6)

        await edge.write("PUT", KV, written)
        assert (await edge.kept(f"{KV}?index=5&wait=60s")).entry.index == 6
        slow.open()
        await settled()
        assert waiting.done()
        found = await waiting
        assert isinstance(found, Served)
        assert found.entry.index == 6

    play(scene)


def test_flight_has_just_landed_nobody_joins_it_whose_index_is_higher() -> None:
    """
    Between its end and the callback that takes it away, a client came who had newer: that one was
    told the lower index, for the flight that he then waited for was the same once more.
    """

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        fetcher = edge.cache._fetcher
        ask = fetcher.ask
        came: list[asyncio.Task[Served | Passed]] = []

        async def ask_and_have_somebody_come(line: Line) -> Entry:
            entry = await ask(line)
            if not came:
                edge.consul.say(WEB, b"[2]", 6)
                came.append(edge.client(f"{WEB}?index=6&wait=60s"))
            return entry

        answered = asyncio.Event()
        # While somebody writes nothing is kept: not even what the client has from a watch.
        writing = asyncio.create_task(edge.write("PUT", "/v1/catalog/register", answered.wait))
        await settled()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fetcher, "ask", ask_and_have_somebody_come)
            assert (await edge.kept(WEB)).entry.index == 5
            await settled()
        assert [task for task in came if task.done()] == []
        assert edge.waiters == 1
        answered.set()
        await writing

    play(scene)


async def _is_out(edge: Edge) -> Served:
    """Let the only server be lost; give what stands in."""
    edge.consul.refusing.add("a")
    await elapse(5.0)
    return await edge.kept(WEB)


def test_write_overtook_a_fetch_and_then_consul_is_lost_what_was_given_out_stands_in() -> None:
    """Nobody is taken back behind what he has seen; while Consul answers, it is asked."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        await elapse(100.0)
        answered = asyncio.Event()
        writing = asyncio.create_task(edge.write("PUT", "/v1/catalog/register", answered.wait))
        await settled()
        edge.consul.say(WEB, b"[2]", 6)
        assert (await edge.kept(WEB)).entry.index == 6
        answered.set()
        await writing
        line = edge.line(WEB)
        assert line.is_superseded
        stale = await _is_out(edge)
        assert (stale.result, stale.entry.body) == ("stale", b"[2]")
        assert 5.0 <= stale.age < 10.0
        edge.consul.refusing.clear()
        await until(edge.upstream.servers.well)
        assert (await edge.kept(WEB)).result in ("miss", "collapsed")

    play(scene)


def test_write_overtook_a_round_and_then_consul_is_lost_what_was_shown_stands_in() -> None:
    """What a watch told those who waited is as good as what a fetch told."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        parked = await edge.parks(f"{WEB}?index=5&wait=60s")
        await until(lambda: edge.consul.parked)
        answered = asyncio.Event()
        writing = asyncio.create_task(edge.write("PUT", "/v1/catalog/register", answered.wait))
        await settled()
        fill = edge.consul.gate(WEB)
        edge.consul.say(WEB, b"[2]", 6)
        found = await parked
        assert isinstance(found, Served)
        assert found.entry.index == 6
        await fill.reached.wait()
        edge.consul.refusing.add("a")
        fill.fail("broken off")
        answered.set()
        await writing
        assert (await _is_out(edge)).entry.body == b"[2]"

    play(scene)


def test_write_overtook_two_fetches_the_older_one_never_stands_in_for_the_newer() -> None:
    """It came last, but was asked for first."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        line = edge.line(WEB)
        gate = edge.consul.gate(WEB)
        slow = asyncio.create_task(edge.cache._flights.fetch(line))
        await gate.reached.wait()
        edge.consul.say(WEB, b"[2]", 6)

        async def read() -> None:
            assert (await edge.kept(WEB)).entry.index == 6

        await edge.write("PUT", "/v1/catalog/register", read)
        gate.open()
        await slow
        assert (await _is_out(edge)).entry.body == b"[2]"

    play(scene)


def test_fetch_that_a_write_overtook_comes_after_one_that_it_did_not_that_one_stays() -> None:
    """Also if both are of one index: what is proven is not replaced by what may be older."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        line = edge.line(WEB)
        gate = edge.consul.gate(WEB)
        slow = asyncio.create_task(edge.cache._flights.fetch(line))
        await gate.reached.wait()
        edge.consul.say(WEB, b"[2]", 5)
        await edge.write("PUT", "/v1/catalog/register", settled)
        assert (await edge.kept(WEB)).entry.body == b"[2]"
        gate.open()
        assert (await slow)[0].body == b"[1]"
        assert line.entry is not None
        assert (line.entry.body, line.is_superseded) == (b"[2]", False)

    play(scene)


def test_fetch_after_a_write_is_kept_though_one_from_before_it_came_meanwhile() -> None:
    """What stands in for want of anything better is never taken for the newer one."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        line = edge.line(WEB)
        early, late = edge.consul.gate(WEB), edge.consul.gate(WEB)
        before = asyncio.create_task(edge.cache._flights.fetch(line))
        await early.reached.wait()
        await edge.write("PUT", "/v1/catalog/register", settled)
        edge.consul.say(WEB, b"[0]", 3)
        after = asyncio.create_task(edge.cache._flights.fetch(line))
        await late.reached.wait()
        early.open()
        await before
        late.open()
        await after
        assert line.entry is not None
        assert (line.entry.body, line.is_superseded) == (b"[0]", False)

    play(scene)


def test_two_servers_disagree_they_are_asked_ever_more_rarely() -> None:
    """One that answers empty is contradicted by the other, each time, and nobody storms."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, MANY, 9, server="a")
        edge.consul.say(WEB, MANY, 9, server="b")
        edge.servers[0].slots.lease(poll=True)
        await edge.watched(WEB)
        edge.consul.say(WEB, b"[]", 10, server="b")
        before = len(edge.consul.asked)
        await elapse(20)
        assert len(edge.consul.asked) - before < 40
        assert (await edge.kept(WEB)).entry.body == MANY

    play(scene, "ab")


def test_nobody_leads_a_stale_blocking_query_is_passed_at_once() -> None:
    """Any server answers it, as it would directly; only what is kept needs a leader."""

    async def scene(edge: Edge) -> None:
        edge.consul.leader_of_all = ""
        for server in edge.servers:
            edge.upstream.rotation.listen(server)
        await until(lambda: edge.servers[0].leader == "")
        edge.consul.say(WEB, b"[]", 5)
        found = await edge.get(f"{WEB}?stale&index=1&wait=2s")
        assert isinstance(found, Passed)
        assert (found.reason, edge.forwarded) == ("stale", 1)

    play(scene)


def test_a_write_hangs_the_watch_of_a_new_key_waits_for_its_end() -> None:
    """Nothing could be kept meanwhile, however often Consul were asked."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[]", 5)
        answered = asyncio.Event()

        async def hung() -> None:
            await answered.wait()

        writing = asyncio.create_task(edge.write("PUT", "/v1/catalog/register", hung))
        await settled()
        await edge.parks(f"{WEB}?index=5&wait=60s")
        await elapse(1)
        before = len(edge.consul.asked)
        await elapse(10)
        assert len(edge.consul.asked) == before
        answered.set()
        await writing
        await until(lambda: edge.line(WEB).entry is not None)

    play(scene)


def test_lent_token_is_never_that_of_a_fetch_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch has its key's token, and the key of an anonymous client has none."""

    async def scene(edge: Edge) -> None:
        lending = Credentials(token=lambda: "own", auth=lambda: "", token_for_clients=True)
        monkeypatch.setattr(edge.upstream, "credentials", lending)
        await edge.kept(WEB)
        sent: list[Any] = [name for name, _ in edge.consul.asked[-1].headers]
        assert "X-Consul-Token" not in sent

    play(scene)


def test_poll_of_kv_from_a_lower_index_is_never_answered_unproven() -> None:
    """Locks live there: a young entry that nothing watches is no proof."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b"[1]", 5)
        await edge.kept(f"{KV}?index=1&wait=1s")
        edge.consul.say(KV, b"[2]", 6)
        assert (await edge.kept(f"{KV}?index=1&wait=1s")).entry.body == b"[2]"

    play(scene)


ACL_TOKEN: Final = "/v1/acl/token"


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_write_of_acls_is_refused_everybody_keeps_his_stand_in(status: int) -> None:
    """It changed nobody's rights; else any stranger could have everything forgotten."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        await edge.write("PUT", ACL_TOKEN, settled, status=status)
        assert (await _is_out(edge)).entry.body == b"[1]"

    play(scene)


async def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [NoServer({"a:8500": "refused"}), LimitReached(503, "consul.pool", "in use")],
    ids=repr,
)
def test_write_of_acls_was_never_sent_everybody_keeps_his_stand_in(error: EdgeError) -> None:
    """In an outage what is kept is all that there is."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        with pytest.raises(type(error)):
            await edge.write("PUT", ACL_TOKEN, lambda: _raise(error))
        assert (await _is_out(edge)).entry.body == b"[1]"

    play(scene)


@pytest.mark.parametrize("status", [200, 500])
def test_write_of_acls_was_or_may_have_been_done_nothing_stands_in(status: int) -> None:
    """Whose rights were taken must not be shown what he may not see any more."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        await edge.write("PUT", ACL_TOKEN, settled, status=status)
        assert edge.find(WEB) is None

    play(scene)


def test_write_of_acls_lost_its_answer_nothing_stands_in() -> None:
    """It may have been done."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        with pytest.raises(EdgeError):
            await edge.write("PUT", ACL_TOKEN, lambda: _raise(EdgeError("timed out")))
        assert edge.find(WEB) is None

    play(scene)


def test_token_logs_out_its_own_answers_alone_are_forgotten() -> None:
    """Nobody else's rights have changed."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        for token in ("mine", "theirs"):
            await edge.kept(WEB, token=token)
        await edge.write("PUT", "/v1/acl/logout", settled, token="mine")
        assert edge.find(WEB, token="mine") is None
        assert edge.line(WEB, token="theirs").entry is not None

    play(scene)


@pytest.mark.parametrize("target", ["/v1/catalog/deregister", "/v1/agent/check/fail/web"])
def test_session_ends_with_its_node_or_check_the_lock_that_it_held_is_read_anew(
    target: str,
) -> None:
    """Whoever has just taken a node away himself finds its locks free."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(KV, b'[{"Session":"gone"}]', 90)
        await edge.watched(KV)

        async def released() -> None:
            edge.consul.say(KV, b'[{"LockIndex":1}]', 100)

        await edge.write("PUT", target, released)
        assert (await edge.kept(KV)).entry.body == b'[{"LockIndex":1}]'

    play(scene, CACHE__ENDPOINTS="/v1/kv/=watch")


def test_answer_with_all_that_it_costs_is_larger_than_the_cache_it_is_passed_on() -> None:
    """
    Its body alone would be kept; watched, it would be asked for again and again to no end.
    """

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[%s]" % (b"1" * 900_000), 5)
        client = edge.client(f"{WEB}?index=5&wait=10m")
        await elapse(2.0)
        before = len(edge.consul.asked)
        await elapse(10.0)
        assert len(edge.consul.asked) == before
        edge.consul.say(WEB, b"[]", 6)
        found = await client
        assert isinstance(found, Passed)
        assert found.reason == "size"

    play(scene, CACHE__MAX_ENTRY_BYTES="1MiB", CACHE__MAX_BYTES="1MiB")


def test_follower_has_a_defect_readers_and_other_followers_have_the_answer() -> None:
    """It takes the news from nobody: neither from clients, nor from who follows behind it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        heard = []

        def broken() -> None:
            raise RuntimeError("a defect")

        followings = [
            edge.cache.follow(WEB, "", broken),
            edge.cache.follow(WEB, "", lambda: heard.append(clock())),
        ]
        assert (await edge.kept(WEB)).entry.body == b"[1]"
        assert edge.cache.flush([edge.line(WEB)], "admin") == 1
        assert len(heard) == 2
        for following in followings:
            following.close()

    play(scene)
