"""Rounds: what a question to one server proves while it is pending, and what ends it."""

import asyncio
from collections.abc import Callable

import pytest

from consul_edge.core.errors import ServerFailed
from consul_edge.core.request import parse_call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.rounds import Round
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Place
from tests.cache.making import WEB, Edge, clock, play, settled, until
from tests.virtual import elapse

POLL = f"{WEB}?index=5&wait=30s"
LEADER, OTHER = "10.0.0.1:8300", "10.0.0.2:8300"
HELD = 30 * 17 / 16 + 7
"""Seconds that Consul may hold a poll of 30 s."""


def a_round(edge: Edge, target: str = POLL, server: Server | None = None) -> Round:
    """Prepare a question to one server."""
    question = Question(parse_call("GET", target), [], None)
    return Round(edge.upstream.rotation, server or edge.servers[0], question, 5)


async def pending(edge: Edge, target: str = POLL) -> "tuple[Round, asyncio.Task[Answer]]":
    """Ask, of a server whose leader is known, and wait until the question hangs there."""
    edge.consul.say(WEB, b"[1]", 5)
    await edge.upstream.rotation.hear(edge.servers[0])
    one = a_round(edge, target)
    task = asyncio.create_task(one.answer())
    edge._clients.add(task)
    await until(lambda: edge.consul.parked)
    return one, task


def test_server_is_heard_every_second_the_round_is_live_all_the_time() -> None:
    """Its proof is never older than a heartbeat and a bit."""

    async def scene(edge: Edge) -> None:
        one, _ = await pending(edge)
        for _ in range(290):
            await elapse(0.1)
            assert one.is_live(clock())
            assert clock() - one.heard_at <= 1.2

    play(scene)


def test_server_was_never_heard_the_round_proves_nothing() -> None:
    """It may follow a leader that is gone, for all that is known."""

    async def scene(edge: Edge) -> None:
        one = a_round(edge)
        assert (one.is_live(clock()), one.heard_at) == (False, 0.0)

    play(scene)


def test_heartbeats_stop_the_proof_ends_after_three_seconds() -> None:
    """And it does not grow: the age is the time since the server was heard last."""

    async def scene(edge: Edge) -> None:
        one, _ = await pending(edge)
        heard = one.heard_at
        edge.upstream.rotation.forget(edge.servers[0])
        seen = []
        while clock() < heard + 5.0:
            await elapse(0.1)
            seen.append((clock() - heard <= 3.0, one.is_live(clock())))
        assert all(expected == live for expected, live in seen)
        assert one.heard_at == heard

    play(scene)


ENDS: list[tuple[str, Callable[[Edge], None]]] = [
    ("no-leader", lambda edge: edge.consul.leaders.update(a="")),
    ("another-leader", lambda edge: edge.consul.leaders.update(a=OTHER)),
    ("refused", lambda edge: edge.consul.refusing.add("a")),
    ("silent", lambda edge: edge.consul.silent.add("a")),
]


@pytest.mark.parametrize("happens", [row[1] for row in ENDS], ids=[row[0] for row in ENDS])
def test_leader_or_server_is_lost_the_proof_ends_with_that_heartbeat(
    happens: Callable[[Edge], None],
) -> None:
    """Silence, an empty or a changed leader: at once, long before the three seconds are over."""

    async def scene(edge: Edge) -> None:
        one, _ = await pending(edge)
        happens(edge)
        await elapse(2.6)
        assert not one.is_live(clock())

    play(scene)


def test_leader_is_lost_and_found_again_the_proof_does_not_resume() -> None:
    """Between the two another one may have led: what was written then was not told."""

    async def scene(edge: Edge) -> None:
        one, task = await pending(edge)
        edge.consul.leaders["a"] = ""
        await elapse(1.5)
        assert not task.done()
        edge.consul.leaders["a"] = LEADER
        await until(task.done)
        assert not one.is_live(clock())
        with pytest.raises(ServerFailed, match="follows another leader now"):
            await task

    play(scene)


def test_server_has_no_leader_the_round_stays_pending() -> None:
    """An election is waited out: the query still hangs there, it only proves nothing."""

    async def scene(edge: Edge) -> None:
        _, task = await pending(edge)
        edge.consul.leaders["a"] = ""
        await elapse(10.0)
        assert not task.done()

    play(scene)


LOSSES = [
    ("another-leader", ENDS[1][1], "follows another leader now"),
    ("refused", ENDS[2][1], "stopped answering"),
    ("silent", ENDS[3][1], "stopped answering"),
]


@pytest.mark.parametrize(
    ("happens", "reason"), [row[1:] for row in LOSSES], ids=[row[0] for row in LOSSES]
)
def test_server_is_lost_the_round_is_abandoned_and_charged(
    happens: Callable[[Edge], None], reason: str
) -> None:
    """For as long as Consul may still hold it, less what it was pending already."""

    async def scene(edge: Edge) -> None:
        slots = edge.servers[0].slots
        one, task = await pending(edge)
        happens(edge)
        with pytest.raises(ServerFailed, match=reason):
            await task
        assert (slots.polls, slots.abandoned) == (0, 1)
        await elapse(one.began + HELD - clock() - 0.1)
        assert slots.abandoned == 1
        await elapse(0.2)
        assert slots.abandoned == 0

    play(scene)


def test_poll_is_lent_a_place_the_place_is_counted_once_whatever_becomes_of_it() -> None:
    """Pending, answered or abandoned: there is never room for another in between."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        server = edge.servers[0]
        await edge.upstream.rotation.hear(server)
        place = Place(server.slots)
        question = Question(parse_call("GET", POLL), [], None)
        counted = []
        for lost in (False, True):
            one = Round(edge.upstream.rotation, server, question, 5, place.lend())
            task = asyncio.create_task(one.answer())
            await until(lambda: edge.consul.parked)
            counted.append(server.slots.polls)
            if lost:
                edge.consul.leaders["a"] = OTHER
            else:
                edge.consul.say(WEB, b"[2]", 6)
            await asyncio.wait((task,))
            counted.append(server.slots.polls)
            edge.consul.say(WEB, b"[1]", 5)
            assert (task.exception() is not None) == lost
        place.give()
        assert counted == [1, 1, 1, 1]
        assert (server.slots.polls, server.slots.abandoned) == (0, 1)

    play(scene)


def test_server_says_that_it_has_no_leader_that_is_no_answer() -> None:
    """Not to a poll: it is asked again elsewhere, and the heartbeat is taken."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"No cluster leader", 0, 500)
        with pytest.raises(ServerFailed, match="answered 500"):
            await a_round(edge).answer()
        assert edge.servers[0].slots.polls == 0

    play(scene)


@pytest.mark.parametrize("status", [200, 403, 404, 500])
def test_consul_answers_whatever_it_says_is_an_answer(status: int) -> None:
    """What becomes of it is not decided here."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"said", 6, status)
        answer = await a_round(edge).answer()
        assert (answer.status, answer.body) == (status, b"said")
        assert edge.servers[0].slots.polls == 0

    play(scene)


def test_question_does_not_wait_it_is_counted_as_a_short_one() -> None:
    """The fill before the first round takes no poll's room."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        gate = edge.consul.gate(WEB)
        task = asyncio.create_task(a_round(edge, WEB).answer())
        await gate.reached.wait()
        slots = edge.servers[0].slots
        assert (slots.short, slots.polls) == (1, 0)
        gate.open()
        await task
        assert (slots.short, slots.polls) == (0, 0)

    play(scene)


def test_edge_closes_the_round_is_broken_off_without_a_trace() -> None:
    """Its connection is charged, and no task is left."""

    async def scene(edge: Edge) -> None:
        _, task = await pending(edge)
        task.cancel()
        await settled()
        assert (task.cancelled(), edge.servers[0].slots.abandoned) == (True, 1)
        assert edge.consul.parked == 0

    play(scene)


def test_many_rounds_wait_for_news_none_is_forgotten_by_it() -> None:
    """Each look at the news is a new one: the second loss is noticed as the first."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        for server in edge.servers:
            await edge.upstream.rotation.hear(server)
        tasks = [
            asyncio.create_task(a_round(edge, server=server).answer()) for server in edge.servers
        ]
        await until(lambda: edge.consul.parked == 2)
        edge.consul.leaders["b"] = OTHER
        await asyncio.wait((tasks[1],))
        assert not tasks[0].done()
        edge.consul.leaders["a"] = OTHER
        await asyncio.wait((tasks[0],))
        assert [isinstance(task.exception(), ServerFailed) for task in tasks] == [True, True]

    play(scene, "ab")
