"""
Every metric, once.

Rule 1: labels are bounded: endpoint names of the table, configured servers, fixed words; never a
path, a token or a client.
Rule 2: the names without ``edge`` are the seed's and keep its labels.
"""

import platform
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from consul_edge import __version__

# A series for each child that says when it began is read by nobody and upsets older promtools.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

BUILD_INFO: Final = Gauge(
    "consul_edge_build_info",
    "Always 1; the labels say what is running.",
    ["version", "python"],
)
BUILD_INFO.labels(__version__, platform.python_version()).set(1)

HTTP_REQUESTS: Final = Counter(
    "consul_edge_http_requests_total",
    "Requests answered, by endpoint name (never a path), method and status code.",
    ["endpoint", "method", "code"],
)

HTTP_REQUEST_DURATION: Final = Histogram(
    "consul_edge_http_request_duration_seconds",
    "Time from the head of a request to the end of its answer; blocking queries and streams are"
    " left out, for their length is their client's wish.",
    ["treatment"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 5.0, 20.0),
)

BLOCKING_CLIENTS: Final = Gauge(
    "consul_edge_blocking_clients",
    "Clients whose blocking query is parked here now.",
)

SERVER_FALLBACK: Final = Counter(
    "consul_server_fallback_total",
    "Attempts at Consul servers: success is a usable answer, timeout a server that kept silent,"
    " failure everything else.",
    ["server", "status"],
)

UPSTREAM_UP: Final = Gauge(
    "consul_edge_upstream_up",
    "1 while requests are sent to the server, 0 while its circuit is open.",
    ["server"],
)

UPSTREAM_ACTIVE: Final = Gauge(
    "consul_edge_upstream_active",
    "1 for the server that is asked first.",
    ["server"],
)

UPSTREAM_CONNECTIONS: Final = Gauge(
    "consul_edge_upstream_connections",
    "Connections at the server: short ones (reads and writes) and polls in use, and abandoned"
    " polls that Consul still counts against this machine.",
    ["server", "kind"],
)

HEARTBEATS: Final = Counter(
    "consul_edge_upstream_heartbeats_total",
    "Heartbeats sent to a server, by outcome.",
    ["server", "outcome"],
)

HEDGES: Final = Counter(
    "consul_edge_upstream_hedges_total",
    "Slow reads for which a second server was asked, or was not because the budget was spent.",
    ["result"],
)

LIMITS_REACHED: Final = Counter(
    "consul_edge_limits_reached_total",
    "Requests refused because a bound of the edge was met, by the setting that names it.",
    ["limit"],
)

for _result in ("asked", "denied"):
    HEDGES.labels(_result)


def initialise_server(server: str) -> None:
    """Make every series of a configured *server* exist from the start, at 0."""
    for status in ("success", "failure", "timeout"):
        SERVER_FALLBACK.labels(server, status)
    for outcome in ("success", "failure"):
        HEARTBEATS.labels(server, outcome)
