"""A line for each request, without anything secret; off unless ``log.access`` is on."""

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from consul_edge.core.request import redacted
from consul_edge.web.request_id import make, request_id

log = structlog.get_logger("consul_edge.access")


class AccessLog(AbstractAccessLogger):
    """Logs method, redacted target, status, size, seconds, peer, server and name."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write one line; query values are blanked, for any of them may be a token."""
        record(
            method=request.method,
            target=loggable(request.raw_path),
            status=response.status,
            size_bytes=response.body_length,
            seconds=time,
            client=request.remote,
            server=response.headers.get("X-Consul-Edge-Server"),
            name=request_id(request),
        )


def record(
    *,
    method: str,
    target: str,
    status: int,
    size_bytes: int,
    seconds: float,
    client: str | None,
    server: str | None,
    name: str | None = None,
) -> None:
    """
    Write one line.

    Args:
        target: As ``loggable`` makes it.

        name: As ``request_id`` tells it; None: its client gave it none.
    """
    log.info(
        "request",
        method=method,
        target=target,
        status=status,
        bytes=size_bytes,
        seconds=round(seconds, 6),
        client=client,
        server=server,
        request_id=name or make(),
    )


def loggable(target: str) -> str:
    """Render a request target without anything secret, and not longer than a line should be."""
    return redacted(target)[:2000]
