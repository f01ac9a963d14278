"""Large answers to clients that do not read: what the edge buffers, and how long it waits."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from consul_edge.cache.served import Served
from consul_edge.core.entry import make_entry
from consul_edge.upstream.answer import WHOLE_BYTES
from consul_edge.web.hits import Hits
from consul_edge.web.rendering import Rendering
from consul_edge.web.streaming import PART_BYTES, STALL
from tests.waiting import eventually
from tests.warp import skip, warped

BODY: Final = b"[" + b"1," * (8 * 1024 * 1024) + b"1]"
"""More than the sockets of both sides take in."""

PLAIN: Final = {"Accept-Encoding": "identity"}

REQUEST: Final = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Place:
    """A server of one kept answer."""

    def __init__(self) -> None:
        """Keep it."""
        self.requests: list[web.Request] = []
        self._hits = Hits(Rendering())
        self._served = Served(make_entry(200, "OK", (), BODY, server="a:8500"), "live")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with it."""
        self.requests.append(request)
        return await self._hits.respond(request, self._served)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[TestServer]:
        """Serve it on loopback."""
        app = web.Application()
        app.router.add_get("/", self.handle)
        server = TestServer(app)
        async with server:
            yield server

    @contextlib.asynccontextmanager
    async def stalled(self) -> AsyncIterator[tuple[socket.socket, asyncio.Transport]]:
        """Connect a client that asks and does not read; give it and the transport to it."""
        async with self.running() as server:
            assert server.port is not None
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(REQUEST)
                await eventually(lambda: bool(self.requests), "a request")
                request = self.requests[0]
                assert request.transport is not None
                await eventually(lambda: request.protocol._paused, "nothing more to go out")
                try:
                    yield client, request.transport
                finally:
                    request.protocol.force_close()


async def test_client_does_not_read_a_large_hit_only_parts_of_it_are_buffered() -> None:
    """Promise 8: many such clients would have a copy of the entry each, for ever."""
    async with Place().stalled() as (_, transport):
        assert 0 < transport.get_write_buffer_size() <= 4 * PART_BYTES


def test_client_stops_reading_a_large_hit_it_is_let_go() -> None:
    """It is cut off, so that what it got does not look like the whole."""

    async def stall() -> None:
        async with Place().stalled() as (client, transport):
            assert not transport.is_closing()
            skip(STALL + 1)
            await eventually(transport.is_closing, "the connection given up")
            assert await asyncio.to_thread(_received, client) < len(BODY)

    warped(stall())


async def test_client_reads_a_large_hit_it_gets_the_whole() -> None:
    """With its length, so that its connection goes on."""
    assert len(BODY) > WHOLE_BYTES
    async with Place().running() as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(server.make_url("/"), headers=PLAIN) as answer:
                assert answer.headers["Content-Length"] == str(len(BODY))
                assert await answer.read() == BODY


def _received(client: socket.socket) -> int:
    """Read to the end; give how many bytes came."""
    client.settimeout(20)
    size = 0
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            size += len(part)
    return size
