"""What operators see of the cache, what they can pick from it, and what a flush leaves alone."""

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.cache import inventory
from consul_edge.cache.inventory import Inventory, Row, Selection, select, take_stock
from consul_edge.cache.lines import Lines
from consul_edge.cache.served import Served
from consul_edge.config import load
from consul_edge.core.effects import CATALOG
from consul_edge.core.errors import BadRequest
from tests.cache.making import (
    KV,
    SERVICES,
    WEB,
    Edge,
    line_in,
    lines_with,
    play,
    settled,
    until,
)
from tests.virtual import elapse

SECRET = "5ec2e75e-c2e7-5ec2-e75e-c25ec2e75ec2"

EVERYTHING = Selection()


def stock_of(edge: Edge, selection: Selection = EVERYTHING, **env: str) -> Inventory:
    """Take stock of what an edge keeps."""
    told = {f"CONSUL_EDGE_{name}": value for name, value in env.items()}
    return take_stock(edge.cache, load(file=None, env=told, flags={}).settings, selection)


def row_of(edge: Edge, target: str = SERVICES) -> Row:
    """Give the only row of a target."""
    (row,) = stock_of(edge, select(target, None)).keys
    return row


def flush(edge: Edge, selection: Selection = EVERYTHING) -> int:
    """Flush as the admin call does."""
    return edge.cache.flush(selection.pick(edge.cache.lines), "admin")


def picked(selection: Selection, lines: Lines) -> set[str]:
    """Name the targets that are meant."""
    return {line.key.target for line in selection.pick(lines)}


class TestSelecting:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            (WEB, WEB),
            (f"{WEB}?passing", f"{WEB}?passing"),
            (f"{WEB}?passing&dc=a", f"{WEB}?dc=a&passing"),
            (f"{WEB}?index=7&wait=1m&passing&stale", f"{WEB}?passing"),
            (f"{WEB}?token={SECRET}", WEB),
            ("/v1/kv/a%2Fb?recurse", "/v1/kv/a%2Fb?recurse"),
        ],
    )
    def test_key_is_read_as_the_question_that_it_asks(self, typed: str, meant: str) -> None:
        """What steers an answer is no part of the key, however the client wrote it."""
        assert select(typed, None).key == meant

    @pytest.mark.parametrize(
        ("key", "prefix", "says"),
        [
            ("v1/kv/a", None, "key: 'v1/kv/a': expected a request target"),
            ("/metrics", None, "key: '/metrics': expected a request target"),
            ("kv:a", None, "key: 'kv:a': expected"),
            (f"{WEB}?near=_agent", None, r"never are \(near\)"),
            ("/v1/kv//a", None, r"never are \(uri\)"),
            ("/v1/kv/a?index=x", None, r"never are \(index\)"),
            (None, "v1/kv", "prefix: 'v1/kv': expected the beginning of request targets"),
            (None, "/ui/", "prefix: '/ui/': expected"),
            (WEB, "/v1/", "key and prefix: both are there: expected one of them"),
        ],
    )
    def test_what_can_mean_no_key_is_refused(
        self, key: str | None, prefix: str | None, says: str
    ) -> None:
        """A typing error must not look like a cache in which there was nothing."""
        with pytest.raises(BadRequest, match=says):
            select(key, prefix)

    def test_refusal_does_not_repeat_a_token(self) -> None:
        """Who typed one into the key does not find it in an answer or a log."""
        with pytest.raises(BadRequest) as caught:
            select(f"/x?token={SECRET}", None)
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            (EVERYTHING, {WEB, f"{WEB}2", f"{WEB}?passing", SERVICES, "/v1/kv/a%2Fb"}),
            (select(WEB, None), {WEB}),
            (select(f"{WEB}?passing", None), {f"{WEB}?passing"}),
            (select("/v1/kv/a/b", None), {"/v1/kv/a%2Fb"}),
            (select("/v1/kv/a", None), set()),
            (select(None, WEB), {WEB, f"{WEB}2", f"{WEB}?passing"}),
            (select(None, f"{WEB}?"), {f"{WEB}?passing"}),
            (select(None, "/v1/kv/a/"), {"/v1/kv/a%2Fb"}),
            (select(None, "/v1"), {WEB, f"{WEB}2", f"{WEB}?passing", SERVICES, "/v1/kv/a%2Fb"}),
            (select(None, "/v1/kv/b"), set()),
        ],
    )
    def test_selection_picks_what_is_meant_and_nothing_else(
        self, selection: Selection, expected: set[str]
    ) -> None:
        """A key is one target, a prefix the targets that begin with it, decoded both."""
        lines = lines_with()
        for target in (WEB, f"{WEB}2", f"{WEB}?passing", SERVICES, "/v1/kv/a%2Fb"):
            line_in(lines, target)
        assert picked(selection, lines) == expected

    @given(st.text(st.characters(codec="ascii", exclude_characters="/"), max_size=12))
    def test_key_of_a_line_always_picks_it(self, name: str) -> None:
        """Whatever the inventory shows as a target can be typed as a key, and means that line."""
        lines = lines_with()
        path = "".join(letter if letter.isalnum() else f"%{ord(letter):02X}" for letter in name)
        line = line_in(lines, f"/v1/kv/a/{path}x")
        assert select(line.key.target, None).pick(lines) == [line]

    def test_key_is_meant_for_every_identity(self) -> None:
        """Whoever asked: an operator knows no tokens."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            for token in ("", "one", "two"):
                await edge.get(SERVICES, token=token)
            assert flush(edge, select(SERVICES, None)) == 3

        play(scene)


class TestStock:
    def test_answer_is_kept_its_row_says_what_is_known(self) -> None:
        """Target, endpoint, index, size, age and who gave it."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b'{"a":[]}', 5)
            served = await edge.kept(SERVICES)
            row = row_of(edge)
            assert row == Row(
                target=SERVICES,
                endpoint=row.endpoint,
                identity="anonymous",
                namespace="",
                partition="",
                status=200,
                index=5,
                size_bytes=served.entry.size_bytes,
                age_seconds=row.age_seconds,
                live=False,
                superseded=False,
                watched=False,
                waiters=0,
                server="a.unit.test:8500",
            )

        play(scene)

    def test_time_passes_the_ages_grow(self) -> None:
        """An age is the time since the last proof, of the oldest and of the newest entry."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            edge.consul.say(WEB, b"[]", 5)
            await edge.get(SERVICES)
            await elapse(30)
            await edge.get(WEB)
            stock = stock_of(edge)
            assert stock.oldest_age_seconds is not None
            assert stock.newest_age_seconds is not None
            assert 30 <= stock.oldest_age_seconds < 31
            assert stock.newest_age_seconds < 1

        play(scene)

    def test_nothing_is_kept_there_are_no_ages(self) -> None:
        """None, not 0: nothing is not fresh."""

        async def scene(edge: Edge) -> None:
            stock = stock_of(edge)
            assert (stock.entries, stock.bytes, stock.keys) == (0, 0, [])
            assert (stock.oldest_age_seconds, stock.newest_age_seconds) == (None, None)
            assert stock.last_flush is None

        play(scene)

    def test_sums_are_those_of_the_store_and_the_settings(self) -> None:
        """Entries, bytes, their bounds, and what says how long things are kept."""

        async def scene(edge: Edge) -> None:
            for target in (SERVICES, WEB):
                edge.consul.say(target, b"[]", 5)
                await edge.get(target)
            stock = stock_of(edge, CACHE__TTL="3s", CACHE__MODE="strict")
            assert (stock.entries, stock.max_entries) == (2, 50)
            assert stock.bytes == sum(row.size_bytes or 0 for row in stock.keys)
            assert stock.max_bytes == 2**20
            policy = stock.settings
            assert (policy.mode, policy.ttl_seconds) == ("strict", 3.0)
            assert policy.stale_if_error_seconds == 24 * 3600

        play(
            scene, CACHE__MAX_ENTRIES="50", CACHE__MAX_BYTES="1MiB", CACHE__MAX_ENTRY_BYTES="1MiB"
        )

    def test_line_is_watched_and_awaited_both_show(self) -> None:
        """A live, watched key with one parked client."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            await edge.watched(SERVICES)
            await edge.parks(f"{SERVICES}?index=5")
            stock, row = stock_of(edge), row_of(edge)
            assert (row.live, row.watched, row.waiters) == (True, True, 1)
            assert (stock.watched, stock.wanted, stock.waiters) == (1, 0, 1)

        play(scene)

    def test_no_server_has_room_the_wanted_show(self) -> None:
        """Keys that clients wait for beyond the budget of watches."""

        async def scene(edge: Edge) -> None:
            for number in range(3):
                edge.consul.say(f"{WEB}{number}", b"[]", 5)
                await edge.parks(f"{WEB}{number}?index=5")
            stock = stock_of(edge)
            assert (stock.watched, stock.wanted, stock.waiters) == (1, 2, 3)

        play(scene, poll_limit=1)

    def test_write_is_under_way_the_entry_shows_as_superseded(self) -> None:
        """What stands in only for want of anything better says so."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            await edge.get(SERVICES)
            with edge.cache.lines.writing([CATALOG]):
                assert row_of(edge).superseded

        play(scene)

    def test_line_without_an_answer_shows_none(self) -> None:
        """Flushed and still awaited: there is a row, and nothing of an answer in it."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            await edge.parks(f"{SERVICES}?index=5")
            flush(edge)
            row = row_of(edge)
            assert (row.status, row.index, row.size_bytes, row.age_seconds, row.server) == (
                *(None, None, None),
                *(None, None),
            )
            assert (row.live, row.waiters) == (False, 1)

        play(scene)

    def test_reads_are_answered_the_counts_grow(self) -> None:
        """A miss, a hit and a bypass each count once, and the ratio is of the first two."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            before = stock_of(edge)
            await edge.get(SERVICES)
            await edge.get(SERVICES)
            await edge.get(f"{SERVICES}?consistent")
            after = stock_of(edge)
            assert (
                after.hits - before.hits,
                after.misses - before.misses,
                after.bypassed - before.bypassed,
            ) == (1, 1, 1)
            assert after.hit_ratio == pytest.approx(
                after.hits / (after.hits + after.misses), abs=1e-4
            )

        play(scene)

    def test_entry_is_evicted_its_bound_is_counted(self) -> None:
        """Operators see which bound is too low."""

        async def scene(edge: Edge) -> None:
            before = stock_of(edge).evictions
            for number in range(3):
                edge.consul.say(f"{WEB}{number}", b"[]", 5)
                await edge.get(f"{WEB}{number}")
            after = stock_of(edge).evictions
            assert after["entries"] - before["entries"] == 1
            assert after["bytes"] == before["bytes"]

        play(scene, CACHE__MAX_ENTRIES="2")

    @pytest.mark.parametrize(
        ("drop", "trigger", "flushed"),
        [
            (flush, "admin", 2),
            (lambda edge: flush(edge, select(KV, None)), "admin", 0),
            (lambda edge: edge.cache._disown(edge.cache.identities.of("one")), "identity", 1),
        ],
        ids=["admin", "nothing", "identity"],
    )
    def test_something_was_flushed_it_is_said_when_and_why(
        self, drop: Callable[[Edge], object], trigger: str, flushed: int
    ) -> None:
        """Whoever finds the cache empty learns what emptied it."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            for token in ("", "one"):
                await edge.get(SERVICES, token=token)
            drop(edge)
            last = stock_of(edge).last_flush
            assert last is not None
            assert (last.trigger, last.flushed) == (trigger, flushed)
            assert last.at.utcoffset() is not None

        play(scene)

    def test_keys_are_many_the_first_by_name_are_listed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The list is bounded and in order; how many there are is said."""
        monkeypatch.setattr(inventory, "SHOWN", 3)

        async def scene(edge: Edge) -> None:
            for number in (5, 1, 4, 2, 3):
                edge.consul.say(f"{WEB}{number}", b"[]", 5)
                await edge.get(f"{WEB}{number}")
            stock = stock_of(edge)
            assert [row.target for row in stock.keys] == [f"{WEB}{n}" for n in (1, 2, 3)]
            assert (stock.matched, stock.entries) == (5, 5)

        play(scene)

    def test_some_keys_are_asked_for_the_sums_are_still_of_all(self) -> None:
        """A selection narrows the list, not the cache."""

        async def scene(edge: Edge) -> None:
            for target in (SERVICES, WEB):
                edge.consul.say(target, b"[]", 5)
                await edge.get(target)
            stock = stock_of(edge, select(None, "/v1/health/"))
            assert [row.target for row in stock.keys] == [WEB]
            assert (stock.matched, stock.entries, stock.lines) == (1, 2, 2)

        play(scene)

    def test_looking_does_not_change_what_is_evicted_next(self) -> None:
        """An inventory uses nothing, or it would save what nobody reads."""

        async def scene(edge: Edge) -> None:
            targets = [f"{WEB}{number}" for number in range(3)]
            for target in targets:
                edge.consul.say(target, b"[]", 5)
                await edge.get(target)
            await edge.get(targets[0])
            before = list(edge.cache.lines.store)
            assert before[-1] == edge.line(targets[0]).name
            stock_of(edge)
            assert list(edge.cache.lines.store) == before

        play(scene)

    def test_no_token_and_no_body_is_shown(self) -> None:
        """Of an identity there are eight digits of a digest, of a body its size."""

        async def scene(edge: Edge) -> None:
            for target in (SERVICES, f"{SERVICES}?Token={SECRET}"):
                edge.consul.say(target, b'{"unspeakable":[]}', 5)
                await edge.get(target, token=SECRET)
            text = repr(stock_of(edge))
            assert SECRET not in text
            assert "unspeakable" not in text
            assert {re.fullmatch("[0-9a-f]{8}", tag) for tag in tags(stock_of(edge).keys)} - {None}

        play(scene)

    def test_two_identities_are_told_apart(self) -> None:
        """The same target of two tokens is two rows with two tags."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            for token in ("", "one", "two"):
                await edge.get(SERVICES, token=token)
            found = tags(stock_of(edge).keys)
            assert len(found) == 3
            assert "anonymous" in found

        play(scene)


class TestFlushing:
    def test_flushed_key_is_asked_for_again(self) -> None:
        """Live or not, the next read goes to Consul."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            await edge.watched(SERVICES)
            asked = len(edge.consul.of(SERVICES, polls=False))
            assert (await edge.kept(SERVICES)).result == "live"
            assert flush(edge) == 1
            assert (await edge.kept(SERVICES)).result == "miss"
            assert len(edge.consul.of(SERVICES, polls=False)) == asked + 1

        play(scene)

    def test_key_that_was_not_meant_stays(self) -> None:
        """Only what is picked is forgotten."""

        async def scene(edge: Edge) -> None:
            for target in (SERVICES, WEB):
                edge.consul.say(target, b"[]", 5)
                await edge.get(target)
            assert flush(edge, select(WEB, None)) == 1
            assert (await edge.kept(SERVICES)).is_hit
            assert not (await edge.kept(WEB)).is_hit

        play(scene)

    def test_flush_comes_while_a_fetch_is_under_way_its_answer_is_not_kept(self) -> None:
        """What was asked before the flush may be what the operator wants gone."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b'{"old":[]}', 5)
            gate = edge.consul.gate(SERVICES)
            early = edge.client(SERVICES)
            await gate.reached.wait()
            flush(edge)
            edge.consul.say(SERVICES, b'{"new":[]}', 6)
            assert (await edge.kept(SERVICES)).entry.body == b'{"new":[]}'
            gate.open()
            await early
            assert (await edge.kept(SERVICES)).entry.body == b'{"new":[]}'

        play(scene)

    def test_client_is_parked_the_flush_leaves_it_there(self) -> None:
        """It is answered by the next change, and by nothing before: no reader wakes it."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b'{"old":[]}', 5)
            await edge.watched(SERVICES)
            parked = await edge.parks(f"{SERVICES}?index=5&wait=5m")
            flush(edge)
            await settled()
            await edge.get(SERVICES)
            await settled()
            assert not parked.done()
            assert edge.waiters == 1
            edge.consul.say(SERVICES, b'{"new":[]}', 6)
            await until(parked.done, within=5)
            news = parked.result()
            assert isinstance(news, Served)
            assert news.entry.body == b'{"new":[]}'

        play(scene)

    def test_flushed_watch_goes_on_to_keep_its_key_fresh(self) -> None:
        """After the next read the key is live again, without a second watch."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            await edge.watched(SERVICES)
            flush(edge)
            await edge.get(SERVICES)
            edge.consul.say(SERVICES, b'{"new":[]}', 6)
            await until(lambda: row_of(edge).index == 6, within=5)
            assert (await edge.kept(SERVICES)).result == "live"
            await settled()
            assert (edge.consul.parked, len(edge.cache.watches)) == (1, 1)

        play(scene)

    def test_nothing_is_left_the_line_is_forgotten(self) -> None:
        """A flush frees what it can."""

        async def scene(edge: Edge) -> None:
            edge.consul.say(SERVICES, b"{}", 5)
            await edge.get(SERVICES)
            flush(edge)
            assert len(edge.cache.lines) == 0

        play(scene)


def tags(rows: Sequence[Row]) -> set[str]:
    """Collect the identities that are shown."""
    return {row.identity for row in rows}
