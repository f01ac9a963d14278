"""Blocking queries that the edge holds: who is woken, by what, when, and who is not."""

import asyncio
from typing import Any

import pytest

from tests.situations.place import Backing, Place, instance, place_over, small, woken
from tests.waiting import eventually
from tests.warp import skip, warped


async def test_missing_key_is_created_and_its_watcher_wakes(place: Place) -> None:
    """A 404 has an index to wait from; the key's creation ends the wait (D.8 case 5)."""
    key = f"/v1/kv/{place.name('missing')}"
    missing = await place.edge.get(key)
    assert (missing.status, missing.body) == (404, b"")
    poll = place.edge.begin(f"{key}?index={missing.index}&wait=300s")
    await place.until_parked(key)
    await place.consul.put(key, b"here")
    got = await woken(poll)
    assert (got.status, got.json()[0]["Key"]) == (200, key.removeprefix("/v1/kv/"))
    assert got.index > missing.index


async def test_deleted_key_wakes_its_watcher_with_404(place: Place) -> None:
    """That a key is gone is an answer like any other, with an index to go on from."""
    key = f"/v1/kv/{place.name('deleted')}"
    await place.consul.put(key, b"here")
    known = await place.edge.get(key)
    poll = place.edge.begin(f"{key}?index={known.index}&wait=300s")
    await place.until_parked(key)
    await place.consul.ask("DELETE", key)
    got = await woken(poll)
    assert (got.status, got.body) == (404, b"")
    assert got.index > 0


@pytest.mark.parametrize("how", ["recurse", "keys"])
async def test_top_key_of_a_prefix_is_deleted_and_its_watcher_wakes(
    place: Place, how: str
) -> None:
    """The tombstone of the highest key counts, so that nobody misses the deletion (case 6)."""
    prefix = f"/v1/kv/{place.name('tree')}/"
    for name in ("a", "z"):
        await place.consul.put(f"{prefix}{name}", b"1")
    target = f"{prefix}?{how}"
    known = await place.edge.get(target)
    poll = place.edge.begin(f"{target}&index={known.index}&wait=300s")
    await place.until_parked(target)
    await place.consul.ask("DELETE", f"{prefix}z")
    got = await woken(poll)
    assert (got.index > known.index, len(got.json())) == (True, 1)


async def test_tombstone_is_reaped_and_no_later_change_is_missed() -> None:
    """A prefix's index goes back when its tombstone is reaped; the next write still wakes (6)."""
    standin = small()
    target = "/v1/kv/tree/?recurse"
    async with standin.running(), place_over(standin, WATCH__WAIT="1s") as place:
        for name in ("a", "z"):
            await place.consul.put(f"/v1/kv/tree/{name}", b"1")
        await place.consul.ask("DELETE", "/v1/kv/tree/z")
        known = await place.edge.get(target)
        poll = place.edge.begin(f"{target}&index={known.index}&wait=300s")
        await place.until_parked(target)
        standin.state.keys.reap()
        told = await woken(poll)
        assert (told.index < known.index, told.body) == (True, known.body)
        poll = place.edge.begin(f"{target}&index={told.index}&wait=300s")
        await place.until_parked(target)
        await place.consul.put("/v1/kv/tree/b", b"2")
        assert len((await woken(poll)).json()) == 2


@pytest.mark.parametrize("wait", [None, 60, 1200], ids=["default", "minute", "beyond the cap"])
def test_wait_is_consuls_own_with_its_jitter_and_its_cap(wait: int | None) -> None:
    """Five minutes if none is named, ten at most, and up to a sixteenth on top (case 19)."""
    seconds = {None: 300, 60: 60, 1200: 600}[wait]

    async def hold() -> list[float]:
        standin = small()
        async with standin.running(), place_over(standin) as place:
            await place.consul.put("/v1/kv/a", b"1")
            known = await place.edge.get("/v1/kv/a")
            target = f"/v1/kv/a?index={known.index}" + (f"&wait={wait}s" if wait else "")
            loop = asyncio.get_running_loop()
            began = loop.time()
            ends: list[float] = []
            polls = [place.edge.begin(target) for _ in range(40)]
            for poll in polls:
                poll.add_done_callback(lambda _: ends.append(loop.time() - began))
            await place.until_parked("/v1/kv/a", 40)
            while not all(poll.done() for poll in polls):
                skip(seconds / 128)
                # An ordinary read: whatever is due happens before its answer is here.
                await place.edge.get("/v1/kv/a")
            for poll in polls:
                assert (poll.result().status, poll.result().index) == (200, known.index)
            return ends

    ends = warped(hold())
    slack = seconds / 16
    assert min(ends) >= seconds
    assert max(ends) <= seconds * 17 / 16 + slack
    assert max(ends) - min(ends) > seconds / 64, "they came together"


async def test_thousand_watchers_of_one_key_are_one_watch_and_all_are_woken() -> None:
    """Upstream there is one blocking query, and one change reaches everybody (case 20)."""
    standin = small()
    async with standin.running(), place_over(standin) as place:
        await place.consul.put("/v1/kv/a", b"1")
        known = await place.edge.get("/v1/kv/a")
        standin.seen.clear()
        polls = [place.edge.begin(f"/v1/kv/a?index={known.index}&wait=300s") for _ in range(1000)]
        await place.until_parked("/v1/kv/a", 1000)
        await eventually(lambda: standin.parked == 1, "one poll at the stand-in")
        await place.consul.put("/v1/kv/a", b"2")
        answers = [await woken(poll) for poll in polls]
        assert {(got.status, got.index, got.body) for got in answers} == {
            (200, answers[0].index, answers[0].body)
        }
        assert answers[0].index > known.index
        # A fill, the round that ended, and the one that followed it.
        assert len(standin.seen.of("GET", "/v1/kv/a")) <= 4


async def test_client_leaves_and_those_who_wait_beside_it_are_woken(place: Place) -> None:
    """One who hangs up takes nobody with him, and ends no watch (case 21)."""
    key = f"/v1/kv/{place.name('left')}"
    await place.consul.put(key, b"1")
    known = await place.edge.get(key)
    polls = [place.edge.begin(f"{key}?index={known.index}&wait=300s") for _ in range(3)]
    await place.until_parked(key, 3)
    pending = place.lines(key)[0].round
    polls[0].cancel()
    await eventually(lambda: len(place.lines(key)[0].waiters) == 2, "one gone")
    assert place.lines(key)[0].round is pending
    await place.consul.put(key, b"2")
    for poll in polls[1:]:
        assert (await woken(poll)).index > known.index


async def test_all_clients_leave_and_the_pending_round_is_finished_and_used() -> None:
    """Consul holds the query anyway: it is not cancelled, and its answer is kept (A.1.3)."""
    standin = small()
    async with standin.running(), place_over(standin) as place:
        await place.register("web")
        target = "/v1/health/service/web"
        known = await place.edge.get(target)
        poll = place.edge.begin(f"{target}?index={known.index}&wait=300s")
        await place.until_parked(target)
        poll.cancel()
        await eventually(lambda: not place.lines(target)[0].waiters, "everybody gone")
        await eventually(lambda: standin.parked == 1, "the poll still at the stand-in")
        await place.register("web", port=81)
        await eventually(
            lambda: b'"Port":81' in getattr(place.lines(target)[0].entry, "body", b""),
            "the round's answer kept",
        )


async def test_index_above_consuls_is_answered_once_and_then_held(place: Place) -> None:
    """A client that knows more than Consul is told so once, and does not spin (section 0)."""
    key = f"/v1/kv/{place.name('ahead')}"
    await place.consul.put(key, b"1")
    ahead = f"{key}?index=99999999&wait=300s"
    told = await place.edge.get(ahead)
    assert (told.status, 0 < told.index < 99999999) == (200, True)
    assert told.cache == "fwd=miss"
    again = place.edge.begin(ahead)
    await eventually(lambda: again.done() or place.is_parked(key), "held")
    assert not again.done()
    await place.consul.put(key, b"2")
    assert (await woken(again)).index > told.index


@pytest.mark.parametrize("target", ["/v1/catalog/services", "/v1/health/state/any"])
async def test_edit_that_is_not_seen_moves_the_index_and_wakes_nobody(
    place: Place, target: str
) -> None:
    """Meta edits move such an index: the body is the same, and both indexes count (section 0)."""
    name = place.name("edited")
    described = checked(name)
    await place.consul.put("/v1/catalog/register", described)
    known = await place.until_live(target)
    poll = place.edge.begin(f"{target}?index={known.index}&wait=300s")
    await place.until_parked(target)
    described["Service"]["Meta"] = {"note": "edited"}
    await place.consul.put("/v1/catalog/register", described)

    def index() -> int:
        entry = place.lines(target)[0].entry
        return entry.index if entry is not None else 0

    await eventually(lambda: index() > known.index, "the watch saw the moved index")
    assert not poll.done()
    beside = place.edge.begin(f"{target}?index={index()}&wait=300s")
    await place.until_parked(target, 2)
    news = place.name("news")
    await place.consul.put("/v1/catalog/register", checked(news))
    assert (await woken(poll)).body == (await woken(beside)).body
    assert news.encode() in (await woken(poll)).body


@pytest.mark.parametrize("backing", ["real"], indirect=True)
@pytest.mark.real
async def test_order_of_tags_varies_and_wakes_nobody(backing: Backing) -> None:
    """A real Consul lists tags at random; that is no change, and no publish (section 0)."""
    async with place_over(backing, WATCH__WAIT="1s") as place:
        name = place.name("tagged")
        described = instance(name)
        described["Service"]["Tags"] = [f"tag-{number}" for number in range(9)]
        for other in range(4):
            described["Service"]["Tags"].append(f"of-{other}")
            described["Node"] = f"node-{other}-of-{name}"
            await place.consul.put("/v1/catalog/register", described)
        target = "/v1/catalog/services"
        known = await place.until_live(target)
        digest = place.lines(target)[0].entry
        assert digest is not None
        poll = place.edge.begin(f"{target}?index={known.index}&wait=300s")
        await place.until_parked(target)
        bodies = {known.body}

        def rounds() -> bool:
            entry = place.lines(target)[0].entry
            if entry is not None:
                bodies.add(entry.body)
                assert entry.digest == digest.digest
            return len(bodies) > 2

        await eventually(rounds, "several orders seen", within=30)
        assert not poll.done()


async def test_two_tags_are_two_conditions_in_their_order(place: Place) -> None:
    """A repeated ``tag`` is part of the question: each combination has its own answer (24)."""
    name = place.name("tags")
    both, one = instance(name), instance(name)
    both["Service"] |= {"ID": "both", "Tags": ["a", "b"]}
    one["Service"] |= {"ID": "one", "Tags": ["a"]}
    for described in (both, one):
        await place.consul.put("/v1/catalog/register", described)
    for query in ("tag=a&tag=b", "tag=a", "tag=b&tag=a", "tag=b"):
        target = f"/v1/catalog/service/{name}?{query}"
        kept = await place.until_live(target)
        direct = await place.consul.get(target)
        assert ids(kept.json()) == ids(direct.json())
    assert ids((await place.edge.get(f"/v1/catalog/service/{name}?tag=a")).json()) == [
        "both",
        "one",
    ]
    assert ids((await place.edge.get(f"/v1/catalog/service/{name}?tag=a&tag=b")).json()) == [
        "both"
    ]


def checked(service: str) -> dict[str, Any]:
    """Describe an instance with a check."""
    check = {"CheckID": f"check-{service}", "Name": "a", "Status": "critical"}
    return instance(service) | {"Check": check}


def ids(instances: list[dict[str, Any]]) -> list[str]:
    """Give the instances' names."""
    return sorted(one["ServiceID"] for one in instances)
