"""Blocking queries that the fast lane parks: nothing is behind them but the connection."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from consul_edge import metrics
from consul_edge.demo.standin import StandIn
from consul_edge.web.fastlane.connection import Connection
from consul_edge.web.fastlane.poll import Poll
from consul_edge.web.keys import CACHE, PARKED
from tests.house import PORT, House, edge_over
from tests.waiting import eventually
from tests.warp import skip, warped
from tests.web.fastlane.client import Client, Lanes, client_of, line_of, teach, until_live
from tests.web.fastlane.test_answers import WEB, register
from tests.web.fastlane.twins import head

KNOWN = head(WEB)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """Look at what the lanes do."""
    return Lanes(monkeypatch)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Give an edge whose lane knows a head."""
    standin = StandIn(nodes=2, services=0)
    async with standin.running(host="127.0.0.1", port=0):
        async with edge_over(standin.base_url, CACHE__TTL="0s") as one:
            await register(one, "web")
            await teach(one, KNOWN)
            yield one


def poll(house: House, wait: str = "5m") -> bytes:
    """Write a blocking query that has the current answer."""
    entry = line_of(house, WEB).entry
    assert entry is not None
    return head(f"{WEB}?index={entry.index}&wait={wait}")


def waiting(house: House) -> int:
    """Count who is parked."""
    return len(line_of(house, WEB).waiters)


async def parked(house: House, client: Client, asked: bytes) -> None:
    """Have a client parked."""
    before = waiting(house)
    client.send(asked)
    await eventually(lambda: waiting(house) == before + 1, "parked")


async def known_poll(house: House, wait: str = "5m") -> bytes:
    """Give a blocking query that the lane knows: two clients ask it, and leave."""
    asked = poll(house, wait)
    async with client_of(house) as one, client_of(house) as other:
        await parked(house, one, asked)
        await parked(house, other, asked)
    await eventually(lambda: waiting(house) == 0, "they left")
    return asked


async def test_query_is_known_it_is_parked_without_aiohttp_and_woken_by_news(
    house: House, lanes: Lanes
) -> None:
    """All who wait get the same bytes."""
    asked = await known_poll(house)
    lanes.passed = lanes.answered = 0
    async with client_of(house) as one, client_of(house) as other:
        await parked(house, one, asked)
        await parked(house, other, asked)
        assert (lanes.answered, lanes.passed) == (2, 0)
        await register(house, "web", 81)
        answers = [await one.read(), await other.read()]
        # The connection is as good as before.
        again = await one.ask(KNOWN)
    assert answers[0] == answers[1]
    assert answers[0].headers["Cache-Status"] == "consul-edge; hit; detail=held"
    assert len(json.loads(answers[0].body)) == 2
    assert again.body == answers[0].body
    assert waiting(house) == 0


async def test_client_departs_it_is_forgotten_at_once(house: House) -> None:
    """Its place, its timer and its count."""
    asked = await known_poll(house)
    before = metrics.BLOCKING_CLIENTS._value.get()
    async with client_of(house) as client:
        await parked(house, client, asked)
        assert metrics.BLOCKING_CLIENTS._value.get() == before + 1
        assert len(house.app[PARKED]._count) == 1
    await eventually(lambda: waiting(house) == 0, "gone")
    assert metrics.BLOCKING_CLIENTS._value.get() == before
    assert len(house.app[PARKED]._count) == 0


async def test_client_sends_more_while_it_waits_both_are_answered_in_turn(house: House) -> None:
    """Aiohttp takes over, with what is left of the wait."""
    asked = await known_poll(house)
    async with client_of(house) as client:
        await parked(house, client, asked)
        client.send(head("/v1/status/leader"))
        await eventually(lambda: waiting(house) == 1, "parked by aiohttp")
        await register(house, "web", 81)
        first, second = await client.read(), await client.read()
    assert len(json.loads(first.body)) == 2
    assert json.loads(second.body).endswith(":8300")


async def test_client_that_is_to_leave_sends_more_it_leaves_all_the_same(house: House) -> None:
    """Its listener is no more: it is answered what it waits for, and closed."""
    asked = await known_poll(house)
    async with client_of(house) as client:
        await parked(house, client, asked)
        (poll,) = line_of(house, WEB).waiters
        assert isinstance(poll, Poll)
        poll._connection.leave()
        client.send(head("/v1/status/leader"))
        await eventually(lambda: poll not in line_of(house, WEB).waiters, "aiohttp's")
        await eventually(lambda: waiting(house) == 1, "parked by aiohttp")
        await register(house, "web", 81)
        assert len(json.loads((await client.read()).body)) == 2
        assert await client.end() == b""


async def test_too_many_wait_the_next_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is one for those with the lane and those with aiohttp."""
    standin = StandIn(nodes=2, services=0)
    async with (
        standin.running(),
        edge_over(standin.base_url, CACHE__TTL="0s", LIMITS__PARKED_PER_CLIENT="2") as house,
    ):
        await register(house, "web")
        await teach(house, KNOWN)
        asked = await known_poll(house)
        lanes = Lanes(monkeypatch)
        async with client_of(house) as one, client_of(house) as two, client_of(house) as three:
            await parked(house, one, asked)
            await parked(house, two, asked)
            refused = await three.ask(asked)
            assert (refused.status, lanes.answered, lanes.passed) == (503, 2, 1)
            assert b"limits.parked_per_client (2)" in refused.body
        await eventually(lambda: waiting(house) == 0, "gone")


async def test_line_is_flushed_who_waits_goes_on_waiting(house: House) -> None:
    """A flush never closes a client's long poll; news comes when there is some."""
    asked = await known_poll(house)
    async with client_of(house) as client:
        await parked(house, client, asked)
        house.app[CACHE].flush([line_of(house, WEB)], "test")
        await register(house, "web", 81)
        assert len(json.loads((await client.read()).body)) == 2


async def test_lines_clients_are_to_look_again_they_are_held_on(
    house: House, lanes: Lanes
) -> None:
    """As when a watch gives up: what they have is still what there is."""
    asked = await known_poll(house)
    async with client_of(house) as client:
        await parked(house, client, asked)
        lanes.passed = 0
        line_of(house, WEB).release_all()
        assert waiting(house) == 1
        assert lanes.passed == 0
        await register(house, "web", 81)
        assert len(json.loads((await client.read()).body)) == 2


async def test_edge_drains_who_waits_is_answered_and_let_go() -> None:
    """With the current value, and then the connection is closed."""
    standin = StandIn(nodes=2, services=0)
    async with standin.running():
        async with edge_over(standin.base_url, CACHE__TTL="0s") as house:
            await register(house, "web")
            await teach(house, KNOWN)
            asked = await known_poll(house)
            idle, alone, both = [await connect(house) for _ in range(3)]
            await idle.ask(KNOWN)
            # This one's connection is known to aiohttp, too.
            await both.ask(head("/v1/status/leader"))
            await parked(house, alone, asked)
            await parked(house, both, asked)
    answers = [await alone.read(), await both.read()]
    assert [answer.status for answer in answers] == [200, 200]
    assert [await one.end() for one in (idle, alone, both)] == [b"", b"", b""]
    for one in (idle, alone, both):
        one.leave()


async def connect(house: House) -> Client:
    """Connect, beyond the life of the edge."""
    return Client(*await asyncio.open_connection(house.address, PORT))


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "not-live"])
def test_wait_is_over_the_same_is_answered(is_live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the client's own wait and its jitter, not later: also if aiohttp must ask Consul."""
    lanes = Lanes(monkeypatch)

    async def scene() -> None:
        standin = StandIn(nodes=2, services=0)
        async with standin.running(), edge_over(standin.base_url, CACHE__TTL="0s") as house:
            await register(house, "web")
            await teach(house, KNOWN)
            asked = await known_poll(house, wait="60s")
            entry = line_of(house, WEB).entry
            assert entry is not None
            async with client_of(house) as client:
                await parked(house, client, asked)
                await until_live(house, WEB)
                lanes.passed = 0
                if not is_live:
                    for server in house.rotation.servers:
                        server.tenure = None
                skip(60 * 17 / 16)
                if is_live:
                    for server in house.rotation.servers:
                        assert server.tenure is not None
                        server.tenure.heard_at = asyncio.get_running_loop().time()
                answer = await client.read()
            assert int(answer.headers["X-Consul-Index"]) >= entry.index
            assert answer.body == entry.body
            assert lanes.passed == (0 if is_live else 1)

    warped(scene())


async def test_news_cannot_be_written_at_once_aiohttp_writes_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it must be compressed outside the loop first: nobody is forgotten."""
    asked = await known_poll(house)
    monkeypatch.setattr(Connection, "_deliver", lambda *_: False)
    async with client_of(house) as client:
        await parked(house, client, asked)
        await register(house, "web", 81)
        assert len(json.loads((await client.read()).body)) == 2
