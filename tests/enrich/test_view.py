from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from consul_edge.enrich import nodes, services, workings
from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.nodes import Seat
from consul_edge.enrich.places import SiteRow
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.rules import Rules
from consul_edge.enrich.services import Map
from consul_edge.enrich.shapes import HealthShape
from consul_edge.enrich.sites import Sites
from consul_edge.enrich.snapshot import Snapshot
from consul_edge.enrich.view import View
from tests.enrich.documents import rule, rules_of
from tests.enrich.pictures import (
    FAILURE,
    RULES,
    Scene,
    Step,
    drawn_steps,
    instance,
    member,
    node,
    own,
    serf,
    sharing,
    shot,
    sites,
    view_of,
)

INDEXES = ("services_index", "nodes_index", "sites_index", "rules_index")


def small() -> Snapshot:
    """Make a snapshot that is another object each time."""
    return shot(
        instance("db", node("n2", "10.0.0.2")),
        instance("web", None, serf(), own("passing")),
        members=[member("n1"), member("n2")],
    )


BEFORE = small()


def told(view: View) -> dict[str, object]:
    """Give what clients can see, by the index that stands for it."""
    snapshot = view.snapshot
    return {
        "services_index": (
            *(list(view.services.rows), snapshot.problems),
            *(snapshot.stale, snapshot.missing),
        ),
        "nodes_index": (list(view.nodes.rows), snapshot.problems),
        "sites_index": (view.site_rows, view.sites),
        "rules_index": view.rules,
    }


def moved(before: View, after: View) -> set[str]:
    """Name the indexes that are others, all of which must be the newest."""
    found = {name for name in INDEXES if getattr(before, name) != getattr(after, name)}
    assert all(getattr(after, name) == after.index for name in found)
    assert after.index > before.index if found else after.index == before.index
    return found


def followed(after: Snapshot, places: Sites | None = None, rules: Rules = RULES) -> set[str]:
    """Name the indexes that *after* moves."""
    scene = Scene()
    before = scene.view(None, BEFORE)
    return moved(before, scene.view(before, sharing(BEFORE, after), places, rules))


@given(drawn_steps)
def test_view_made_of_the_one_before_is_as_if_made_anew(
    steps: list[Step],
) -> None:
    """Whatever changes, and whether Consul was read again or not, nothing is left over."""
    scene, view = Scene(), None
    for snapshot, places, rules, is_read_again in steps:
        if view is not None and not is_read_again:
            snapshot = sharing(view.snapshot, snapshot)
        view = scene.view(view, snapshot, places, rules)
        anew = Scene().view(None, snapshot, places, rules)

        assert told(view) == told(anew)
        assert view.snapshot is snapshot
        assert view.workings.tallies == anew.workings.tallies


@given(drawn_steps)
def test_index_moves_just_when_what_it_stands_for_does(
    steps: list[Step],
) -> None:
    """Nobody is woken for nothing, and nobody sleeps through a change."""
    scene = Scene()
    view = scene.view(None, *steps[0][:3])
    for snapshot, places, rules, is_read_again in steps[1:]:
        if not is_read_again:
            snapshot = sharing(view.snapshot, snapshot)
        before, view = view, scene.view(view, snapshot, places, rules)

        old, new = told(before), told(view)
        assert moved(before, view) == {name for name in INDEXES if old[name] != new[name]}


def test_first_view_has_one_number_for_everything() -> None:
    """The counter is asked once."""
    view = view_of(instance())

    assert {view.index, *(getattr(view, name) for name in INDEXES)} == {1}


def test_change_of_one_instance_moves_services_and_their_node() -> None:
    """Sites and rules are what they were."""
    after = shot(
        instance("db", node("n2", "10.0.0.2")),
        instance("web", None, serf(), own("critical")),
        members=[member("n1"), member("n2")],
    )

    assert followed(after) == {"services_index", "nodes_index"}


def test_change_of_meta_alone_moves_services_only() -> None:
    """Nodes do not show it."""
    after = shot(
        instance("db", node("n2", "10.0.0.2"), meta={"os": "linux"}),
        instance("web", None, serf(), own("passing")),
        members=[member("n1"), member("n2")],
    )

    assert followed(after) == {"services_index"}


def test_member_that_fails_moves_nodes_only() -> None:
    """Its services are critical when Consul says so."""
    after = replace(BEFORE, members={**BEFORE.members, "n2": member("n2", 4)})

    assert followed(after) == {"nodes_index"}


def test_one_node_in_and_one_out_moves_the_nodes() -> None:
    """Their number is the same; the original did not notice."""
    after = replace(BEFORE, members={"n1": member("n1"), "n3": member("n3")})

    assert followed(after) == {"nodes_index"}


def test_member_that_joins_is_a_node_before_the_catalog_has_it() -> None:
    """The catalog is what it was."""
    scene = Scene()
    before = scene.view(None, BEFORE)

    after = scene.view(before, replace(BEFORE, members={**BEFORE.members, "n3": member("n3")}))

    assert [row.name for row in after.nodes.rows] == ["n1", "n2", "n3"]


def test_members_that_cannot_be_read_any_more_leave_no_node_external() -> None:
    """Who is no member is external only where members are known."""
    scene = Scene()
    snapshot = shot(nodes=[node("a"), node("b")], members=[member("b")])
    before = scene.view(None, snapshot)

    after = scene.view(before, replace(snapshot, members={}))

    assert [view.nodes.rows[0].type for view in (before, after)] == ["external", "unknown"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stale": {"web": FAILURE}}, {"services_index"}),
        ({"missing": {"api": FAILURE}}, {"services_index"}),
        ({"problems": (FAILURE,)}, {"services_index", "nodes_index"}),
        ({"nodes_in_doubt": {"n1": FAILURE}}, {"nodes_index"}),
    ],
)
def test_what_cannot_be_learnt_any_more_moves_an_index(
    fields: dict[str, Any], expected: set[str]
) -> None:
    """A client that has it all must not be told that nothing changed."""
    assert followed(replace(BEFORE, **fields)) == expected


def test_edit_of_the_sites_moves_all_that_shows_them() -> None:
    """Rows, nodes and the sites themselves; a vacant site is seen by nodes alone."""
    assert followed(BEFORE, sites(("Rio", "10.0.0.1"))) == {
        *("services_index", "nodes_index", "sites_index")
    }
    assert followed(BEFORE, sites(("Rio", "10.9.9.9"))) == {"nodes_index", "sites_index"}


def test_problem_of_the_sites_document_moves_the_sites() -> None:
    """It is told beside them."""
    scene = Scene()
    before = scene.view(None, BEFORE, sites({"code": "rio"}))

    after = scene.view(before, BEFORE, sites({"code": "rio"}, {"no": "code"}))

    assert moved(before, after) == {"sites_index"}


def test_edit_of_a_rule_moves_services_that_it_decides() -> None:
    """A rule for what nobody runs moves the rules only."""
    assert followed(BEFORE, rules=rules_of(rule("db", "^db"))) == {"services_index", "rules_index"}
    kept = [
        rule("ping", "^icmp", module="^icmp$", path="/probe"),
        rule("web", "^web", category="other"),
    ]
    assert followed(BEFORE, rules=rules_of(*kept, rule("x", "^nobody"))) == {"rules_index"}


def test_equal_answers_read_again_change_nothing() -> None:
    """All objects are others, all values are the same: tables stay with what they worked out."""
    scene = Scene()
    places = sites(("Rio", "10.0.0.1"))
    before = scene.view(None, BEFORE, places)
    again = small()

    after = scene.view(before, again, sites(("Rio", "10.0.0.1")), rules=replace(RULES))

    assert moved(before, after) == set()
    assert after.snapshot is again
    assert after.services is before.services
    assert after.nodes is before.nodes
    parts, parts_before = after.workings.parts, before.workings.parts
    assert all(parts[name].rows is parts_before[name].rows for name in parts)


def test_change_of_one_name_makes_only_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of other names, and of nodes without it, are the same objects."""
    scene = Scene()
    before = scene.view(None, BEFORE)
    made: list[str] = []

    def rows_on(
        places: Map, given: tuple[HealthShape, ...], by: Categorizer
    ) -> tuple[ServiceRow, ...]:
        made.append(given[0].service.name)
        return services.rows_on(places, given, by)

    def node_row(seat: Seat, *rest: Any) -> NodeRow:
        made.append(seat.name)
        return nodes.node_row(seat, *rest)

    monkeypatch.setattr(workings, "rows_on", rows_on)
    monkeypatch.setattr(workings, "node_row", node_row)

    after = shot(
        instance("db", node("n2", "10.0.0.2")),
        instance("web", None, own("critical")),
        members=[member("n1"), member("n2")],
    )
    scene.view(before, sharing(BEFORE, after))

    assert made == ["web", "n1"]


def test_nodes_that_come_and_go_leave_no_tally_behind() -> None:
    """A cluster of short-lived machines does not grow for ever."""
    scene = Scene()
    view = scene.view(None, BEFORE)
    for number in range(5):
        view = scene.view(view, shot(instance("web", node(f"spot-{number}"))))

    assert view.workings.tallies == {"spot-4": (1, 0, 0, 0)}


def test_services_do_not_show_consuls_own() -> None:
    """The original listed all but that."""
    view = view_of(instance("consul"), instance("web"))

    assert [row.service for row in view.services.rows] == ["web"]


def test_sites_count_what_is_at_their_address() -> None:
    """Each row of the document has its own nodes; where no node is, there is nothing."""
    view = view_of(
        instance("web", node("n1", "10.0.0.1")),
        instance("web", node("n2", "10.0.0.1"), id="b"),
        instance("consul", node("n3", "10.0.0.2")),
        places=sites(("Rio", "10.0.0.1"), ("Dtc", "10.0.0.2"), ("Off", "10.9.9.9")),
    )

    found = {row.code: (row.nodes, row.services) for row in view.site_rows}

    assert found == {"rio": (2, 2), "dtc": (1, 0), "off": (0, 0)}


def test_twin_rows_of_a_sites_document_do_not_count_twice() -> None:
    """Of two rows that are the same in all, the first has the address."""
    twin = {"code": "rio", "prometheus_instance": "10.0.0.1"}

    view = view_of(instance(), places=sites(twin, twin))

    assert [row.nodes for row in view.site_rows] == [1, 0]


def test_site_row_has_the_fields_of_the_document() -> None:
    """They are the original's."""
    (row,) = view_of(
        places=sites(
            {
                "code": "rio",
                "name": "Rio",
                "is_default": True,
                "color": "#fff",
                "cluster": "c",
                "datacenter": "d",
                "environment": "e",
                "site": "s",
                "prometheus_instance": "10.0.0.1:9090",
                "prometheus_host": "h",
                "prometheus_port": 9090,
                "ssh_port": "22",
            }
        )
    ).site_rows

    assert row == SiteRow(
        code="rio",
        name="Rio",
        is_default=True,
        color="#fff",
        cluster="c",
        datacenter="d",
        environment="e",
        site="s",
        prometheus_instance="10.0.0.1:9090",
        prometheus_host="h",
        prometheus_port=9090,
        ssh_port=22,
        nodes=0,
        services=0,
    )
