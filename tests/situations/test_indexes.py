"""Indexes and headers that must not be believed: what Consul says when all is not well."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import pytest

from consul_edge.demo.standin import StandIn
from tests.house import House, edge_over
from tests.scrape import sample
from tests.situations.place import Asker, Place, instance, place_over, small, woken
from tests.waiting import eventually

WEB = "/v1/health/service/web"
SERVICES = "/v1/catalog/services"


async def confirmations(house: House, outcome: str) -> float:
    """Count the doubted answers that were asked for again."""
    name = "consul_edge_cache_confirmations_total"
    return await asyncio.to_thread(sample, house.base, name, result=outcome)


@pytest.fixture
async def brief() -> AsyncIterator[Place]:
    """Give an edge over a stand-in whose rounds are short: a server holds one that is too high."""
    standin = small()
    async with standin.running(), place_over(standin, WATCH__WAIT="1s") as place:
        for port in range(80, 90):
            await place.register("web", port=port)
        yield place


async def test_index_goes_backwards_and_no_update_is_lost(brief: Place) -> None:
    """After a restored snapshot the watch begins anew, and the next change arrives (case 1)."""
    known = await brief.until_live(WEB)
    brief.standin.state.reset_index(6)
    await brief.register("web", port=99)
    await eventually(lambda: index(brief) < known.index, "the lower index kept")
    got = await brief.until_live(WEB)
    assert (got.index < known.index, got.json()[0]["Service"]["Port"]) == (True, 99)
    poll = brief.edge.begin(f"{WEB}?index={got.index}&wait=300s")
    await brief.until_parked(WEB)
    await brief.register("web", port=100)
    assert (await woken(poll)).json()[0]["Service"]["Port"] == 100


async def test_client_of_before_the_reset_is_told_the_lower_index(brief: Place) -> None:
    """Who waits from an index that is no more gets the new one, to reset by (case 1)."""
    known = await brief.until_live(WEB)
    poll = brief.edge.begin(f"{WEB}?index={known.index}&wait=300s")
    await brief.until_parked(WEB)
    brief.standin.state.reset_index(6)
    got = await woken(poll)
    assert (got.status, 0 < got.index < known.index) == (200, True)


def index(place: Place) -> int:
    """Give the index of what the edge keeps of the service."""
    entry = place.lines(WEB)[0].entry
    assert entry is not None
    return entry.index


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers, and an edge over both."""

    one: StandIn
    two: StandIn
    place: Place
    second: Asker

    async def register(self, service: str) -> None:
        """Register an instance at both, past the edge."""
        await self.place.register(service)
        await self.second.put("/v1/catalog/register", instance(service))


@contextlib.asynccontextmanager
async def counting_apart(first: int, second: int) -> AsyncIterator[Pair]:
    """Run two stand-ins that know the same and number it differently, and an edge (#7939)."""
    one, two = small(), small()
    async with one.running() as one_url, two.running() as two_url:
        for standin, ahead in ((one, first), (two, second)):
            standin.state.ledger.index += ahead
        async with edge_over(one_url, two_url, CACHE__TTL="0s") as house:
            client = house.client
            pair = Pair(
                one,
                two,
                Place(house, Asker(client, house.base), Asker(client, one_url), one),
                Asker(client, two_url),
            )
            await pair.register("web")
            # So the first server has more watches than the second, where the next one goes.
            await pair.place.until_live("/v1/catalog/nodes")
            yield pair


@pytest.mark.parametrize(("first", "second"), [(0, 500), (500, 0)])
async def test_servers_number_differently_and_no_update_is_lost(first: int, second: int) -> None:
    """Reads at one server and a watch at another: each change is shown all the same (case 2)."""
    async with counting_apart(first, second) as pair:
        place = pair.place
        await place.until_live(SERVICES)
        assert pair.two.parked, "the watch is to hang on the second server"
        for number in range(4):
            # Any write through the edge makes the next read ask the first server.
            await place.edge.put("/v1/catalog/deregister", {"Node": "nobody"})
            await place.edge.get(SERVICES)
            await pair.register(f"new-{number}")
            await until_shown(place, f"new-{number}")


async def test_fill_of_a_server_that_counts_lower_is_where_its_watch_goes_on() -> None:
    """A watch never waits at one server for an index of another: that would lose changes (2)."""
    async with counting_apart(500, 0) as pair:
        place = pair.place
        hung = pair.two.faults.hang(path=SERVICES, times=1)
        await place.edge.get(SERVICES)
        await place.edge.get(SERVICES)
        await hung.met.wait()
        overtaking = await place.edge.get(SERVICES)
        hung.lift()
        await place.until_live(SERVICES)
        polls = pair.two.seen.of("GET", f"{SERVICES}?index=")
        assert [poll for poll in polls if f"index={overtaking.index}&" in poll.target] == []
        await pair.register("new")
        await until_shown(place, "new")


async def test_late_answer_of_another_server_does_not_hide_what_its_watch_has_told() -> None:
    """A read that began before a change, at a server that counts higher, is not kept (2)."""
    async with counting_apart(500, 0) as pair:
        place = pair.place
        await place.until_live(SERVICES)
        await place.edge.put("/v1/catalog/deregister", {"Node": "nobody"})
        stalled = pair.one.faults.stall(path=SERVICES, times=1)
        late = place.edge.begin(SERVICES)
        await stalled.met.wait()
        await pair.register("new")
        await eventually(lambda: kept(place, b"new"), "told by the watch")
        stalled.lift()
        assert "new" not in (await late).json()
        assert "new" in (await place.edge.get(SERVICES)).json()


def kept(place: Place, text: bytes) -> bool:
    """Whether what the edge keeps of the services says *text*."""
    return any(
        line.entry is not None and text in line.entry.body for line in place.lines(SERVICES)
    )


async def until_shown(place: Place, service: str) -> None:
    """Read until the edge shows a service."""

    async def read() -> bool:
        return service in (await place.edge.get(SERVICES)).json()

    def look() -> bool | Awaitable[bool]:
        return read()

    await eventually(look, f"{service} shown")


async def test_streaming_backends_unknown_leader_is_no_lack_of_one(standin_place: Place) -> None:
    """Streamed answers say ``KnownLeader: false`` for want of knowledge: they are kept (3)."""
    place = standin_place
    await place.register("web")
    known = await place.until_live(WEB)
    streams = {
        "X-Consul-Index": "5000",
        "X-Consul-Knownleader": "false",
        "X-Consul-Lastcontact": "0",
        "X-Consul-Query-Backend": "streaming",
        "Content-Type": "application/json",
    }
    body = known.body.replace(b'"Port":80', b'"Port":8000')
    place.standin.faults.answer(200, body, streams, path=f"{WEB}?index=", times=1)
    await place.register("web", port=81)
    await eventually(lambda: index(place) == 5000, "the streamed answer kept")
    shown = await place.until_live(WEB)
    assert (shown.body, shown.headers["X-Consul-Knownleader"]) == (body, "false")
    assert not next(iter(place.house.rotation.servers)).is_out


async def test_answer_without_a_leader_is_not_kept(standin_place: Place) -> None:
    """The same header on an answer that was not streamed means what it says (case 3)."""
    place = standin_place
    await place.register("web")
    lost = {
        "X-Consul-Index": "12",
        "X-Consul-Knownleader": "false",
        "X-Consul-Lastcontact": "9000",
        "Content-Type": "application/json",
    }
    place.standin.faults.answer(200, b"[]", lost, path=WEB, times=1)
    assert (await place.edge.get(WEB)).body == b"[]"
    assert place.lines(WEB) == []


@pytest.mark.parametrize("leader", ["false", "true"])
@pytest.mark.parametrize("how", ["read", "watch"])
async def test_error_with_an_index_is_not_believed(
    standin_place: Place, how: str, leader: str
) -> None:
    """A 500 carries ``X-Consul-Index: 1``: no entry, no index comes of it (case 4)."""
    place = standin_place
    await place.register("web")
    meta = {
        "X-Consul-Index": "1",
        "X-Consul-Knownleader": leader,
        "X-Consul-Lastcontact": "0",
        "Content-Type": "text/plain; charset=utf-8",
    }
    known = await place.until_live(WEB)
    poll = place.edge.begin(f"{WEB}?index={known.index}&wait=300s")
    await place.until_parked(WEB)
    path = WEB if how == "read" else f"{WEB}?index="
    error = place.standin.faults.answer(500, "rpc error: nobody knows", meta, path=path, times=2)
    if how == "read":
        await place.edge.put("/v1/catalog/register", instance("other"))
        broken = await place.edge.get(WEB)
        assert (broken.status, broken.body) == (500, b"rpc error: nobody knows")
    else:
        place.standin.state.ledger.notify_all()
        await place.register("web", port=81)
    await eventually(lambda: error.hits, "the error answered")
    entry = place.lines(WEB)[0].entry
    assert entry is not None
    assert (entry.status, entry.index >= known.index) == (200, True)
    await place.register("web", port=82)
    assert (await woken(poll)).status == 200
    again = await place.until_live(WEB)
    assert (again.status, again.json()[0]["Service"]["Port"]) == (200, 82)


NOTHING = {
    "X-Consul-Index": "1",
    "X-Consul-Knownleader": "true",
    "X-Consul-Lastcontact": "0",
    "Content-Type": "application/json",
}
"""The headers of #20790's answer, whose body is ``[]``."""


async def test_sudden_emptiness_is_refuted_by_the_leader_and_not_believed(brief: Place) -> None:
    """A read's ``200 []`` at index 1 is asked for again; refuted, it replaces nothing (8)."""
    known = await brief.until_live(WEB)
    refuted = await confirmations(brief.house, "refuted")
    poll = brief.edge.begin(f"{WEB}?index={known.index}&wait=300s")
    await brief.until_parked(WEB)
    brief.standin.faults.answer(200, b"[]", NOTHING, path=WEB, times=1)
    # A write through the edge makes the next read ask Consul; the pending round is not met.
    await brief.edge.put("/v1/catalog/deregister", {"Node": "nobody"})
    assert (await brief.edge.get(WEB)).body == known.body
    assert await confirmations(brief.house, "refuted") > refuted
    assert not poll.done()


async def test_sudden_emptiness_of_a_watch_is_asked_for_again_and_not_believed(
    brief: Place,
) -> None:
    """A round that ends with ``200 []`` at index 1 wakes nobody and replaces nothing (8)."""
    known = await brief.until_live(WEB)
    poll = brief.edge.begin(f"{WEB}?index={known.index}&wait=300s")
    await brief.until_parked(WEB)
    fault = brief.standin.faults.answer(200, b"[]", NOTHING, path=f"{WEB}?index=", times=1)
    await fault.met.wait()
    await brief.until_parked(WEB)
    assert (await brief.until_live(WEB)).body == known.body
    assert not poll.done()


async def test_sudden_emptiness_is_confirmed_by_the_leader_and_believed(brief: Place) -> None:
    """What is gone, at a lower index, is shown once a second read says so, too (case 8)."""
    known = await brief.until_live(WEB)
    confirmed = await confirmations(brief.house, "confirmed")
    poll = brief.edge.begin(f"{WEB}?index={known.index}&wait=300s")
    await brief.until_parked(WEB)
    brief.standin.state.reset_index(4)
    await brief.consul.put("/v1/catalog/deregister", {"Node": "node-of-web"})
    got = await woken(poll)
    assert (got.body, got.index < known.index) == (b"[]", True)
    assert await confirmations(brief.house, "confirmed") > confirmed


@pytest.mark.parametrize("confirmed", [True, False])
async def test_large_set_that_is_gone_at_once_is_asked_for_twice(
    standin_place: Place, confirmed: bool
) -> None:
    """Refusing mass emptying: a refresh that loses nearly all is confirmed first, and counted."""
    place = standin_place
    for number in range(40):
        await place.register("web", f"node-{number}")
    await place.until_live(WEB)
    outcome = "confirmed" if confirmed else "refuted"
    before = await confirmations(place.house, outcome)
    place.standin.faults.narrow(path=WEB, times=3 if confirmed else 1)
    await place.edge.put("/v1/catalog/deregister", {"Node": "nobody"})
    assert len((await place.edge.get(WEB)).json()) == (0 if confirmed else 40)
    assert await confirmations(place.house, outcome) == before + 1
