"""The metrics' own helpers: what they count, and that no name can make too many series."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from consul_edge import metrics
from consul_edge.metrics import nodes
from consul_edge.metrics.lag import lag_observed
from consul_edge.metrics.nodes import MOST_NODES, FirstNames
from consul_edge.metrics.revision import UNKNOWN, revision
from tests.waiting import eventually


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


HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"package/REVISION": f"{HASH}\n"}, HASH),
        ({".git/HEAD": "ref: refs/heads/a", ".git/refs/heads/a": f"{HASH}\n"}, HASH),
        (
            {".git/HEAD": "ref: refs/heads/a", ".git/packed-refs": f"# x\n{HASH} refs/heads/a"},
            HASH,
        ),
        ({".git/HEAD": HASH}, HASH),
        ({".git/HEAD": "ref: refs/heads/gone"}, UNKNOWN),
        ({"package/REVISION": "what a build left here"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_revision_is_known_where_something_tells_it(
    files: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a file that the build leaves, or the working tree; a label is a hash or ``unknown``."""
    monkeypatch.setattr("consul_edge.metrics.revision._of_pip", lambda: "")
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    assert revision(tmp_path / "package") == expected


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warning"),
        (logging.WARNING + 5, "warning"),
        (logging.ERROR, "error"),
        (logging.CRITICAL + 9, "critical"),
        (1, "debug"),
    ],
)
def test_log_line_is_counted_under_one_of_five_levels(number: int, level: str) -> None:
    """A level that a library has invented is the next lower one, not a label of its own."""
    before = value("consul_edge_log_messages_total", level=level)

    metrics.log_message(number)

    assert value("consul_edge_log_messages_total", level=level) == before + 1


async def test_event_loop_that_is_held_up_is_seen_to_be_late() -> None:
    """What keeps it for a quarter of a second is observed as no less."""
    name = "consul_edge_event_loop_lag_seconds"

    def late() -> float:
        return value(f"{name}_count") - value(f"{name}_bucket", le="0.25")

    async with lag_observed(0.01):
        before = late()
        await asyncio.sleep(0)
        threading.Event().wait(0.3)
        await eventually(lambda: late() > before, "it is observed")
