import pytest

from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.services import service_rows, worst
from consul_edge.enrich.shapes import HealthShape
from consul_edge.enrich.sites import Sites
from tests.enrich.pictures import RULES, UNMAPPED, check, instance, node, own, serf, sites


def rows(*instances: HealthShape, places: Sites | None = None) -> tuple[ServiceRow, ...]:
    return service_rows(instances, places or Sites(), Categorizer(RULES), unmapped=UNMAPPED)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "passing"),
        (["passing", "passing"], "passing"),
        (["warning", "passing"], "warning"),
        (["passing", "warning", "critical"], "critical"),
        (["warning", "odd"], "critical"),
        ([""], "critical"),
    ],
)
def test_status_of_an_instance_is_its_worst_check(statuses: list[str], expected: str) -> None:
    """No check is good, and what nobody knows is bad."""
    assert worst(tuple(map(check, statuses))) == expected


def test_instance_on_a_failing_node_fails() -> None:
    """A node's own check is one of its instances', too."""
    (row,) = rows(instance("web", None, serf(status="critical"), own("passing")))

    assert row.status == "critical"


def test_row_has_what_consul_and_the_rules_say() -> None:
    """Every field of the wire is filled from the instance, its node, its site and its rule."""
    one = instance(
        "icmp",
        node("n1", "10.0.0.1"),
        own("warning"),
        id="icmp/Ação/x@y z",
        tags=("a", "b"),
        meta={"module": "icmp"},
        port=9115,
        address="10.9.9.9",
    )

    assert rows(one, places=sites(("Rio", "10.0.0.1"))) == (
        ServiceRow(
            id="icmp/Ação/x@y z",
            service="icmp",
            tags=("a", "b"),
            meta={"module": "icmp"},
            port=9115,
            address="10.9.9.9",
            node="n1",
            node_address="10.0.0.1",
            status="warning",
            site_code="rio",
            site_name="Rio",
            category="some",
            display_name="Ping",
            exporter_type="blackbox",
            matched_rule="ping",
            dc="dc1",
        ),
    )


def test_instance_without_anything_has_blank_fields() -> None:
    """What Go writes as null is none, its own address stays blank, and it is at no site."""
    one = instance("x_y", node("n1", "", datacenter=None), tags=None, meta=None)
    one = HealthShape(one.node, one.service, None)

    assert rows(one) == (
        ServiceRow(
            id="x_y",
            service="x_y",
            node="n1",
            status="passing",
            site_name=UNMAPPED,
            category="other",
            display_name="X Y",
            exporter_type="custom",
        ),
    )


def test_address_of_a_service_does_not_move_it_to_a_site() -> None:
    """A probe of another site's machine is at the site that probes."""
    (row,) = rows(
        instance("web", node("n1", "10.0.0.1"), address="10.0.0.2"),
        places=sites(("Rio", "10.0.0.1"), ("Dtc", "10.0.0.2")),
    )

    assert row.site_code == "rio"


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"module": "icmp"}, "ping"),
        ({"module": "icmp", "metrics_path": "/metrics"}, None),
        ({"metrics_path": "/probe"}, None),
    ],
)
def test_meta_of_the_exporter_decides_the_category(
    meta: dict[str, str], expected: str | None
) -> None:
    """The module of Meta, and its metrics_path, are asked as the rules say."""
    (row,) = rows(instance("any", None, meta=meta))

    assert row.matched_rule == expected


def test_rows_of_a_name_are_ordered_by_node_and_id() -> None:
    """The order is the natural one, not that of who answered first."""
    given = [("n10", "a"), ("n2", "web10"), ("n2", "web9"), ("N1", "b")]

    found = rows(*(instance("web", node(name), id=one) for name, one in given))

    assert [(row.node, row.id) for row in found] == [
        *(("N1", "b"), ("n2", "web9"), ("n2", "web10"), ("n10", "a"))
    ]


def test_large_meta_value_is_passed_on_whole() -> None:
    """Consul allows values of 512 characters, and has been built with more."""
    value = "ç" * 65_536

    (row,) = rows(instance("web", None, meta={"note": value, "module": value}))

    assert row.meta["note"] == value
