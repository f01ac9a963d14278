"""
A Consul and its readers, as bare as can be: for a hundred thousand requests in a test's time.

Rule 1: :class:`BareConsul` answers whatever is asked, each path with a body of its own, and holds
blocking queries until it is told to release them.  It knows nothing; the stand-in does.
Rule 2: :func:`read_all` looks at each answer: one that is an error, or another path's, fails.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, cast

from tests.bench import answers
from tests.processes import fresh_address

PORT: Final = 8500

LEADER: Final = "/v1/status/leader"

LEAST_BYTES, MOST_BYTES = 300, 2000
"""Of a body."""

_END: Final = b"\r\n\r\n"

_HEAD: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: {index}\r\n"
    "X-Consul-Knownleader: true\r\nX-Consul-Lastcontact: 0\r\nContent-Length: {length}\r\n\r\n"
)


class BareConsul:
    """One server with a leader, where everything asked for exists."""

    def __init__(self, *, index: int = 7) -> None:
        """Prepare; *index* is that of every answer, which changes with it."""
        self.address = fresh_address()
        self.server = f"{self.address}:{PORT}"
        self.index = index
        self.reads = 0
        """Answered at once; heartbeats do not count."""
        self.held: dict[asyncio.Transport, str] = {}
        """Blocking queries, by connection."""
        self.most_held = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["BareConsul"]:
        """Serve while the context lasts."""
        loop = asyncio.get_running_loop()
        serving = await loop.create_server(
            lambda: _Serving(self), self.address, PORT, backlog=1024
        )
        try:
            yield self
        finally:
            serving.close()

    def release(self) -> int:
        """Answer all that are held, as when their waits have ended; tell how many those were."""
        held, self.held = self.held, {}
        for transport, target in held.items():
            transport.write(self._answer(target.partition("?")[0]))
        return len(held)

    def take(self, transport: asyncio.Transport, target: str) -> None:
        """Answer or hold one request."""
        path, _, query = target.partition("?")
        if "index=" in query:
            self.held[transport] = target
            self.most_held = max(self.most_held, len(self.held))
            return
        self.reads += path != LEADER
        transport.write(self._answer(path))

    def _answer(self, path: str) -> bytes:
        if path == LEADER:
            body = '"127.0.0.1:8300"'
        else:
            size = LEAST_BYTES + sum(path.encode()) * 97 % (MOST_BYTES - LEAST_BYTES)
            body = f'[{{"Path":"{path}","At":{self.index},"Padding":"'
            body += f'{"x" * (size - len(body) - 3)}"}}]'
        return (_HEAD.format(index=self.index, length=len(body)) + body).encode()


class _Serving(asyncio.Protocol):
    """One connection at it."""

    def __init__(self, consul: BareConsul) -> None:
        self._consul = consul
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._data.endswith(_END):
            target = self._data.split(b" ", 2)[1].decode()
            self._data = b""
            self._consul.take(self._transport, target)

    def connection_lost(self, _error: Exception | None) -> None:
        self._consul.held.pop(self._transport, None)


class _Reading(asyncio.Protocol):
    """One connection of a reader, which asks for one path after the other."""

    def __init__(self, host: str, paths: Iterator[str], query: str) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._host = host
        self._paths = paths
        self._query = query
        self._path = ""
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._next()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not answers.is_whole(self._data) or self.done.done():
            return
        if answers.status(self._data) == 200 and f'"{self._path}"'.encode() in self._data:
            self._next()
        else:
            self.done.set_exception(AssertionError(f"{self._path}: {self._data[:500]!r}"))

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(AssertionError(f"{self._path}: the connection was closed"))

    def _next(self) -> None:
        self._data = b""
        path = next(self._paths, None)
        if path is None:
            self.done.set_result(None)
            self._transport.close()
        else:
            self._path = path
            self._transport.write(answers.get(self._host, path + self._query))


async def read_all(
    address: tuple[str, int], paths: Iterable[str], *, connections: int, query: str = ""
) -> None:
    """
    Read each of *paths* once.

    Args:
        connections: Which share the work, each with one request at a time.

        query: Behind each path.

    Raises:
        AssertionError: When one was not answered with its own body.
    """
    loop = asyncio.get_running_loop()
    left = iter(paths)
    host = "{}:{}".format(*address)
    made = [
        await loop.create_connection(lambda: _Reading(host, left, query), *address)
        for _ in range(connections)
    ]
    try:
        await asyncio.gather(*(reading.done for _, reading in made))
    finally:
        for transport, _ in made:
            transport.close()


@asynccontextmanager
async def parked(
    address: tuple[str, int], paths: Iterable[str], index: int
) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Send a blocking query for each of *paths*, each on a connection of its own; then leave."""
    host = "{}:{}".format(*address)
    async with AsyncExitStack() as stack:
        readers = []
        for path in paths:
            reader, writer = await asyncio.open_connection(*address)
            stack.callback(writer.close)
            writer.write(answers.poll(host, path, index, "5m"))
            readers.append(reader)
        yield readers
