"""An edge inside the test's own process and loop, for faults at its upstream."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from consul_edge.app import running
from consul_edge.config import Settings, load
from consul_edge.upstream.rotation import Rotation
from consul_edge.web.keys import UPSTREAM
from consul_edge.web.reload import RELOAD, Reloaded
from tests.processes import FASTLANE, fresh_address
from tests.waiting import eventually
from tests.wire import Answer, Headers, exchange

PORT = 8510


@dataclass(frozen=True, slots=True)
class House:
    """A running edge, and a session of a client to it."""

    address: str
    app: web.Application
    client: aiohttp.ClientSession
    env: dict[str, str]
    """What a reload reads."""

    @property
    def base(self) -> str:
        """Its URL."""
        return f"http://{self.address}:{PORT}"

    @property
    def rotation(self) -> Rotation:
        """What carries its requests."""
        return self.app[UPSTREAM].rotation

    async def heard(self) -> None:
        """Wait until each server has named a leader once."""
        servers = self.rotation.servers
        await eventually(lambda: all(server.leader for server in servers), "heartbeats heard")

    async def reload(self, **settings: str) -> Reloaded:
        """Read the configuration again, with these settings in place of those before."""
        self.env.update({f"CONSUL_EDGE_{name}": value for name, value in settings.items()})
        return await self.app[RELOAD]()

    async def ask(
        self, method: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> Answer:
        """Send one request exactly as written, over a connection of its own."""
        return await asyncio.to_thread(
            exchange, (self.address, PORT), method, target, headers, body
        )

    async def bytes(self, *parts: bytes) -> bytes:
        """Write raw bytes and read until the edge hangs up."""
        reader, writer = await asyncio.open_connection(self.address, PORT)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def edge_over(*servers: str, **settings: str) -> AsyncIterator[House]:
    """
    Run an edge over *servers*.

    Args:
        servers: URLs or ``host:port``.

        settings: As in the environment without its prefix: ``CONSUL__TIMEOUT="200ms"``.
    """
    address = fresh_address()
    env = {
        "CONSUL_EDGE_LISTEN": f"{address}:{PORT}",
        "CONSUL_SERVERS": ",".join(servers),
        "CONSUL_EDGE_CONSUL__LOCAL_AGENT": servers[0],
        **({FASTLANE: os.environ[FASTLANE]} if FASTLANE in os.environ else {}),
    } | {f"CONSUL_EDGE_{name}": value for name, value in settings.items()}

    def again() -> Settings:
        return load(file=None, env=env, flags={}).settings

    async with running(again(), again=again) as app:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as client:
            yield House(address, app, client, env)
