"""The protocol of a client's connection, in moments that no client can choose."""

import asyncio
from unittest.mock import Mock

from aiohttp import web

from consul_edge.web.protocol import EdgeProtocol
from tests.virtual import in_virtual_time, now


def test_connection_comes_while_the_edge_shuts_down_nobody_waits_for_it() -> None:
    """It is closed like any other that is idle, however little of it has happened yet."""

    async def scene() -> float:
        handler = Mock()
        server = web.Server(handler)
        protocol = EdgeProtocol(server, loop=asyncio.get_running_loop())
        protocol.connection_made(Mock(spec=asyncio.Transport))
        # Before its own task has begun, as when both happen in one turn of the loop.
        server.pre_shutdown()
        await server.shutdown(15.0)
        handler.assert_not_called()
        return now()

    assert in_virtual_time(scene) == 0.0
