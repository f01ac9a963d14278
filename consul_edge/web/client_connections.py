"""
The connections of clients, made by the settings in force.

Rule: a connection keeps the bounds of its parser for as long as it lasts (aiohttp's parser takes
no others); ``middlewares.check`` has the bound in force for all.
"""

import asyncio
from typing import Any, Final

import structlog
from aiohttp import web

from consul_edge.config import Settings
from consul_edge.web.access_log import AccessLog
from consul_edge.web.protocol import EdgeProtocol

log = structlog.get_logger()

KEEPALIVE: Final = 3600.0
"""Seconds that an idle client's connection is kept: longer than any client keeps it, since the one
who closes first must be the one who would use it again."""

LINGER_SECONDS: Final = 2.0
"""How long a body that was refused is read on, so that its sender sees why before the connection
is reset."""


def options(settings: Settings) -> dict[str, Any]:
    """Give what aiohttp's protocol takes."""
    return {
        "access_log_class": AccessLog,
        "access_log": log if settings.log.access else None,
        "auto_decompress": False,
        "keepalive_timeout": KEEPALIVE,
        "lingering_time": LINGER_SECONDS,
        # Bounds that differ by one: an error tells its bound, and so which was met.
        "max_line_size": settings.limits.head_bytes,
        "max_field_size": settings.limits.head_bytes + 1,
    }


class ClientConnections:
    """Makes them."""

    def __init__(self, settings: Settings, runner: web.AppRunner) -> None:
        """Make them for a *runner* that was set up, inside a running loop."""
        assert runner.server is not None, "it was set up"  # noqa: S101 - for the type checker
        self._server = runner.server
        self._loop = asyncio.get_running_loop()
        self._options = options(settings)

    def make(self) -> EdgeProtocol:
        """Make what serves one."""
        return EdgeProtocol(self._server, loop=self._loop, **self._options)

    def adopt(self, settings: Settings) -> None:
        """Make others from now on; those that there are log, or do not."""
        self._options = options(settings)
        logger = AccessLog(log, "") if settings.log.access else None
        for protocol in self._server.connections:
            protocol.access_logger = logger
            protocol._logging_enabled = logger is not None  # noqa: SLF001 - aiohttp has no public switch
