"""When an entry stops being live: a silent way, a lost leader, an election (DESIGN.md 4)."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.consul import ConsulCluster
from tests.house import edge_over
from tests.relay import Relay
from tests.situations.place import Asker, Got, Place, instance, place_over, small, woken
from tests.waiting import eventually
from tests.warp import skip, warped

WEB = "/v1/health/service/web"

PROOF_SECONDS = 3
"""How old the proof of a live entry may be."""

ROUND_SECONDS = 30 * 17 / 16 + 7 + 5
"""After which a round of the default wait is given up, heartbeat or not."""


class DeafRelay(Relay):
    """Passes everything but blocking queries, and their answers, once it is told to."""

    def __init__(self, target: str) -> None:
        """Pass all at first."""
        super().__init__(target)
        self.is_deaf = False
        self._polling: set[object] = set()

    async def _pump(self, source: object, sink: object) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, 65536):  # type: ignore[arg-type] # a socket
            if b"index=" in data.partition(b"\r\n")[0]:
                self._polling.add(sink)
            if self.is_deaf and not {source, sink}.isdisjoint(self._polling):
                await asyncio.Event().wait()
            self._polling.discard(source)
            await loop.sock_sendall(sink, data)  # type: ignore[arg-type] # a socket
        raise ConnectionResetError


async def test_black_hole_ends_liveness_within_the_proofs_time() -> None:
    """The way to Consul swallows all, the heartbeat too: old entries are shown as such (28)."""
    standin = small()
    async with standin.running(), Relay(f"127.0.0.1:{standin.port}") as relay:
        async with edge_over(relay.server, CACHE__TTL="0s") as house:
            direct = Asker(house.client, standin.base_url)
            place = Place(house, Asker(house.client, house.base), direct, standin)
            await place.register("web")
            await place.until_live(WEB)
            relay.swallow()
            await place.register("web", port=81)
            answers = await until_not_live(place)
            assert all(int(got.headers["Age"]) <= PROOF_SECONDS for got in answers[:-1])
            assert answers[-1].is_stale
            relay.restore()
            assert (await place.until_live(WEB)).json()[0]["Service"]["Port"] == 81


async def test_heartbeat_that_takes_its_time_proves_nothing_meanwhile() -> None:
    """Silence ends liveness before the server is given up: each proof is of its own time (28)."""
    standin = small()
    async with standin.running(), Relay(f"127.0.0.1:{standin.port}") as relay:
        async with edge_over(relay.server, CACHE__TTL="0s", CONSUL__TIMEOUT="1m") as house:
            direct = Asker(house.client, standin.base_url)
            place = Place(house, Asker(house.client, house.base), direct, standin)
            await place.register("web")
            await place.until_live(WEB)
            server = next(iter(house.rotation.servers))
            relay.swallow()
            ages: list[float] = []

            def is_live() -> bool:
                kept = place.lines(WEB)[0].kept(asyncio.get_running_loop().time())
                assert kept is not None
                if kept.is_live:
                    ages.append(kept.age)
                return kept.is_live

            await eventually(lambda: not is_live(), "the proof too old")
            assert max(ages) <= PROOF_SECONDS
            assert (server.is_out, server.tenure is None) == (False, False)


async def until_not_live(place: Place) -> list[Got]:
    """Read until an answer is not live; give all of them."""
    answers = [await place.edge.get(WEB)]
    async with asyncio.timeout(60):
        while answers[-1].is_live:
            await asyncio.sleep(0)
            answers.append(await place.edge.get(WEB))
    return answers


def test_watch_alone_is_cut_off_and_its_round_is_given_up() -> None:
    """Only the poll's connection is a black hole, the heartbeat is well: the entry is believed
    no longer than Consul could have held the round (case 28).
    """

    async def cut() -> None:
        standin = small()
        async with standin.running(), DeafRelay(f"127.0.0.1:{standin.port}") as relay:
            async with edge_over(relay.server, CACHE__TTL="0s") as house:
                direct = Asker(house.client, standin.base_url)
                place = Place(house, Asker(house.client, house.base), direct, standin)
                await place.register("web")
                await place.until_live(WEB)
                await eventually(lambda: standin.parked == 1, "the round pending")
                relay.is_deaf = True
                await place.register("web", port=81)
                server = next(iter(house.rotation.servers))
                loop = asyncio.get_running_loop()
                began = loop.time()

                def is_well() -> bool:
                    return server.tenure is not None and loop.time() - server.tenure.heard_at < 2

                while (await place.edge.get(WEB)).json()[0]["Service"]["Port"] == 80:
                    assert loop.time() - began < ROUND_SECONDS + 5
                    skip(0.5)
                    # However fast time passes here: the heartbeat keeps pace with it.
                    await eventually(is_well, "the heartbeat heard")

    warped(cut())


async def test_leader_is_lost_and_nothing_is_live_until_there_is_one() -> None:
    """An empty leader ends liveness at once, though the round is pending (section 0)."""
    standin = small()
    async with standin.running(), place_over(standin) as place:
        await place.register("web")
        known = await place.until_live(WEB)
        poll = place.edge.begin(f"{WEB}?index={known.index}&wait=300s")
        await place.until_parked(WEB)
        standin.faults.depose()
        server = next(iter(place.house.rotation.servers))
        await eventually(lambda: server.tenure is None, "the heartbeat heard of it")
        line = place.lines(WEB)[0]
        kept = line.kept(asyncio.get_running_loop().time())
        assert kept is not None
        assert not kept.is_live
        assert not poll.done()
        standin.faults.elect()
        await place.until_live(WEB)
        assert not poll.done(), "the same body under another leader is no news"
        await place.register("web", port=81)
        assert (await woken(poll)).json()[0]["Service"]["Port"] == 81


@pytest.fixture
async def behind_follower(
    consul_cluster: ConsulCluster,
) -> AsyncIterator[tuple[Place, ConsulCluster]]:
    """Give an edge that knows one follower of a real cluster, and a live entry."""
    follower = consul_cluster.followers()[0]
    async with edge_over(follower.server, CACHE__TTL="0s") as house:
        place = Place(
            house,
            Asker(house.client, house.base),
            Asker(house.client, follower.http),
            None,
        )
        await place.register("web")
        await place.until_live(WEB)
        yield place, consul_cluster
        await place.edge.close()


@pytest.mark.real
@pytest.mark.parametrize("fault", ["pause", "kill"])
async def test_leader_falls_while_watches_hang_on_a_follower(
    behind_follower: tuple[Place, ConsulCluster], fault: str
) -> None:
    """
    The follower's pending watch says nothing for half a minute: its heartbeat does (0).

    For as long as the follower itself names the leader that fell nobody can know; from then on
    nothing is live for longer than the proof's time.
    """
    place, cluster = behind_follower
    known = await place.edge.get(WEB)
    poll = place.edge.begin(f"{WEB}?index={known.index}&wait=300s")
    await place.until_parked(WEB)
    leader = cluster.leader()
    server = next(iter(place.house.rotation.servers))
    before = server.tenure
    getattr(cluster, fault)(leader)
    live: list[Got] = []
    named: list[bytes] = []
    disowned_at: list[float] = []

    async def read() -> bool:
        named.append((await place.consul.get("/v1/status/leader")).body)
        if named[-1] != named[0]:
            disowned_at.append(asyncio.get_running_loop().time())
        # Asked in vain it would wait for the election: only what is live answers at once.
        kept = place.lines(WEB)[0].kept(asyncio.get_running_loop().time())
        assert kept is not None
        if kept.is_live:
            live.append(await place.edge.get(WEB))
        return server.tenure is not before

    def look() -> "bool | asyncio.Future[bool]":
        return asyncio.ensure_future(read())

    await eventually(look, "the tenure over", within=60)
    ended_at = asyncio.get_running_loop().time()
    assert ended_at - min(disowned_at, default=ended_at) <= PROOF_SECONDS
    assert all(int(got.headers.get("Age", 0)) <= PROOF_SECONDS for got in live)
    elected = await asyncio.to_thread(
        partial(cluster.wait_for_leader, other_than=leader, within=60)
    )
    assert elected is not leader
    # What the new leader acknowledges is shown: the old round, pending or not, proves nothing.
    direct = Asker(place.house.client, elected.http)
    await direct.put("/v1/catalog/register", instance("web", port=81))
    await eventually(poll.done, "the waiting client told", within=60)
    assert poll.result().json()[0]["Service"]["Port"] == 81
    assert (await place.until_live(WEB)).json()[0]["Service"]["Port"] == 81
