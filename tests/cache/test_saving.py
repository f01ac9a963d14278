"""A restart during an outage still serves: what goes into the snapshot, and what comes back."""

import asyncio
import threading
import time
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from consul_edge.cache import saving
from consul_edge.cache.snapshot import Head, Record, read, write
from consul_edge.demo.records import Node
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from tests.cache.outside import (
    ALICE,
    BOB,
    KEY,
    LIVE,
    NODES,
    SERVICES,
    until_live,
    with_token,
)
from tests.house import House, edge_over
from tests.scrape import sample
from tests.waiting import eventually
from tests.wire import Answer, Headers

NEW = "new-node"

AS_ALICE, AS_BOB = with_token(ALICE), with_token(BOB)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a place for a snapshot."""
    return tmp_path / "snapshot"


@pytest.fixture
def only_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no snapshot written for mere lapse of time."""
    monkeypatch.setattr(saving, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(saving, "LONGEST_PAUSE", 3600.0)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one written, or tried, many times a second."""
    monkeypatch.setattr(saving, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(saving, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(saving, "SPARE", 1)


def edge(standin: StandIn, path: Path, **settings: str) -> AbstractAsyncContextManager[House]:
    """Run an edge with a snapshot, which asks dead servers once."""
    settings |= {"CACHE__SNAPSHOT": str(path), "CONSUL__MAX_RETRIES": "0"}
    return edge_over(standin.base_url, **settings)


def told(path: Path) -> set[str]:
    """List the paths that a snapshot has answers for."""
    return {record.path for record in read(path)[1]}


def age(path: Path, seconds: float) -> None:
    """Have a snapshot taken *seconds* earlier, or later if that is negative."""
    head, records = read(path)
    write(path, msgspec.structs.replace(head, taken_at=head.taken_at - seconds), records)


def expose(path: Path) -> bytes:
    """Let everybody read a snapshot, and give its content."""
    path.chmod(0o644)
    return path.read_bytes()


def forget(path: Path) -> None:
    """Remove a snapshot."""
    path.unlink(missing_ok=True)


def stale(answer: Answer) -> int:
    """Check that an answer says that it is stale, and give the age that it says."""
    assert answer.status == 200, answer.content
    assert answer.header("X-Consul-Knownleader") == "false"
    assert answer.header("Cache-Status") == "consul-edge; hit; detail=stale"
    seconds = answer.header("X-Consul-Edge-Stale")
    assert seconds is not None
    assert answer.header("Age") == seconds
    return int(seconds)


async def filled(standin: StandIn, path: Path, *targets: str, **settings: str) -> list[Answer]:
    """Let an edge live that is asked for some targets, and give its answers."""
    async with edge(standin, path, **settings) as house:
        answers = [await house.ask("GET", target) for target in targets]
    assert [answer.status for answer in answers] == [200] * len(targets)
    return answers


def add_node(standin: StandIn) -> None:
    """Change the catalog behind the edge's back."""
    node = Node(name=NEW, address="10.9.9.9", datacenter="dc1")
    standin.state.catalog.register(node, None, [])


async def until_read_live(house: House, headers: Headers = ()) -> None:
    """Read until the answer is proven by a watch."""

    async def is_answered_live() -> bool:
        return (await house.ask("GET", NODES, headers)).header("Cache-Status") == LIVE

    def look() -> bool | Awaitable[bool]:
        return is_answered_live()

    await eventually(look, "live")


def asked(standin: StandIn, target: str) -> list[str]:
    """List the tokens with which the stand-in was asked for a target."""
    return [seen.headers.get("X-Consul-Token", "") for seen in standin.seen.of("GET", target)]


async def test_restart_in_an_outage_serves_with_the_true_age(standin: StandIn, path: Path) -> None:
    """What was read before is answered after, and the time between the two lives counts."""
    (before,) = await filled(standin, path, NODES)
    age(path, 600)
    await standin.refuse()
    async with edge(standin, path) as house:
        after = await house.ask("GET", NODES)
    assert 600 <= stale(after) < 660
    assert after.content == before.content
    assert after.index == before.index


async def test_second_restart_in_an_outage_serves_with_the_age_of_all(
    standin: StandIn, path: Path
) -> None:
    """What was only restored is saved again, and grows no younger by that."""
    await filled(standin, path, NODES)
    await standin.refuse()
    for _ in range(2):
        age(path, 600)
        async with edge(standin, path):
            pass
    async with edge(standin, path) as house:
        assert 1200 <= stale(await house.ask("GET", NODES)) < 1260


@pytest.mark.parametrize(
    ("query", "cache_control"),
    [("", "max-age=3600"), ("?stale&max_stale=1h", ""), ("?cached", "max-age=3600")],
    ids=["default", "stale", "cached"],
)
async def test_restart_without_an_outage_asks_consul(
    standin: StandIn, path: Path, query: str, cache_control: str
) -> None:
    """However young it is, nothing restored is fresh: an own write may have followed it."""
    await filled(standin, path, NODES, CACHE__TTL="60s")
    add_node(standin)
    async with edge(standin, path, CACHE__TTL="60s") as house:
        answer = await house.ask("GET", NODES + query, [("Cache-Control", cache_control)])
    assert NEW in {node["Node"] for node in answer.json()}


async def test_blocking_query_after_a_restart_in_an_outage_is_held(
    standin: StandIn, path: Path
) -> None:
    """A client that has what was restored waits through the outage, and hears of the change."""
    (before,) = await filled(standin, path, NODES)
    await standin.refuse()
    async with edge(standin, path) as house:
        held = asyncio.create_task(
            house.ask("GET", f"{NODES}?index={before.index}&wait=1m"), name="held"
        )
        lines = house.app[CACHE].lines
        await eventually(lambda: any(line.waiters for line in lines), "held")
        add_node(standin)
        await standin.listen()
        after = await asyncio.wait_for(held, 20)
    assert NEW in {node["Node"] for node in after.json()}
    assert after.index > before.index


async def test_edge_restarted_in_an_outage_becomes_live_after_it(
    standin: StandIn, path: Path
) -> None:
    """What was restored gives way to what Consul says, as soon as Consul says anything."""
    await filled(standin, path, NODES)
    await standin.refuse()
    async with edge(standin, path) as house:
        stale(await house.ask("GET", NODES))
        add_node(standin)
        await standin.listen()
        await until_read_live(house)
        answer = await house.ask("GET", NODES)
    assert NEW in {node["Node"] for node in answer.json()}


async def test_token_restored_waits_for_its_client(guarded: StandIn, path: Path) -> None:
    """Its client gets it stale, then fresh and watched with its own token; nobody else does."""
    async with edge(guarded, path) as house:
        assert (await house.ask("GET", NODES, AS_ALICE)).status == 200
    await guarded.refuse()
    async with edge(guarded, path) as house:
        assert (await house.ask("GET", NODES)).status == 500
        assert (await house.ask("GET", NODES, AS_BOB)).status == 500
        stale(await house.ask("GET", NODES, AS_ALICE))
        guarded.seen.clear()
        await guarded.listen()
        await until_read_live(house, AS_ALICE)
        await eventually(lambda: guarded.parked, "watched")
    assert set(asked(guarded, NODES)) == {ALICE}


async def test_line_without_its_token_is_not_watched(guarded: StandIn, path: Path) -> None:
    """Nothing is asked for a restored line in another's name, or in nobody's."""
    async with edge(guarded, path) as house:
        assert (await house.ask("GET", NODES, AS_ALICE)).status == 200
    guarded.seen.clear()
    async with edge(guarded, path) as house:
        cache = house.app[CACHE]
        (line,) = cache.lines
        line.read_at = asyncio.get_running_loop().time()
        cache.watches.want(line)
        assert not line.is_watched
        # Also a read that is not for the cache tells the token.
        await house.ask("GET", f"{NODES}?consistent", AS_ALICE)
        cache.watches.want(line)
        assert line.is_watched
        await eventually(lambda: guarded.parked, "watched")
    assert set(asked(guarded, NODES)) == {ALICE}


async def test_kv_does_not_outlive_a_restart(standin: StandIn, path: Path) -> None:
    """Locks live there: but for a prefix that is opted in, no KV entry is in the file."""
    for key in (KEY, "/v1/kv/locks/a"):
        standin.state.keys.put(key.removeprefix("/v1/kv/"), b"x")
    polls = [f"{key}?index=1" for key in (KEY, "/v1/kv/locks/a")]
    await filled(standin, path, *polls, CACHE__STALE_KV="config/")
    assert told(path) == {KEY}
    await standin.refuse()
    async with edge(standin, path, CACHE__STALE_KV="config/") as house:
        stale(await house.ask("GET", KEY))
        assert (await house.ask("GET", "/v1/kv/locks/a?stale")).status == 500
    async with edge(standin, path) as house:
        assert (await house.ask("GET", f"{KEY}?stale")).status == 500


async def test_entry_that_a_write_has_overtaken_is_not_saved(standin: StandIn, path: Path) -> None:
    """It may stand in where its age is known not to hide the write: in this process only."""
    async with edge(standin, path) as house:
        await house.ask("GET", NODES)
        await house.ask("GET", "/v1/kv/config/?keys&index=1")
        written = await house.ask(
            "PUT", "/v1/catalog/register", body=b'{"Node":"n","Address":"a"}'
        )
        assert written.status == 200
    assert told(path) == set()


async def test_restored_entry_that_a_write_has_overtaken_is_not_saved(
    standin: StandIn, path: Path
) -> None:
    """A write makes no difference between what was fetched and what was restored."""
    await filled(standin, path, NODES)
    async with edge(standin, path) as house:
        await house.ask("PUT", "/v1/catalog/register", body=b'{"Node":"n","Address":"a"}')
    assert told(path) == set()


@pytest.mark.usefixtures("only_soon")
async def test_entry_denied_is_soon_gone_from_the_file(guarded: StandIn, path: Path) -> None:
    """A token that lost a right finds nothing of it after a crash."""
    async with edge(guarded, path, CACHE__TTL="0s") as house:
        await house.ask("GET", "/v1/health/service/web", AS_ALICE)
        await house.ask("GET", NODES, AS_ALICE)
        guarded.faults.answer(403, "Permission denied", path=NODES)
        assert (await house.ask("GET", NODES, AS_ALICE)).status == 403
        await eventually(lambda: told(path) == {"/v1/health/service/web"}, "written soon")


@pytest.mark.usefixtures("only_soon")
async def test_acl_write_soon_empties_the_file(standin: StandIn, path: Path) -> None:
    """After a change of rights nobody knows what may still be shown to whom."""
    await filled(standin, path, NODES, SERVICES)
    async with edge(standin, path) as house:
        assert told(path) == {NODES, SERVICES}
        standin.faults.answer(200, b"{}", path="/v1/acl/token/x")
        await house.ask("PUT", "/v1/acl/token/x")
        await eventually(lambda: told(path) == set(), "written soon")


@pytest.mark.usefixtures("only_soon")
async def test_flush_soon_empties_the_file(standin: StandIn, path: Path) -> None:
    """What an operator threw away does not come back."""
    await filled(standin, path, NODES)
    async with edge(standin, path) as house:
        cache = house.app[CACHE]
        cache.flush(tuple(cache.lines), "admin")
        await eventually(lambda: told(path) == set(), "written soon")


@pytest.mark.usefixtures("often")
async def test_snapshot_is_written_while_the_edge_runs(standin: StandIn, path: Path) -> None:
    """Whoever is killed loses an interval, not everything."""
    async with edge(standin, path) as house:
        await house.ask("GET", NODES)
        await eventually(lambda: told(path) == {NODES}, "written")
        await house.ask("GET", SERVICES)
        await eventually(lambda: told(path) == {NODES, SERVICES}, "written again")


@pytest.mark.usefixtures("often")
async def test_snapshot_that_would_say_the_same_is_not_written(
    standin: StandIn, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edge that nobody asks leaves the disk in peace."""
    rounds: list[None] = []
    written: list[Head] = []
    take = saving.Saving._take

    async def taking(self: saving.Saving, now: float) -> tuple[list[Record], int]:
        rounds.append(None)
        return await take(self, now)

    def writing(to: Path, head: Head, records: list[Record]) -> int:
        written.append(head)
        return write(to, head, records)

    monkeypatch.setattr(saving.Saving, "_take", taking)
    monkeypatch.setattr(saving, "write", writing)
    async with edge(standin, path) as house:
        await house.ask("GET", NODES)
        await eventually(lambda: told(path) == {NODES}, "written")
        before, count = len(rounds), len(written)
        await eventually(lambda: len(rounds) > before + 5, "looked at again and again")
        assert len(written) == count


async def test_refused_snapshot_is_kept_aside_and_told(standin: StandIn, path: Path) -> None:
    """The edge starts with nothing, says why, and overwrites nothing."""
    await filled(standin, path, NODES)
    content = expose(path)
    with capture_logs() as logged:
        async with edge(standin, path) as house:
            assert len(house.app[CACHE].lines.store) == 0
            assert (await house.ask("GET", NODES)).status == 200
    (line,) = [line for line in logged if line["event"] == "snapshot refused"]
    assert line["path"] == str(path)
    assert "0600" in line["reason"]
    assert {one.name: one.read_bytes() for one in path.parent.glob("*.bad")} == {
        "snapshot.bad": content
    }
    assert told(path) == {NODES}


async def test_clock_that_went_back_makes_nothing_fresh(standin: StandIn, path: Path) -> None:
    """An age that nobody knows is at least what it was, and answers for no youth."""
    await filled(standin, path, NODES, CACHE__TTL="60s")
    age(path, -86400)
    standin.seen.clear()
    async with edge(standin, path, CACHE__TTL="60s") as house:
        await house.ask("GET", NODES)
    assert len(standin.seen.of("GET", NODES)) == 1
    age(path, -86400)
    await standin.refuse()
    async with edge(standin, path, CACHE__TTL="60s") as house:
        (line,) = house.app[CACHE].lines
        assert line.proved_at < asyncio.get_running_loop().time()
        assert 0 <= stale(await house.ask("GET", NODES)) < 60


async def test_entry_older_than_stale_if_error_does_not_come_back(
    standin: StandIn, path: Path
) -> None:
    """The bound counts over the restart, too."""
    await filled(standin, path, NODES)
    age(path, 7200)
    await standin.refuse()
    async with edge(standin, path, CACHE__STALE_IF_ERROR="1h") as house:
        assert len(house.app[CACHE].lines) == 0
        assert (await house.ask("GET", NODES)).status == 500


async def test_entry_of_what_passes_now_does_not_come_back(standin: StandIn, path: Path) -> None:
    """The settings of today decide, not those of yesterday."""
    await filled(standin, path, NODES, SERVICES)
    async with edge(standin, path, CACHE__ENDPOINTS="catalog_nodes=pass") as house:
        assert [line.key.path for line in house.app[CACHE].lines] == [SERVICES]


async def test_entry_of_an_unknown_endpoint_does_not_come_back(
    standin: StandIn, path: Path
) -> None:
    """A path that is another endpoint's now, or nobody's, is not answered from the file."""
    await filled(standin, path, NODES)
    head, (kept,) = read(path)
    moved = msgspec.structs.replace(kept, path=SERVICES)
    unknown = msgspec.structs.replace(kept, path="/v1/gone", endpoint="gone")
    private = msgspec.structs.replace(kept, path="/v1/acl/tokens", endpoint="acl")
    write(path, head, [moved, unknown, private])
    async with edge(standin, path) as house:
        assert len(house.app[CACHE].lines) == 0


async def test_larger_snapshot_than_there_is_room_for_keeps_what_was_used_last(
    standin: StandIn, path: Path
) -> None:
    """The bounds hold while restoring, and no line without an entry remains."""
    await filled(standin, path, NODES, SERVICES, "/v1/health/state/any")
    async with edge(standin, path, CACHE__MAX_ENTRIES="2") as house:
        lines = house.app[CACHE].lines
        assert {line.key.path for line in lines} == {SERVICES, "/v1/health/state/any"}


async def test_snapshot_that_there_is_no_room_for_leaves_nothing_behind(
    standin: StandIn, path: Path
) -> None:
    """No line without an entry remains of it."""
    await filled(standin, path, NODES)
    small = {"CACHE__MAX_BYTES": "1KiB", "CACHE__MAX_ENTRY_BYTES": "1KiB"}
    async with edge(standin, path, **small) as house:
        assert len(house.app[CACHE].lines) == 0


@pytest.mark.usefixtures("often")
async def test_change_while_a_snapshot_is_written_is_in_the_last(
    standin: StandIn, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edge that ends while it saves saves once more."""
    begun, go_on = threading.Event(), threading.Event()

    def slowly(to: Path, head: Head, records: list[Record]) -> int:
        begun.set()
        go_on.wait(20)
        return write(to, head, records)

    close = saving.Saving.close

    async def closing(self: saving.Saving) -> None:
        asyncio.get_running_loop().call_soon(go_on.set)
        await close(self)

    monkeypatch.setattr(saving, "write", slowly)
    monkeypatch.setattr(saving.Saving, "close", closing)
    async with edge(standin, path) as house:
        await eventually(begun.is_set, "writing")
        await house.ask("GET", NODES)
    assert told(path) == {NODES}


@pytest.mark.usefixtures("often")
async def test_failure_to_write_is_told_once_and_costs_no_read(
    standin: StandIn, tmp_path: Path
) -> None:
    """A full or lost disk is a line in the log and a number, and so is its return."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def count(house: House) -> float:
        return sample(house.base, "consul_edge_cache_snapshots_total", outcome="failed")

    with capture_logs() as logged:
        async with edge(standin, folder / "snapshot") as house:
            before = await asyncio.to_thread(count, house)

            async def has_failed() -> bool:
                return await asyncio.to_thread(count, house) >= before + 3

            def look() -> bool | Awaitable[bool]:
                return has_failed()

            await eventually(lambda: told(folder / "snapshot") == set(), "written")
            (folder / "snapshot").unlink()
            folder.rmdir()
            assert (await house.ask("GET", NODES)).status == 200
            await eventually(look, "failed several times")
            assert (await house.ask("GET", NODES)).status == 200
            folder.mkdir()
            await eventually(lambda: told(folder / "snapshot") == {NODES}, "written again")
    events = [line["event"] for line in logged if line["event"].startswith("snapshot")]
    assert [event for event in events if event != "snapshot written"] == [
        "snapshot cannot be written",
        "snapshot is written again",
    ]


@pytest.mark.usefixtures("often")
async def test_proof_of_a_watched_entry_goes_into_the_file(standin: StandIn, path: Path) -> None:
    """An entry that did not change for hours, and was proven all the time, is not hours old."""
    async with edge(standin, path) as house:
        await house.ask("GET", NODES)
        await house.ask("GET", NODES)
        (line,) = house.app[CACHE].lines
        await until_live(house, NODES)
        line.proved_at -= 3600
        forget(path)
        (record,) = await eventually(lambda: read(path)[1], "written")
        assert record.age < 60


async def test_snapshot_is_made_at_its_own_time(standin: StandIn, path: Path) -> None:
    """The age of an entry and the time of the snapshot speak of the same moment."""
    async with edge(standin, path) as house:
        await house.ask("GET", NODES)
        (line,) = house.app[CACHE].lines
        line.proved_at -= 100
        before = time.time()
    head, (record,) = read(path)
    assert isinstance(record, Record)
    assert before <= head.taken_at <= time.time()
    assert 100 <= record.age < 160
