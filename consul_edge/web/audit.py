"""
Who called what of the admin surface, and what came of it: a log line and a count for each call,
also for one that was refused before any handler saw it.

Rule: neither the token nor anything that may be one is written; values of queries are blanked.
"""

from typing import Final
from urllib.parse import quote, unquote_to_bytes

import structlog
from aiohttp import web

from consul_edge import metrics
from consul_edge.core.request import redacted
from consul_edge.web.request_id import request_id

log = structlog.get_logger()

PLACE: Final = "/api/v1/admin/"
"""What all paths of the admin surface begin with."""

RELOAD: Final = "/-/reload"
"""One that is elsewhere, where Prometheus has it."""

_ACTIONS: Final = frozenset({"flush", "info", "rules", "reload"})

_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))

_LONGEST: Final = 200
"""Characters of a caller's words that are written."""


def is_admin(request: web.Request) -> bool:
    """Tell whether a request is one to be recorded."""
    return request.path.startswith(PLACE) or request.path == RELOAD


def record(request: web.Request, status: int, outcome: str, **facts: object) -> None:
    """
    Record one call.

    Args:
        outcome: ``done``, ``unauthenticated``, ``denied`` or ``refused``.

        facts: What else is to be known, such as how much was flushed.
    """
    action = request.path.rpartition("/")[2]
    action = action if action in _ACTIONS else "other"
    metrics.ADMIN_REQUESTS.labels(action, outcome).inc()
    tell = log.info if outcome == "done" else log.warning
    tell(
        "admin call",
        action=action,
        cache=request.match_info.get("name", "")[:_LONGEST],
        **_meant(request),
        method=request.method,
        status=status,
        outcome=outcome,
        peer=request.remote or "unix socket",
        request_id=request_id(request),
        **facts,
    )


def as_target(raw: str) -> str:
    """
    Read a parameter's raw value as the target that it names, as that would stand on the wire.

    A plus is a plus, as in a path, and nothing stays that is no printable ASCII.

    >>> as_target("/v1/kv/a%2520b%0A+c")
    '/v1/kv/a%20b%0A+c'
    """
    return quote(unquote_to_bytes(raw), safe=_PRINTABLE)


def _meant(request: web.Request) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in request.raw_path.partition("?")[2].split("&"))
    return {
        name: redacted(as_target(value))[:_LONGEST]
        for name, _, value in pairs
        if name in ("key", "prefix")
    }
