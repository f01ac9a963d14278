"""Consul's servers: how they are, what they are asked, and who waits for that."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

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

UPSTREAM_CIRCUIT: Final = Gauge(
    "consul_edge_upstream_circuit_state",
    "1 for the state that the server is in: closed, it is asked in its turn; leaderless, it"
    " answers, follows no leader, and is asked after others; open, it is left alone until a"
    " heartbeat is answered, unless all others fail.",
    ["server", "state"],
)

UPSTREAM_LOSSES: Final = Counter(
    "consul_edge_upstream_losses_total",
    "How often the circuit of a server was opened: a connection or a heartbeat had failed.",
    ["server"],
)

UPSTREAM_REQUESTS: Final = Counter(
    "consul_edge_upstream_requests_total",
    "Requests sent to a server, by intent (read, poll, stream or write) and outcome: answered,"
    " error is a status of 500 or more, timeout is silence, failure everything else, and abandoned"
    " is what nobody waited for any more. Heartbeats have a counter of their own.",
    ["server", "intent", "outcome"],
)

UPSTREAM_DURATION: Final = Histogram(
    "consul_edge_upstream_request_duration_seconds",
    "Time until a server had answered a short read or a write, whatever it said; not of blocking"
    " queries and streams, and not the time in a queue here.",
    ["server"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0),
    unit="seconds",
)

UPSTREAM_CONNECTIONS: Final = Gauge(
    "consul_edge_upstream_connections",
    "Connections at the server, by kind: short ones (reads and writes) and poll in use, and"
    " abandoned polls that Consul still counts against this machine.",
    ["server", "kind"],
)

UPSTREAM_MAX_CONNECTIONS: Final = Gauge(
    "consul_edge_upstream_max_connections",
    "Connections of all kinds that there may be at one server (consul.connections_per_server).",
)

UPSTREAM_IN_FLIGHT: Final = Gauge(
    "consul_edge_upstream_inflight",
    "Calls that hold a place in a queue now: pool has consul.pool.max_connections for all short"
    " reads and writes, enrichment has consul.semaphore_limit for the calls of the enriched API.",
    ["queue"],
)

UPSTREAM_QUEUE: Final = Gauge(
    "consul_edge_upstream_queue_length",
    "Calls that wait for a place now, by the same queues: pool and enrichment.",
    ["queue"],
)

UPSTREAM_QUEUE_WAIT: Final = Histogram(
    "consul_edge_upstream_queue_wait_seconds",
    "How long calls waited for their place, those that did not have to included, by the same"
    " queues: pool and enrichment.",
    ["queue"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    unit="seconds",
)

HEARTBEATS: Final = Counter(
    "consul_edge_upstream_heartbeats_total",
    "Heartbeats sent to a server, by outcome: success or failure.",
    ["server", "outcome"],
)

HEDGES: Final = Counter(
    "consul_edge_upstream_hedges_total",
    "Slow reads for which a second server was asked, or denied one because the budget was spent.",
    ["result"],
)

INTENTS: Final = ("read", "poll", "stream", "write")
OUTCOMES: Final = ("answered", "error", "timeout", "failure", "abandoned")
STATES: Final = ("closed", "leaderless", "open")
KINDS: Final = ("short", "poll", "abandoned")
QUEUES: Final = ("pool", "enrichment")

for _result in ("asked", "denied"):
    HEDGES.labels(_result)
for _queue in QUEUES:
    for _of_queues in (UPSTREAM_IN_FLIGHT, UPSTREAM_QUEUE, UPSTREAM_QUEUE_WAIT):
        _of_queues.labels(_queue)


def initialise_server(server: str) -> None:
    """Make every series of a configured *server* exist from the start, at 0."""
    for status in ("success", "failure", "timeout"):
        SERVER_FALLBACK.labels(server, status)
    for outcome in ("success", "failure"):
        HEARTBEATS.labels(server, outcome)
    UPSTREAM_LOSSES.labels(server)
    UPSTREAM_DURATION.labels(server)
    for intent in INTENTS:
        for outcome in OUTCOMES:
            UPSTREAM_REQUESTS.labels(server, intent, outcome)


def forget_server(server: str) -> None:
    """
    Take away the gauges of a *server* that is none any more; what was counted stays.

    What they would show is how it was when it was looked at last, for ever.
    """
    for gauge in (UPSTREAM_UP, UPSTREAM_ACTIVE):
        gauge.remove(server)
    for state in STATES:
        UPSTREAM_CIRCUIT.remove(server, state)
    for kind in KINDS:
        UPSTREAM_CONNECTIONS.remove(server, kind)
