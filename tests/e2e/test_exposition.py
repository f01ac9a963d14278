"""What ``/metrics`` of a running edge says: from its start, in both formats, by the rules."""

import socket
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.edge import EdgeProcess
from tests.exposition import FAMILIES, OF_THE_CLIENT, SERIES
from tests.metrics_list import PAGE, WHEN, render
from tests.peers import require
from tests.processes import fresh_address
from tests.scrape import samples, scrape

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

FRESH = {
    "consul_server_fallback_total": {"status": {"success", "failure", "timeout"}},
    "consul_sites_cache_status_total": {"status": {"hit", "miss", "refresh", "error"}},
    "consul_edge_admin_requests_total": {
        "action": {"flush", "info", "rules", "other"},
        "outcome": {"done", "unauthenticated", "denied", "refused"},
    },
    "consul_edge_cache_requests_total": {
        "result": {"live", "ttl", "held", "stale", "miss", "collapsed", "bypass", "error"}
    },
    "consul_edge_cache_last_success_timestamp_seconds": {
        "cache": {"proxy", "nodes", "sites", "rules"}
    },
    "consul_edge_http_requests_total": {"code": {"200", "500"}},
    "consul_edge_limits_reached_total": {
        "limit": {
            "consul.connections_per_server",
            "consul.pool.max_connections",
            "identities",
            "limits.body_bytes",
            "limits.head_bytes",
            "limits.parked_per_client",
            "limits.requests_per_client",
            "watch.max_per_server",
        }
    },
    "consul_edge_log_messages_total": {"level": {"debug", "info", "warning", "error", "critical"}},
    "consul_edge_upstream_circuit_state": {"state": {"closed", "leaderless", "open"}},
    "consul_edge_upstream_inflight": {"queue": {"pool", "enrichment"}},
    "consul_edge_upstream_losses_total": {},
    "consul_edge_upstream_queue_length": {"queue": {"pool", "enrichment"}},
    "consul_edge_upstream_queue_wait_seconds_count": {"queue": {"pool", "enrichment"}},
    "consul_edge_upstream_request_duration_seconds_count": {},
    "consul_edge_upstream_requests_total": {
        "intent": {"read", "poll", "stream", "write"},
        "outcome": {"answered", "error", "timeout", "failure", "abandoned"},
    },
    "consul_edge_watch_rounds_total": {
        "outcome": {"answered", "asked again", "refused", "failed"}
    },
}
"""What is there before anybody has asked for anything: names, and the values of their labels."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Run an edge whose only server takes connections and says nothing: nothing happens."""
    address = fresh_address()
    with (
        socket.create_server((address, 8500)),
        EdgeProcess([f"{address}:8500"], {"consul": {"timeout": "60s"}}) as edge,
    ):
        yield edge.http


@pytest.mark.parametrize("name", FRESH)
def test_known_series_exist_before_anything_happened(base: str, name: str) -> None:
    """An increase from nothing is none to Prometheus: each known set of labels begins at 0."""
    found = samples(base, name)

    assert found
    for label, values in FRESH[name].items():
        assert {labels[label] for labels, _ in found} >= values


def test_series_of_a_server_exist_from_the_start_under_its_configured_name(base: str) -> None:
    """Whoever is configured is seen before he is asked for the first time, at 0."""
    (server,) = {labels["server"] for labels, _ in samples(base, "consul_edge_upstream_up")}

    assert server.endswith(":8500")
    for name in ("consul_edge_upstream_requests_total", "consul_edge_upstream_losses_total"):
        assert {labels["server"] for labels, _ in samples(base, name)} == {server}
    assert sum(value for _, value in samples(base, "consul_edge_upstream_requests_total")) == 0


def test_metrics_keep_the_conventions_of_prometheus(base: str) -> None:
    """Its own tool finds nothing to say about names, units and help."""
    done = subprocess.run(
        [str(require("promtool")), "check", "metrics"],
        input=scrape(base),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_metrics_asked_for_as_openmetrics_are_such() -> None:
    """A strict parser reads them to the end, units included."""
    with EdgeProcess([f"{fresh_address()}:8500"]) as edge:
        request = urllib.request.Request(f"{edge.http}/metrics", headers={"Accept": OPENMETRICS})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.headers["Content-Type"].startswith("application/openmetrics-text")
            text = response.read().decode()

    families = {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call] # the library leaves it so
    assert families["consul_edge_http_request_duration_seconds"].unit == "seconds"
    assert families["consul_edge_cache_size_bytes"].unit == "bytes"


def test_process_and_interpreter_are_exposed_as_everybodys_are(base: str) -> None:
    """Dashboards for any Python program work with this one."""
    exposed = {line.split()[2] for line in scrape(base).splitlines() if line.startswith("# TYPE")}

    assert OF_THE_CLIENT.keys() <= exposed


def test_nothing_is_exposed_that_is_not_in_the_list(base: str) -> None:
    """What the page and the other tests go by is what is exposed, and no time of creation."""
    names = {line.split("{")[0].split()[0] for line in scrape(base).splitlines() if line[0] != "#"}

    assert {name for name in names if name.startswith("consul_")} - SERIES.keys() == set()
    assert {name for name in names if name.endswith("_created")} == set()


def test_list_of_metrics_is_the_one_that_would_be_made_now() -> None:
    """``python -m tests.metrics_list`` was run after the last change of a metric."""
    assert PAGE.read_text() == render()


def test_list_of_metrics_says_of_each_when_to_look_at_it() -> None:
    """A metric that nobody knows what to do with is none."""
    assert {name for part in WHEN.values() for name in part} == FAMILIES.keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_metric_explains_itself(name: str) -> None:
    """Its help is a sentence, and its name ends in what Prometheus' conventions ask for."""
    family = FAMILIES[name]

    assert family.text.endswith(".")
    assert family.text[0].isupper() or family.text[0].isdigit()
    assert name.endswith("_total") == (family.kind == "counter")
    assert not family.unit or name.endswith(f"_{family.unit}")
