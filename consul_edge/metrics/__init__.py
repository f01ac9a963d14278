"""
Every metric, once.

Rule 1: labels are bounded: endpoint names of the table, configured servers, categories, fixed
words; never a path, a token or a client.  What is known beforehand exists from the start, at 0.
Rule 2: the names without ``edge`` are the seed's and keep its labels.  ``node_name`` is one of
them and names whatever Consul names, so only the first :data:`nodes.MOST_NODES` get series of
their own.
Rule 3: what a gauge reads when it is scraped is read in a thread: functions that are given to one
look, and change nothing.
"""

# The registry reads in the order of registration, and this has what others are to show booked.
from consul_edge.metrics.late import LATE, observe_many

# isort: split
from consul_edge.metrics.caching import (
    CACHE_CONFIRMATIONS,
    CACHE_ENTRIES,
    CACHE_EVICTIONS,
    CACHE_FLUSHES,
    CACHE_LAST_SUCCESS,
    CACHE_MAX_ENTRIES,
    CACHE_MAX_SIZE,
    CACHE_REQUESTS,
    CACHE_SIZE,
    CACHE_SNAPSHOT_TIME,
    CACHE_SNAPSHOTS,
    WATCH_ROUNDS,
    WATCHES,
    WATCHES_LIVE,
    WATCHES_WANTED,
)
from consul_edge.metrics.nodes import (
    DOCUMENT_GOOD,
    NODE_DURATION,
    NODE_FAILURES,
    NODES,
    NODES_IN_ERROR,
    ROWS,
    SITES_CACHE_STATUS,
    node_enriched,
    node_failed,
)
from consul_edge.metrics.process import (
    BUILD_INFO,
    CONFIG_RELOAD_SUCCESSFUL,
    CONFIG_RELOAD_TIME,
    EVENT_LOOP_LAG,
    LOG_MESSAGES,
    log_message,
)
from consul_edge.metrics.serving import (
    ACCESS_REFUSED,
    ADMIN_REQUESTS,
    BLOCKING_CLIENTS,
    HTTP_IN_PROGRESS,
    HTTP_REQUEST_DURATION,
    HTTP_REQUESTS,
    LIMITS_REACHED,
)
from consul_edge.metrics.upstream import (
    HEARTBEATS,
    HEDGES,
    SERVER_FALLBACK,
    STATES,
    UPSTREAM_ACTIVE,
    UPSTREAM_CIRCUIT,
    UPSTREAM_CONNECTIONS,
    UPSTREAM_DURATION,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_LOSSES,
    UPSTREAM_MAX_CONNECTIONS,
    UPSTREAM_QUEUE,
    UPSTREAM_QUEUE_WAIT,
    UPSTREAM_REQUESTS,
    UPSTREAM_UP,
    forget_server,
    initialise_server,
)

__all__ = [
    "ACCESS_REFUSED",
    "ADMIN_REQUESTS",
    "BLOCKING_CLIENTS",
    "BUILD_INFO",
    "CACHE_CONFIRMATIONS",
    "CACHE_ENTRIES",
    "CACHE_EVICTIONS",
    "CACHE_FLUSHES",
    "CACHE_LAST_SUCCESS",
    "CACHE_MAX_ENTRIES",
    "CACHE_MAX_SIZE",
    "CACHE_REQUESTS",
    "CACHE_SIZE",
    "CACHE_SNAPSHOTS",
    "CACHE_SNAPSHOT_TIME",
    "CONFIG_RELOAD_SUCCESSFUL",
    "CONFIG_RELOAD_TIME",
    "DOCUMENT_GOOD",
    "EVENT_LOOP_LAG",
    "HEARTBEATS",
    "HEDGES",
    "HTTP_IN_PROGRESS",
    "HTTP_REQUESTS",
    "HTTP_REQUEST_DURATION",
    "LATE",
    "LIMITS_REACHED",
    "LOG_MESSAGES",
    "NODES",
    "NODES_IN_ERROR",
    "NODE_DURATION",
    "NODE_FAILURES",
    "ROWS",
    "SERVER_FALLBACK",
    "SITES_CACHE_STATUS",
    "STATES",
    "UPSTREAM_ACTIVE",
    "UPSTREAM_CIRCUIT",
    "UPSTREAM_CONNECTIONS",
    "UPSTREAM_DURATION",
    "UPSTREAM_IN_FLIGHT",
    "UPSTREAM_LOSSES",
    "UPSTREAM_MAX_CONNECTIONS",
    "UPSTREAM_QUEUE",
    "UPSTREAM_QUEUE_WAIT",
    "UPSTREAM_REQUESTS",
    "UPSTREAM_UP",
    "WATCHES",
    "WATCHES_LIVE",
    "WATCHES_WANTED",
    "WATCH_ROUNDS",
    "forget_server",
    "initialise_server",
    "log_message",
    "node_enriched",
    "node_failed",
    "observe_many",
]
