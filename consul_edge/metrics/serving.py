"""What clients ask, and what they are told."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from consul_edge.core.endpoints import ENDPOINTS, Treatment

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
    unit="seconds",
)

HTTP_IN_PROGRESS: Final = Gauge(
    "consul_edge_http_requests_in_progress",
    "Requests that are being worked on now: what is answered from memory at once is never seen"
    " here, streams are, and blocking queries may be for as long as they are parked.",
)

BLOCKING_CLIENTS: Final = Gauge(
    "consul_edge_blocking_clients",
    "Clients whose blocking query is parked here now.",
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

ACCESS_REFUSED: Final = Counter(
    "consul_edge_access_refused_total",
    "Requests refused with 403 because an operator closed the way, by the setting that says so.",
    ["setting"],
)


def _initialise() -> None:
    for endpoint in ENDPOINTS:
        # What can be told beforehand: a read that is kept is answered, or nobody could.
        if endpoint.treatment in (Treatment.WATCH, Treatment.TTL):
            for code in ("200", "500"):
                HTTP_REQUESTS.labels(endpoint.name, "GET", code)
    for name, method in (("kv", "GET"), ("kv", "PUT"), ("api", "GET"), ("edge", "GET")):
        for code in ("200", "500"):
            HTTP_REQUESTS.labels(name, method, code)
    for treatment in ("watch", "ttl", "pass", "local", "write", "api"):
        HTTP_REQUEST_DURATION.labels(treatment)
    for action in ("flush", "info", "rules", "reload", "other"):
        for outcome in ("done", "unauthenticated", "denied", "refused"):
            ADMIN_REQUESTS.labels(action, outcome)


def _initialise_refusals() -> None:
    for limit in (
        "consul.connections_per_server",
        "consul.pool.max_connections",
        "identities",
        "limits.body_bytes",
        "limits.head_bytes",
        "limits.parked_per_client",
        "limits.requests_per_client",
        "watch.max_per_server",
    ):
        LIMITS_REACHED.labels(limit)
    for setting in ("access.read_only", "access.allow", "access.deny"):
        ACCESS_REFUSED.labels(setting)


_initialise()
_initialise_refusals()
