"""Servers to decide about and to connect to, and a client that does; what metrics say."""

import contextlib
import ssl
from collections.abc import AsyncIterator

import aiohttp
from prometheus_client import Counter, Gauge

from consul_edge.core.address import parse_server
from consul_edge.upstream.client import Client, Intent
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Slots


def make_server(name: str, *, label: str = "") -> Server:
    """Make a server that is presumed well; *name* is its host."""
    address = parse_server(f"{name}.unit.test:8500")
    slots = Slots(limit=10, poll_limit=5, now=lambda: 0.0)
    return Server(address, slots, label=label or address.name, tls_name=None)


def make_servers(names: str) -> list[Server]:
    """Make one server for each letter of *names*."""
    return [make_server(name) for name in names]


def letters(*servers: Server) -> str:
    """Write servers as their letters."""
    return "".join(server.name.partition(".")[0] for server in servers)


def value_of(metric: Counter | Gauge) -> float:
    """Read one series as a scrape would."""
    (family,) = metric.collect()
    return family.samples[0].value


TIMES = aiohttp.ClientTimeout(total=9.0, sock_connect=2.0, sock_read=30.0)


def server_at(url: str, *, tls_name: str | None = None) -> Server:
    """Describe a server to connect to."""
    address = parse_server(url)
    slots = Slots(limit=100, poll_limit=100, now=lambda: 0.0)
    return Server(address, slots, label=address.name, tls_name=tls_name)


@contextlib.asynccontextmanager
async def client_with(
    keepalive_connections: int = 20,
    keepalive_expiry: float = 30.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Client]:
    """Make a client for the length of a test."""
    client = Client(
        keepalive_connections=keepalive_connections,
        keepalive_expiry=keepalive_expiry,
        head_bytes=65536,
        tls=tls,
    )
    try:
        yield client
    finally:
        await client.close()


async def ask(
    client: Client,
    server: Server | str,
    target: str,
    intent: Intent = Intent.READ,
    method: str = "GET",
) -> bytes:
    """Send one request and read its answer."""
    server = server_at(server) if isinstance(server, str) else server
    response = await client.send(server, intent, method, target, [], None, TIMES)
    async with response:
        return await response.read()
