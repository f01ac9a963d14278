"""A line for each request, without anything secret; off unless ``log.access`` is on."""

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from consul_edge.core.request import redacted

log = structlog.get_logger("consul_edge.access")


class AccessLog(AbstractAccessLogger):
    """Logs method, redacted target, status, size, seconds and peer."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write one line; query values are blanked, for any of them may be a token."""
        log.info(
            "request",
            method=request.method,
            target=redacted(request.raw_path)[:2000],
            status=response.status,
            bytes=response.body_length,
            seconds=round(time, 6),
            client=request.remote,
            server=response.headers.get("X-Consul-Edge-Server"),
        )
