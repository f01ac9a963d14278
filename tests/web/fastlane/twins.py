"""
Two edges over one Consul, alike but for the fast lane, on the loop that production has (uvloop).

They live in a thread of their own, so that a test can write to them piece by piece: after each
piece it waits until the loop has looked at its sockets.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import uvloop

from consul_edge.cache.line import Line
from consul_edge.demo.standin import StandIn
from consul_edge.web.keys import CACHE
from tests.house import PORT, House, edge_over
from tests.waiting import eventually

T = TypeVar("T")

HOST: Final = b"127.0.0.1"

SERVICE: Final = "/v1/catalog/service/nobody"
"""What is asked for again and again: an empty list, which nothing changes."""

OTHER: Final = "/v1/catalog/service/nobody-else"

TIMES: Final = re.compile(rb"\r\n(Date|Age): [^\r]*")
"""What differs with the moment."""

PATIENCE: Final = 3.0


def head(target: str, *lines: str, method: str = "GET") -> bytes:
    """Write a request's head."""
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *lines, "", "")).encode()


@dataclass(slots=True)
class Twins:
    """Both edges."""

    loop: asyncio.AbstractEventLoop
    standin: StandIn
    with_lane: House
    without: House

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Have something done where the edges live."""
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(60)

    def call(self, act: Callable[[], T]) -> T:
        """Call something there."""

        async def calling() -> T:
            return act()

        return self.run(calling())

    def settle(self) -> None:
        """Wait until the loop has looked at its sockets."""
        for _ in range(2):
            self.run(asyncio.sleep(0))

    def talk(self, house: House, pieces: Sequence[bytes]) -> bytes:
        """Send *pieces* apart over one connection; give all that comes back until its end."""
        with socket.create_connection((house.address, PORT), PATIENCE) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            got = bytearray()
            for piece in pieces:
                try:
                    client.sendall(piece)
                except OSError:
                    # It was closed for what came before.
                    break
                self.settle()
                # What is not read when the connection breaks is lost.
                got += _read(client, 0)
            return TIMES.sub(rb"", bytes(got + _read(client, PATIENCE)))

    async def warm(self) -> None:
        """Have both targets live at both, and their heads known where there is a lane."""
        for house in (self.with_lane, self.without):
            for target in (SERVICE, OTHER):
                for _ in range(3):
                    await house.ask("GET", target)
                lines = [line for line in house.app[CACHE].lines if line.key.target == target]
                await eventually(partial(_are_live, lines), "live")


def _are_live(lines: Sequence[Line]) -> bool:
    now = asyncio.get_running_loop().time()
    return all(line.round is not None and line.round.is_live(now) for line in lines)


def _read(client: socket.socket, timeout: float) -> bytes:
    """Read to the end; with a *timeout* of 0 what is there."""
    got = bytearray()
    client.settimeout(timeout)
    try:
        while chunk := client.recv(65536):
            got += chunk
    except (BlockingIOError, ConnectionError):
        pass
    except TimeoutError:
        got += b"<silence>"
    client.settimeout(PATIENCE)
    return bytes(got)


@contextmanager
def twins(services: int = 12, **settings: str) -> Iterator[Twins]:
    """Run both over *services* instances; *settings* as of ``edge_over``."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def begin() -> Twins:
        standin = StandIn(nodes=3, services=services, churn=0.0)
        url = await stack.enter_async_context(standin.running(host="127.0.0.1", port=0))
        houses = [
            await stack.enter_async_context(edge_over(url, FASTLANE=fastlane, **settings))
            for fastlane in ("true", "false")
        ]
        both = Twins(loop, standin, *houses)
        await both.warm()
        return both

    try:
        yield asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
