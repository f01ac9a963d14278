"""What the fast lane answers, and when it does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.web.fastlane.connection import Connection
from consul_edge.web.keys import CACHE, GENERATION
from consul_edge.web.streaming import STALL
from tests.house import House, edge_over
from tests.scrape import sample
from tests.waiting import eventually
from tests.warp import skip, warped
from tests.web.fastlane.client import Lanes, client_of, line_of, teach, until_live
from tests.web.fastlane.twins import head

WEB = "/v1/catalog/service/web"
KNOWN = head(WEB)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """Look at what the lanes do."""
    return Lanes(monkeypatch)


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    one = StandIn(nodes=2, services=0)
    async with one.running(host="127.0.0.1", port=0):
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it whose lane knows a head."""
    async with edge_over(standin.base_url, CACHE__TTL="0s") as one:
        await register(one, "web")
        await teach(one, KNOWN)
        yield one


async def register(house: House, name: str, port: int = 80) -> None:
    """Write a service through the edge."""
    said = {
        "Node": "n",
        "Address": "10.0.0.1",
        "Service": {"ID": f"{name}-{port}", "Service": name, "Port": port},
    }
    answer = await house.ask("PUT", "/v1/catalog/register", body=json.dumps(said).encode())
    assert answer.status == 200


async def test_head_is_known_it_is_answered_without_aiohttp(house: House, lanes: Lanes) -> None:
    """Over a connection for which aiohttp's protocol is never built."""
    async with client_of(house) as client:
        answers = [await client.ask(KNOWN) for _ in range(5)]
    assert (lanes.answered, lanes.passed) == (5, 0)
    assert {answer.headers["Cache-Status"] for answer in answers} == {
        "consul-edge; hit; detail=live"
    }
    assert json.loads(answers[0].body)[0]["ServicePort"] == 80


async def test_answer_has_the_headers_that_it_has_without_the_lane(
    house: House, standin: StandIn
) -> None:
    """All of them, in the same order."""
    async with client_of(house) as client, edge_over(standin.base_url, FASTLANE="false") as plain:
        for _ in range(2):
            await plain.ask("GET", WEB)
        await until_live(plain, WEB)
        async with client_of(plain) as other:
            fast, slow = await client.ask(KNOWN), await other.ask(KNOWN)
    for moment in ("Date", "Age"):
        assert fast.headers.pop(moment)
        assert slow.headers.pop(moment)
    assert list(fast.headers.items()) == list(slow.headers.items())
    assert fast.body == slow.body


def unwatched(house: House, _: StandIn) -> None:
    """Take away the proof that it is live, as a silent server does."""
    for server in house.rotation.servers:
        server.tenure = None


def flushed(house: House, _: StandIn) -> None:
    """Flush it."""
    house.app[CACHE].flush([line_of(house, WEB)], "test")


def evicted(house: House, _: StandIn) -> None:
    """Let it go for want of room."""
    line = line_of(house, WEB)
    line.store.drop(line.name)


def round_ended(house: House, _: StandIn) -> None:
    """End the watch's round."""
    line_of(house, WEB).round = None


def being_written(house: House, _: StandIn) -> None:
    """Have a write under way that may touch it."""
    line_of(house, WEB).endpoint.writes += 1


@pytest.mark.parametrize("change", [unwatched, flushed, evicted, round_ended, being_written])
async def test_proof_is_gone_the_lane_answers_no_more(
    house: House, standin: StandIn, lanes: Lanes, change: Callable[[House, StandIn], Any]
) -> None:
    """In that very moment, within the second for which the bytes were rendered."""
    async with client_of(house) as client:
        await client.ask(KNOWN)
        assert (lanes.answered, lanes.passed) == (1, 0)
        change(house, standin)
        answer = await client.ask(KNOWN)
        assert (lanes.answered, lanes.passed) == (1, 1)
    assert answer.headers["Cache-Status"].startswith("consul-edge; fwd=miss")


async def test_write_goes_through_the_edge_the_next_answer_shows_it(
    house: House, lanes: Lanes
) -> None:
    """Own writes are seen (promise 5), however fast the lane is."""
    async with client_of(house) as client:
        for port in range(81, 90):
            await client.ask(KNOWN)
            await register(house, "web", port)
            shown = json.loads((await client.ask(KNOWN)).body)
            assert port in {row["ServicePort"] for row in shown}
    assert lanes.answered


async def test_change_at_consul_is_shown_by_the_lane(
    house: House, standin: StandIn, lanes: Lanes
) -> None:
    """The watch's publication replaces the bytes."""
    version = line_of(house, WEB).version
    async with edge_over(standin.base_url) as other:
        await register(other, "web", 81)
    await eventually(lambda: line_of(house, WEB).version > version, "published")
    async with client_of(house) as client:
        assert len(json.loads((await client.ask(KNOWN)).body)) == 2


async def test_settings_are_exchanged_heads_are_judged_anew(house: House, lanes: Lanes) -> None:
    """Also by a connection that is open, whatever the settings say now."""
    async with client_of(house) as client:
        await client.ask(KNOWN)
        generation = house.app[GENERATION]
        generation.advance(generation.settings)
        await client.ask(KNOWN)
    assert (lanes.answered, lanes.passed) == (1, 1)


async def test_two_tokens_are_known_each_is_answered_its_own(lanes: Lanes) -> None:
    """Promise 2; and neither token is in what the lane remembers."""
    tokens = {"alice-secret": lambda *_: True, "bob-secret": lambda _, path: "web" not in path}
    standin = StandIn(nodes=2, services=0, tokens=tokens)
    async with standin.running(), edge_over(standin.base_url, CACHE__TTL="0s") as house:
        mine = head("/v1/catalog/nodes", "X-Consul-Token: alice-secret")
        his = head("/v1/catalog/nodes?token=bob-secret")
        async with client_of(house) as client:
            for _ in range(4):
                answers = [await client.ask(one) for one in (mine, his)]
        assert lanes.answered >= 2
        lines = [line for line in house.app[CACHE].lines if line.key.target == "/v1/catalog/nodes"]
        assert len({line.key.identity for line in lines}) == 2
        assert [answer.status for answer in answers] == [200, 200]


async def test_head_was_refused_what_follows_it_teaches_nothing_of_it(
    house: House, lanes: Lanes
) -> None:
    """Else it would be answered with what another asked for, perhaps with another's token."""
    foreign = KNOWN.replace(b"127.0.0.1", b"evil.example")
    async with client_of(house) as client:
        for _ in range(2):
            assert (await client.ask(foreign)).status == 421
        unwatched(house, Mock())
        # Known, but for the moment aiohttp's.
        assert (await client.ask(KNOWN)).status == 200
        await until_live(house, WEB)
        assert (await client.ask(foreign)).status == 421
    assert (lanes.answered, lanes.passed) == (0, 4)


@pytest.mark.parametrize("line", ["User-Agent: a", "X-Consul-Token:"])
async def test_edge_lends_its_token_heads_without_one_are_not_learnt(
    lanes: Lanes, line: str
) -> None:
    """For the edge's may be another any moment, or there may be none as yet."""
    standin = StandIn(nodes=2, services=0, tokens={"own": lambda *_: True})
    lending = {"CONSUL__TOKEN": "own", "CONSUL__TOKEN_FOR_CLIENTS": "true"}
    async with standin.running(), edge_over(standin.base_url, **lending) as house:
        async with client_of(house) as client:
            for _ in range(4):
                assert (await client.ask(head("/v1/catalog/nodes", line))).status == 200
    assert (lanes.answered, lanes.passed) == (0, 4)


async def test_answer_is_counted_as_any_other(house: House) -> None:
    """In requests, in the cache's results and in the time they took."""
    series: list[tuple[str, dict[str, str]]] = [
        ("consul_edge_http_requests_total", {"endpoint": "catalog_service", "code": "200"}),
        ("consul_edge_cache_requests_total", {"endpoint": "catalog_service", "result": "live"}),
        ("consul_edge_http_request_duration_seconds_count", {"treatment": "watch"}),
    ]

    async def counts() -> list[float]:
        return [
            await asyncio.to_thread(sample, house.base, name, **labels) for name, labels in series
        ]

    before = await counts()
    async with client_of(house) as client:
        for _ in range(7):
            await client.ask(KNOWN)
    assert [now - then for now, then in zip(await counts(), before, strict=True)] == [7, 7, 7]


async def test_access_log_is_on_the_lane_writes_its_lines(standin: StandIn, lanes: Lanes) -> None:
    """With the same fields, nothing secret among them."""
    async with edge_over(standin.base_url, LOG__ACCESS="true", CACHE__TTL="0s") as house:
        known = head(f"{WEB}?token=s3cret")
        await teach(house, known)
        with capture_logs() as logged:
            async with client_of(house) as client:
                answer = await client.ask(known)
        assert lanes.answered
        (line,) = (one for one in logged if one["event"] == "request")
        assert (line["target"], line["status"], line["method"]) == (f"{WEB}?token=***", 200, "GET")
        assert line["bytes"] > len(answer.body)
        assert line["client"]
        assert line["server"] == answer.headers["X-Consul-Edge-Server"]


def test_seconds_pass_date_and_age_are_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right to the second, for as long as the heartbeat is not renewed."""
    clock = [1_800_000_000.25]
    monkeypatch.setattr("consul_edge.web.rendering.time.time", lambda: clock[0])
    lanes = Lanes(monkeypatch)

    async def scene() -> None:
        standin = StandIn(nodes=2, services=0)
        async with standin.running(), edge_over(standin.base_url, CACHE__TTL="0s") as house:
            await teach(house, KNOWN)
            hanging = standin.faults.hang(path="/v1/status/leader")
            await hanging.met.wait()
            seen = []
            async with client_of(house) as client:
                for _ in range(3):
                    answer = await client.ask(KNOWN)
                    seen.append((answer.headers["Date"][-12:-4], int(answer.headers["Age"])))
                    clock[0] += 1.0
                    skip(1.0)
            dates, ages = zip(*seen, strict=True)
            assert dates == ("08:00:00", "08:00:01", "08:00:02")
            assert [age - ages[0] for age in ages[:2]] == [0, 1]

    warped(scene())
    assert lanes.answered >= 2


def test_client_says_nothing_for_an_hour_it_is_closed() -> None:
    """As aiohttp closes those that it knows; one that is answered by the lane is not silent."""

    async def scene() -> None:
        standin = StandIn(nodes=2, services=0)
        async with standin.running(), edge_over(standin.base_url, CACHE__TTL="0s") as house:
            await teach(house, KNOWN)
            async with client_of(house) as silent, client_of(house) as both:
                await both.ask(head("/v1/status/leader"))
                await silent.ask(KNOWN)
                for _ in range(3):
                    skip(1300)
                    await both.ask(KNOWN)
                assert await silent.end() == b""
                assert (await both.ask(KNOWN)).status == 200

    warped(scene())


def test_client_does_not_read_it_is_written_nothing_more_and_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the transport is full the lane answers nothing; without progress that ends, also if
    more came, which is aiohttp's.
    """
    made: list[Connection] = []
    begin = Connection.connection_made

    def seen(connection: Connection, transport: asyncio.BaseTransport) -> None:
        made.append(connection)
        begin(connection, transport)

    monkeypatch.setattr(Connection, "connection_made", seen)

    async def scene() -> None:
        standin = StandIn(nodes=2, services=0)
        async with standin.running(), edge_over(standin.base_url, CACHE__TTL="0s") as house:
            await teach(house, KNOWN)
            one = Connection(made[0]._lane, made[0].listener)
            transport = Mock(spec=asyncio.Transport)
            transport.get_extra_info.return_value = None
            transport.get_write_buffer_size.return_value = 70_000
            one.connection_made(transport)
            one.data_received(KNOWN)
            assert transport.write.call_count == 1
            one.pause_writing()
            for left in (60_000, 50_000):
                skip(STALL)
                await asyncio.sleep(0)
                transport.get_write_buffer_size.return_value = left
            assert not transport.abort.called
            one.data_received(KNOWN)
            assert transport.write.call_count == 1
            for _ in range(4):
                skip(STALL + 1)
                await asyncio.sleep(0)
            assert transport.abort.called
            assert not transport.set_protocol.called
            one.resume_writing()
            one.data_received(KNOWN)
            assert transport.set_protocol.call_count == 1
            transport.abort.reset_mock()
            two = Connection(made[0]._lane, made[0].listener)
            two.connection_made(transport)
            two.pause_writing()
            for _ in range(3):
                skip(STALL)
                await asyncio.sleep(0)
            assert transport.abort.called
            one.connection_lost(None)
            made[0]._lane.closed(two)

    warped(scene())
