"""
Every metric, once.

Rule 1: labels are bounded: endpoint names of the table, configured servers, fixed words; never a
path, a token or a client.
Rule 2: the names without ``edge`` are the seed's and keep its labels.  ``node_name`` is one of
them and names whatever Consul names, so only the first :data:`MOST_NODES` get series of their own.
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
    "Requests answered, by endpoint name (never a path), method and status code; api is the"
    " enriched API, edge are the edge's other routes.",
    ["endpoint", "method", "code"],
)

HTTP_REQUEST_DURATION: Final = Histogram(
    "consul_edge_http_request_duration_seconds",
    "Time from the head of a request to the end of its answer, by what is done for it: watch, ttl,"
    " pass, local, write, or api for the enriched API; blocking queries and streams are left out,"
    " for their length is their client's wish.",
    ["treatment"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 5.0, 20.0),
)

BLOCKING_CLIENTS: Final = Gauge(
    "consul_edge_blocking_clients",
    "Clients whose blocking query is parked here now.",
)

CACHE_REQUESTS: Final = Counter(
    "consul_edge_cache_requests_total",
    "Reads of what can be kept, by endpoint name and result: live and ttl are hits, proven by a"
    " watch or young enough; held waited for a change; stale was answered because no server"
    " answered; miss asked Consul; collapsed joined another's miss; bypass asked Consul and kept"
    " nothing.",
    ["endpoint", "result"],
)

CACHE_ENTRIES: Final = Gauge("consul_edge_cache_entries", "Answers that are kept.")

CACHE_SIZE: Final = Gauge("consul_edge_cache_size_bytes", "What the kept answers take in memory.")

CACHE_EVICTIONS: Final = Counter(
    "consul_edge_cache_evictions_total",
    "Answers evicted, by the bound that was met: entries or bytes.",
    ["reason"],
)

CACHE_FLUSHES: Final = Counter(
    "consul_edge_cache_flushes_total",
    "Kept answers dropped at once: by an operator (admin), a write of ACLs (acl), a refused"
    " question (denied) or an unknown token (identity).",
    ["trigger"],
)

CACHE_CONFIRMATIONS: Final = Counter(
    "consul_edge_cache_confirmations_total",
    "Answers that said much was gone at once, or something else at a lower index, and were asked"
    " for again before they were believed, by what came of it: confirmed or refuted.",
    ["result"],
)

CACHE_SNAPSHOTS: Final = Counter(
    "consul_edge_cache_snapshots_total",
    "Snapshots of what is kept, by outcome: written or failed.",
    ["outcome"],
)

CACHE_SNAPSHOT_TIME: Final = Gauge(
    "consul_edge_cache_snapshot_timestamp_seconds",
    "When the snapshot in the file was taken; 0 before this process has written one.",
)

WATCHES: Final = Gauge(
    "consul_edge_blocking_upstream_queries",
    "Keys that are watched by a blocking query of the edge's own.",
)

WATCHES_WANTED: Final = Gauge(
    "consul_edge_watches_wanted",
    "Keys for which clients wait and no server has room for a watch: they are polled in turn.",
)

WATCH_ROUNDS: Final = Counter(
    "consul_edge_watch_rounds_total",
    "Answers to the edge's own blocking queries: answered was kept, asked again was overtaken by"
    " a write or had a lower index, refused was an error, failed was none at all.",
    ["outcome"],
)

SITES_CACHE_STATUS: Final = Counter(
    "consul_sites_cache_status_total",
    "The sites document: hit was read from memory, miss before there was one; refresh is a load or"
    " an edit that brought one, error a load that failed, or brought what is none.",
    ["status"],
)

SERVER_FALLBACK: Final = Counter(
    "consul_server_fallback_total",
    "Attempts at Consul servers: success is a usable answer, timeout a server that kept silent,"
    " failure everything else.",
    ["server", "status"],
)

NODE_FAILURES: Final = Counter(
    "consul_node_enrich_failures_total",
    "Nodes whose services could not be read, by what happened: timeout, connection, http_error or"
    " unknown. Beyond 1,000 node names the rest is node_name other.",
    ["node_name", "error_type"],
)

NODE_DURATION: Final = Histogram(
    "consul_node_enrich_duration_seconds",
    "Time until the services of a node were known, or known not to be had. Beyond 1,000 node names"
    " the rest is node_name other.",
    ["node_name", "status"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
)

NODES: Final = Gauge(
    "consul_edge_nodes",
    "Nodes as the identity sees them that has most of them in error; 0 before anybody asked.",
)

NODES_IN_ERROR: Final = Gauge(
    "consul_edge_nodes_in_error",
    "Those of consul_edge_nodes whose services_status is error.",
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

ADMIN_REQUESTS: Final = Counter(
    "consul_edge_admin_requests_total",
    "Calls of the admin surface, by action and outcome: done, unauthenticated (no token), denied"
    " (another token), refused (whatever else was wrong).",
    ["action", "outcome"],
)

LIMITS_REACHED: Final = Counter(
    "consul_edge_limits_reached_total",
    "Requests refused because a bound of the edge was met, by the setting that names it.",
    ["limit"],
)

for _result in ("asked", "denied"):
    HEDGES.labels(_result)


for _outcome in ("answered", "asked again", "refused", "failed"):
    WATCH_ROUNDS.labels(_outcome)
for _reason in ("entries", "bytes"):
    CACHE_EVICTIONS.labels(_reason)
for _status in ("hit", "miss", "refresh", "error"):
    SITES_CACHE_STATUS.labels(_status)
for _trigger in ("admin", "acl", "denied", "identity"):
    CACHE_FLUSHES.labels(_trigger)
for _result in ("confirmed", "refuted"):
    CACHE_CONFIRMATIONS.labels(_result)
for _outcome in ("written", "failed"):
    CACHE_SNAPSHOTS.labels(_outcome)
for _action in ("flush", "info", "rules", "other"):
    for _outcome in ("done", "unauthenticated", "denied", "refused"):
        ADMIN_REQUESTS.labels(_action, _outcome)


MOST_NODES: Final = 1000
"""How many nodes have series of their own."""

OTHER: Final = "other"
"""The ``node_name`` of all further nodes."""

ERROR_TYPES: Final = frozenset({"timeout", "connection", "http_error", "unknown"})


class FirstNames:
    """
    The first names that come keep their own, all later ones share one.

    A name is never given up for a newer one: what a counter has counted must not vanish.

    >>> names = FirstNames(2)
    >>> [names.label(name) for name in ("a", "b", "c", "a")]
    ['a', 'b', 'other', 'a']
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Give the label under which *name* is counted."""
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name


_node_names: Final = FirstNames(MOST_NODES)


def node_enriched(name: str, seconds: float, ok: bool) -> None:
    """Count that the services of the node *name* took *seconds* to be known, or to fail."""
    status = "success" if ok else "error"
    NODE_DURATION.labels(_node_names.label(name), status).observe(seconds)


def node_failed(name: str, kind: str) -> None:
    """Count that the services of the node *name* could not be read; *kind* is what happened."""
    error_type = kind if kind in ERROR_TYPES else "unknown"
    NODE_FAILURES.labels(_node_names.label(name), error_type).inc()


def initialise_server(server: str) -> None:
    """Make every series of a configured *server* exist from the start, at 0."""
    for status in ("success", "failure", "timeout"):
        SERVER_FALLBACK.labels(server, status)
    for outcome in ("success", "failure"):
        HEARTBEATS.labels(server, outcome)
