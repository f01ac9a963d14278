"""Writes through the edge: what is read through it afterwards shows them, at once (promise 5)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from consul_edge.demo.faults import Moment
from tests.situations.conftest import REAL
from tests.situations.place import Place, instance, woken
from tests.waiting import eventually

TURNS = 20
"""Writes in a row, each of which the next read must show."""


async def test_registration_is_seen_by_the_next_read(place: Place) -> None:
    """Register and deregister: every following read of catalog and health shows it."""
    name = place.name("written")
    targets = [f"/v1/health/service/{name}", f"/v1/catalog/service/{name}"]
    for target in targets:
        await place.until_live(target)
    for turn in range(TURNS):
        port = 1000 + turn
        await place.edge.put("/v1/catalog/register", instance(name, port=port))
        health, catalog = [(await place.edge.get(target)).json() for target in targets]
        assert health[0]["Service"]["Port"] == port
        assert catalog[0]["ServicePort"] == port
        await place.edge.put("/v1/catalog/deregister", {"Node": f"node-of-{name}"})
        assert [(await place.edge.get(target)).json() for target in targets] == [[], []]


async def test_key_is_written_and_every_view_of_it_shows_it(place: Place) -> None:
    """The key itself, its prefix and the list of names: each held view lets go, and is new."""
    folder = place.name("folder")
    key = f"/v1/kv/{folder}/a"
    await place.edge.put(key, b"0")
    views = [f"{key}?raw", f"/v1/kv/{folder}/?recurse", f"/v1/kv/{folder}/?keys", f"{key}"]
    for turn in range(TURNS):
        known = [(await place.edge.get(view)).index for view in views]
        polls = [
            place.edge.begin(f"{view}{sign(view)}index={index}&wait=300s")
            for view, index in zip(views, known, strict=True)
        ]
        for view in views:
            await place.until_parked(view)
        await place.edge.put(key, f"turn {turn}".encode())
        for view, poll in zip(views, polls, strict=True):
            got = await woken(poll)
            direct = await place.consul.get(view)
            assert (got.index, got.body) == (direct.index, direct.body)


def sign(target: str) -> str:
    """Give what joins one more parameter."""
    return "&" if "?" in target else "?"


@pytest.mark.parametrize("backing", [REAL], indirect=True)
@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("{0}/a?index=1", {"Verb": "set", "Key": "{0}/a", "Value": "Mg=="}),
        ("{0}/?recurse&index=1", {"Verb": "set", "Key": "{0}/a", "Value": "Mg=="}),
        ("{0}/?keys&index=1", {"Verb": "set", "Key": "{0}/b", "Value": "Mg=="}),
        ("{0}/?recurse&index=1", {"Verb": "delete-tree", "Key": "{0}/"}),
        ("{0}/a?index=1", {"Verb": "delete-tree", "Key": "{0}/"}),
    ],
    ids=["key", "prefix", "names", "tree", "key-in-tree"],
)
async def test_transaction_is_seen_by_the_next_read(
    place: Place, target: str, operation: dict[str, str]
) -> None:
    """Each operation of a transaction counts as a write of its key or of its tree."""
    folder = place.name("txn")
    path = "/v1/kv/" + target.format(folder)
    await place.consul.put(f"/v1/kv/{folder}/a", b"1")
    before = await place.edge.get(path)
    parked = place.edge.begin(path.replace("index=1", f"index={before.index}") + "&wait=300s")
    shown = path.replace("?index=1", "").replace("&index=1", "")
    await place.until_parked(shown)
    filled = {name: text.format(folder) for name, text in operation.items()}
    generation = place.lines(shown)[0].generation
    await place.edge.put("/v1/txn", [{"KV": filled}])
    # The watch may have told as soon as this; but the write itself has to count.
    assert place.lines(shown)[0].generation > generation
    after, direct = await place.edge.get(path), await place.consul.get(shown)
    assert (after.status, after.body) == (direct.status, direct.body)
    assert after.body != before.body
    assert (await woken(parked)).body == direct.body


async def test_encoded_slash_is_the_slash(standin_place: Place) -> None:
    """Writing ``a%2Fb`` is writing ``a/b``: what is kept for the latter is no more valid (25)."""
    place = standin_place
    key = "/v1/kv/a/b"
    await place.consul.put(key, b"1")
    known = await place.edge.get(key)
    # The watch is deaf, so that nothing but the write itself can tell.
    place.standin.faults.hang(path=f"{key}?index=")
    poll = place.edge.begin(f"{key}?index={known.index}&wait=300s")
    await place.until_parked(key)
    await place.edge.put("/v1/kv/a%2Fb", b"2")
    # Index 1 is below all: a kept answer would do, if there were a valid one.
    got = await place.edge.get(f"{key}?index=1")
    assert got.json()[0]["Value"] == "Mg=="
    assert (await woken(poll)).index == got.index


async def test_encoded_slash_is_the_slash_at_a_real_consul_too(place: Place) -> None:
    """What the edge takes for one key is one key."""
    folder = place.name("slash")
    await place.edge.put(f"/v1/kv/{folder}%2Fb", b"2")
    assert (await place.edge.get(f"/v1/kv/{folder}/b?raw")).body == b"2"


@pytest.mark.parametrize("backing", [REAL], indirect=True)
async def test_own_agent_shows_a_registration_at_once_and_the_catalog_soon(place: Place) -> None:
    """The agent knows it at once; the catalog hears of it by anti-entropy, and so does a watch."""
    name = place.name("agents")
    target = f"/v1/health/service/{name}"
    known = await place.until_live(target)
    poll = place.edge.begin(f"{target}?index={known.index}&wait=300s")
    await place.until_parked(target)
    await place.edge.put("/v1/agent/service/register", {"Name": name, "Port": 80})
    assert name in (await place.edge.get("/v1/agent/services")).json()
    assert (await woken(poll)).json()[0]["Service"]["Port"] == 80
    await place.edge.put(f"/v1/agent/service/deregister/{name}")
    assert name not in (await place.edge.get("/v1/agent/services")).json()


async def test_write_whose_answer_is_lost_counts_all_the_same(standin_place: Place) -> None:
    """What may have happened has happened, as far as anything kept is concerned."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    await place.until_live(target)
    place.standin.faults.reset(Moment.DONE, method="PUT", times=1)
    # The watch is made deaf, so that nothing but the write itself can tell.
    place.standin.faults.hang(path=f"{target}?index=")
    lost = await place.edge.ask("PUT", "/v1/catalog/register", instance("web", port=81))
    assert lost.status == 500
    got = await place.edge.get(target)
    assert (got.cache, got.json()[0]["Service"]["Port"]) == ("fwd=miss", 81)


async def test_write_whose_client_left_counts_at_its_end(standin_place: Place) -> None:
    """A write goes on without its client, and what is read after its end shows it."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    await place.until_live(target)
    hung = place.standin.faults.hang(method="PUT", times=1)
    async with leaving_writer(place):
        await hung.met.wait()
    assert place.lines(target)[0].is_superseded, "a write is under way"
    hung.lift()
    await eventually(lambda: place.lines(target)[0].writes == 0, "the write's end")
    assert (await place.edge.get(target)).json()[0]["Service"]["Port"] == 81


@contextlib.asynccontextmanager
async def leaving_writer(place: Place) -> AsyncIterator[None]:
    """Send a registration, and hang up at the end without having read anything."""
    _, writer = await asyncio.open_connection(place.house.address, 8510)
    body = json.dumps(instance("web", port=81)).encode()
    head = f"PUT /v1/catalog/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    try:
        yield
    finally:
        writer.transport.abort()


async def test_write_races_a_fetch_under_way_and_its_answer_is_not_kept(
    standin_place: Place,
) -> None:
    """A fetch that began before a write answers who asked then, and nobody later (case 9)."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    stalled = place.standin.faults.stall(path=target, times=1)
    early = place.edge.begin(target)
    await stalled.met.wait()
    await place.edge.put("/v1/catalog/register", instance("web", port=81))
    late = await place.edge.get(target)
    assert late.json()[0]["Service"]["Port"] == 81, "nobody joins a flight of before his write"
    stalled.lift()
    assert (await early).json()[0]["Service"]["Port"] == 80
    assert (await place.edge.get(target)).json()[0]["Service"]["Port"] == 81


async def test_read_during_a_write_is_not_answered_from_what_is_kept(
    standin_place: Place,
) -> None:
    """Between a write's beginning and its end Consul is asked: it may have been done."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    await place.until_live(target)
    stalled = place.standin.faults.stall(method="PUT", times=1)
    write = asyncio.create_task(place.edge.put("/v1/catalog/register", instance("web", port=81)))
    await stalled.met.wait()
    for _ in range(2):
        got = await place.edge.get(target)
        assert (got.cache, got.json()[0]["Service"]["Port"]) == ("fwd=miss", 81)
    stalled.lift()
    await write


async def test_refused_write_leaves_the_truth(standin_place: Place) -> None:
    """A write that Consul refused changed nothing: what is read is asked anew, and right."""
    place = standin_place
    key = "/v1/kv/a"
    await place.consul.put(key, b"1")
    known = await place.edge.get(key)
    poll = place.edge.begin(f"{key}?index={known.index}&wait=300s")
    await place.until_parked(key)
    refused = await place.edge.put(f"{key}?cas=1", b"2")
    assert refused.body.strip() == b"false"
    assert (await place.edge.get(f"{key}?index=1")).index == known.index
    assert not poll.done()
