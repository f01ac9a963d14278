"""What ``cache.warm`` names is fetched and watched from the start, whoever reads it."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consul_edge.cache import warming
from consul_edge.demo.standin import StandIn
from consul_edge.upstream import secret_file
from consul_edge.web.keys import CACHE
from tests.cache.making import Edge, play
from tests.cache.outside import (
    ALICE,
    BOB,
    KEY,
    LIVE,
    NODES,
    SERVICES,
    is_live,
    line_of,
    until_live,
    with_token,
)
from tests.house import House, edge_over
from tests.virtual import elapse
from tests.waiting import eventually
from tests.wire import Headers

CENTERS = "/v1/catalog/datacenters"

OWN, OTHER = ALICE, BOB
"""The edge's token, and somebody else's."""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the warm lines, and the token's file, looked at many times a second."""
    monkeypatch.setattr(warming, "LOOK_INTERVAL", 0.02)
    monkeypatch.setattr(warming, "REFRESH_SECONDS", 0.05)
    monkeypatch.setattr(secret_file, "LOOK_AGAIN", 0.0)


async def read(house: House, target: str, headers: Headers = ()) -> str | None:
    """Read a target, and tell how it was answered."""
    answer = await house.ask("GET", target, headers)
    assert answer.status == 200
    return answer.header("Cache-Status")


async def test_warm_target_is_live_before_anybody_reads_it(standin: StandIn) -> None:
    """The first reader of all is answered from memory."""
    target = f"{NODES}?filter=Node%20!=%20x"
    async with edge_over(standin.base_url, CACHE__WARM=f"{target},{SERVICES}") as house:
        for one in (target, SERVICES):
            await until_live(house, one)
            assert await read(house, one) == LIVE
    for one in (target, SERVICES):
        assert (
            len([seen for seen in standin.seen.of("GET", one) if "index=" not in seen.target]) == 1
        )


async def test_warm_target_is_watched_on_though_nobody_reads_it(standin: StandIn) -> None:
    """What is idle for longer than any other watch lasts is still watched."""
    idle = {"WATCH__IDLE": "1ms", "WATCH__WAIT": "1s"}
    async with edge_over(standin.base_url, CACHE__WARM=NODES, **idle) as house:
        await until_live(house, NODES)
        polls = f"{NODES}?index="
        await eventually(lambda: len(standin.seen.of("GET", polls)) >= 3, "three rounds")
        await until_live(house, NODES)


async def test_warm_entry_is_not_evicted(standin: StandIn) -> None:
    """However much is read beside it, it keeps its place."""
    async with edge_over(standin.base_url, CACHE__WARM=NODES, CACHE__MAX_ENTRIES="2") as house:
        await until_live(house, NODES)
        for number in range(10):
            await read(house, f"/v1/health/service/s{number}")
        assert await read(house, NODES) == LIVE
        assert len(house.app[CACHE].lines.store) == 2


async def test_warm_kv_collapses_blocking_queries_and_passes_reads(standin: StandIn) -> None:
    """Reads of KV go to Consul as always; whoever waits for it shares the one watch."""
    standin.state.keys.put("config/a", b"x")
    async with edge_over(standin.base_url, CACHE__WARM=KEY) as house:
        await until_live(house, KEY)
        index = (await house.ask("GET", KEY)).index
        held = [
            asyncio.create_task(house.ask("GET", f"{KEY}?index={index}&wait=1m"), name="held")
            for _ in range(3)
        ]
        line = line_of(house, KEY)
        assert line is not None
        await eventually(lambda: len(line.waiters) == 3, "held")
        standin.state.keys.put("config/a", b"y")
        assert {answer.index > index for answer in await asyncio.gather(*held)} == {True}
        assert await read(house, KEY) == "consul-edge; fwd=bypass"
    polls = standin.seen.of("GET", f"{KEY}?index={index}&")
    assert len(polls) == 1


async def test_warm_target_becomes_live_when_consul_comes_back(standin: StandIn) -> None:
    """An edge that started in an outage warms up after it by itself."""
    await standin.refuse()
    async with edge_over(standin.base_url, CACHE__WARM=NODES) as house:
        await eventually(lambda: all(server.is_out for server in house.rotation.servers), "out")
        assert not is_live(house, NODES)
        await standin.listen()
        await until_live(house, NODES)


async def test_warm_target_restored_in_an_outage_is_served_stale(
    standin: StandIn, tmp_path: Path
) -> None:
    """Nobody need have read it in either life."""
    settings = {"CACHE__WARM": NODES, "CACHE__SNAPSHOT": str(tmp_path / "snapshot")}
    async with edge_over(standin.base_url, **settings) as house:
        await until_live(house, NODES)
    await standin.refuse()
    async with edge_over(standin.base_url, CONSUL__DEADLINE="2s", **settings) as house:
        assert await read(house, NODES) == "consul-edge; hit; detail=stale"
        await standin.listen()
        await until_live(house, NODES)


def test_warm_target_denied_is_not_asked_for_again_at_once() -> None:
    """A token without the right costs Consul a question now and then, not all that it can do."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(NODES, b"Permission denied", status=403)
        edge.consul.say(SERVICES, b"{}", 5)
        await edge.cache.start()
        await elapse(warming.LOOK_INTERVAL - 1)
        assert len(edge.consul.of(NODES)) == 1
        assert (await edge.kept(SERVICES)).result == "live"
        await elapse(warming.LOOK_INTERVAL * 6)
        assert len(edge.consul.of(NODES)) == 7

    play(scene, CACHE__WARM=f"{NODES},{SERVICES}")


@pytest.mark.usefixtures("often")
async def test_warm_target_denied_becomes_live_once_it_is_granted(guarded: StandIn) -> None:
    """It is not forgotten, and the log says that it is missing: once."""
    # Some looks fall into the time that a refusal takes.
    fault = guarded.faults.answer(403, "Permission denied", path=NODES, delay=0.05)
    with capture_logs() as logged:
        settings = {"CACHE__WARM": NODES, "CONSUL__TOKEN": OWN}
        async with edge_over(guarded.base_url, **settings) as house:
            await eventually(lambda: fault.hits >= 3, "denied several times")
            fault.lift()
            guarded.faults.clear()
            await until_live(house, NODES, OWN)
    missing = [line for line in logged if line["event"] == "warm target is not watched"]
    assert [line["target"] for line in missing] == [NODES]


def test_warm_target_that_is_not_there_is_not_asked_for_again_at_once() -> None:
    """A 404 that cannot be kept is tried again later and later; once it is there it is live."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(NODES, b"not here", status=404)
        edge.consul.say(SERVICES, b"{}", 5)
        await edge.cache.start()
        await elapse(60.0)
        assert 2 <= len(edge.consul.of(NODES)) <= 12
        assert (await edge.kept(SERVICES)).result == "live"
        edge.consul.say(NODES, b"[]", 6)
        await elapse(61.0)
        assert (await edge.kept(NODES)).result == "live"

    play(scene, CACHE__WARM=f"{NODES},{SERVICES}")


async def test_warm_target_is_shared_with_those_of_the_same_token_only(guarded: StandIn) -> None:
    """The edge's own token is for the edge: nobody sees by it what he could not see himself."""
    settings = {"CACHE__WARM": NODES, "CONSUL__TOKEN": OWN}
    async with edge_over(guarded.base_url, **settings) as house:
        await until_live(house, NODES, OWN)
        assert await read(house, NODES, with_token(OWN)) == LIVE
        assert await read(house, NODES, with_token(OTHER)) == "consul-edge; fwd=miss"
        assert (await house.ask("GET", NODES)).content == b"[]"
    tokens = {seen.headers.get("X-Consul-Token") for seen in guarded.seen.of("GET", NODES)}
    assert tokens == {OWN, OTHER, None}


async def test_warm_target_is_shared_with_those_who_borrow_the_token(guarded: StandIn) -> None:
    """Clients without a token that may use the edge's find what it has warmed."""
    borrowed = {"CONSUL__TOKEN": OWN, "CONSUL__TOKEN_FOR_CLIENTS": "true"}
    async with edge_over(guarded.base_url, CACHE__WARM=NODES, **borrowed) as house:
        await until_live(house, NODES, OWN)
        assert await read(house, NODES) == LIVE


@pytest.mark.usefixtures("often")
async def test_warm_target_follows_another_token_of_the_edge(
    guarded: StandIn, tmp_path: Path
) -> None:
    """After a rotation of the token its new rights are warm, and the old ones are not."""
    file = tmp_path / "token"
    await asyncio.to_thread(file.write_text, OWN)
    settings = {"CACHE__WARM": NODES, "CONSUL__TOKEN_FILE": str(file), "WATCH__WAIT": "1s"}
    async with edge_over(guarded.base_url, **settings) as house:
        await until_live(house, NODES, OWN)
        before = line_of(house, NODES, OWN)
        assert before is not None
        await asyncio.to_thread(file.write_text, OTHER)
        await until_live(house, NODES, OTHER)
        assert not before.is_warm
        await eventually(lambda: not before.is_watched, "the old one is watched no more")


@pytest.mark.usefixtures("often")
async def test_warm_target_without_watches_is_fetched_again_and_again(standin: StandIn) -> None:
    """What cannot be watched is never much older than it may become."""
    async with edge_over(standin.base_url, CACHE__WARM=CENTERS) as house:
        await eventually(lambda: len(standin.seen.of("GET", CENTERS)) >= 3, "fetched again")
        line = line_of(house, CENTERS)
        assert line is not None
        assert not line.is_watched


async def test_warm_target_flushed_is_fetched_again(standin: StandIn) -> None:
    """An operator's flush makes it new, not cold."""

    async def flushed(house: House) -> bool:
        return await read(house, NODES) == LIVE

    async with edge_over(standin.base_url, CACHE__WARM=NODES, WATCH__WAIT="1s") as house:
        await until_live(house, NODES)
        cache = house.app[CACHE]
        cache.flush(tuple(cache.lines), "admin")
        assert line_of(house, NODES) is not None

        def look() -> bool | Awaitable[bool]:
            return flushed(house)

        await eventually(look, "live again")
