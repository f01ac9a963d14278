"""What it costs to keep a snapshot of the cluster, and what a failure costs."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from consul_edge.core.errors import EdgeError
from consul_edge.enrich.asking import PATIENCE
from consul_edge.enrich.gathering import MEMBERS, NAMES, NODE_CHECKS, NODES
from consul_edge.enrich.instances import SUMMARIES
from consul_edge.enrich.snapshot import Kind, Snapshot
from tests.cache.making import Edge, clock, play, settled, until
from tests.enrich.cluster import HEALTH, Cluster, Keeper
from tests.virtual import elapse

Scene = Callable[[Edge, Cluster, Keeper], Awaitable[None]]


def gathered(
    scene: Scene, *, services: int = 3, nodes: int = 2, limit: int = 100, names: str = "a"
) -> None:
    """Play *scene* over a cluster with an instance of each service at each node."""

    async def main(edge: Edge) -> None:
        cluster = Cluster(edge, [f"n{number}" for number in range(1, nodes + 1)])
        for service in range(services):
            for node in cluster.nodes:
                cluster.put(f"s{service}", node)
        for server in edge.servers:
            # As at an edge that has been up for a moment: its heartbeats know who leads.
            await edge.upstream.rotation.hear(server)
        keeper = Keeper(edge.cache, limit=limit)
        try:
            await scene(edge, cluster, keeper)
        finally:
            await keeper.close()

    play(main, names)


def count(snapshot: Snapshot, service: str) -> int:
    """Count the instances of a service."""
    return len(snapshot.services.get(service, ()))


def test_cold_gathering_asks_once_for_each_name_and_once_for_each_table() -> None:
    """A cold snapshot costs one call for each service name and four more, whatever the nodes."""

    async def scene(_: Edge, cluster: Cluster, keeper: Keeper) -> None:
        snapshot = await keeper.ready()
        assert [len(snapshot.nodes), len(snapshot.services), len(snapshot.members)] == [40, 3, 40]
        assert sorted(cluster.asked()) == sorted(
            [NODES, NAMES, NODE_CHECKS, MEMBERS, *(f"{HEALTH}s{number}" for number in range(3))]
        )

    gathered(scene, nodes=40)


def test_quiet_minute_costs_no_call_but_for_the_members() -> None:
    """While nothing changes nothing is asked, but for the members, which cannot be watched."""

    async def scene(_: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await settled()
        before = len(cluster.asked())
        await elapse(60)
        asked = cluster.asked()[before:]
        assert set(asked) == {MEMBERS}
        assert len(asked) <= 7

    gathered(scene)


def test_changed_service_is_asked_for_alone() -> None:
    """A change shows by what its own watch brought: no other name is asked for again."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 6)
        before = len(cluster.asked(HEALTH)), len(cluster.asked(HEALTH, polls=True))
        cluster.put("s1", "n1", "another")
        await keeper.shows(lambda snapshot: count(snapshot, "s1") == 3, within=1.0)
        assert len(cluster.asked(HEALTH)) == before[0]
        polls = cluster.asked(HEALTH, polls=True)[before[1] :]
        assert {target.partition("?")[0] for target in polls} <= {f"{HEALTH}s1"}

    gathered(scene)


def test_unchanged_parts_are_the_same_objects() -> None:
    """What did not change stays the same object, so that whoever made something of it keeps it."""

    async def scene(_: Edge, cluster: Cluster, keeper: Keeper) -> None:
        before = await keeper.ready()
        cluster.put("s1", "n1", "another")
        await keeper.shows(lambda snapshot: count(snapshot, "s1") == 3)
        assert keeper.now.services["s0"] is before.services["s0"]
        assert keeper.now.nodes is not None
        assert keeper.now.services["s1"] is not before.services["s1"]

    gathered(scene)


def test_new_and_lost_names_come_and_go() -> None:
    """A name that comes is asked for and watched, one that goes is followed no longer."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        cluster.put("new", "n1")
        await keeper.shows(lambda snapshot: count(snapshot, "new") == 1, within=2.0)
        cluster.drop("s0")
        await keeper.shows(lambda snapshot: "s0" not in snapshot.services, within=2.0)
        line = edge.find(f"{HEALTH}s0")
        assert line is None or not line.followers

    gathered(scene)


def test_more_names_than_allowed_are_read_again_when_a_table_moves() -> None:
    """Beyond the allowance names have no watches; a change of Meta alone shows all the same."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 3)
        began = clock()
        cluster.put("s7", "n1", Meta={"only": "meta"})
        await keeper.shows(lambda now: now.services["s7"][-1].service.meta, within=2.0)
        assert clock() - began < 2.0
        assert not cluster.asked(HEALTH, polls=True)
        assert len(edge.cache.watches) == 3

    gathered(scene, services=20, limit=20)


def test_busy_cluster_beyond_the_allowance_is_read_once_an_interval() -> None:
    """Without watches, constant change costs a reading of all names a second at the most."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 3)
        before = len(cluster.asked(HEALTH))
        for number in range(200):
            cluster.put("s7", "n1", Meta={"turn": str(number)})
            await elapse(0.05)
        await settled()
        assert len(cluster.asked(HEALTH)) - before <= 20 * 14

    gathered(scene, services=20, limit=20)


def test_allowance_is_shared_and_given_back() -> None:
    """The second picture for which no watches are left does without, until the first one ends."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        other = Keeper(edge.cache, token="other")
        other.gathering._allowance = keeper.allowance
        await other.ready()
        assert keeper.gathering.is_watching_names
        assert not other.gathering.is_watching_names
        await other.close()
        await keeper.close()
        assert keeper.allowance.resize(0, 8)

    gathered(scene, services=4, limit=16)


@pytest.mark.parametrize("status", [404, 500])
def test_refused_name_puts_its_nodes_in_doubt_and_no_others(status: int) -> None:
    """A name whose call is answered by an error costs the nodes that have it their certainty."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        cluster.put("bad", "n2")
        edge.consul.say(f"{HEALTH}bad", b"it broke", 0, status)
        edge.consul.say(SUMMARIES, b'[{"Name":"bad","Nodes":["n2"]}]', 5)
        snapshot = await keeper.ready()
        assert snapshot.missing["bad"].reason == f"{status} it broke"
        assert set(snapshot.nodes_in_doubt) == {"n2"}
        assert snapshot.nodes_in_doubt["n2"].kind is Kind.HTTP_ERROR
        assert count(snapshot, "s0") == 2

    gathered(scene)


def test_hanging_name_costs_its_patience_and_nothing_else() -> None:
    """A name that nobody answers costs one call's time; all others are there."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        cluster.put("bad", "n2")
        edge.consul.say(SUMMARIES, b'[{"Name":"bad","Nodes":["n2"]}]', 5)
        gate = edge.consul.gate(f"{HEALTH}bad")
        snapshot = await keeper.ready()
        assert clock() < 2.0 * PATIENCE + 0.2
        assert snapshot.missing["bad"].kind is Kind.TIMEOUT
        assert set(snapshot.nodes_in_doubt) == {"n2"}
        gate.open()
        await keeper.shows(lambda now: not now.nodes_in_doubt and count(now, "bad") == 1)

    gathered(scene)


@pytest.mark.parametrize("name", ["http://x", "..", "a//b"])
def test_name_that_cannot_be_asked_about_costs_itself_alone(name: str) -> None:
    """Consul takes names that its own API has no path for: whoever registers one harms nobody."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        cluster.put(name, "n2")
        edge.consul.say(SUMMARIES, msgspec.json.encode([{"Name": name, "Nodes": ["n2"]}]), 5)
        snapshot = await keeper.ready()
        assert "cannot be asked about" in snapshot.missing[name].reason
        assert set(snapshot.nodes_in_doubt) == {"n2"}
        cluster.put("s1", "n1", "another")
        await keeper.shows(lambda now: count(now, "s1") == 3, within=1.0)

    gathered(scene)


def test_names_that_differ_in_case_have_their_own_instances_each() -> None:
    """Consul finds instances by any case of their name; here each counts once."""

    async def scene(_: Edge, cluster: Cluster, keeper: Keeper) -> None:
        cluster.put("web", "n1", "low")
        cluster.put("Web", "n1", "high")
        cluster.say_mixed("web", "Web")
        snapshot = await keeper.ready()
        ids = {
            name: [one.service.id for one in snapshot.services[name]] for name in ("web", "Web")
        }
        assert ids == {"web": ["low"], "Web": ["high"]}

    gathered(scene)


def test_hanging_name_holds_up_no_other_change() -> None:
    """While one name hangs, what changes elsewhere shows as soon as ever."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 6)
        gate = edge.consul.gate(f"{HEALTH}new")
        cluster.put("new", "n2")
        await gate.reached.wait()
        cluster.put("s1", "n1", "another")
        await keeper.shows(lambda now: count(now, "s1") == 3, within=1.0)
        assert keeper.now.missing["new"].reason == "no answer yet"
        gate.open()
        await keeper.shows(lambda now: count(now, "new") == 1, within=1.0)

    gathered(scene)


def test_many_hanging_names_bound_the_first_snapshot() -> None:
    """However many names hang, the first snapshot waits for one call's patience, and tells."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        gates = []
        for number in range(30):
            cluster.put(f"bad{number}", "n2")
            gates.append(edge.consul.gate(f"{HEALTH}bad{number}"))
        snapshot = await keeper.ready()
        assert clock() < 2 * 2.0 * PATIENCE + 0.1
        assert len(snapshot.missing) >= 30
        for gate in gates:
            gate.open()
        await keeper.shows(lambda now: not now.missing)

    gathered(scene)


def test_hanging_members_hold_up_no_change() -> None:
    """The members' call hangs: what changes shows as soon as ever, and that is told."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 6)
        for _ in range(20):
            edge.consul.gate(MEMBERS)
        cluster.nodes.append("n3")
        cluster.put("s1", "n3", "another")
        await keeper.shows(lambda now: count(now, "s1") == 3 and "n3" in now.nodes, within=1.0)

    gathered(scene)


def test_denied_name_is_shown_no_longer() -> None:
    """What a token may not see any more is not shown from before."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 6)
        edge.consul.say(f"{HEALTH}s1", b"Permission denied", 0, 403)
        await keeper.shows(lambda now: "s1" in now.missing, within=60)
        assert "s1" not in keeper.now.services

    gathered(scene)


def test_sweep_under_way_is_not_live() -> None:
    """Without watches for names nothing is called proven while a known change is not read."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: keeper.is_live)
        gate = edge.consul.gate(f"{HEALTH}s7")
        cluster.put("s7", "n1", "another")
        await gate.reached.wait()
        assert not keeper.is_live
        gate.open()
        await until(lambda: keeper.is_live)
        assert count(keeper.now, "s7") == 3

    gathered(scene, services=20, limit=20)


def test_no_watch_left_tables_are_read_by_the_clock() -> None:
    """Without room even for tables nothing is watched, and changes show by reading again."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        assert not len(edge.cache.watches)
        cluster.put("s1", "n1", "another")
        await keeper.shows(lambda now: count(now, "s1") == 3, within=3.0)
        assert not keeper.is_live

    gathered(scene, limit=4)


def test_table_never_learnt_is_told_and_has_no_age() -> None:
    """Where the nodes' checks cannot be read, that is told; the age is that of all the rest."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        edge.consul.say(NODE_CHECKS, b"it broke", 0, 500)
        snapshot = await keeper.ready()
        assert [problem.target for problem in snapshot.problems] == ["/v1/health/state/any"]
        await settled()
        is_live, age = keeper.gathering.proof()
        assert not is_live
        assert age < 3.0

    gathered(scene)


def test_nodes_nobody_can_name_are_all_in_doubt() -> None:
    """Where nothing tells which nodes have what could not be read, no count is vouched for."""

    async def scene(edge: Edge, cluster: Cluster, keeper: Keeper) -> None:
        cluster.put("bad", "n2")
        edge.consul.say(f"{HEALTH}bad", b"", 0, 500)
        edge.consul.say(SUMMARIES, b"", 0, 500)
        snapshot = await keeper.ready()
        assert set(snapshot.nodes_in_doubt) == {"n1", "n2"}

    gathered(scene)


def test_members_denied_are_a_problem_and_no_failure() -> None:
    """Without the members everything else is told, and that they are missing."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        edge.consul.say(MEMBERS, b"Permission denied", 0, 403)
        snapshot = await keeper.ready()
        assert not snapshot.members
        assert [str(problem) for problem in snapshot.problems] == [
            "/v1/agent/members: 403 Permission denied"
        ]
        assert len(snapshot.nodes) == 2

    gathered(scene)


@pytest.mark.parametrize("table", [NODES, NAMES])
def test_denied_tables_are_an_error_and_never_an_empty_cluster(table: str) -> None:
    """A token that may not see is told so, with Consul's own status and words."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        edge.consul.say(table, b"ACL not found", 0, 403)
        with pytest.raises(EdgeError, match="403 ACL not found") as caught:
            await keeper.ready()
        assert caught.value.status == 403

    gathered(scene)


def test_token_revoked_later_ends_the_picture() -> None:
    """What a token may not see any more is not shown from what was gathered."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await until(lambda: edge.consul.parked == 6)
        for target in (NODES, NAMES):
            edge.consul.say(target, b"ACL not found", 0, 403)
        await until(keeper.has_failed, within=60)
        assert isinstance(keeper.error, EdgeError)
        assert "ACL not found" in str(keeper.error)

    gathered(scene)


def test_no_server_at_all_is_an_error_that_names_them() -> None:
    """A cold picture without any server is an error, not an empty cluster."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        edge.consul.refusing.update("a")
        with pytest.raises(EdgeError, match="refused"):
            await keeper.ready()

    gathered(scene)


def test_outage_later_keeps_what_was_known() -> None:
    """When all servers go away the snapshot stays, and is not proven any longer."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        before = await keeper.ready()
        await until(lambda: keeper.is_live)
        edge.consul.refusing.update("a")
        await elapse(30)
        is_live, age = keeper.gathering.proof()
        assert not is_live
        assert age > 20
        assert keeper.now.services == before.services
        edge.consul.refusing.clear()
        await until(lambda: keeper.is_live)

    gathered(scene)


def test_one_in_one_out_shows_within_a_second() -> None:
    """A node that came for another one shows, though their number is the same."""

    async def scene(_: Edge, cluster: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        await settled()
        cluster.nodes[1] = "n3"
        cluster.members = {"n1": 1, "n3": 1}
        cluster.services = {"s0": [one for one in cluster.services["s0"] if one["Node"] == "n1"]}
        cluster.say_all()
        await keeper.shows(
            lambda now: set(now.nodes) == {"n1", "n3"} == set(now.members), within=1.0
        )

    gathered(scene)


def test_calls_at_once_are_bounded() -> None:
    """However many names there are, no more calls go out at once than the semaphore allows."""

    async def scene(edge: Edge, _: Cluster, keeper: Keeper) -> None:
        await keeper.ready()
        slots = edge.upstream.slots[0]
        assert slots.most_short <= 5 + 1

    gathered(scene, services=40, limit=1000)
