"""The metrics' own helpers: what they count, and that no name can make too many series."""

import pytest
from prometheus_client import REGISTRY

from consul_edge import metrics
from consul_edge.metrics import nodes
from consul_edge.metrics.nodes import MOST_NODES, FirstNames


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin with no node known."""
    monkeypatch.setattr(nodes, "_node_names", FirstNames(MOST_NODES))


def value(name: str, **labels: str) -> float:
    """Read one sample of this process; 0 if there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def node_names(metric: str) -> set[str]:
    """Give the nodes that have series of *metric*."""
    return {
        sample.labels["node_name"]
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == metric
    }


@pytest.mark.parametrize(("ok", "status"), [(True, "success"), (False, "error")])
def test_enriched_node_is_timed_under_its_status(ok: bool, status: str) -> None:
    """Success and error are told apart, and only one of them is counted."""
    labels = {"node_name": "timed", "status": status}
    other = {"node_name": "timed", "status": "error" if ok else "success"}
    prefix = "consul_node_enrich_duration_seconds"
    before, before_other = (
        value(f"{prefix}_count", **labels),
        value(f"{prefix}_count", **other),
    )
    below, above = (
        value(f"{prefix}_bucket", le="0.25", **labels),
        value(f"{prefix}_bucket", le="0.5", **labels),
    )

    metrics.node_enriched("timed", 0.3, ok)

    assert value(f"{prefix}_count", **labels) == before + 1
    assert value(f"{prefix}_count", **other) == before_other
    assert value(f"{prefix}_bucket", le="0.25", **labels) == below
    assert value(f"{prefix}_bucket", le="0.5", **labels) == above + 1


def test_buckets_of_the_duration_are_those_of_the_seed() -> None:
    """Dashboards that were made for the original find the bounds they ask for."""
    metrics.node_enriched("bucketed", 0.1, ok=True)

    bounds = {
        sample.labels["le"]
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "consul_node_enrich_duration_seconds_bucket"
    }
    assert bounds == {"0.05", "0.1", "0.25", "0.5", "1.0", "2.0", "5.0", "+Inf"}


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [
        ("timeout", "timeout"),
        ("connection", "connection"),
        ("http_error", "http_error"),
        ("unknown", "unknown"),
        ("an unforeseen one", "unknown"),
    ],
)
def test_failed_node_is_counted_under_one_of_four_kinds(kind: str, error_type: str) -> None:
    """What nobody foresaw is unknown, not a label of its own."""
    labels = {"node_name": "failing", "error_type": error_type}
    before = value("consul_node_enrich_failures_total", **labels)

    metrics.node_failed("failing", kind)

    assert value("consul_node_enrich_failures_total", **labels) == before + 1


def test_nodes_beyond_the_bound_share_a_series() -> None:
    """The names of a cluster cannot make more series than were foreseen, in both metrics."""
    few = FirstNames(2)
    labels = [few.label(name) for name in ("a", "b", "c", "d", "a", "b")]
    assert labels == ["a", "b", "other", "other", "a", "b"]

    for number in range(MOST_NODES + 5):
        metrics.node_failed(f"bound-{number}", "timeout")
        metrics.node_enriched(f"bound-{number}", 0.1, ok=False)

    for metric in (
        "consul_node_enrich_failures_total",
        "consul_node_enrich_duration_seconds_count",
    ):
        found = {name for name in node_names(metric) if name.startswith("bound-")}
        assert len(found) == MOST_NODES
        assert "other" in node_names(metric)
