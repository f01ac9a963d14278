"""
Running the server to its end: of ``serve``, and of ``demo`` over a Consul of its own.

What the machine refuses (a taken port, a bad key) is an error in one line, without a traceback.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING

from consul_edge.core.errors import EdgeError

if TYPE_CHECKING:
    from consul_edge.config import Loaded, Settings


def serve(
    loaded: "Loaded", env: Mapping[str, str], again: "Callable[[], Loaded] | None" = None
) -> None:
    """
    Serve until SIGTERM or SIGINT.

    Args:
        env: The environment, in which a service manager says where it listens itself.

        again: Reads the configuration anew; None: it stays as it is.

    Raises:
        EdgeError: When the machine refuses something, or the edge itself does.
    """

    async def serving() -> None:
        from consul_edge import logs
        from consul_edge.app import serve
        from consul_edge.notify import Notifier
        from consul_edge.web import handed_over

        log = loaded.settings.log
        journal_stream = env.get("JOURNAL_STREAM", "")
        logs.configure(level=log.level, log_format=log.format, journal_stream=journal_stream)
        handed = handed_over.take(env, pid=os.getpid())
        settings = handed_over.adopted(loaded, handed)

        def reread() -> "Settings":
            return handed_over.adopted(again() if again is not None else loaded, handed)

        await serve(settings, Notifier.of(env, pid=os.getpid()), handed, reread)

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
        from consul_edge.notify import Notifier

        standin = StandIn(nodes=nodes, services=services, churn=churn, seed=seed)
        async with standin.running(host="127.0.0.1", port=0) as url:
            server = parse_server(url)
            consul = msgspec.structs.replace(
                settings.consul, servers=(server,), local_agent=server
            )
            # Nobody's data is here to be guarded, and nobody is to look for a token.
            admin = msgspec.structs.replace(settings.admin, trust_loopback=True)
            await serve(msgspec.structs.replace(settings, consul=consul, admin=admin), Notifier())

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
