"""Flights: one fetch for everybody who may have it, and what becomes of its answer."""

import asyncio

import pytest

from consul_edge import metrics
from consul_edge.cache.fetching import TooLarge, Unanswered
from consul_edge.cache.flights import Flights
from consul_edge.core.errors import NoServer
from tests.cache.making import KV, WEB, Edge, play, settled, until
from tests.upstream.making import value_of

LARGE = b"[" + b"1," * 2000 + b"1]"


def flights_of(edge: Edge) -> Flights:
    """Reach the part that is tested here."""
    return edge.cache._flights


def test_many_ask_at_once_consul_is_asked_once() -> None:
    """The first is a miss, the others are collapsed onto it, and all get one object."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        found = await asyncio.gather(*(edge.kept(WEB) for _ in range(50)))
        assert [one.result for one in found] == ["miss"] + ["collapsed"] * 49
        assert len({id(one.entry) for one in found}) == 1
        assert len(edge.consul.of(WEB, polls=False)) == 1

    play(scene, WATCH__IDLE="1s")


def test_different_tokens_ask_at_once_each_has_his_own_flight() -> None:
    """Nobody is given what was fetched for another token (promise 2)."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        found = await asyncio.gather(*(edge.kept(WEB, token=who) for who in ("", "a", "b")))
        assert [one.result for one in found] == ["miss"] * 3
        tokens = [dict(one.headers).get("X-Consul-Token", "") for one in edge.consul.asked]
        assert sorted(tokens) == ["", "a", "b"]

    play(scene)


def test_client_leaves_the_flight_goes_on_for_the_others() -> None:
    """Also if it was his; its answer is kept."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        first, second = edge.client(WEB), edge.client(WEB)
        await gate.reached.wait()
        first.cancel()
        await settled()
        gate.open()
        found = await second
        assert edge.line(WEB).entry is not None
        assert first.cancelled()
        assert (found.entry.body, len(edge.consul.asked)) == (b"[1]", 1)  # type: ignore[union-attr] # it was fetched

    play(scene)


def test_all_clients_leave_the_answer_is_kept_all_the_same() -> None:
    """Consul has done the work: the next one has it for nothing."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        client = edge.client(WEB)
        await gate.reached.wait()
        client.cancel()
        await settled()
        gate.open()
        await settled()
        assert (await edge.kept(WEB)).result == "ttl"
        assert len(edge.consul.asked) == 1

    play(scene)


def test_client_has_written_he_joins_no_flight_that_began_before() -> None:
    """It may bring what was before his write; his own fetch brings what is after it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        early = edge.client(WEB)
        await gate.reached.wait()

        async def register() -> None:
            edge.consul.say(WEB, b"[2]", 6)

        await edge.write("PUT", "/v1/catalog/register", register)
        late = await edge.kept(WEB)
        gate.open()
        await early
        assert (late.entry.body, late.result) == (b"[2]", "miss")
        assert (await edge.kept(WEB)).entry.body == b"[2]"

    play(scene)


def test_somebody_writes_meanwhile_the_answer_is_given_and_not_kept() -> None:
    """It may be from before the write's end: good for who asked, for nobody later."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        reader = edge.client(WEB)
        await gate.reached.wait()
        await edge.write("PUT", "/v1/catalog/register", settled)
        gate.open()
        found = await reader
        assert found.entry.body == b"[1]"  # type: ignore[union-attr] # it was fetched
        assert edge.find(WEB) is None

    play(scene)


def test_fetch_begins_and_ends_during_a_write_its_answer_is_not_kept() -> None:
    """Consul may act on the write after the answer and before the write's own."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        go = asyncio.Event()
        writing = asyncio.create_task(edge.write("PUT", "/v1/catalog/register", go.wait))
        await settled()
        assert (await edge.kept(WEB)).entry.body == b"[1]"
        assert edge.find(WEB) is None
        go.set()
        await writing

    play(scene)


def test_flight_is_overtaken_by_a_newer_answer_the_newer_one_stays() -> None:
    """Two fetches may come back in another order than they went."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        line = edge.line(WEB)
        gate = edge.consul.gate(WEB)
        slow = asyncio.create_task(flights_of(edge).fetch(line))
        await gate.reached.wait()
        edge.consul.say(WEB, b"[2]", 6)
        await flights_of(edge).fetch(line, join=False)
        gate.open()
        answer, _ = await slow
        assert line.entry is not None
        assert (line.entry.index, answer.index) == (6, 6)

    play(scene)


def test_flight_lands_after_its_line_was_forgotten_it_keeps_nothing() -> None:
    """The key may have a new line by then, and that one knows of writes that the old does not."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        slow_gate, fast_gate = edge.consul.gate(WEB), edge.consul.gate(WEB)
        reader = edge.client(WEB)
        await slow_gate.reached.wait()
        line = edge.line(WEB)
        second = asyncio.create_task(flights_of(edge).fetch(line, join=False))
        await fast_gate.reached.wait()
        edge.consul.say(WEB, b"oops", 0, 403)
        fast_gate.open()
        await second
        reader.cancel()
        line.drop()
        edge.cache.lines.tidy(line)
        await settled()
        assert edge.find(WEB) is line
        slow_gate.open()
        await settled()
        assert edge.find(WEB) is None

    play(scene)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_error_comes_what_was_kept_stays_or_goes_but_is_never_replaced(status: int) -> None:
    """Promise 3: no error is ever answered from what is kept; a 403 takes the entry away."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        line = edge.line(WEB)
        edge.consul.say(WEB, b"no", 6, status)
        answer, _ = await flights_of(edge).fetch(line)
        assert (answer.status, answer.body) == (status, b"no")
        assert (line.entry is None) == (status == 403)
        assert line.entry is None or line.entry.body == b"[1]"

    play(scene)


def test_no_server_answers_all_who_wait_are_told() -> None:
    """One failure is everybody's, and the next one who asks has a flight of his own."""

    async def scene(edge: Edge) -> None:
        edge.consul.refusing.add("a")
        found = await asyncio.gather(*(edge.get(WEB) for _ in range(5)), return_exceptions=True)
        assert [type(one) for one in found] == [NoServer] * 5
        edge.consul.refusing.clear()
        edge.consul.say(WEB, b"[1]", 5)
        assert (await edge.kept(WEB)).entry.body == b"[1]"

    play(scene)


def test_consul_can_only_say_why_not_its_own_words_are_held_for_the_client() -> None:
    """An error of Consul's that stayed is raised as one, with the answer in it."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, b"No cluster leader", 0, 500)
        with pytest.raises(Unanswered) as caught:
            await flights_of(edge).fetch(edge.line(WEB))
        assert caught.value.entry.body == b"No cluster leader"
        assert edge.line(WEB).entry is not None

    play(scene)


def test_answer_is_too_large_everybody_is_told_and_nothing_new_is_kept() -> None:
    """Who waits for it asks by himself."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, LARGE, 6)
        both = [flights_of(edge).fetch(edge.line(WEB)) for _ in range(2)]
        found = await asyncio.gather(*both, return_exceptions=True)
        assert [type(one) for one in found] == [TooLarge] * 2
        assert len(edge.consul.asked) == 2

    play(scene, CACHE__MAX_ENTRY_BYTES="1KiB")


def test_much_is_gone_at_once_it_is_asked_again_and_believed() -> None:
    """Two more questions: the first only a leader who knows all may answer."""

    async def scene(edge: Edge) -> None:
        counter = metrics.CACHE_CONFIRMATIONS.labels("confirmed")
        before = value_of(counter)
        edge.consul.say(WEB, LARGE, 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, b"[]", 6)
        answer, _ = await flights_of(edge).fetch(edge.line(WEB))
        assert (answer.body, edge.line(WEB).entry) == (b"[]", answer)
        asked = [one.target for one in edge.consul.asked]
        assert asked == [WEB, WEB, f"{WEB}?consistent", WEB]
        assert value_of(counter) - before == 1

    play(scene)


def test_leader_that_was_just_elected_knows_nothing_yet_it_is_asked_when_it_does() -> None:
    """It answers default-mode reads at once, and consistent ones when it has applied its log."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, LARGE, 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, b"[]", 1)
        gate = edge.consul.gate(f"{WEB}?consistent")
        fetching = asyncio.create_task(flights_of(edge).fetch(edge.line(WEB)))
        await until(lambda: gate.reached.is_set() or fetching.done())
        assert not fetching.done()
        edge.consul.say(WEB, LARGE, 5)
        gate.open()
        answer, _ = await fetching
        assert (answer.status, answer.body, answer.index) == (200, LARGE, 5)

    play(scene)


def test_much_was_gone_only_for_once_the_second_answer_counts() -> None:
    """What a young or restored server said about nothing is never shown to anybody."""

    async def scene(edge: Edge) -> None:
        counter = metrics.CACHE_CONFIRMATIONS.labels("refuted")
        before = value_of(counter)
        edge.consul.say(WEB, LARGE, 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, b"[]", 1)
        gate = edge.consul.gate(WEB)
        fetching = asyncio.create_task(flights_of(edge).fetch(edge.line(WEB)))
        await gate.reached.wait()
        edge.consul.say(WEB, LARGE, 5)
        gate.open()
        answer, _ = await fetching
        assert answer.body == LARGE
        assert value_of(counter) - before == 1

    play(scene)


def test_much_is_gone_and_nobody_can_be_asked_again_what_was_kept_stays() -> None:
    """In doubt the last good answer is the better one."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, LARGE, 5)
        await edge.kept(WEB)
        edge.consul.say(WEB, b"[]", 1)
        gate = edge.consul.gate(WEB)
        fetching = asyncio.create_task(flights_of(edge).fetch(edge.line(WEB)))
        await gate.reached.wait()
        edge.consul.say(WEB, b"No cluster leader", 0, 500)
        gate.open()
        with pytest.raises(Unanswered):
            await fetching
        entry = edge.line(WEB).entry
        assert entry is not None
        assert entry.body == LARGE

    play(scene)


DENIED, UNKNOWN = b"Permission denied", b"ACL not found"


async def _read_all(edge: Edge) -> None:
    for token in ("one", "two"):
        for target in (WEB, KV):
            edge.consul.say(target, b"[1]", 5)
            await edge.kept(f"{target}?index=1", token=token)


def _kept(edge: Edge) -> set[tuple[str, str]]:
    pairs = [(token, target) for token in ("one", "two") for target in (WEB, KV)]
    lines = [(pair, edge.find(pair[1], token=pair[0])) for pair in pairs]
    return {pair for pair, line in lines if line is not None and line.entry is not None}


def test_permission_is_denied_that_key_of_that_identity_is_dropped() -> None:
    """The token may see other things still, and other tokens may see this one."""

    async def scene(edge: Edge) -> None:
        await _read_all(edge)
        edge.consul.say(WEB, DENIED, 0, 403)
        await flights_of(edge).fetch(edge.line(WEB, token="one"))
        assert _kept(edge) == {("one", KV), ("two", WEB), ("two", KV)}

    play(scene)


def test_token_is_gone_all_of_its_identity_is_dropped() -> None:
    """Consul says so twice, and nobody else is touched."""

    async def scene(edge: Edge) -> None:
        await _read_all(edge)
        edge.consul.say(WEB, UNKNOWN, 0, 403)
        await flights_of(edge).fetch(edge.line(WEB, token="one"))
        assert _kept(edge) == {("two", WEB), ("two", KV)}

    play(scene)


def test_token_is_not_gone_when_asked_again_only_that_key_is_dropped() -> None:
    """A server that has just started knows no tokens (CONSUL.md A.1.4)."""

    async def scene(edge: Edge) -> None:
        await _read_all(edge)
        edge.consul.say(WEB, UNKNOWN, 0, 403)
        gate = edge.consul.gate(WEB)
        fetching = asyncio.create_task(flights_of(edge).fetch(edge.line(WEB, token="one")))
        await gate.reached.wait()
        edge.consul.say(WEB, b"[1]", 5)
        gate.open()
        await fetching
        assert _kept(edge) == {("one", KV), ("two", WEB), ("two", KV)}

    play(scene)


def test_identity_is_dropped_its_parked_clients_look_again() -> None:
    """They get the 403 rather than wait for what will never come; others stay parked."""

    async def scene(edge: Edge) -> None:
        await _read_all(edge)
        mine = await edge.parks(f"{KV}?index=5", token="one")
        other = await edge.parks(f"{KV}?index=5", token="two")
        edge.consul.say(WEB, UNKNOWN, 0, 403)
        edge.consul.say(KV, b"[1]", 5)
        await flights_of(edge).fetch(edge.line(WEB, token="one"))
        # He is parked again only because this Consul still answers him.
        await settled()
        assert not other.done()
        assert edge.consul.of(KV, polls=False)[-1].at > edge.consul.of(WEB)[-1].at
        assert not mine.done()

    play(scene)


def test_edge_closes_flights_are_broken_off() -> None:
    """No task is left behind."""

    async def scene(edge: Edge) -> None:
        edge.consul.gate(WEB)
        edge.consul.say(WEB, b"[1]", 5)
        reader = edge.client(WEB)
        await until(lambda: edge.find(WEB) is not None)
        await edge.cache.close()
        await settled()
        assert reader.cancelled()
        assert edge.find(WEB) is None

    play(scene)
