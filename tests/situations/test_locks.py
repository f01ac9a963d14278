"""Locks and elections through the edge: nobody is ever told of a lock that is no more."""

import pytest

from tests.situations.conftest import REAL
from tests.situations.place import Place, place_over, small, woken
from tests.waiting import eventually
from tests.warp import skip, warped


async def session(place: Place, **described: str) -> str:
    """Make a session, as a client of the edge does."""
    made = await place.edge.put("/v1/session/create", {"LockDelay": "1ms"} | described)
    return str(made.json()["ID"])


async def holder(place: Place, key: str) -> str | None:
    """Say who holds *key*, as a plain read through the edge tells."""
    found: str | None = (await place.edge.get(key)).json()[0].get("Session")
    return found


async def test_lock_is_acquired_monitored_and_released_through_the_edge(place: Place) -> None:
    """The dance of Consul's own clients: each step is seen by the next one (case 29)."""
    key = f"/v1/kv/{place.name('lock')}"
    one, two = await session(place), await session(place)
    assert (await place.edge.put(f"{key}?acquire={one}", b"one")).body.strip() == b"true"
    assert (await place.edge.put(f"{key}?acquire={two}", b"two")).body.strip() == b"false"
    assert await holder(place, key) == one
    known = await place.edge.get(f"{key}?consistent")
    assert known.cache == "fwd=bypass; detail=consistent"
    monitors = [
        place.edge.begin(f"{key}?consistent&index={known.index}&wait=300s"),
        place.edge.begin(f"{key}?index={known.index}&wait=300s"),
    ]
    await place.until_parked(key)
    assert (await place.edge.put(f"{key}?release={one}", b"one")).body.strip() == b"true"
    for monitor in monitors:
        assert "Session" not in (await woken(monitor)).json()[0]
    assert await holder(place, key) is None
    assert (await place.edge.put(f"{key}?acquire={two}", b"two")).body.strip() == b"true"
    assert await holder(place, key) == two


async def test_session_is_destroyed_and_its_lock_is_seen_to_be_free(place: Place) -> None:
    """The end of a session touches keys that its request does not name."""
    key = f"/v1/kv/{place.name('lock')}"
    one = await session(place)
    await place.edge.put(f"{key}?acquire={one}", b"one")
    known = await place.edge.get(key)
    monitor = place.edge.begin(f"{key}?index={known.index}&wait=300s")
    await place.until_parked(key)
    generation = place.lines(key)[0].generation
    await place.edge.put(f"/v1/session/destroy/{one}")
    # The watch may have told as soon as this; but the write itself has to count.
    assert place.lines(key)[0].generation > generation
    assert "Session" not in (await place.edge.get(f"{key}?index=1")).json()[0]
    assert "Session" not in (await woken(monitor)).json()[0]


def test_session_that_is_not_renewed_expires_and_who_monitors_sees_it() -> None:
    """Twice its TTL after the last renewal the lock is free, and everybody knows (case 29)."""

    async def expire() -> None:
        standin = small()
        async with standin.running(), place_over(standin) as place:
            one = await session(place, TTL="10s")
            await place.edge.put("/v1/kv/lock?acquire=" + one, b"one")
            known = await place.edge.get("/v1/kv/lock")
            monitor = place.edge.begin(f"/v1/kv/lock?index={known.index}&wait=300s")
            await place.until_parked("/v1/kv/lock")
            for _ in range(8):
                skip(5)
                await place.edge.put(f"/v1/session/renew/{one}")
            assert await holder(place, "/v1/kv/lock") == one
            assert not monitor.done()
            skip(21)
            await eventually(monitor.done, "the monitor told")
            assert "Session" not in monitor.result().json()[0]
            assert await holder(place, "/v1/kv/lock") is None

    warped(expire())


@pytest.mark.parametrize("backing", [REAL], indirect=True)
async def test_session_expires_at_a_real_consul_and_who_monitors_sees_it(place: Place) -> None:
    """The TTL arrives, and so does its end, though nobody wrote anything (case 29)."""
    key = f"/v1/kv/{place.name('lock')}"
    one = await session(place, TTL="10s", Behavior="delete")
    await place.edge.put(f"{key}?acquire={one}", b"one")
    known = await place.edge.get(key)
    monitors = [
        place.edge.begin(f"{key}?{mode}index={known.index}&wait=300s")
        for mode in ("", "consistent&")
    ]
    await place.until_parked(key)
    for monitor in monitors:
        await eventually(monitor.done, "the lock gone with its session", within=60)
        assert monitor.result().status == 404
    assert (await place.edge.get(key)).status == 404


async def test_locked_key_is_never_served_from_what_is_kept(standin_place: Place) -> None:
    """Plain reads of KV go to Consul each time, whatever a monitor has kept."""
    place = standin_place
    one = await session(place)
    await place.edge.put(f"/v1/kv/lock?acquire={one}", b"one")
    known = await place.edge.get("/v1/kv/lock")
    # The watch is deaf: it will not tell of anything.
    place.standin.faults.hang(path="/v1/kv/lock?index=")
    place.edge.begin(f"/v1/kv/lock?index={known.index}&wait=300s")
    await place.until_parked("/v1/kv/lock")
    place.standin.state.sessions.destroy(one)
    assert await holder(place, "/v1/kv/lock") is None


async def test_lock_in_an_outage_is_no_ones_to_tell(standin_place: Place) -> None:
    """With no server to ask, nobody is told that a lock is held, and nobody that it is free."""
    place = standin_place
    one = await session(place)
    await place.edge.put(f"/v1/kv/lock?acquire={one}", b"one")
    known = await place.edge.get("/v1/kv/lock")
    place.edge.begin(f"/v1/kv/lock?index={known.index}&wait=300s")
    await place.until_parked("/v1/kv/lock")
    await place.standin.refuse()
    for target in ("/v1/kv/lock", "/v1/kv/lock?consistent", "/v1/kv/lock?index=1"):
        got = await place.edge.get(target)
        assert got.status == 500, (target, got)
    ended = await place.edge.get(f"/v1/kv/lock?index={known.index}&wait=100ms")
    assert ended.status == 500
