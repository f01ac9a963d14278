"""A client of the fast lane, which writes the same bytes again and again over one connection."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from consul_edge.cache.line import Line
from consul_edge.web.fastlane.connection import Connection
from consul_edge.web.fastlane.spot import Spot
from consul_edge.web.keys import CACHE
from tests.house import PORT, House
from tests.waiting import eventually


@dataclass(frozen=True, slots=True)
class Got:
    """One answer."""

    status: int
    headers: dict[str, str]
    """In the case of the wire."""
    body: bytes


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk over an open connection."""
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(raw)

    async def ask(self, raw: bytes) -> Got:
        """Write bytes, and read one answer."""
        self.send(raw)
        return await self.read()

    async def read(self) -> Got:
        """Read one answer."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().rstrip("\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers["Content-Length"]))
        return Got(int(first.split(" ")[1]), headers, body)

    async def end(self) -> bytes:
        """Read until the edge hangs up."""
        async with asyncio.timeout(20):
            return await self.reader.read()

    def leave(self) -> None:
        """Hang up."""
        self.writer.close()


@asynccontextmanager
async def client_of(house: House) -> AsyncIterator[Client]:
    """Connect to an edge."""
    client = Client(*await asyncio.open_connection(house.address, PORT))
    try:
        yield client
    finally:
        client.leave()


class Lanes:
    """Sees what the lanes did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin to look."""
        self.answered = 0
        """Heads that were answered, or parked, without aiohttp."""
        self.passed = 0
        """Heads that were given to aiohttp."""
        answer, pass_on = Connection._answer, Connection._pass

        def answering(connection: Connection, spot: Spot, head: bytes) -> bool:
            done = answer(connection, spot, head)
            self.answered += done
            return done

        def passing(connection: Connection, *given: Any, **named: Any) -> None:
            self.passed += 1
            pass_on(connection, *given, **named)

        monkeypatch.setattr(Connection, "_answer", answering)
        monkeypatch.setattr(Connection, "_pass", passing)


def line_of(house: House, target: str) -> Line:
    """Give the line of a target, of whatever identity."""
    (line,) = (line for line in house.app[CACHE].lines if line.key.target == target)
    return line


async def until_live(house: House, target: str) -> Line:
    """Wait until a line's watch proves it."""
    clock = asyncio.get_running_loop().time
    line = line_of(house, target)
    await eventually(lambda: line.round is not None and line.round.is_live(clock()), "live")
    return line


async def teach(house: House, head: bytes) -> None:
    """Ask until the lane knows *head* and its answer is live."""
    async with client_of(house) as client:
        for _ in range(3):
            assert (await client.ask(head)).status == 200
    found = re.match(rb"GET (\S+)", head)
    assert found
    await until_live(house, re.sub(r"[?&](index|wait|token)=[^&]*", "", found[1].decode()))
