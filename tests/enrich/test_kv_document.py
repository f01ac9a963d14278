"""A document in KV, kept current over servers that exist in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from consul_edge.enrich.kv_document import LONGEST_PAUSE, LOOK_INTERVAL, KvDocument
from tests.cache.making import Edge, an_entry, play, settled, until
from tests.virtual import elapse, now

KEY: Final = "eye/São Paulo"
TARGET: Final = "/v1/kv/eye/S%C3%A3o%20Paulo?raw"
PLAIN: Final = "/v1/kv/eye/S%C3%A3o%20Paulo"

PATIENCE: Final = 2.8
"""Seconds that a load has."""

TTL: Final = 60.0

SOON: Final = 0.1
"""Seconds in which an edit arrives that a watch tells."""


class Reader:
    """Follows one document, and remembers what it was told."""

    def __init__(self, edge: Edge) -> None:
        """Follow nothing yet."""
        self.edge = edge
        self.consul = edge.consul
        self.token = ""
        self.taken: list[bytes | None] = []
        self.failures: list[str] = []
        self.document = KvDocument(
            KEY,
            edge.cache,
            lambda: self.token,
            ttl=TTL,
            timeout=2.0,
            what="sites",
            take=self._take,
            fail=self.failures.append,
        )

    @property
    def asked(self) -> int:
        """How often Consul was asked for it, polls apart."""
        return len(self.consul.of(TARGET, polls=False))

    def say(self, body: bytes, index: int, status: int = 200) -> None:
        """Have Consul say so from now on."""
        self.consul.say(TARGET, body, index, status)

    async def begins(self) -> None:
        """Follow it where the leader is known, and wait until a watch proves it."""
        for server in self.edge.servers:
            self.edge.upstream.rotation.listen(server)
        await until(lambda: all(server.tenure is not None for server in self.edge.servers))
        self.document.start()
        await until(lambda: self.document.is_live)
        await settled()

    async def _take(self, content: bytes | None) -> None:
        self.taken.append(content)


def following(
    scene: Callable[[Reader], Coroutine[Any, Any, None]], names: str = "a", **limits: Any
) -> None:
    """Play *scene* with a document that Consul has."""

    async def play_it(edge: Edge) -> None:
        reader = Reader(edge)
        reader.say(b"one", 5)
        try:
            await scene(reader)
        finally:
            await reader.document.close()

    play(play_it, names, **limits)


class TestNews:
    def test_document_is_followed_it_is_loaded_once_and_watched(self) -> None:
        """Its key may have blanks and accents; a watch proves it from then on."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            await elapse(3 * TTL)
            assert (reader.taken, reader.asked) == ([b"one"], 1)
            assert (reader.document.error, reader.document.is_live) == (None, True)
            age = reader.document.age
            assert age is not None
            assert age < 3

        following(scene)

    def test_document_is_edited_the_edit_arrives_at_once(self) -> None:
        """The watch tells it; nothing is asked for."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.say(b"two", 6)
            await elapse(SOON)
            assert reader.taken == [b"one", b"two"]
            assert reader.asked == 1

        following(scene)

    def test_key_is_deleted_and_created_again_both_arrive_at_once(self) -> None:
        """That there is no such key is a fact like any other."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.say(b"", 7, 404)
            await elapse(SOON)
            assert reader.taken == [b"one", None]
            reader.say(b"", 8)
            await elapse(SOON)
            assert reader.taken == [b"one", None, b""]
            assert reader.document.error is None

        following(scene)

    def test_key_is_absent_at_first_its_creation_arrives_at_once(self) -> None:
        """An absence is watched, too."""

        async def scene(reader: Reader) -> None:
            reader.say(b"", 4, 404)
            await reader.begins()
            assert (reader.taken, reader.document.error) == ([None], None)
            reader.say(b"one", 5)
            await elapse(SOON)
            assert reader.taken == [None, b"one"]

        following(scene)

    def test_index_moves_alone_nothing_is_passed_on(self) -> None:
        """The same text was written again: it is proven, and no news."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.say(b"one", 9)
            await elapse(SOON)
            assert (reader.taken, reader.asked) == ([b"one"], 1)
            assert reader.document.is_live

        following(scene)

    def test_key_is_written_through_the_edge_the_edit_arrives_at_once(self) -> None:
        """What was kept is superseded then, and read again."""

        async def scene(reader: Reader) -> None:
            await reader.begins()

            async def write() -> None:
                reader.say(b"two", 6)

            await reader.edge.write("PUT", PLAIN, write)
            await elapse(SOON)
            assert reader.taken == [b"one", b"two"]

        following(scene)

    def test_kept_answer_is_flushed_the_document_is_loaded_again(self) -> None:
        """A flush of the proxy's cache takes nothing away for long, and no watch."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.edge.cache.flush(list(reader.edge.cache.lines), "admin")
            await elapse(SOON)
            assert (reader.asked, reader.taken) == (2, [b"one", b"one"])
            await until(lambda: reader.document.is_live)

        following(scene)

    def test_document_is_refreshed_it_is_loaded_though_a_watch_proves_it(self) -> None:
        """Whoever says so wants Consul asked; it is over when this returns."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            await reader.document.refresh()
            assert (reader.taken, reader.asked) == ([b"one", b"one"], 2)

        following(scene)

    def test_token_changes_the_document_is_read_as_the_new_one(self) -> None:
        """The file of the edge's token was replaced: the old one is used no longer."""

        async def scene(reader: Reader) -> None:
            reader.token = "old"
            await reader.begins()
            reader.token = "new"
            reader.consul.asked.clear()
            await elapse(LOOK_INTERVAL + SOON)
            assert reader.taken == [b"one", b"one"]
            await until(lambda: reader.document.is_live)
            assert {dict(one.headers)["X-Consul-Token"] for one in reader.consul.of(TARGET)} == {
                "new"
            }
            line = reader.edge.find(TARGET, token="old")
            assert line is None or not line.is_kept_watched

        following(scene)

    def test_watch_found_no_room_the_document_is_polled_until_it_does(self) -> None:
        """The budget of watches is spent on others: an edit takes a second, no TTL."""

        async def scene(reader: Reader) -> None:
            lease = reader.edge.upstream.slots[0].lease(poll=True)
            reader.document.start()
            await until(lambda: bool(reader.taken))
            reader.say(b"two", 6)
            await elapse(2 * LOOK_INTERVAL)
            assert reader.taken == [b"one", b"two"]
            lease.give()
            await until(lambda: reader.document.is_live)

        following(scene, poll_limit=1)

    def test_watch_ended_it_is_brought_back_before_the_ttl(self) -> None:
        """Another one took its room while its server was away."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            slots = reader.edge.upstream.slots[0]
            reader.consul.refusing.add("a")
            await until(lambda: slots.polls == 0)
            lease = slots.lease(poll=True)
            reader.consul.refusing.clear()
            await until(lambda: len(reader.edge.cache.watches) == 0)
            reader.say(b"two", 6)
            await until(lambda: reader.taken[-1] == b"two", within=5 * LOOK_INTERVAL)
            lease.give()
            # Consul still counts the poll that was abandoned.
            await until(lambda: reader.document.is_live)

        following(scene, poll_limit=1)


class TestFailure:
    def test_first_load_hangs_its_end_is_bounded(self) -> None:
        """It has failed after a while; what it brings later is taken all the same."""

        async def scene(reader: Reader) -> None:
            gate = reader.consul.gate(TARGET)
            reader.document.start()
            await reader.document.tried()
            assert now() <= PATIENCE
            assert (reader.taken, reader.failures) == ([], ["no answer within 2.8 s"])
            gate.open()
            await elapse(SOON)
            assert (reader.taken, reader.document.error) == ([b"one"], None)

        following(scene)

    def test_first_server_hangs_the_next_one_answers_in_time(self) -> None:
        """A hung leader costs ``consul.timeout`` once, and no document."""

        async def scene(reader: Reader) -> None:
            reader.consul.silent.add("a")
            reader.document.start()
            await reader.document.tried()
            assert (reader.taken, reader.failures) == ([b"one"], [])
            assert now() < PATIENCE

        following(scene, "ab")

    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (403, b"Permission denied", "a.unit.test:8500 answered 403 Permission denied"),
            (500, b"rpc error", "a.unit.test:8500 answered 500 rpc error"),
            (404, b"", "a.unit.test:8500 answered 404"),
            (200, b"", ""),
        ],
    )
    def test_answer_says_nothing_of_the_key_what_was_taken_stays(
        self, status: int, body: bytes, reason: str
    ) -> None:
        """An error is no absence, nor is a 404 without an index; an empty text is a text."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            index = 9 if status == 200 else 0
            reader.say(body, index, status)
            await reader.document.refresh()
            if status == 200:
                assert reader.taken == [b"one", b""]
            else:
                assert reader.taken == [b"one"]
                assert (reader.failures, reader.document.error) == ([reason], reason)

        following(scene)

    def test_rights_are_revoked_they_are_asked_for_seldom_until_they_are_back(self) -> None:
        """The echo of a refusal does not bring the next one; the first grant is seen."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.say(b"Permission denied", 0, 403)
            await until(lambda: bool(reader.failures))
            before = reader.asked
            await elapse(60)
            assert 60 / LONGEST_PAUSE - 1 <= reader.asked - before <= 2 * 60 / LONGEST_PAUSE + 2
            assert reader.taken == [b"one"]
            reader.say(b"one", 5)
            await until(lambda: reader.document.error is None, within=LONGEST_PAUSE + 1)
            assert set(reader.taken) == {b"one"}
            await until(lambda: reader.document.is_live)

        following(scene)

    def test_server_is_lost_its_last_answer_stays_and_the_ttl_tells(self) -> None:
        """Until then nothing is doubted; after it, tries follow each other ever later."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.consul.refusing.add("a")
            await elapse(TTL / 2)
            assert (reader.document.error, reader.document.is_live) == (None, False)
            await elapse(TTL)
            assert reader.document.error is not None
            assert "refused" in reader.document.error
            failures = len(reader.failures)
            await elapse(60)
            assert 1 <= len(reader.failures) - failures <= 2 * 60 / LONGEST_PAUSE + 2
            assert reader.taken == [b"one"]
            age = reader.document.age
            assert age is not None
            assert age > TTL
            reader.say(b"two", 6)
            reader.consul.refusing.clear()
            await until(lambda: reader.taken[-1] == b"two")
            await until(lambda: reader.document.is_live)
            assert reader.document.error is None

        following(scene)

    def test_edge_begins_in_an_outage_the_document_comes_after_it(self) -> None:
        """Nothing was ever kept, and so nothing is watched: it is tried until it works."""

        async def scene(reader: Reader) -> None:
            reader.consul.refusing.add("a")
            reader.document.start()
            await reader.document.tried()
            assert (reader.taken, reader.document.age) == ([], None)
            await elapse(60)
            reader.consul.refusing.clear()
            await until(lambda: reader.taken == [b"one"], within=LONGEST_PAUSE + PATIENCE)

        following(scene)

    def test_token_is_replaced_after_many_refusals_the_new_one_is_tried_at_once(self) -> None:
        """Nobody waits for what the old one had to."""

        async def scene(reader: Reader) -> None:
            reader.say(b"Permission denied", 0, 403)
            reader.document.start()
            await elapse(60)
            failures = len(reader.failures)
            await until(lambda: len(reader.failures) > failures)
            reader.token = "new"
            reader.say(b"one", 5)
            await until(lambda: reader.taken == [b"one"], within=LOOK_INTERVAL + SOON)

        following(scene)

    def test_edge_begins_in_an_outage_with_a_snapshot_its_document_stands_in(self) -> None:
        """Below ``cache.stale_kv`` an earlier process's is better than none, and told as old."""

        async def scene(reader: Reader) -> None:
            reader.consul.refusing.add("a")
            kept = reader.edge.cache.follow(TARGET, "", lambda: None)
            reader.edge.line(TARGET).restore(an_entry(b"old", 4), now() - 100)
            reader.document.start()
            await reader.document.tried()
            assert reader.taken == [b"old"]
            assert reader.document.error is not None
            assert not reader.document.is_live
            reader.consul.refusing.clear()
            await until(lambda: reader.taken == [b"old", b"one"])
            kept.close()

        following(scene)

    def test_load_fails_again_and_again_it_is_logged_once(self) -> None:
        """What stays as it is is no news; its end is."""

        async def scene(reader: Reader) -> None:
            reader.say(b"Permission denied", 0, 403)
            with capture_logs() as logged:
                reader.document.start()
                await elapse(30)
                reader.say(b"one", 5)
                await until(lambda: reader.document.is_live)
            told = [line["event"] for line in logged if line.get("key") == KEY]
            assert told == ["document cannot be read", "document can be read again"]

        following(scene)

    def test_whoever_takes_it_is_broken_it_is_followed_on(self) -> None:
        """A defect with one document does not keep the next one from being taken."""

        async def scene(reader: Reader) -> None:
            taken = []

            async def take(content: bytes | None) -> None:
                taken.append(content)
                if content == b"two":
                    raise RuntimeError("defect")

            reader.document._take = take
            await reader.begins()
            with capture_logs() as logged:
                reader.say(b"two", 6)
                await elapse(SOON)
                reader.say(b"three", 7)
                await elapse(2 * LOOK_INTERVAL)
            assert taken == [b"one", b"two", b"three"]
            assert any(line.get("exc_info") for line in logged)

        following(scene)


class TestEnd:
    def test_document_is_closed_nothing_keeps_its_line(self) -> None:
        """Neither a task nor the interest in a watch is left."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            line = reader.edge.line(TARGET)
            assert line.is_kept_watched
            await reader.document.close()
            assert not line.is_kept_watched
            assert not [
                task for task in asyncio.all_tasks() if task.get_name() == f"document {KEY}"
            ]
            await reader.document.refresh()
            await reader.document.tried()
            await elapse(LOOK_INTERVAL)
            assert (reader.asked, reader.document.is_followed) == (1, False)

        following(scene)

    def test_document_is_closed_while_it_is_refreshed_who_waits_is_released(self) -> None:
        """An admin's call does not outlive the edge."""

        async def scene(reader: Reader) -> None:
            await reader.begins()
            reader.consul.gate(TARGET)
            refreshing = []
            for _ in range(2):
                refreshing.append(asyncio.create_task(reader.document.refresh()))
                await elapse(SOON)
            assert not any(task.done() for task in refreshing)
            await reader.document.close()
            await asyncio.gather(*refreshing)

        following(scene)
