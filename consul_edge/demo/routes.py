"""
The table of what the stand-in answers, matched as Go's mux does.

An exact path comes before the longest prefix.  What is not here is 404, which also says that
``/v1/txn``, ``/v1/acl``, ``/v1/query``, ``/v1/snapshot`` and most of ``/v1/agent`` are left out.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from consul_edge.demo import (
    routes_agent,
    routes_catalog,
    routes_health,
    routes_kv,
    routes_session,
)
from consul_edge.demo.answers import Answer
from consul_edge.demo.call import Call

Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


class Route(msgspec.Struct, frozen=True):
    """One row."""

    path: str
    """Exact, or a prefix if it ends in ``/``."""

    methods: tuple[str, ...]
    """In the order in which ``Allow`` names them."""

    handler: Handler


_GET: Final = ("GET",)
_PUT: Final = ("PUT",)

ROUTES: Final = (
    Route("/v1/kv/", ("GET", "PUT", "DELETE"), routes_kv.answer),
    Route("/v1/catalog/datacenters", _GET, routes_catalog.datacenters),
    Route("/v1/catalog/nodes", _GET, routes_catalog.nodes),
    Route("/v1/catalog/services", _GET, routes_catalog.services),
    Route("/v1/catalog/service/", _GET, routes_catalog.service),
    Route("/v1/catalog/node/", _GET, routes_catalog.node),
    Route("/v1/catalog/node-services/", _GET, routes_catalog.node_services),
    Route("/v1/catalog/register", _PUT, routes_catalog.register),
    Route("/v1/catalog/deregister", _PUT, routes_catalog.deregister),
    Route("/v1/health/node/", _GET, routes_health.node),
    Route("/v1/health/checks/", _GET, routes_health.checks),
    Route("/v1/health/service/", _GET, routes_health.service),
    Route("/v1/health/state/", _GET, routes_health.state),
    Route("/v1/session/create", _PUT, routes_session.create),
    Route("/v1/session/destroy/", _PUT, routes_session.destroy),
    Route("/v1/session/renew/", _PUT, routes_session.renew),
    Route("/v1/session/info/", _GET, routes_session.info),
    Route("/v1/session/node/", _GET, routes_session.node),
    Route("/v1/session/list", _GET, routes_session.all_of_them),
    Route("/v1/agent/self", _GET, routes_agent.self),
    Route("/v1/agent/members", _GET, routes_agent.members),
    Route("/v1/status/leader", _GET, routes_agent.leader),
    Route("/v1/status/peers", _GET, routes_agent.peers),
)

_EXACT: Final = {route.path: route for route in ROUTES if not route.path.endswith("/")}
_PREFIXES: Final = {route.path: route for route in ROUTES if route.path.endswith("/")}
_KV: Final = ROUTES[0]


def find(path: str) -> tuple[Route, str] | None:
    """Find the route of a decoded path, and what follows its prefix."""
    if path.startswith("/v1/kv/"):
        return _KV, path[7:]
    route = _EXACT.get(path)
    if route is not None:
        return route, ""
    # All prefixes have three segments.
    end = path.find("/", path.find("/", 4) + 1) + 1
    route = _PREFIXES.get(path[:end])
    return (route, path[end:]) if route is not None else None


def is_tree(path: str) -> bool:
    """Tell whether the mux redirects *path* to itself with a slash."""
    return path + "/" in _PREFIXES
