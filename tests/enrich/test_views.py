"""What each identity sees: cold, warm, after changes, in an outage; and how many there may be."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from prometheus_client import Gauge
from structlog.testing import capture_logs

from consul_edge import metrics
from consul_edge.config import load
from consul_edge.core.errors import EdgeError, LimitReached
from consul_edge.enrich import scene as scene_module
from consul_edge.enrich import views as views_module
from consul_edge.enrich.gathering import MEMBERS, NAMES, NODE_CHECKS, NODES, Gathering
from consul_edge.enrich.instances import SUMMARIES
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.snapshot import Snapshot
from consul_edge.enrich.standing import State
from consul_edge.enrich.view import View, compose
from consul_edge.enrich.views import Views
from tests.cache.making import Edge, clock, play, settled, until
from tests.enrich.cluster import HEALTH, Cluster
from tests.virtual import elapse

SITES = "/v1/kv/skills/eye/metadata/sites?raw"
RULES = "/v1/kv/skills/eye/monitoring-types/categorization/rules?raw"

Scene = Callable[[Edge, Cluster, Views], Awaitable[None]]


def seen(scene: Scene, names: str = "a", *, poll_limit: int = 110, **env: str) -> None:
    """Play *scene* over a cluster of two nodes and three services, one of them at a site."""

    async def main(edge: Edge) -> None:
        cluster = Cluster(edge)
        for service in range(3):
            for node in cluster.nodes:
                cluster.put(f"s{service}", node)
        told = {"sites": [{"code": "rio", "name": "Rio", "prometheus_instance": "10.0.0.1"}]}
        edge.consul.say(SITES, msgspec.json.encode(told), 3)
        settings = load(
            file=None,
            env={f"CONSUL_EDGE_{name}": value for name, value in env.items()},
            flags={},
        ).settings
        own = edge.upstream.credentials
        sites = SiteSource(settings, edge.cache, lambda: own.own)
        rules = RuleSource(settings, edge.cache, lambda: own.own)
        views = Views(edge.cache, edge.upstream, settings, sites, rules)
        await sites.start()
        await rules.start()
        try:
            await scene(edge, cluster, views)
        finally:
            await views.close()
            await sites.close()
            await rules.close()

    play(main, names, poll_limit=poll_limit)


def value_of(gauge: Gauge) -> float:
    """Read a gauge as a scrape does."""
    return next(sample.value for family in gauge.collect() for sample in family.samples)


def counts(view: View) -> dict[str, int]:
    """Give the number of services by node."""
    return {node.node: node.services_count for node in view.nodes.rows}


def test_cold_view_has_counts_and_sites() -> None:
    """The first answer is whole: every node with its services and its site."""

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        view = await views.view("")
        assert counts(view) == {"n1": 3, "n2": 3}
        assert [node.site_name for node in view.nodes.rows] == ["Rio", "Nao mapeado"]
        assert len(view.services.rows) == 6

    seen(scene)


def test_first_server_hangs_and_the_cold_view_is_whole_within_three_seconds() -> None:
    """A leader that hangs, asked first, costs one time-out; counts and sites are there."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        edge.consul.silent.add("a")
        began = clock()
        view = await views.view("")
        assert clock() - began < 3.0
        assert counts(view) == {"n1": 3, "n2": 3}
        assert view.nodes.rows[0].site_name == "Rio"
        assert not view.snapshot.problems

    seen(scene, "abc")


def test_election_is_waited_out_by_the_first_view() -> None:
    """A leader that hangs, and no other one for a while: the first view waits for the next."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        edge.consul.silent.add("a")
        for server in ("b", "c"):
            for target in (NODES, NAMES, SITES, NODE_CHECKS, MEMBERS):
                edge.consul.say(target, b"No cluster leader", 0, 500, server=server)
        reading = asyncio.create_task(views.view(""))
        await elapse(4)
        edge.consul.unsay("b", "c")
        view = await reading
        assert counts(view) == {"n1": 3, "n2": 3}
        assert view.nodes.rows[0].site_name == "Rio"

    seen(scene, "abc")


def test_simultaneous_readers_cost_one_gathering() -> None:
    """However many ask for the first view at once, Consul is asked once."""

    async def scene(_: Edge, cluster: Cluster, views: Views) -> None:
        found = await asyncio.gather(*(views.view("") for _ in range(50)))
        assert len(cluster.asked(f"{HEALTH}s0")) == 1
        assert all(one is found[0] for one in found)

    seen(scene)


def test_change_wakes_who_waits_for_another_index() -> None:
    """A blocking read is answered by the next change, with another index."""

    async def scene(_: Edge, cluster: Cluster, views: Views) -> None:
        view = await views.view("")
        await settled()
        view = await views.view("")
        waiting = asyncio.create_task(views.other_than("", view.index, 60.0))
        await elapse(5)
        assert not waiting.done()
        cluster.put("s1", "n1", "another")
        changed_at = clock()
        other = await waiting
        assert clock() - changed_at < 1.0
        assert other.index != view.index
        assert counts(other) == {"n1": 4, "n2": 3}

    seen(scene)


def test_nothing_changes_and_who_waits_gets_the_same_at_the_end() -> None:
    """A blocking read without news ends after its wait, with the index that it came with."""

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        await views.view("")
        await settled()
        view = await views.view("")
        began = clock()
        assert (await views.other_than("", view.index, 30.0)).index == view.index
        assert clock() - began == pytest.approx(30.0)

    seen(scene)


def test_unknown_index_is_answered_at_once() -> None:
    """Any other index, lower or higher, is of another time or edge: there is no waiting."""

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        view = await views.view("")
        for index in (1, view.index + 1_000_000):
            began = clock()
            await views.other_than("", index, 60.0)
            assert clock() - began < 0.5

    seen(scene)


def test_rule_edit_shows_within_a_second() -> None:
    """A rule written to KV decides about the rows within a second, without anybody's doing."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        await views.view("")
        await settled()
        rule = {
            "id": "mine",
            "priority": 90,
            "category": "mine",
            "display_name": "Mine",
            "exporter_type": "mine",
            "conditions": {"job_name_pattern": "^s1$"},
        }
        edge.consul.say(RULES, msgspec.json.encode({"rules": [rule]}), 9)
        await elapse(1.0)
        view = await views.view("")
        assert {row.service for row in view.services.rows if row.category == "mine"} == {"s1"}

    seen(scene)


def test_two_tokens_have_two_views() -> None:
    """Each token's view is asked for in its own name, and shows what Consul gave to it."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        await views.view("one")
        await views.view("two")
        asked = edge.consul.of(NODES, polls=False)
        tokens = {dict(one.headers).get("X-Consul-Token") for one in asked}
        assert tokens == {"one", "two"}

    seen(scene)


def test_denied_token_gets_the_denial_and_nothing_is_kept_of_it() -> None:
    """A token that Consul refuses is told so each time, and has no scene of its own."""

    async def scene(edge: Edge, __: Cluster, views: Views) -> None:
        for table in (NODES, NAMES):
            edge.consul.say(table, b"ACL not found", 0, 403)
        for _ in range(2):
            with pytest.raises(EdgeError, match="ACL not found") as caught:
                await views.view("bad")
            assert caught.value.status == 403
        assert all(not line.followers or line.key.identity == "" for line in edge.cache.lines)

    seen(scene)


def test_right_is_revoked_and_the_view_is_taken_away() -> None:
    """When Consul does not know a token any more, its view is not shown any more either."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        await views.view("some")
        await settled()
        for table in (NODES, NAMES):
            edge.consul.say(table, b"ACL not found", 0, 403)
        await elapse(40)
        with pytest.raises(EdgeError, match="ACL not found"):
            await views.view("some")

    seen(scene)


def test_standing_is_live_and_stale_in_an_outage_and_live_again() -> None:
    """A view says that it is proven, then how old it is, then that it is proven again."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        await views.view("")
        await until(lambda: views.standing("").state is State.LIVE)
        assert views.standing("").age < 3.0
        edge.consul.refusing.update("a")
        await until(lambda: views.standing("").state is State.STALE, within=60)
        await elapse(20)
        assert views.standing("").age > 15
        assert counts(await views.view("")) == {"n1": 3, "n2": 3}
        edge.consul.refusing.clear()
        await until(lambda: views.standing("").state is State.LIVE)

    seen(scene)


def test_too_many_tokens_put_out_the_one_that_nobody_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the bound, the view that was read longest ago makes room; one waited for does not."""
    monkeypatch.setattr(views_module, "MOST", 2)

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        waited = await views.view("one")
        await settled()
        waited = await views.view("one")
        waiting = asyncio.create_task(views.other_than("one", waited.index, 60.0))
        await settled()
        before = await views.view("two")
        await views.view("three")
        assert not waiting.done()
        assert (await views.view("two")) is not before
        second = asyncio.create_task(
            views.other_than("two", (await views.view("two")).index, 60.0)
        )
        await settled()
        with pytest.raises(LimitReached, match="2 tokens"):
            await views.view("three")
        views.drain()
        await asyncio.gather(waiting, second)

    seen(scene)


def test_view_nobody_reads_ends_and_its_watches_with_it() -> None:
    """After as long as a watch may go unread, an unread view follows nothing any more."""

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        await views.view("some")
        await until(lambda: edge.find(NODES, token="some").is_watched)  # type: ignore[union-attr] # it is there
        await elapse(700)
        assert not any(line.followers for line in edge.cache.lines if line.key.identity)

    seen(scene)


def test_quiet_view_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens a view is looked at every ten seconds, and not more often."""
    made: list[float] = []
    catch_up = Gathering.catch_up

    async def counted(gathering: Gathering) -> Snapshot:
        made.append(clock())
        return await catch_up(gathering)

    monkeypatch.setattr(Gathering, "catch_up", counted)

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        await views.view("")
        await elapse(5)
        before = len(made)
        await elapse(60)
        assert 5 <= len(made) - before <= 14

    seen(scene)


def test_flush_is_waited_for_and_ends_nobody_s_wait() -> None:
    """Who reads after a flush gets what was asked for after it; who waits goes on waiting."""

    async def scene(edge: Edge, cluster: Cluster, views: Views) -> None:
        await views.view("")
        await settled()
        view = await views.view("")
        waiting = asyncio.create_task(views.other_than("", view.index, 60.0))
        await settled()
        gate = edge.consul.gate(NODES)
        views.ask_again()
        reading = asyncio.create_task(views.view(""))
        await gate.reached.wait()
        await settled()
        assert not reading.done()
        gate.open()
        await reading
        assert len(cluster.asked(f"{HEALTH}s0")) == 2
        await elapse(5)
        assert not waiting.done()
        waiting.cancel()

    seen(scene)


def test_flush_asks_for_everything_anew() -> None:
    """After a flush the same view is asked for again, though nothing told a change."""

    async def scene(edge: Edge, cluster: Cluster, views: Views) -> None:
        await views.view("")
        await settled()
        before = len(cluster.asked())
        assert views.ask_again() == 1
        await settled()
        asked = set(cluster.asked()[before:])
        assert {NODES, NAMES, f"{HEALTH}s0", f"{HEALTH}s1", f"{HEALTH}s2"} <= asked

    seen(scene)


def test_drain_answers_who_waits() -> None:
    """When the edge shuts down, blocking reads are answered with what there is."""

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        await views.view("")
        await settled()
        view = await views.view("")
        waiting = asyncio.create_task(views.other_than("", view.index, 60.0))
        await settled()
        views.drain()
        began = clock()
        assert (await waiting).index == view.index
        assert clock() - began < 0.5

    seen(scene)


def test_refused_token_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many made-up tokens Consul refuses, the views of others stay."""
    monkeypatch.setattr(views_module, "MOST", 2)

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        before = await views.view("good")
        await settled()
        for table in (NODES, NAMES):
            edge.consul.say(table, b"ACL not found", 0, 403)
        for number in range(10):
            with pytest.raises(EdgeError, match="ACL not found"):
                await views.view(f"made-up-{number}")
        assert len(views) == 1
        assert (await views.view("good")).workings is not None
        assert counts(before) == {"n1": 3, "n2": 3}

    seen(scene)


def test_client_that_waits_for_most_loses_one_to_a_newcomer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who holds all places with tokens of his own cannot keep others out."""
    monkeypatch.setattr(views_module, "MOST", 5)

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        held = []
        for number in range(5):
            token = f"held-{number}"
            await views.view(token, "10.9.9.9")
            await settled()
            index = (await views.view(token, "10.9.9.9")).index
            poll = views.other_than(token, index, 600.0, "10.9.9.9")
            held.append(asyncio.create_task(poll))
        await settled()
        assert counts(await views.view("newcomer", "10.1.1.1")) == {"n1": 3, "n2": 3}
        await settled()
        assert [task.done() for task in held] == [True, False, False, False, False]
        assert counts(held[0].result()) == {"n1": 3, "n2": 3}
        views.drain()
        await asyncio.gather(*held)

    seen(scene)


def test_view_that_cannot_be_made_is_an_error_for_who_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A defect of the edge's own is told at once, rather than waited for without end."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    async def scene(_: Edge, __: Cluster, views: Views) -> None:
        monkeypatch.setattr(scene_module, "compose", broken)
        with pytest.raises(EdgeError, match="internal error"):
            await views.view("")

    with capture_logs() as logs:
        seen(scene)
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["view cannot be made"]


def test_view_that_cannot_be_renewed_is_called_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect later leaves what was seen, and says that it is not to be relied on."""
    tries: list[float] = []

    def broken(*_: object, **__: object) -> None:
        tries.append(clock())
        raise RuntimeError("a defect")

    async def scene(_: Edge, cluster: Cluster, views: Views) -> None:
        await views.view("")
        await until(lambda: views.standing("").state is State.LIVE)
        monkeypatch.setattr(scene_module, "compose", broken)
        cluster.put("s1", "n1", "another")
        await elapse(60)
        assert views.standing("").state is State.STALE
        assert counts(await views.view("")) == {"n1": 3, "n2": 3}
        assert len(tries) < 12
        monkeypatch.setattr(scene_module, "compose", compose)
        await until(lambda: views.standing("").state is State.LIVE, within=60)
        assert counts(await views.view("")) == {"n1": 4, "n2": 3}

    with capture_logs():
        seen(scene)


def test_gauges_tell_of_the_identity_that_is_worst_off() -> None:
    """Nodes in error are told whoever sees them, also where every client has a token."""

    async def scene(edge: Edge, cluster: Cluster, views: Views) -> None:
        cluster.put("bad", "n2")
        edge.consul.say(f"{HEALTH}bad", b"it broke", 0, 500)
        edge.consul.say(SUMMARIES, b'[{"Name":"bad","Nodes":["n2"]}]', 5)
        await views.view("alice")
        assert [value_of(metrics.NODES), value_of(metrics.NODES_IN_ERROR)] == [2, 1]

    seen(scene)


def test_watches_of_an_ended_view_count_until_they_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many tokens come and go, their watches together stay within half of all."""
    monkeypatch.setattr(views_module, "MOST", 2)

    async def scene(edge: Edge, _: Cluster, views: Views) -> None:
        for number in range(12):
            await views.view(f"token-{number}")
            await settled()
            assert len(edge.cache.watches) <= 20 + 1

    seen(scene, poll_limit=40)
