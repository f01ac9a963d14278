from typing import Any

import pytest

from consul_edge.enrich.nodes import node_rows
from consul_edge.enrich.rows import Checks, NodeRow
from consul_edge.enrich.sites import Sites
from consul_edge.enrich.snapshot import Snapshot
from tests.enrich.pictures import (
    FAILURE,
    UNMAPPED,
    check,
    instance,
    member,
    node,
    own,
    serf,
    shot,
    sites,
)


def rows(snapshot: Snapshot, places: Sites | None = None) -> tuple[NodeRow, ...]:
    return node_rows(snapshot, places or Sites(), unmapped=UNMAPPED)


def only(snapshot: Snapshot) -> NodeRow:
    (row,) = rows(snapshot)
    return row


def test_node_has_what_catalog_members_and_sites_say() -> None:
    """Every field of the wire is filled."""
    at = node("n1", "10.0.0.1", meta={"rack": "7"})
    snapshot = shot(
        instance("web", at, serf(), own("warning")),
        members=[member("n1", role="consul")],
        checks=[serf()],
    )

    assert rows(snapshot, sites(("Rio", "10.0.0.1:9090"))) == (
        NodeRow(
            node="n1",
            name="n1",
            addr="10.0.0.1",
            status="alive",
            type="server",
            services_count=1,
            checks=Checks(passing=1, warning=1),
            site="rio",
            site_name="Rio",
            dc="dc1",
            tags={"role": "consul"},
            meta={"rack": "7"},
        ),
    )


@pytest.mark.parametrize(
    ("status", "expected"), [(1, "alive"), (2, "dead"), (3, "dead"), (4, "dead")]
)
def test_member_that_left_or_failed_is_dead(status: int, expected: str) -> None:
    """Only Serf's 1 is alive, whatever the catalog still says."""
    row = only(shot(nodes=[node()], members=[member(status=status)], checks=[serf()]))

    assert row.status == expected


@pytest.mark.parametrize(
    ("role", "expected"), [("consul", "server"), ("node", "client"), ("", "unknown")]
)
def test_role_of_a_member_is_the_type_of_its_node(role: str, expected: str) -> None:
    """Consul's words are the page's."""
    assert only(shot(members=[member(role=role)])).type == expected


def test_member_that_is_not_in_the_catalog_is_a_node() -> None:
    """An agent that has just joined is there, with its own address and datacenter."""
    row = only(shot(members=[member("n1", tags={"role": "node", "dc": "dc2"})]))

    assert (row.name, row.addr, row.status, row.dc) == ("n1", "10.0.0.1", "alive", "dc2")


def test_node_that_is_no_member_is_external() -> None:
    """What was registered by hand has no agent, and nobody knows whether it is alive."""
    row, _ = rows(shot(nodes=[node("a"), node("b")], members=[member("b")]))

    assert (row.name, row.type, row.status) == ("a", "external", "unknown")


def test_node_with_an_agent_that_members_lack_is_not_external() -> None:
    """Members are read every few seconds: a new agent is in the catalog before."""
    row, _ = rows(shot(nodes=[node("a"), node("b")], members=[member("b")], checks=[serf("a")]))

    assert (row.type, row.status) == ("unknown", "alive")


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([serf()], "alive"),
        ([serf(status="critical")], "dead"),
        ([check("critical", "disk")], "unknown"),
        ([], "unknown"),
    ],
)
def test_without_members_the_agents_check_tells_who_is_alive(
    checks: list[Any], expected: str
) -> None:
    """A token that may not read agents still sees what the leader says of them."""
    row = only(shot(nodes=[node()], checks=checks))

    assert (row.status, row.type) == (expected, "unknown")


def test_checks_of_a_node_count_once_for_all_its_instances() -> None:
    """Consul repeats the node's checks with each instance; they stay what they are."""
    snapshot = shot(
        instance("web", None, serf(), own("critical", "web")),
        instance("db", None, serf(), own("odd", "db"), own("warning", "db")),
        checks=[serf(), check("warning", "disk")],
    )

    assert only(snapshot).checks == Checks(passing=1, warning=2, critical=2)


def test_consuls_own_service_is_no_service_of_a_node() -> None:
    """A server that serves nobody else has none."""
    assert only(shot(instance("consul"), instance("web"))).services_count == 1
    assert only(shot(nodes=[node()])).services_count == 0


def test_node_in_doubt_says_why_and_counts_what_is_known() -> None:
    """A count that is too small is never told as if it were right."""
    first, second = rows(
        shot(
            instance("web", node("a")),
            instance("web", node("b")),
            nodes_in_doubt={"a": FAILURE},
        )
    )

    assert (first.services_status, first.services_count) == ("error", 1)
    assert first.services_error == "/v1/health/service/web: no answer within 2.8 s"
    assert (second.services_status, second.services_error) == ("ok", None)


def test_nodes_of_sites_come_first_in_the_documents_order() -> None:
    """The page calls the first of them master; the others are sorted as people count."""
    nodes = [
        *(node(f"n{number}", f"10.0.1.{number}") for number in (10, 9, 1)),
        node("z", "10.0.0.1"),
        node("y", "10.0.0.2"),
    ]

    found = rows(shot(nodes=nodes), sites(("Rio", "10.0.0.2"), ("Dtc", "10.0.0.1")))

    assert [row.name for row in found] == ["y", "z", "n1", "n9", "n10"]


def test_site_whose_address_no_node_has_is_a_row() -> None:
    """Somebody expects a node there."""
    first, second = rows(shot(nodes=[node()]), sites(("Rio", "10.9.9.9"), ("Dtc", "10.0.0.1")))

    assert first == NodeRow(node="Rio", name="Rio", addr="10.9.9.9", site="rio", site_name="Rio")
    assert (second.name, second.site) == ("n1", "dtc")


def test_site_without_an_address_is_no_row() -> None:
    """No node can be there."""
    assert rows(shot(), sites({"code": "rio"})) == ()


def test_nodes_with_one_address_are_both_at_its_site() -> None:
    """Two agents on a machine are two nodes, in the order of their names, whoever came first."""
    nodes = [node("b", "10.0.0.1"), node("a", "10.0.0.1"), node("c", "10.0.0.2")]
    places = sites(("Rio", "10.0.0.1"))

    found = [
        [(row.name, row.site) for row in rows(shot(nodes=order), places)]
        for order in (nodes, nodes[::-1])
    ]

    assert found[0] == found[1] == [("a", "rio"), ("b", "rio"), ("c", "")]


@pytest.mark.parametrize(
    ("address", "of_site"),
    [("fe80::0:1", "[fe80::1]:9090"), ("::ffff:10.0.0.1", "::ffff:10.0.0.1"), ("RIO.x", "rio.X.")],
)
def test_addresses_written_in_two_ways_are_one(address: str, of_site: str) -> None:
    """A node is at its site whatever the spelling; it keeps the address that it has."""
    (row,) = rows(shot(nodes=[node("n1", address)]), sites(("Rio", of_site)))

    assert (row.site, row.addr) == ("rio", address)


@pytest.mark.parametrize("address", ["", "no address", "1:2:3:x", "\x00", "a" * 300])
def test_node_whose_address_is_none_is_at_no_site(address: str) -> None:
    """Whatever somebody registered, the row is there, behind those of the sites."""
    found = rows(shot(nodes=[node("Ação/ @1", address)]), sites(("Rio", "10.0.0.1")))

    assert [(row.name, row.site_name) for row in found] == [
        *(("Rio", "Rio"), ("Ação/ @1", UNMAPPED))
    ]
