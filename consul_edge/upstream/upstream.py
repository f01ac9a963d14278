"""
Consul, as the rest of the edge sees it: questions go in, answers come out.

Here settings become sessions and servers, and here is decided which servers a question may go to.
"""

import asyncio
from collections.abc import AsyncIterable, Callable
from contextlib import AbstractContextManager
from functools import partial

from consul_edge import metrics
from consul_edge.config import Settings
from consul_edge.core.address import Address
from consul_edge.core.endpoints import Treatment
from consul_edge.core.request import Call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.client import Client
from consul_edge.upstream.courier import Courier, Question
from consul_edge.upstream.credentials import Credentials
from consul_edge.upstream.names import Names
from consul_edge.upstream.quick import read
from consul_edge.upstream.rotation import Candidates, Limits, Rotation
from consul_edge.upstream.secret_file import secret, secret_instead
from consul_edge.upstream.servers import Server, Servers
from consul_edge.upstream.slots import Slots
from consul_edge.upstream.trust import Trust, trust
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
        self._now = now = asyncio.get_running_loop().time
        self._settings = settings
        self._known: dict[Address, Server] = {}
        self._last = _last(settings)
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
        self._trust = trust(settings, None)
        self._client = Client(
            keepalive_connections=consul.pool.keepalive_connections,
            keepalive_expiry=consul.pool.keepalive_expiry,
            head_bytes=settings.limits.head_bytes,
            tls=self._trust.context,
        )
        courier = Courier(
            self._client,
            timeout=consul.timeout,
            deadline=consul.deadline,
            write_timeout=consul.write_timeout,
            max_connections=consul.pool.max_connections,
        )
        self.rotation = Rotation(courier, self.servers, _limits(settings))
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

    async def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Do everything for going by other settings that can fail.

        Returns:
            What goes by them from then on.  Servers that stay keep their watches, connections and
            what is known of them.

        Raises:
            EdgeError: When a certificate or a file with a secret cannot be used.
        """
        consul = settings.consul
        token = await asyncio.to_thread(
            secret_instead, self.credentials.token, consul.token, consul.token_file, self._now
        )
        auth = await asyncio.to_thread(
            secret_instead, self.credentials.auth, consul.auth, consul.auth_file, self._now
        )
        trust_anew = await self.prepare_trust(settings)
        pairs = await self._names.resolve((*consul.servers, *_last(settings)))

        def adopt() -> None:
            self.credentials.adopt(
                token=token, auth=auth, token_for_clients=consul.token_for_clients
            )
            trust_anew()
            self._adopt(settings, pairs)

        return adopt

    async def prepare_trust(self, settings: Settings) -> Callable[[], None]:
        """
        Read certificates again; connections are made by them once what is returned was called.

        Raises:
            EdgeError: When one cannot be used.
        """
        found = await asyncio.to_thread(trust, settings, self._trust)
        return partial(self._trust_anew, settings, found)

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

    def _trust_anew(self, settings: Settings, found: Trust) -> None:
        pool = settings.consul.pool
        self._trust = found
        self._client.bound(
            keepalive_connections=pool.keepalive_connections,
            keepalive_expiry=pool.keepalive_expiry,
            head_bytes=settings.limits.head_bytes,
            tls=found.context,
        )

    def _adopt(self, settings: Settings, pairs: list[tuple[Address, Address]]) -> None:
        consul = settings.consul
        self._settings = settings
        self._last = _last(settings)
        self.rotation.limits = _limits(settings)
        self.rotation.courier.bound(
            consul.timeout, consul.deadline, consul.write_timeout, consul.pool.max_connections
        )
        self.servers.patience = consul.deadline
        for server in self._known.values():
            server.slots.limit = consul.connections_per_server
            server.slots.poll_limit = settings.watch.max_per_server
        before = {*self.servers, self.local_agent}
        agent = consul.local_agent or consul.servers[0]
        gone = self._drop_renamed([*pairs, (agent, agent)])
        self.local_agent = self._server(agent, agent)
        self._names.adopt((*consul.servers, *self._last), pairs)
        for server in gone:
            self.rotation.dismiss(server)
        for server in {*self.servers, self.local_agent} - before:
            self.rotation.listen(server)

    def _server(self, configured: Address, address: Address) -> Server:
        if address not in self._known:
            consul = self._settings.consul
            metrics.initialise_server(configured.name)
            slots = Slots(
                limit=consul.connections_per_server,
                poll_limit=self._settings.watch.max_per_server,
                now=self._now,
            )
            tls_name, host = self._names_of(configured, address)
            self._known[address] = Server(
                address, slots, label=configured.name, tls_name=tls_name, host=host
            )
        return self._known[address]

    def _names_of(self, configured: Address, address: Address) -> tuple[str | None, str | None]:
        """Say what is asked for in a certificate, and what ``Host`` says."""
        server_name = self._settings.consul.tls.server_name
        tls_name = server_name or (configured.host if configured.is_name else None)
        # Virtual hosts and certificates know the name, not the address it stands for now.
        return tls_name, _host(configured) if configured.host != address.host else None

    def _drop_renamed(self, pairs: list[tuple[Address, Address]]) -> list[Server]:
        """Take away those that are configured by none of the names that they had."""
        named = {
            (address, configured.name, *self._names_of(configured, address))
            for configured, address in pairs
        }
        renamed = [
            server
            for address, server in self._known.items()
            if (address, server.label, server.tls_name, server.host) not in named
        ]
        for server in renamed:
            del self._known[server.address]
        return renamed

    def _follow(self, pairs: list[tuple[Address, Address]]) -> None:
        # Two names may share an address: it is one server, and asked once a round.
        listed = dict.fromkeys(self._server(*pair) for pair in pairs if pair[0] not in self._last)
        last = dict.fromkeys(self._server(*pair) for pair in pairs if pair[0] in self._last)
        self.servers.replace(list(listed), [server for server in last if server not in listed])
        kept = {self.local_agent, *self.servers}
        for address, server in list(self._known.items()):
            if server not in kept:
                del self._known[address]
                self.rotation.dismiss(server)


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


def _last(settings: Settings) -> tuple[Address, ...]:
    """Name the last resort, unless it is one of the others."""
    main, servers = settings.consul.main_server, settings.consul.servers
    return () if main is None or main in servers else (main,)


def _limits(settings: Settings) -> Limits:
    consul = settings.consul
    return Limits(
        timeout=consul.timeout,
        deadline=consul.deadline,
        max_retries=consul.max_retries,
        retry_delay=consul.retry_delay,
    )
