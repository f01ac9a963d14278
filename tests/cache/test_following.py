"""What the edge itself follows: current without clients, heard of, and nothing left behind."""

import asyncio

import pytest

from consul_edge.cache.following import Following
from consul_edge.core.errors import EdgeError
from tests.cache.making import SERVICES, WEB, Edge, clock, play, settled, until
from tests.consul import ConsulAgent
from tests.situations.place import instance, place_over
from tests.virtual import elapse

ROUND = 32.0
"""Seconds after which a watch's round is over."""


class Follower:
    """Follows a target, and counts what it heard."""

    def __init__(self, edge: Edge, target: str = WEB, token: str = "") -> None:
        """Follow it from now on."""
        self.edge = edge
        self.heard = 0
        self.following: Following = edge.cache.follow(target, token, self._hear)

    @property
    def body(self) -> bytes | None:
        """What is kept."""
        entry = self.following.entry
        return entry.body if entry is not None else None

    async def begins(self) -> None:
        """Fetch, and wait until a watch proves it; forget what was heard by then."""
        for server in self.edge.servers:
            self.edge.upstream.rotation.listen(server)
        await until(lambda: all(server.tenure is not None for server in self.edge.servers))
        await self.following.fetch()
        await until(self.is_live)
        await settled()
        self.heard = 0

    def is_live(self) -> bool:
        """Tell whether a watch proves it."""
        kept = self.following.kept(clock())
        return kept is not None and kept.is_live

    def _hear(self) -> None:
        self.heard += 1


class TestHearing:
    def test_nothing_is_fetched_before_it_is_told_to(self) -> None:
        """Whoever follows chooses the moment."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            follower.following.look()
            await elapse(ROUND)
            assert (edge.consul.asked, follower.heard, follower.body) == ([], 0, None)

        play(scene)

    def test_answer_is_fetched_it_is_kept_and_watched_without_clients(self) -> None:
        """One fetch, then polls alone, however short a watch may go unread."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            await elapse(5 * ROUND)
            assert (follower.body, follower.is_live()) == (b"[1]", True)
            assert len(edge.consul.of(WEB, polls=False)) == 1

        play(scene, WATCH__IDLE="1ms")

    def test_body_changes_it_is_heard(self) -> None:
        """After it was published: what is kept then is the new one."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            edge.consul.say(WEB, b"[2]", 6)
            await settled()
            assert (follower.body, follower.heard) == (b"[2]", 1)

        play(scene)

    def test_index_moves_alone_it_is_heard_though_no_client_is_woken(self) -> None:
        """It may be an edit that this answer does not show."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            follower = Follower(edge, SERVICES)
            await follower.begins()
            client = await edge.parks(f"{SERVICES}?index=5&wait=5m")
            edge.consul.say(SERVICES, b"{}", 6)
            await elapse(2)
            assert follower.heard == 1
            assert follower.following.entry is not None
            assert follower.following.entry.index == 6
            assert not client.done()

        play(scene)

    def test_several_follow_one_line_each_hears_and_one_may_leave(self) -> None:
        """They share the fetch and the watch."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            one, two = Follower(edge), Follower(edge)
            await one.begins()
            await two.following.fetch()
            one.following.close()
            one.heard = two.heard = 0
            edge.consul.say(WEB, b"[2]", 6)
            await settled()
            assert (one.heard, two.heard) == (0, 1)
            assert edge.line(WEB).is_kept_watched
            assert edge.consul.parked == 1

        play(scene)

    def test_client_reads_what_is_followed_it_is_answered_from_it(self) -> None:
        """The line is everybody's who brings the same token."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge, token="t")
            await follower.begins()
            edge.consul.asked.clear()
            assert (await edge.kept(WEB, token="t")).result == "live"
            assert edge.consul.asked == []
            await edge.kept(WEB, token="u")
            assert len(edge.consul.asked) == 1

        play(scene)


class TestLoss:
    def test_entry_is_flushed_it_is_filled_again_and_both_are_heard(self) -> None:
        """The watch goes on: who follows has what is there a moment later."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            edge.cache.flush(list(edge.cache.lines), "admin")
            assert (follower.heard, follower.body) == (1, None)
            await until(lambda: follower.body == b"[1]", within=2 * ROUND)
            assert follower.heard == 2
            await until(follower.is_live)

        play(scene)

    def test_right_is_revoked_it_is_heard_and_watched_again_when_looked_at(self) -> None:
        """A refusal ends the watch; by itself it would go in circles."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            edge.consul.say(WEB, b"Permission denied", 0, 403)
            await until(lambda: follower.heard > 0, within=2 * ROUND)
            assert (follower.body, len(edge.cache.watches)) == (None, 0)
            asked = len(edge.consul.asked)
            follower.following.look()
            await elapse(ROUND)
            assert len(edge.consul.of(WEB)) <= asked
            edge.consul.say(WEB, b"[1]", 5)
            await follower.following.fetch()
            await until(follower.is_live)

        play(scene)

    def test_no_server_answers_the_fetch_says_so_and_what_is_kept_stays(self) -> None:
        """A failure is the caller's to see, not to be lost by."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            edge.consul.refusing.add("a")
            with pytest.raises(EdgeError):
                await follower.following.fetch()
            assert follower.body == b"[1]"
            edge.consul.refusing.clear()
            await until(follower.is_live)

        play(scene)

    def test_error_is_answered_it_is_given_and_not_kept(self) -> None:
        """What it says is for whoever asked."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"Permission denied", 0, 403)
            follower = Follower(edge)
            entry = await follower.following.fetch()
            assert (entry.status, follower.body) == (403, None)

        play(scene)

    def test_more_is_read_than_may_be_kept_what_is_followed_stays(self) -> None:
        """Eviction passes it by."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            for number in range(10):
                target = f"/v1/health/service/s{number}"
                edge.consul.say(target, b"[]", 5)
                await edge.kept(target)
            assert follower.body == b"[1]"
            assert len(edge.cache.lines.store) == 2

        play(scene, CACHE__MAX_ENTRIES="2")


class TestBudget:
    def test_no_server_has_room_it_is_polled_in_turn_and_heard(self) -> None:
        """A change is heard within a few seconds, and a watch comes when there is room."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            lease = edge.upstream.slots[0].lease(poll=True)
            follower = Follower(edge)
            for server in edge.servers:
                edge.upstream.rotation.listen(server)
            await until(lambda: edge.servers[0].tenure is not None)
            await follower.following.fetch()
            assert (len(edge.cache.watches), edge.cache.watches.wanted) == (0, 1)
            follower.heard = 0
            edge.consul.say(WEB, b"[2]", 6)
            await until(lambda: follower.body == b"[2]", within=3.0)
            assert follower.heard >= 1
            lease.give()
            await until(follower.is_live)
            assert edge.cache.watches.wanted == 0

        play(scene, poll_limit=1)

    def test_it_waits_for_room_and_is_closed_nothing_waits_any_more(self) -> None:
        """Nobody polls for who has left."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            lease = edge.upstream.slots[0].lease(poll=True)
            follower = Follower(edge)
            await follower.following.fetch()
            follower.following.close()
            await until(lambda: edge.cache.watches.wanted == 0)
            await settled()
            asked = len(edge.consul.of(WEB))
            await elapse(ROUND)
            assert len(edge.consul.of(WEB)) == asked
            lease.give()

        play(scene, poll_limit=1)


class TestEnd:
    def test_it_is_closed_before_anything_was_fetched_its_line_is_gone(self) -> None:
        """Nothing is known of it."""

        async def scene(edge: Edge) -> None:
            follower = Follower(edge)
            assert edge.find(WEB) is not None
            follower.following.close()
            assert edge.find(WEB) is None

        play(scene)

    def test_it_is_closed_and_unread_its_watch_ends_with_its_round(self) -> None:
        """What is left is an answer like any other, which may go."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            follower = Follower(edge)
            await follower.begins()
            follower.following.close()
            follower.following.close()
            await until(lambda: len(edge.cache.watches) == 0, within=2 * ROUND)
            follower.following.look()
            assert (len(edge.cache.watches), edge.consul.parked) == (0, 0)
            edge.cache.flush(list(edge.cache.lines), "admin")
            assert edge.find(WEB) is None
            assert follower.heard == 0

        play(scene)

    def test_it_is_closed_during_its_fetch_the_answer_is_not_watched(self) -> None:
        """The flight ends as any does whose clients have left."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(WEB, b"[1]", 5)
            gate = edge.consul.gate(WEB)
            follower = Follower(edge)
            fetching = asyncio.create_task(follower.following.fetch())
            await gate.reached.wait()
            follower.following.close()
            gate.open()
            await fetching
            await elapse(ROUND)
            assert (len(edge.cache.watches), follower.heard) == (0, 0)

        play(scene)


@pytest.mark.real
async def test_meta_of_a_service_is_edited_alone_the_list_of_services_is_heard_of(
    consul_agent: ConsulAgent,
) -> None:
    """Consul moves the index of a list whose body stays as it was: that is the signal."""
    async with place_over(consul_agent, WATCH__REFRESH_INTERVAL="0s") as place:
        name = place.name("edited")
        registration = instance(name)
        await place.consul.put("/v1/catalog/register", registration)
        heard = asyncio.Event()
        following = place.cache.follow(SERVICES, "", heard.set)
        await following.fetch()
        await place.until_live(SERVICES)
        known = following.entry
        assert known is not None
        heard.clear()
        registration["Service"]["Meta"] = {"module": "icmp"}
        await place.consul.put("/v1/catalog/register", registration)
        while (moved := following.entry) is None or moved.index == known.index:
            await asyncio.wait_for(heard.wait(), 15)
            heard.clear()
        assert moved.digest == known.digest
        following.close()
