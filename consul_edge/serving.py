"""
Running the server to its end: of ``serve``, and of ``demo`` over a Consul of its own.

What the machine refuses (a taken port, a bad key) is an error in one line, without a traceback.
"""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from consul_edge.core.errors import EdgeError

if TYPE_CHECKING:
    from consul_edge.config import Settings


def serve(settings: "Settings") -> None:
    """
    Serve until SIGTERM or SIGINT.

    Raises:
        EdgeError: When the machine refuses something, or the edge itself does.
    """

    async def serving() -> None:
        from consul_edge.app import serve

        await serve(settings)

    _run(serving())


def demonstrate(
    settings: "Settings", *, nodes: int, services: int, churn: float, seed: int | None
) -> None:
    """
    Serve an embedded Consul of this size until SIGTERM or SIGINT.

    Raises:
        EdgeError: As :func:`serve`.
    """

    async def demonstrating() -> None:
        import msgspec

        from consul_edge.app import serve
        from consul_edge.core.address import parse_server
        from consul_edge.demo.standin import StandIn

        standin = StandIn(nodes=nodes, services=services, churn=churn, seed=seed)
        async with standin.running(host="127.0.0.1", port=0) as url:
            server = parse_server(url)
            consul = msgspec.structs.replace(
                settings.consul, servers=(server,), local_agent=server
            )
            # Nobody's data is here to be guarded, and nobody is to look for a token.
            admin = msgspec.structs.replace(settings.admin, trust_loopback=True)
            await serve(msgspec.structs.replace(settings, consul=consul, admin=admin))

    _run(demonstrating())


def _run(serving: Coroutine[None, None, None]) -> None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        factory = None
    else:
        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serving)
    except OSError as error:
        # Its strerror has no "[Errno 98]" in front, but no file behind either.
        file = f": {error.filename}" if error.filename else ""
        raise EdgeError(f"{error.strerror or error}{file}") from error
