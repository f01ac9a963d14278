"""
Consul, as the rest of the edge sees it: questions go in, answers come out.

Here settings become sessions and servers, and here is decided which servers a question may go to.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, Callable
from contextlib import AbstractContextManager

from consul_edge import metrics
from consul_edge.config import Settings
from consul_edge.core.address import Address
from consul_edge.core.endpoints import Treatment
from consul_edge.core.errors import EdgeError
from consul_edge.core.request import Call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.client import Client
from consul_edge.upstream.courier import Courier, Question
from consul_edge.upstream.credentials import Credentials, secret
from consul_edge.upstream.names import Names
from consul_edge.upstream.quick import read
from consul_edge.upstream.rotation import Candidates, Limits, Rotation
from consul_edge.upstream.servers import Server, Servers
from consul_edge.upstream.slots import Slots
from consul_edge.upstream.tls import client_context
from consul_edge.upstream.writes import write

Writing = AbstractContextManager[Callable[[Answer], None]]
"""Lasts for as long as a write does, and is told its answer if there is one."""


class Upstream:
    """Everything that talks to Consul, with one life."""

    def __init__(self, settings: Settings) -> None:
        """
        Put it together inside a running loop; nothing is sent before ``start``.

        Raises:
            EdgeError: When the certificates cannot be used.
        """
        consul = settings.consul
        now = asyncio.get_running_loop().time
        self._settings = settings
        self._known: dict[Address, Server] = {}
        self._last = tuple(
            address
            for address in (consul.main_server,)
            if address is not None and address not in consul.servers
        )
        self.servers = Servers(
            [self._server(address, address) for address in consul.servers],
            last_resort=[self._server(address, address) for address in self._last],
            patience=consul.deadline,
        )
        agent = consul.local_agent or consul.servers[0]
        self.local_agent = self._server(agent, agent)
        self.credentials = Credentials(
            token=secret(consul.token, consul.token_file, now),
            auth=secret(consul.auth, consul.auth_file, now),
            token_for_clients=consul.token_for_clients,
        )
        self.rotation = Rotation(_courier(settings), self.servers, _limits(settings))
        self._names = Names((*consul.servers, *self._last), self._follow)

    async def start(self) -> None:
        """Resolve names; take a first heartbeat, for later ones to differ from."""
        metrics.UPSTREAM_MAX_CONNECTIONS.set_function(lambda: self.local_agent.slots.limit)
        await self._names.start()
        for server in (*self.servers, self.local_agent):
            self.rotation.listen(server)

    async def close(self) -> None:
        """Finish what must be finished and close every connection."""
        await self._names.close()
        await self.rotation.close()

    async def read(self, question: Question) -> Answer:
        """
        Ask for something that may be asked twice.

        Raises:
            EdgeError: As ``Read.answer`` has them.
        """
        reading = read(self.rotation, question, self.candidates(question.call))
        if question.is_short:
            self.rotation.budget.earn()
        elif question.call.poll is not None:
            with metrics.BLOCKING_CLIENTS.track_inprogress():
                return await reading
        return await reading

    async def write(
        self,
        question: Question,
        stream: AsyncIterable[bytes] | None,
        during: Writing,
    ) -> Answer:
        """
        Send something that must not be done twice, inside *during*, which is told the answer; see
        ``writes.write``.

        The write goes on to its end also when the caller is cancelled: its client has left, and
        half a write is worse than one whose answer nobody reads.
        """

        async def writing() -> Answer:
            with during as answered:
                choose = self.candidates(question.call)
                answer = await write(self.rotation, question, stream, choose)
                answered(answer)
                return answer

        # A stream comes from the client: without it there is nothing to go on with.
        return await (writing() if stream is not None else self.rotation.finish(writing()))

    def candidates(self, call: Call) -> Candidates:
        """Choose who may be asked: everyone in order, or the local agent alone (promise 9)."""
        rotate = self._settings.consul.agent_reads == "rotate"
        if is_pinned(call, rotate_agent_reads=rotate):
            return lambda: (self.local_agent,)
        return self.servers.candidates

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
            # Virtual hosts and certificates know the name, not the address it stands for now.
            host = _host(configured) if configured.host != address.host else None
            self._known[address] = Server(
                address, slots, label=configured.name, tls_name=tls_name, host=host
            )
        return self._known[address]

    def _follow(self, pairs: list[tuple[Address, Address]]) -> None:
        # Two names may share an address: it is one server, and asked once a round.
        listed = dict.fromkeys(self._server(*pair) for pair in pairs if pair[0] not in self._last)
        last = dict.fromkeys(self._server(*pair) for pair in pairs if pair[0] in self._last)
        self.servers.replace(list(listed), [server for server in last if server not in listed])
        kept = {self.local_agent, *self.servers}
        for address, server in list(self._known.items()):
            if server not in kept:
                del self._known[address]
                self.rotation.forget(server)


def is_pinned(call: Call, *, rotate_agent_reads: bool) -> bool:
    """Tell whether a call means the one agent that answers it."""
    endpoint = call.endpoint
    if endpoint.treatment is Treatment.LOCAL:
        return not (call.is_read and (endpoint.cluster or rotate_agent_reads))
    return endpoint.pinned_write and not call.is_read


def _host(address: Address) -> str:
    """Render a Host header, without a port where that is the scheme's own."""
    own = {"http": 80, "https": 443}.get(address.scheme)
    return address.host if address.port == own else f"{address.host}:{address.port}"


def _courier(settings: Settings) -> Courier:
    consul = settings.consul
    client = Client(
        keepalive_connections=consul.pool.keepalive_connections,
        keepalive_expiry=consul.pool.keepalive_expiry,
        head_bytes=settings.limits.head_bytes,
        tls=_tls(settings),
    )
    return Courier(
        client,
        timeout=consul.timeout,
        deadline=consul.deadline,
        write_timeout=consul.write_timeout,
        max_connections=consul.pool.max_connections,
    )


def _limits(settings: Settings) -> Limits:
    consul = settings.consul
    return Limits(
        timeout=consul.timeout,
        deadline=consul.deadline,
        max_retries=consul.max_retries,
        retry_delay=consul.retry_delay,
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
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
