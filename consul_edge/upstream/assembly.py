"""Settings become sessions, servers and the rotation over them."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from consul_edge import metrics
from consul_edge.config import Secret, Settings
from consul_edge.core.address import Address
from consul_edge.core.errors import EdgeError
from consul_edge.upstream.client import Client
from consul_edge.upstream.credentials import Credentials, FileSecret
from consul_edge.upstream.names import Names
from consul_edge.upstream.rotation import Limits, Rotation
from consul_edge.upstream.servers import Server, Servers
from consul_edge.upstream.slots import Slots
from consul_edge.upstream.tls import client_context


class Upstream:
    """Everything that talks to Consul, with one life."""

    def __init__(self, settings: Settings) -> None:
        """
        Put it together inside a running loop; nothing is sent before ``start``.

        Raises:
            EdgeError: When the certificates cannot be used.
        """
        consul = settings.consul
        self._settings = settings
        self._known: dict[Address, Server] = {}
        last = [consul.main_server] if consul.main_server not in (None, *consul.servers) else []
        self._last = tuple(address for address in last if address is not None)
        self._servers = Servers(
            [self._server(address, address) for address in consul.servers],
            last_resort=[self._server(address, address) for address in self._last],
        )
        self._names = Names((*consul.servers, *self._last), self._follow)
        client = Client(
            keepalive_connections=consul.pool.keepalive_connections,
            keepalive_expiry=consul.pool.keepalive_expiry,
            head_bytes=settings.limits.head_bytes,
            tls=_context(settings),
        )
        agent = consul.local_agent or consul.servers[0]
        self.rotation = Rotation(
            client,
            self._servers,
            self._server(agent, agent),
            Limits(
                timeout=consul.timeout,
                deadline=consul.deadline,
                write_timeout=consul.write_timeout,
                max_retries=consul.max_retries,
                retry_delay=consul.retry_delay,
                max_connections=consul.pool.max_connections,
                poll_limit=settings.watch.max_per_server,
            ),
            rotate_agent_reads=consul.agent_reads == "rotate",
        )
        now = asyncio.get_running_loop().time
        self.credentials = Credentials(
            token=_secret(consul.token, consul.token_file, now),
            auth=_secret(consul.auth, consul.auth_file, now),
            token_for_clients=consul.token_for_clients,
        )

    async def start(self) -> None:
        """Resolve names and take the first heartbeats."""
        await self._names.start()
        self.rotation.start()

    async def close(self) -> None:
        """Finish what must be finished and close every connection."""
        await self._names.close()
        await self.rotation.close()

    def _server(self, configured: Address, address: Address) -> Server:
        if address not in self._known:
            consul = self._settings.consul
            metrics.initialise_server(configured.name)
            slots = Slots(
                limit=consul.connections_per_server,
                poll_limit=self._settings.watch.max_per_server,
                now=asyncio.get_running_loop().time,
            )
            tls_name = consul.tls.server_name or (configured.host if configured.is_name else None)
            self._known[address] = Server(address, slots, label=configured.name, tls_name=tls_name)
        return self._known[address]

    def _follow(self, pairs: list[tuple[Address, Address]]) -> None:
        self._servers.replace(
            [self._server(*pair) for pair in pairs if pair[0] not in self._last],
            [self._server(*pair) for pair in pairs if pair[0] in self._last],
        )


def _context(settings: Settings) -> ssl.SSLContext | None:
    consul = settings.consul
    addresses = (*consul.servers, consul.main_server, consul.local_agent)
    if not any(address and address.scheme == "https" for address in addresses):
        return None
    tls = consul.tls
    try:
        return client_context(
            ca_file=tls.ca_file,
            ca_path=tls.ca_path,
            cert=tls.cert,
            key=tls.key,
            verify=tls.verify,
        )
    except OSError as error:
        raise EdgeError(f"consul.tls cannot be used: {error}") from error


def _secret(text: Secret | None, file: Path | None, now: Callable[[], float]) -> Callable[[], str]:
    fallback = text.reveal() if text is not None else ""
    if file is None:
        return lambda: fallback
    return FileSecret(file, fallback, now)
