"""A TCP relay before a server, so that the way to it can break while the server itself is well."""

import asyncio
import contextlib
import socket
from typing import Self

from tests.processes import fresh_address


class Relay:
    """Passes bytes to a server until told to refuse or to swallow them."""

    def __init__(self, target: str, port: int = 8500) -> None:
        """Prepare a relay to *target* (``host:port``) on an address of its own."""
        host, _, target_port = target.rpartition(":")
        self._target = (host, int(target_port))
        self.address = fresh_address()
        self.port = port
        self.connections = 0
        """Accepted so far."""
        self._listening: socket.socket | None = None
        self._plugs: list[socket.socket] = []
        self._accepting: asyncio.Task[None] | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()

    @property
    def server(self) -> str:
        """Its name in the edge's list of servers."""
        return f"{self.address}:{self.port}"

    async def __aenter__(self) -> Self:
        self.restore()
        return self

    async def __aexit__(self, *details: object) -> None:
        self.refuse()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def restore(self) -> None:
        """Pass everything on again."""
        self._close()
        self._flowing.set()
        self._listening = self._bind(backlog=128)
        self._accepting = asyncio.ensure_future(self._accept(self._listening))

    def refuse(self) -> None:
        """Refuse new connections and reset those that are open."""
        self._close()
        for pump in self._pumps:
            pump.cancel()

    def swallow(self) -> None:
        """Be a black hole: what is open falls silent, what is new is never answered."""
        self._flowing.clear()
        self._close()
        # A full backlog makes Linux drop what comes: no SYN is ever acknowledged.
        self._listening = self._bind(backlog=0)
        for _ in range(2):
            plug = socket.socket()
            plug.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                plug.connect((self.address, self.port))
            self._plugs.append(plug)

    def _bind(self, backlog: int) -> socket.socket:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self.address, self.port))
        listening.listen(backlog)
        listening.setblocking(False)
        return listening

    def _close(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None
        for each in (*self._plugs, self._listening):
            if each is not None:
                each.close()
        self._plugs.clear()
        self._listening = None

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listening)
            self.connections += 1
            task = asyncio.ensure_future(self._relay(near))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _relay(self, near: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        far = socket.socket()
        far.setblocking(False)
        near.setblocking(False)
        pumps: list[asyncio.Task[None]] = []
        try:
            await loop.sock_connect(far, self._target)
            pumps += map(asyncio.ensure_future, (self._pump(near, far), self._pump(far, near)))
            await asyncio.gather(*pumps)
        except OSError:
            pass
        finally:
            # The loop must not wait for what is closed: the number may be another socket's soon.
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            # A reset, not an orderly end: that is what a dying machine's neighbours send.
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            near.close()
            far.close()

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, 65536):
            await self._flowing.wait()
            await loop.sock_sendall(sink, data)
        raise ConnectionResetError
