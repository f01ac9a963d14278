import json
from typing import Any

import pytest

from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.targets import labels_of, render_targets, target_of
from consul_edge.enrich.view import View
from tests.enrich.pictures import check, instance, listing, node, sites, view_of


def groups(view: View, **given: str) -> list[dict[str, Any]]:
    found = json.loads(render_targets(view, listing(**given)).content)
    assert isinstance(found, list)
    return found


def test_group_has_the_labels_of_prometheus_and_ours() -> None:
    """Relabelling rules that were written for consul_sd keep working."""
    view = view_of(
        instance(
            "icmp",
            node("n1", "10.0.0.1", meta={"rack-no": "7"}),
            check("warning"),
            id="icmp/Ação@x y",
            tags=("a", "b"),
            meta={"module": "icmp", "co.mp": "Ação"},
            port=9115,
            address="10.9.9.9",
        ),
        places=sites(("Rio", "10.0.0.1")),
    )

    assert groups(view) == [
        {
            "targets": ["10.9.9.9:9115"],
            "labels": {
                "__meta_consul_address": "10.0.0.1",
                "__meta_consul_dc": "dc1",
                "__meta_consul_health": "warning",
                "__meta_consul_metadata_rack_no": "7",
                "__meta_consul_node": "n1",
                "__meta_consul_service": "icmp",
                "__meta_consul_service_address": "10.9.9.9",
                "__meta_consul_service_id": "icmp/Ação@x y",
                "__meta_consul_service_metadata_co_mp": "Ação",
                "__meta_consul_service_metadata_module": "icmp",
                "__meta_consul_service_port": "9115",
                "__meta_consul_tags": ",a,b,",
                "__meta_consul_edge_category": "some",
                "__meta_consul_edge_display_name": "Ping",
                "__meta_consul_edge_exporter_type": "blackbox",
                "__meta_consul_edge_matched_rule": "ping",
                "__meta_consul_edge_site_code": "rio",
                "__meta_consul_edge_site_name": "Rio",
            },
        }
    ]


@pytest.mark.parametrize(
    ("address", "of_node", "port", "expected"),
    [
        ("10.0.0.1", "10.9.9.9", 80, "10.0.0.1:80"),
        ("", "10.9.9.9", 80, "10.9.9.9:80"),
        ("", "fe80::1", 80, "[fe80::1]:80"),
        ("fe80::1%eth0", "", 80, "[fe80::1%eth0]:80"),
        ("[fe80::1]", "", 0, "[fe80::1]"),
        ("10.0.0.1", "", 0, "10.0.0.1"),
        ("10.0.0.1:81", "", 0, "10.0.0.1:81"),
        ("10.0.0.1:81", "", 80, "10.0.0.1:80"),
        ("Host_1.example", "", 80, "host_1.example:80"),
        ("", "", 80, None),
        ("http://x/", "10.9.9.9", 80, None),
        ("/run/x.sock", "10.9.9.9", 0, None),
        ("two words", "", 80, None),
        ("10.0.0.1", "", 70_000, None),
        ("10.0.0.1", "", -1, None),
    ],
)
def test_target_of_an_instance_is_a_host_and_port_or_none(
    address: str, of_node: str, port: int, expected: str | None
) -> None:
    """The service's own address counts first; what Prometheus would refuse is no target."""
    row = ServiceRow(
        id="a", service="a", node="n", address=address, node_address=of_node, port=port
    )

    assert target_of(row) == expected


def test_instances_without_a_usable_address_are_counted() -> None:
    """One strange registration does not take the targets from all others."""
    view = view_of(instance("a", address="no address"), instance("b", port=1))

    found = render_targets(view, listing())

    assert (found.groups, found.left_out) == (1, 1)
    assert json.loads(found.content)[0]["targets"] == ["10.0.0.1:1"]


def test_targets_are_those_that_are_asked_for() -> None:
    """A Prometheus takes the category that is its own."""
    view = view_of(instance("web"), instance("db"))

    found = groups(view, category="other", Service="db")

    assert [group["labels"]["__meta_consul_service"] for group in found] == ["db"]


def test_instance_without_anything_has_the_labels_all_the_same() -> None:
    """No tags are two commas, as in Prometheus; no rule is an empty label."""
    labels = labels_of(ServiceRow(id="a", service="a", node="n"), {})

    assert labels["__meta_consul_tags"] == ",,"
    assert labels["__meta_consul_edge_matched_rule"] == ""
    assert set(map(type, labels.values())) == {str}


@pytest.mark.parametrize(
    "meta",
    [
        {"a_b": "exact", "a-b": "other"},
        {"a-b": "other", "a_b": "exact"},
        {"a.b": "other", "a_b": "exact", "a b": "third"},
        {"a.b": "other", "a-b": "exact"},
        {"a-b": "exact", "a.b": "other"},
    ],
)
def test_keys_that_become_one_label_are_decided_by_their_names(meta: dict[str, str]) -> None:
    """Which one counts does not depend on their order: a name without a change, or the first."""
    labels = labels_of(ServiceRow(id="a", service="a", node="n", meta=meta), meta)

    assert labels["__meta_consul_service_metadata_a_b"] == "exact"
    assert labels["__meta_consul_metadata_a_b"] == "exact"


def test_metadata_cannot_take_the_place_of_another_label() -> None:
    """Whoever registers a service does not say which site it is at."""
    meta = {"edge_site_code": "x", "service": "x", "": "x"}

    labels = labels_of(ServiceRow(id="a", service="a", node="n", meta=meta), {"node": "x"})

    assert (labels["__meta_consul_edge_site_code"], labels["__meta_consul_service"]) == ("", "a")
    assert labels["__meta_consul_node"] == "n"
