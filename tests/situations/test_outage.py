"""All servers are gone: what had an answer keeps it, and says how old it is (promises 3 and 7)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.consul import ConsulCluster
from tests.house import edge_over
from tests.situations.place import Asker, Got, Place, instance, place_over, small, woken
from tests.waiting import eventually

WEB = "/v1/health/service/web"
TARGETS = (WEB, "/v1/catalog/service/web", "/v1/catalog/nodes", "/v1/health/state/any")

FEW = 6
"""Requests for one watched key when servers are back: a fetch of those who read meanwhile, the
watch's fill and its round, and what an unlucky moment repeats.
"""


@dataclass
class Load:
    """Readers of several targets who never stop, and what each of them got in its order."""

    edge: Asker
    targets: tuple[str, ...]
    readers: int = 20
    """Of each target."""
    got: dict[tuple[str, int], list[Got]] = field(default_factory=dict)
    _tasks: "list[asyncio.Task[None]]" = field(default_factory=list)
    _is_over: bool = False

    async def __aenter__(self) -> Self:
        for target in self.targets:
            for number in range(self.readers):
                mine = self.got[target, number] = list[Got]()
                self._tasks.append(asyncio.create_task(self._read(target, mine)))
        return self

    async def __aexit__(self, *details: object) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _read(self, target: str, mine: list[Got]) -> None:
        while not self._is_over:
            mine.append(await self.edge.get(target))
            await asyncio.sleep(0)

    def is_each(self, seconds: int) -> bool:
        """Whether every reader was last told of an age of as many seconds, or more."""
        return all(stale(mine[-1:]) and stale(mine[-1:])[0] >= seconds for mine in self.all())

    def all(self) -> list[list[Got]]:
        """Give each reader's answers."""
        return list(self.got.values())

    def check(self, known: dict[str, bytes]) -> None:
        """Insist that nobody ever got anything but the last good answer, ever older."""
        for (target, _), mine in self.got.items():
            assert {(one.status, one.body) for one in mine} == {(200, known[target])}
            ages = stale(mine)
            assert ages == sorted(ages)
            assert {one.headers["X-Consul-Knownleader"] for one in mine if one.is_stale} <= {
                "false"
            }


def stale(answers: list[Got]) -> list[int]:
    """Give the ages of those that stood in."""
    return [int(one.headers["X-Consul-Edge-Stale"]) for one in answers if one.is_stale]


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Give an edge over a stand-in with live entries for all targets."""
    standin = small()
    settings = {"CACHE__STALE_KV": "config/", "CONSUL__RETRY_DELAY": "50ms"}
    async with standin.running(), place_over(standin, **settings) as place:
        await place.register("web")
        for target in TARGETS:
            await place.until_live(target)
        yield place


async def test_all_servers_fall_under_load_and_every_reader_keeps_its_answer(
    place: Place,
) -> None:
    """No gap, no error, no emptiness: the last good answer, with a growing age; and back."""
    known = {target: (await place.edge.get(target)).body for target in TARGETS}
    async with Load(place.edge, TARGETS) as load:
        await place.standin.refuse()
        await eventually(lambda: load.is_each(3), "everybody told of 3 s", within=30)
        place.standin.seen.clear()
        await place.standin.listen()
        await eventually(
            lambda: all(mine[-1].is_live for mine in load.all()), "everybody live again"
        )
    load.check(known)
    for target in TARGETS:
        asked = place.standin.seen.of("GET", target)
        assert 0 < len(asked) <= FEW, asked


async def test_blocking_queries_hold_through_an_outage(place: Place) -> None:
    """Parked clients, and those who come in the middle, wait for the servers' return."""
    known = await place.edge.get(WEB)
    asked = f"{WEB}?index={known.index}&wait=300s"
    before = place.edge.begin(asked)
    await place.until_parked(WEB)
    await place.standin.refuse()
    await eventually(lambda: place.house.rotation.servers.are_out, "the outage noticed")
    during = place.edge.begin(asked)
    await eventually(lambda: len(place.lines(WEB)[0].waiters) == 2, "both wait")
    # What a write may have changed is asked for, in vain: that is no answer either.
    await place.edge.ask("PUT", "/v1/catalog/deregister", {"Node": "nobody"})
    after = place.edge.begin(asked)
    await eventually(lambda: len(place.lines(WEB)[0].waiters) == 3, "all wait")
    await place.standin.listen()
    await place.until_live(WEB)
    polls = (before, during, after)
    assert not any(poll.done() for poll in polls)
    await place.register("web", port=81)
    await eventually(lambda: all(poll.done() for poll in polls), "all told")
    assert {poll.result().index > known.index for poll in polls} == {True}


async def test_end_of_a_wait_in_an_outage_is_the_last_good_answer(place: Place) -> None:
    """A blocking client whose own wait ends is told what is known, marked as it is."""
    known = await place.edge.get(WEB)
    await place.standin.refuse()
    await eventually(lambda: place.house.rotation.servers.are_out, "the outage noticed")
    got = await place.edge.get(f"{WEB}?index={known.index}&wait=100ms")
    assert (got.status, got.body, got.index) == (200, known.body, known.index)
    assert got.is_stale


async def test_writes_fail_at_once_with_what_each_server_did(place: Place) -> None:
    """500 and a clear text; nothing is queued, and nothing is done later."""
    await place.standin.refuse()
    failed = await place.edge.ask("PUT", "/v1/catalog/register", instance("web", port=81))
    assert failed.status == 500
    assert failed.body.startswith(b"consul-edge: no Consul server answered: ")
    assert b"refused" in failed.body
    assert failed.headers["Content-Type"].startswith("text/plain")
    place.standin.seen.clear()
    await place.standin.listen()
    await place.until_live(WEB)
    assert place.standin.seen.methods["PUT"] == 0


async def test_failed_write_leaves_the_entry_to_stand_in(place: Place) -> None:
    """What was kept before a write that never arrived is still the last good answer."""
    known = await place.edge.get(WEB)
    await place.standin.refuse()
    await place.edge.ask("PUT", "/v1/catalog/register", instance("web", port=81))
    got = await place.edge.get(WEB)
    assert (got.status, got.body, got.is_stale) == (200, known.body, True)


async def test_what_had_no_entry_fails_with_the_text(place: Place) -> None:
    """Never a 200 with nothing in it: a 500 that clients retry."""
    await place.standin.refuse()
    for target in ("/v1/health/service/other", "/v1/catalog/nodes?filter=x", "/v1/kv/a?raw"):
        got = await place.edge.get(target)
        assert (got.status, got.body[:40]) == (500, b"consul-edge: no Consul server answered: ")


async def kept_key(place: Place, key: str) -> Got:
    """Have a blocking query keep *key*, as only those of KV do."""
    await place.consul.put(key, b"1")
    known = await place.edge.get(key)
    place.edge.begin(f"{key}?index={known.index}&wait=300s")
    await place.until_parked(key)
    return known


async def test_key_is_not_served_stale_unless_its_prefix_is(place: Place) -> None:
    """Locks live in KV: plain reads fail though an entry is there; ``stale_kv`` opts in."""
    opted, other = "/v1/kv/config/a", "/v1/kv/lock/a"
    known = await kept_key(place, opted)
    await kept_key(place, other)
    await place.standin.refuse()
    await eventually(lambda: place.house.rotation.servers.are_out, "the outage noticed")
    got = await place.edge.get(opted)
    assert (got.status, got.body, got.is_stale) == (200, known.body, True)
    assert (await place.edge.get(other)).status == 500


async def test_key_is_served_stale_to_who_says_so(place: Place) -> None:
    """``?stale`` is a client's own word that old is good enough."""
    key = "/v1/kv/lock/a"
    known = await kept_key(place, key)
    await place.standin.refuse()
    await eventually(lambda: place.house.rotation.servers.are_out, "the outage noticed")
    got = await place.edge.get(f"{key}?stale")
    assert (got.status, got.body, got.is_stale) == (200, known.body, True)
    assert (await place.edge.get(f"{key}?consistent")).status == 500


async def test_no_bound_is_outlived(place: Place) -> None:
    """``stale-if-error`` and ``max_stale`` of a request are bounds in an outage, too."""
    await place.standin.refuse()

    async def is_older() -> bool:
        got = await place.edge.get(WEB)
        return got.is_stale and int(got.headers["X-Consul-Edge-Stale"]) >= 2

    def look() -> "bool | asyncio.Future[bool]":
        return asyncio.ensure_future(is_older())

    await eventually(look, "an age of 2 s")
    for target, told in (
        (f"{WEB}?cached", {"Cache_Control": "stale-if-error=1,max-age=1"}),
        (f"{WEB}?max_stale=1s", {}),
    ):
        assert (await place.edge.ask("GET", target, **told)).status == 500
    assert (await place.edge.get(f"{WEB}?max_stale=10m")).status == 200


async def test_servers_without_a_leader_hold_reads_and_nothing_is_lost(place: Place) -> None:
    """A stall before the 500s, as of real servers: reads with an entry are answered (case 15)."""
    known = {target: (await place.edge.get(target)).body for target in TARGETS}
    async with Load(place.edge, TARGETS) as load:
        place.standin.faults.depose(hold=0.3, drop_polls=True)
        server = next(iter(place.house.rotation.servers))
        await eventually(lambda: server.tenure is None, "heard of")
        place.standin.faults.elect()
        await eventually(
            lambda: all(mine[-1].is_live for mine in load.all()), "everybody live again"
        )
    load.check(known)


async def test_write_without_a_leader_is_done_once_or_not_at_all(place: Place) -> None:
    """``No cluster leader`` may be asked again; what is done is done once (case 15)."""
    place.standin.faults.depose()
    failed = await place.edge.ask("PUT", "/v1/kv/counted?cas=0", b"1")
    assert (failed.status, failed.body) == (500, b"No cluster leader")
    place.standin.faults.elect()
    # Done twice, the second would say false.
    assert (await place.edge.put("/v1/kv/counted?cas=0", b"1")).body.strip() == b"true"


@pytest.mark.real
@pytest.mark.timeout(150)
async def test_real_cluster_falls_and_comes_back_under_load(
    consul_cluster: ConsulCluster,
) -> None:
    """Three servers killed and started again: readers see it by the age, who waits waits on."""
    async with edge_over(*consul_cluster.addresses, CACHE__TTL="0s") as house:
        direct = Asker(house.client, consul_cluster.leader().http)
        place = Place(house, Asker(house.client, house.base), direct, None)
        await place.register("web")
        targets = (WEB, "/v1/catalog/service/web")
        known = {target: (await place.until_live(target)).body for target in targets}
        index = (await place.edge.get(WEB)).index
        poll = place.edge.begin(f"{WEB}?index={index}&wait=300s")
        await place.until_parked(WEB)
        async with Load(place.edge, targets, readers=3) as load:
            for server in consul_cluster.servers:
                consul_cluster.kill(server)
            await eventually(lambda: load.is_each(3), "everybody told of 3 s", within=60)
            failed = await place.edge.ask("PUT", "/v1/kv/a", b"1")
            assert failed.status == 500
            consul_cluster.launch()
            await eventually(
                lambda: all(mine[-1].is_live for mine in load.all()), "live again", within=60
            )
        load.check(known)
        assert not poll.done()
        await place.consul.put("/v1/catalog/register", instance("web", port=81))
        assert (await woken(poll)).json()[0]["Service"]["Port"] == 81
        await place.edge.close()


@pytest.mark.real
@pytest.mark.timeout(150)
async def test_writes_through_an_election_are_done_once_each(
    consul_cluster: ConsulCluster,
) -> None:
    """The leader is killed under writes: each one that is said to be done was done once (15)."""
    async with edge_over(*consul_cluster.addresses) as house:
        edge = Asker(house.client, house.base)
        answers: dict[str, Got] = {}

        async def write() -> bool:
            key = f"/v1/kv/once/{len(answers)}"
            answers[key] = await edge.ask("PUT", f"{key}?cas=0", b"1")
            done = [one for one in answers.values() if one.status == 200]
            return len(done) >= 20 and answers[key].status == 200

        def look() -> "bool | asyncio.Future[bool]":
            return asyncio.ensure_future(write())

        await eventually(look, "writes done before")
        leader = consul_cluster.leader()
        consul_cluster.kill(leader)
        before = len(answers)
        await eventually(
            lambda: asyncio.ensure_future(write()) if len(answers) < before + 40 else True,
            "writes done after",
            within=60,
        )
        assert {one.body.strip() for one in answers.values() if one.status == 200} == {b"true"}
        for key, answer in answers.items():
            if answer.status == 200:
                assert (await edge.get(f"{key}?raw&consistent")).body == b"1"
