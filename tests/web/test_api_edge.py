"""The enriched API of a whole edge, over the stand-in: views, tokens, outages, the end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.enrich.standing import State
from consul_edge.web.keys import ARCHIVE
from consul_edge.web.routes import DOCUMENTS
from tests.house import House, edge_over
from tests.waiting import eventually
from tests.web.test_api_events import Stream
from tests.wire import Answer, Wire

ALICE: Final = "a11ce-5ec2e7-t0ken"

NODES: Final = "/api/v1/nodes"
SERVICES: Final = "/api/v1/services"
EVENTS: Final = "/api/v1/events"


def everything(_method: str, _path: str) -> bool:
    """Allow all."""
    return True


def nothing(_method: str, path: str) -> bool:
    """Allow nothing but what needs no rights."""
    return path.startswith("/v1/status/")


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    one = StandIn(nodes=3, services=12)
    async with one.running():
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url) as edge:
        yield edge


async def document(house: House, target: str, *headers: tuple[str, str]) -> Any:
    """Ask for a document, and decode it."""
    answer = await house.ask("GET", target, headers)
    assert answer.status == 200, answer.body
    return answer.json()


async def until(
    house: House,
    target: str,
    holds: Callable[[Answer], bool],
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """Ask for a document until the answer fulfils a condition."""
    async with asyncio.timeout(20):
        while not holds(answer := await house.ask("GET", target, headers)):
            pass
    return answer


def is_live(answer: Answer) -> bool:
    """Tell whether a document says that watches prove it."""
    return bool(answer.json()["cache"]["state"] == State.LIVE)


async def register(house: House, **said: object) -> None:
    """Register an instance of its own service on the first node, through the edge."""
    node = (await document(house, "/v1/catalog/nodes"))[0]
    service = {"ID": "new", "Service": "new", **said}
    told = {"Node": node["Node"], "Address": node["Address"], "Service": service}
    answer = await house.ask("PUT", "/v1/catalog/register", body=json.dumps(told).encode())
    assert answer.status == 200, answer.body


async def test_everything_was_asked_once_consul_is_asked_nothing_more(
    house: House, standin: StandIn
) -> None:
    """Warm, no document costs a call."""
    await document(house, NODES)
    await eventually(lambda: standin.parked >= 3, "watched")
    before = len(standin.seen.of("GET", "/v1/health/service/blackbox_exporter"))
    for path in DOCUMENTS:
        query = "?category=all" if path.endswith("data") else ""
        assert (await house.ask("GET", f"{path}{query}")).status == 200
    after = standin.seen.of("GET", "/v1/health/service/blackbox_exporter")
    assert len(after) == before


async def test_instance_is_registered_who_waits_is_told(house: House) -> None:
    """One that polls, and one that reads events."""
    index = (await document(house, SERVICES))["index"]
    async with house.client.get(f"{house.base}{EVENTS}?index={index}") as response:
        reader = Stream(response)
        await reader.take("hello")
        polling = asyncio.create_task(document(house, f"{SERVICES}?index={index}&wait=1m"))
        await register(house, Meta={"module": "icmp"})
        found = await polling
        change = await reader.take("changes")
    assert found["index"] > index
    assert "new" in {row["ID"] for row in found["data"]}
    assert "new" in {row["ID"] for row in change.data["services"]["changed"]}


async def test_token_may_see_more_each_sees_its_own() -> None:
    """Rows, tags and streams of one token are none of another's."""
    standin = StandIn(nodes=2, services=5, tokens={ALICE: everything, "": nothing})
    async with standin.running(), edge_over(standin.base_url) as house:
        mine = ("X-Consul-Token", ALICE)
        shown = await house.ask("GET", SERVICES, [mine])
        hidden = await house.ask("GET", SERVICES)
        assert (shown.json()["total"], hidden.json()["total"]) == (5, 0)
        # The document says how fresh it is, and so another one follows while watches begin.
        shown = await until(house, SERVICES, is_live, [mine])
        tag = ("If-None-Match", shown.header("ETag") or "")
        assert (await house.ask("GET", SERVICES, [mine, tag])).status == 304
        assert (await house.ask("GET", SERVICES, [tag])).status == 200


async def test_token_is_unknown_to_consul_it_is_its_403_in_json() -> None:
    """Not an empty list that looks healthy (defect 3)."""
    standin = StandIn(nodes=2, services=5, tokens={ALICE: everything, "": nothing})
    async with standin.running(), edge_over(standin.base_url) as house:
        answer = await house.ask("GET", NODES, [("X-Consul-Token", "nobody")])
        assert (answer.status, answer.json()["success"]) == (403, False)
        assert "ACL not found" in answer.json()["detail"]


async def test_no_server_answers_it_is_a_500_that_says_what_each_did(standin: StandIn) -> None:
    """As everywhere, in JSON."""
    await standin.refuse()
    async with edge_over(standin.base_url, CONSUL__RETRY_DELAY="10ms") as house:
        answer = await house.ask("GET", NODES)
    server = standin.base_url.removeprefix("http://")
    assert (answer.status, answer.json()["success"]) == (500, False)
    assert f"{server} refused" in answer.json()["detail"]


async def test_servers_go_away_the_last_view_is_told_as_stale(
    house: House, standin: StandIn
) -> None:
    """With its age, in headers and in the document, and to who reads events."""
    first = await document(house, NODES)
    async with house.client.get(f"{house.base}{EVENTS}") as response:
        reader = Stream(response)
        await reader.take("hello")
        await standin.refuse()
        standin.disconnect()

        answer = await until(
            house, NODES, lambda answer: answer.json()["cache"]["state"] == State.STALE
        )
        assert answer.header("X-Consul-Edge-Stale") is not None
        assert [row["node"] for row in answer.json()["data"]] == [
            row["node"] for row in first["data"]
        ]
        # What could not be learnt any more may be told first.
        told = await reader.next()
        while told is not None and told.name != "standing":
            told = await reader.next()
    assert told is not None
    assert told.data["cache"]["state"] != State.LIVE


async def test_edge_stops_who_waits_is_answered_and_streams_end(standin: StandIn) -> None:
    """Nobody's connection just breaks."""
    async with edge_over(standin.base_url) as house:
        index = (await document(house, NODES))["index"]
        wire = Wire(house.address, 8510)
        wire.send("GET", f"{NODES}?index={index}&wait=10m")
        stream = Wire(house.address, 8510)
        stream.send("GET", EVENTS)
        await asyncio.to_thread(stream.read_head)
        assert b"hello" in await asyncio.to_thread(stream.read_chunk)
        assert not await asyncio.to_thread(wire.readable)
    assert wire.read().json()["index"] == index
    while chunk := stream.read_chunk():
        assert b"data" in chunk
    wire.close()
    stream.close()


async def test_polls_of_consul_and_of_the_edge_share_one_bound(standin: StandIn) -> None:
    """A client has so many waiting, whatever for."""
    async with edge_over(standin.base_url, LIMITS__PARKED_PER_CLIENT="1") as house:
        index = (await document(house, NODES))["index"]
        with Wire(house.address, 8510) as wire:
            known = (await house.ask("GET", "/v1/catalog/nodes")).index
            wire.send("GET", f"/v1/catalog/nodes?index={known}&wait=1m")
            target = f"{NODES}?index={index}&wait=10ms"
            answer = await until(house, target, lambda answer: answer.status == 503)
        assert "limits.parked_per_client (1)" in answer.json()["detail"]


async def test_access_is_logged_neither_token_nor_query_is_told(standin: StandIn) -> None:
    """What stands behind the question mark is blanked, as everywhere."""
    async with edge_over(standin.base_url, LOG__ACCESS="true") as house:
        with capture_logs() as logs:
            headers = [("X-Consul-Token", ALICE)]
            await house.ask("GET", f"{SERVICES}?company=5ec2e7", headers)
            await house.ask("GET", f"{SERVICES}?token={ALICE}")

            def lines() -> list[Any]:
                return [one for one in logs if str(one.get("target", "")).startswith(SERVICES)]

            await eventually(lambda: len(lines()) == 2, "both lines")
        assert [line["target"] for line in lines()] == [
            f"{SERVICES}?company=***",
            f"{SERVICES}?token=***",
        ]
        assert "5ec2e7" not in repr(logs)


async def test_admin_call_is_unknown_it_is_refused_as_admin_calls_are(house: House) -> None:
    """In plain text, and recorded."""
    with capture_logs() as logs:
        answer = await house.ask("GET", "/api/v1/admin/nope")
    assert (answer.status, answer.body[:13]) == (404, b"consul-edge: ")
    assert [line["outcome"] for line in logs if line["event"] == "admin call"] == ["refused"]


async def test_documents_are_kept_the_archive_knows_them(house: House) -> None:
    """What an operator flushes is there to be counted."""
    await document(house, NODES)
    await document(house, "/api/v1/sites")
    archive = house.app[ARCHIVE]
    assert (archive.stock("nodes").entries, archive.stock("sites").entries) == (1, 1)
    assert (archive.flush("nodes"), archive.flush("sites")) == (1, 1)
