"""What a reload leaves as it is, what it moves, and what becomes of a broken configuration."""

import asyncio
import os
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.upstream.secret_file import LOOK_AGAIN
from consul_edge.web.keys import CACHE, GENERATION, UPSTREAM
from consul_edge.web.reload import NotReloaded
from tests.house import PORT, House, edge_over
from tests.scrape import sample
from tests.waiting import eventually
from tests.wire import Answer

NODES = "/v1/catalog/nodes"
SUCCESS = "consul_edge_config_last_reload_successful"
TIME = "consul_edge_config_last_reload_success_timestamp_seconds"


@asynccontextmanager
async def edge(**settings: str) -> AsyncIterator[tuple[House, StandIn]]:
    """Run an edge over a stand-in."""
    standin = StandIn(nodes=3, services=5)
    async with standin.running() as url, edge_over(url, **settings) as house:
        yield house, standin


async def hit(house: House, target: str) -> str:
    """Read something; say how it was answered."""
    answer = await house.ask("GET", target)
    assert answer.status == 200
    return answer.header("Cache-Status") or ""


async def watched(house: House, target: str) -> None:
    """Read something until it is kept live."""
    await hit(house, target)
    await hit(house, target)
    lines, now = house.app[CACHE].lines, house.rotation.now

    def is_live() -> bool:
        rounds = [line.round for line in lines if line.key.target == target]
        return any(one is not None and one.is_live(now()) for one in rounds)

    await eventually(is_live, f"{target} watched")


def written(path: Path, content: bytes) -> str:
    """Write a file, and give its name as a setting has it."""
    path.write_bytes(content)
    return str(path)


def broken(folder: Path, address: str) -> dict[str, dict[str, str]]:
    """List what can be wrong."""
    nothing = written(folder / "cert.pem", b"nothing")
    no_text = written(folder / "binary", b"\xff\xfe")
    no_rules = written(folder / "rules.yaml", b"rules: 7")
    return {
        "a value": {"CACHE__MODE": "soon"},
        "a pair of values": {"WATCH__MAX_PER_SERVER": "500"},
        "a taken port": {"LISTEN": f"{address}:{PORT},{address}:8511,{address}:8599"},
        "a certificate": {"TLS__CERT": nothing, "TLS__KEY": nothing},
        "an authority": {
            "CONSUL__SERVERS": "https://127.0.0.9:8501",
            "CONSUL__TLS__CA_FILE": nothing,
        },
        "a token file": {"CONSUL__TOKEN_FILE": no_text},
        "an admin token file": {"ADMIN__TOKEN_FILE": no_text},
        "a file of rules": {"RULES__FILE": no_rules},
    }


BROKEN = (
    *("a value", "a pair of values", "a taken port", "a certificate", "an authority"),
    *("a token file", "an admin token file", "a file of rules"),
)


@pytest.mark.parametrize("what", BROKEN)
async def test_anything_is_wrong_nothing_of_it_is_applied(what: str, tmp_path: Path) -> None:
    """One mistake keeps all of the former configuration, whatever else was changed with it."""
    async with edge() as (house, _):
        before = house.app[GENERATION].settings
        servers = [server.name for server in house.rotation.servers]
        good = {
            "CACHE__TTL": "7s",
            "CONSUL__TOKEN": "other",
            "CONSUL__MAIN_SERVER": "127.0.0.7:8500",
            "LISTEN": f"{house.address}:{PORT},{house.address}:8511",
        }
        with socket.socket() as taken:
            taken.bind((house.address, 8599))
            taken.listen()
            settings = good | broken(tmp_path, house.address)[what]
            former = dict(house.env)
            with pytest.raises(NotReloaded):
                await house.reload(**settings)
        assert house.app[GENERATION].settings == before
        assert house.app[GENERATION].number == 0
        assert [server.name for server in house.rotation.servers] == servers
        assert house.app[UPSTREAM].credentials.own == ""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(house.address, 8511)
        assert await asyncio.to_thread(sample, house.base, SUCCESS) == 0
        time = await asyncio.to_thread(sample, house.base, TIME)
        house.env.clear()
        house.env.update(former)
        await house.reload(CACHE__TTL="7s")
        assert await asyncio.to_thread(sample, house.base, SUCCESS) == 1
        assert await asyncio.to_thread(sample, house.base, TIME) > time


async def test_edge_that_starts_counts_as_reloaded() -> None:
    """Whoever alerts on the metric is not woken by a fresh start."""
    async with edge() as (house, _):
        assert await asyncio.to_thread(sample, house.base, SUCCESS) == 1
        assert await asyncio.to_thread(sample, house.base, TIME) > 1e9


async def test_reload_keeps_entries_watches_parked_clients_and_connections() -> None:
    """Nobody notices a reload whose changes do not concern him."""
    async with edge() as (house, standin):
        await watched(house, NODES)
        index = (await house.ask("GET", NODES)).header("X-Consul-Index")
        parked = asyncio.create_task(house.ask("GET", f"{NODES}?index={index}&wait=60s"))
        lines = house.app[CACHE].lines
        await eventually(lambda: any(line.waiters for line in lines), "parked")
        reader, writer = await asyncio.open_connection(house.address, PORT)
        await eventually(lambda: standin.parked == 1, "the round of the watch")
        asked = len(standin.seen.of("GET", NODES))
        await house.reload(
            CONSUL__TIMEOUT="3s",
            LIMITS__BODY_BYTES="1MiB",
            CACHE__TTL="9s",
            CONSUL__POOL__KEEPALIVE_CONNECTIONS="3",
            WATCH__WAIT="20s",
            CONSUL__TOKEN="other",
        )
        assert "detail=live" in await hit(house, NODES)
        assert len(standin.seen.of("GET", NODES)) == asked
        assert not parked.done()
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await asyncio.to_thread(_register, standin)
        answer: Answer = await asyncio.wait_for(parked, 20)
        assert answer.status == 200


def _register(standin: StandIn) -> None:
    body = b'{"Node": "new", "Address": "10.9.9.9"}'
    request = urllib.request.Request(f"{standin.base_url}/v1/catalog/register", body, method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        pass


async def test_removed_server_its_watches_move_at_once() -> None:
    """A watch of a server that is no more goes on at another, long before its round is over."""
    state = StandIn(nodes=3, services=5).state
    first, second = StandIn(state=state), StandIn(state=state, server=1)
    async with first.running() as one, second.running() as two, edge_over(one) as house:
        await watched(house, NODES)
        assert second.parked == 0
        house.env.pop("CONSUL_SERVERS")
        await house.reload(CONSUL__SERVERS=two, CONSUL__LOCAL_AGENT=two)
        await eventually(lambda: second.parked == 1, "the watch moved")
        await watched(house, NODES)
        assert [server.name for server in house.rotation.servers] == [two.removeprefix("http://")]
        answer = await house.ask("GET", "/v1/agent/self")
        assert answer.header("X-Consul-Edge-Server") == two.removeprefix("http://")


async def test_added_server_the_watches_of_others_stay() -> None:
    """A server that is put in front takes reads, and no watch from those that stay."""
    state = StandIn(nodes=3, services=5).state
    first, second = StandIn(state=state), StandIn(state=state, server=1)
    async with first.running() as one, second.running() as two, edge_over(one) as house:
        await watched(house, NODES)
        await eventually(lambda: first.parked == 1, "its round")
        rounds = len(first.seen.of("GET", NODES))
        house.env.pop("CONSUL_SERVERS")
        await house.reload(CONSUL__SERVERS=f"{two},{one}")
        assert "detail=live" in await hit(house, NODES)
        assert len(first.seen.of("GET", NODES)) == rounds
        assert second.parked == 0
        names = [server.name for server in house.rotation.servers]
        assert names == [url.removeprefix("http://") for url in (two, one)]


async def test_smaller_cache_evicts() -> None:
    """What a bound leaves no room for goes at once, the least recently used first."""
    async with edge() as (house, _):
        for name in ("nodes", "services", "datacenters"):
            await hit(house, f"/v1/catalog/{name}")
        store = house.app[CACHE].lines.store
        assert len(store) == 3
        await house.reload(CACHE__MAX_ENTRIES="1")
        assert [name.rpartition("\n")[2] for name in store] == ["/v1/catalog/datacenters"]
        await house.reload(CACHE__MAX_ENTRY_BYTES="1B")
        assert len(store) == 0


async def test_another_treatment_holds_for_what_is_kept_already() -> None:
    """What is passed on from now on is asked for each time; what has a TTL is watched no more."""
    async with edge(WATCH__WAIT="1s") as (house, _):
        await watched(house, NODES)
        await house.reload(CACHE__ENDPOINTS="catalog_nodes=pass")
        assert "fwd" in await hit(house, NODES)
        await eventually(lambda: not len(house.app[CACHE].watches), "the watch ended")
        await house.reload(CACHE__ENDPOINTS="")
        await watched(house, NODES)
        await house.reload(CACHE__ENDPOINTS="catalog_nodes=60s")
        await hit(house, NODES)
        await eventually(lambda: not len(house.app[CACHE].watches), "the watch ended")
        assert "detail=ttl" in await hit(house, NODES)


async def test_another_ttl_holds_for_what_is_kept_already() -> None:
    """What was kept under a longer time is asked for again once the shorter one is over."""
    async with edge(CACHE__ENDPOINTS="catalog_nodes=60s") as (house, _):
        await hit(house, NODES)
        assert "detail=ttl" in await hit(house, NODES)
        await house.reload(CACHE__ENDPOINTS="catalog_nodes=1ms")
        assert "fwd=miss" in await hit(house, NODES)


async def test_fewer_watches_than_there_are_end_with_their_rounds() -> None:
    """A budget that shrank is kept as soon as the rounds under way are over."""
    async with edge(WATCH__WAIT="1s") as (house, standin):
        for name in ("nodes", "services"):
            await watched(house, f"/v1/catalog/{name}")
        await eventually(lambda: standin.parked == 2, "two rounds")
        await house.reload(WATCH__MAX_PER_SERVER="1")
        await eventually(lambda: len(house.app[CACHE].watches) == 1, "one watch is left")


async def test_reload_by_post_is_an_admin_call() -> None:
    """Only who has the token may reload, and only by POST."""
    async with edge(ADMIN__TOKEN="letmein") as (house, _):
        told = {"Authorization": "Bearer letmein"}
        wrong = {"Authorization": "Bearer wrong"}
        refused = await house.ask("POST", "/-/reload")
        assert (refused.status, refused.header("Cache-Control")) == (401, "no-store")
        assert (await house.ask("POST", "/-/reload", list(wrong.items()))).status == 403
        refused = await house.ask("GET", "/-/reload", list(told.items()))
        assert (refused.status, refused.header("Allow")) == (405, "POST")
        assert house.app[GENERATION].number == 0
        house.env["CONSUL_EDGE_CACHE__TTL"] = "8s"
        done = await house.ask("POST", "/-/reload", list(told.items()))
        assert done.status == 200
        assert b'"changed":["cache.ttl"]' in done.body
        house.env["CONSUL_EDGE_CACHE__TTL"] = "soon"
        refused = await house.ask("POST", "/-/reload", list(told.items()))
        assert refused.status == 500
        assert b"CONSUL_EDGE_CACHE__TTL" in refused.body


async def test_log_names_what_changed_without_secrets() -> None:
    """Each setting that is another has a line with both values; of a secret only that it is."""
    async with edge(CONSUL__TOKEN="s3cret-1") as (house, _):
        with capture_logs() as logged:
            await house.reload(CONSUL__TOKEN="s3cret-2", CACHE__TTL="3s")
        told = {one["setting"]: one for one in logged if one["event"] == "setting changed"}
        assert told.keys() == {"consul.token", "cache.ttl"}
        assert (told["cache.ttl"]["before"], told["cache.ttl"]["now"]) == ("1s", "3s")
        assert "s3cret" not in repr(logged)


async def test_risk_that_a_reload_takes_is_told() -> None:
    """A risky setting is as loud at a reload as at a start, and those taken before are not."""
    async with edge(ADMIN__TRUST_LOOPBACK="true") as (house, _):
        with capture_logs() as logged:
            await house.reload(CONSUL__TOKEN_FOR_CLIENTS="true")
        warned = [one["event"] for one in logged if one["log_level"] == "warning"]
        assert len(warned) == 1
        assert "consul.token_for_clients" in warned[0]


async def test_token_file_rotated_is_read_without_a_reload(tmp_path: Path) -> None:
    """As Kubernetes does it: a link is exchanged; an empty file in between changes nothing."""
    for name, text in (("one", "first"), ("two", ""), ("three", "third")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1000, 1000))
    link = tmp_path / "token"
    link.symlink_to(tmp_path / "one")

    def exchange(target: str) -> None:
        (tmp_path / "new").symlink_to(tmp_path / target)
        (tmp_path / "new").replace(link)

    async with edge(CONSUL__TOKEN_FILE=str(link)) as (house, _):
        credentials = house.app[UPSTREAM].credentials
        assert credentials.own == "first"
        source = credentials.token
        exchange("two")
        source._look_at = 0.0  # type: ignore[attr-defined] # a look is due
        assert credentials.own == "first"
        exchange("three")
        source._look_at = 0.0  # type: ignore[attr-defined] # a look is due
        assert credentials.own == "third"
        assert LOOK_AGAIN <= 1.0


async def test_token_file_emptied_before_a_reload_keeps_the_token(tmp_path: Path) -> None:
    """Neither the reload nor the file that is just being written takes the token away."""
    path = tmp_path / "token"
    path.write_text("first")
    async with edge(CONSUL__TOKEN_FILE=str(path)) as (house, _):
        assert house.app[UPSTREAM].credentials.own == "first"
        path.write_text("")
        await house.reload(CACHE__TTL="3s")
        assert house.app[UPSTREAM].credentials.own == "first"


async def test_reloads_that_meet_follow_each_other() -> None:
    """Who asks while a reload is under way gets one of his own, of what he has written."""
    async with edge() as (house, _):
        await asyncio.gather(*(house.reload(CACHE__TTL=f"{n}s") for n in (2, 3, 4)))
        assert house.app[GENERATION].number == 3
        assert house.app[GENERATION].settings.cache.ttl == 4.0


async def test_request_under_way_is_answered_over_the_connection_that_it_has() -> None:
    """Other bounds of the connections to Consul break none off, and nothing is asked twice."""
    async with edge() as (house, standin):
        fault = standin.faults.hang(path="/v1/agent/self")
        asking = asyncio.create_task(house.ask("GET", "/v1/agent/self"))
        await eventually(lambda: fault.hits == 1, "the request is under way")
        await house.reload(CONSUL__POOL__KEEPALIVE_CONNECTIONS="3", LIMITS__HEAD_BYTES="32KiB")
        assert (await house.ask("GET", "/v1/catalog/datacenters")).status == 200
        fault.lift()
        assert (await asking).status == 200
        assert len(standin.seen.of("GET", "/v1/agent/self")) == 1
