"""
The one table of Consul's HTTP endpoints: how each is treated.

Rule 1: whatever the edge knows about a path is a row here.
Rule 2: a path is matched as Consul's own mux does it: on the *decoded* path, an exact row before
the longest row that ends in ``/``; a path the mux would redirect (``//``, ``/../``, a prefix
without its ``/``) has no row.
Rule 3: a path without a row is forwarded, never cached, and may block.

The facts are Consul's API pages and the registrations of a running 1.8.7, whose name in the
comments is "old"; rows that only a newer Consul has say ``since``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote_to_bytes

READ_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing; every other is treated as a write and never repeated."""


class Treatment(Enum):
    """What the edge may do with the answer of a read."""

    WATCH = "watch"
    """Kept fresh by a blocking query."""
    TTL = "ttl"
    """Kept for a short while: it cannot block, or wakes all the time."""
    PASS = "pass"  # noqa: S105 - a word of the configuration, not a password
    """Never kept."""
    LOCAL = "local"
    """Speaks of the one agent that answers: pinned to it, never kept."""
    WRITE = "write"
    """Has no reads worth the name."""


class Blocks(Enum):
    """How an endpoint waits for a change."""

    NO = "no"
    INDEX = "index"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row: a path and its treatment."""

    name: str
    """What metrics and logs call it; never a path."""

    path: str
    """Exact, or a prefix if it ends in ``/``; ``/*/`` stands for one segment before a suffix."""

    treatment: Treatment

    blocks: Blocks = Blocks.NO

    cluster: bool = False
    """A local endpoint whose reads mean the cluster, so that any server may answer them."""

    pinned_write: bool = False
    """Its writes go to the local agent although its reads may go anywhere."""

    stream: bool = False
    """Unbounded or large, or slow to begin: passed on byte by byte, never asked twice."""

    endless: bool = False
    """A stream that ends only when its client leaves."""

    private: bool = False
    """Its answers hold secrets or depend on who asks: never kept, whatever an operator says."""

    since: str = "1.8"
    """The first Consul that has it, where that matters to the tests."""


_W, _T, _P, _L, _C = (
    Treatment.WATCH,
    Treatment.TTL,
    Treatment.PASS,
    Treatment.LOCAL,
    Treatment.WRITE,
)
_INDEX, _HASH = Blocks.INDEX, Blocks.HASH

ENDPOINTS: Final = (
    # Catalog
    Endpoint("catalog_datacenters", "/v1/catalog/datacenters", _T),
    Endpoint("catalog_nodes", "/v1/catalog/nodes", _W, _INDEX),
    Endpoint("catalog_services", "/v1/catalog/services", _W, _INDEX),
    Endpoint("catalog_service", "/v1/catalog/service/", _W, _INDEX),
    Endpoint("catalog_connect", "/v1/catalog/connect/", _W, _INDEX),
    Endpoint("catalog_node", "/v1/catalog/node/", _W, _INDEX),
    Endpoint("catalog_node_services", "/v1/catalog/node-services/", _W, _INDEX),
    Endpoint("catalog_gateway_services", "/v1/catalog/gateway-services/", _W, _INDEX),
    Endpoint("catalog_register", "/v1/catalog/register", _C),
    Endpoint("catalog_deregister", "/v1/catalog/deregister", _C),
    # Health
    Endpoint("health_service", "/v1/health/service/", _W, _INDEX),
    Endpoint("health_connect", "/v1/health/connect/", _W, _INDEX),
    Endpoint("health_ingress", "/v1/health/ingress/", _W, _INDEX),
    Endpoint("health_node", "/v1/health/node/", _W, _INDEX),
    Endpoint("health_checks", "/v1/health/checks/", _W, _INDEX),
    Endpoint("health_state", "/v1/health/state/", _W, _INDEX),
    # Locks and elections live in KV and sessions: plain reads pass.
    Endpoint("kv", "/v1/kv/", _P, _INDEX),
    Endpoint("txn", "/v1/txn", _C),
    Endpoint("session_create", "/v1/session/create", _C, pinned_write=True),
    Endpoint("session_destroy", "/v1/session/destroy/", _C),
    Endpoint("session_renew", "/v1/session/renew/", _C),
    Endpoint("session_info", "/v1/session/info/", _P, _INDEX),
    Endpoint("session_node", "/v1/session/node/", _P, _INDEX),
    Endpoint("session_list", "/v1/session/list", _P, _INDEX),
    # Prepared queries depend on who asks.
    Endpoint("query_list", "/v1/query", _P, private=True),
    Endpoint("query", "/v1/query/", _P, private=True),
    Endpoint("query_execute", "/v1/query/*/execute", _P, private=True),
    Endpoint("query_explain", "/v1/query/*/explain", _P, private=True),
    # Coordinates change every few seconds.
    Endpoint("coordinate_datacenters", "/v1/coordinate/datacenters", _T),
    Endpoint("coordinate_nodes", "/v1/coordinate/nodes", _T, _INDEX),
    Endpoint("coordinate_node", "/v1/coordinate/node/", _T, _INDEX),
    Endpoint("coordinate_update", "/v1/coordinate/update", _C),
    # Configuration and mesh
    Endpoint("config_apply", "/v1/config", _C),
    Endpoint("config", "/v1/config/", _W, _INDEX),
    Endpoint("discovery_chain", "/v1/discovery-chain/", _W, _INDEX),
    Endpoint("exported_services", "/v1/exported-services", _W, _INDEX, since="1.17"),
    Endpoint("connect_ca_roots", "/v1/connect/ca/roots", _W, _INDEX),
    Endpoint("connect_ca_configuration", "/v1/connect/ca/configuration", _P, private=True),
    Endpoint("connect_intentions", "/v1/connect/intentions", _W, _INDEX),
    Endpoint("connect_intention", "/v1/connect/intentions/", _W, _INDEX),
    Endpoint("connect_intentions_match", "/v1/connect/intentions/match", _W, _INDEX),
    Endpoint("connect_intentions_check", "/v1/connect/intentions/check", _P),
    Endpoint("peering", "/v1/peering/", _P, since="1.13"),
    Endpoint("peerings", "/v1/peerings", _P, since="1.13"),
    # Secrets
    Endpoint("acl", "/v1/acl/", _P, private=True),
    # Operator
    Endpoint("operator", "/v1/operator/", _P),
    Endpoint("operator_usage", "/v1/operator/usage", _T, _INDEX, since="1.14"),
    Endpoint("operator_keyring", "/v1/operator/keyring", _P, private=True),
    Endpoint("snapshot", "/v1/snapshot", _P, stream=True),
    # Undocumented, used by Consul's own page
    Endpoint("internal_ui", "/v1/internal/ui/", _W, _INDEX),
    Endpoint("internal_ui_metrics", "/v1/internal/ui/metrics-proxy/", _L, since="1.9"),
    Endpoint("internal_acl", "/v1/internal/acl/", _P, private=True),
    # Local to the agent that answers
    Endpoint("agent", "/v1/agent/", _L),
    Endpoint("agent_members", "/v1/agent/members", _L, cluster=True),
    Endpoint("agent_ca_roots", "/v1/agent/connect/ca/roots", _L, _INDEX, cluster=True),
    Endpoint("agent_ca_leaf", "/v1/agent/connect/ca/leaf/", _L, _INDEX),
    Endpoint("agent_service", "/v1/agent/service/", _L, _HASH),
    Endpoint("agent_service_register", "/v1/agent/service/register", _L),
    Endpoint("agent_service_deregister", "/v1/agent/service/deregister/", _L),
    Endpoint("agent_service_maintenance", "/v1/agent/service/maintenance/", _L),
    Endpoint("agent_monitor", "/v1/agent/monitor", _L, stream=True, endless=True),
    Endpoint(
        "agent_metrics_stream",
        "/v1/agent/metrics/stream",
        _L,
        stream=True,
        endless=True,
        since="1.10",
    ),
    Endpoint("event_list", "/v1/event/list", _L, _INDEX),
    Endpoint("event_fire", "/v1/event/fire/", _C),
    Endpoint("status_leader", "/v1/status/leader", _L, cluster=True),
    Endpoint("status_peers", "/v1/status/peers", _L, cluster=True),
)

OTHER: Final = Endpoint("other", "/v1/", _P, _INDEX)
"""Stands for every path without a row."""

UI: Final = Endpoint("ui", "/ui/", _P)
"""Consul's own page, proxied only where ``ui_proxy`` says so."""


def _rows() -> tuple[dict[str, Endpoint], dict[str, tuple[tuple[str, Endpoint], ...]]]:
    exact: dict[str, Endpoint] = {}
    prefixes: dict[str, tuple[tuple[str, Endpoint], ...]] = {}
    for row in ENDPOINTS:
        prefix, star, suffix = row.path.partition("*")
        if star or prefix.endswith("/"):
            found = (*prefixes.get(prefix, ()), (suffix, row))
            prefixes[prefix] = tuple(sorted(found, key=lambda pair: -len(pair[0])))
        else:
            exact[row.path] = row
    return exact, prefixes


_EXACT, _PREFIXES = _rows()


def find(raw_path: str) -> Endpoint:
    """
    Find the row of a path as it stands on the wire.

    Args:
        raw_path: The request target up to its ``?``, undecoded.

    >>> find("/v1/kv/a%2Fb").name
    'kv'
    >>> find("/v1/%6bv/a").name
    'kv'
    >>> find("/v1/query/nearest/execute").name
    'query_execute'
    >>> find("/v1//kv/a") is OTHER
    True
    """
    path = decode_path(raw_path) if "%" in raw_path else raw_path
    row = _EXACT.get(path)
    if row is not None:
        return row
    if not is_canonical(path):
        return OTHER
    if path.startswith("/ui/") or path == "/ui":
        return UI
    if f"{path}/" in _PREFIXES:
        return OTHER
    end = path.rfind("/")
    while end > 0:
        for suffix, row in _PREFIXES.get(path[: end + 1], ()):
            if path.endswith(suffix):
                return row
        end = path.rfind("/", 0, end)
    return OTHER


def decode_path(raw_path: str) -> str:
    """Undo percent-encoding as Go does; bytes that are no UTF-8 stay apart as surrogates."""
    raw = raw_path.encode("utf-8", "surrogateescape")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def is_canonical(path: str) -> bool:
    """
    Tell whether Go's mux would take a decoded path as it is, rather than answer 301.

    >>> [is_canonical(path) for path in ("/v1/kv/a/", "/v1//kv", "/v1/kv/../a", "/v1/kv/..")]
    [True, False, False, False]
    """
    return "//" not in path and not any(
        f"/{dots}/" in path or path.endswith(f"/{dots}") for dots in (".", "..")
    )
