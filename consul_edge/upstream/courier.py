"""
Carries one question to one server: which session, which time-outs, whose connections.

Nothing here decides: a failure is raised, an answer returned, and both go to whoever asked.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from consul_edge.core.blocking import longest_patience
from consul_edge.core.errors import LimitReached
from consul_edge.core.failover import JUDGED
from consul_edge.core.headers import Pairs
from consul_edge.core.request import Call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.client import Body, Client, Intent
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Lease
from consul_edge.upstream.tally import tally
from consul_edge.upstream.turnstile import Turnstile

RESTORE_TIMEOUT = 600.0
"""Seconds for the answer to a write that streams: restoring a snapshot takes Consul long."""

HEARTBEAT_SHARE = 0.75
"""Of the read timeout, for a heartbeat; the first quarter makes a silent server suspect."""

QUEUE_SHARE = 0.5
"""Of the deadline, for a connection to become free: what waits longer is told which bound it met
rather than that its server was silent."""

HEARTBEAT_BYTES = 4096
"""Far more than any leader's address."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the same for each server."""

    call: Call
    headers: Pairs
    body: bytes | None

    @property
    def is_short(self) -> bool:
        """Whether an answer is expected at once: it neither waits nor streams."""
        return self.call.poll is None and not self.call.endpoint.stream


class Courier:
    """The only one who hands requests to the client's sessions."""

    def __init__(
        self,
        client: Client,
        *,
        timeout: float,
        deadline: float,
        write_timeout: float,
        max_connections: int,
    ) -> None:
        """
        Fix the bounds; times in seconds.

        Args:
            timeout: For connecting, and three quarters of it for a heartbeat.

            deadline: For each silence of a short read, and for a connection to become free.

            write_timeout: For the answer to a write.

            max_connections: For short reads and writes at once.
        """
        self._client = client
        self._pool = Turnstile(max_connections, "pool")
        self.bound(timeout, deadline, write_timeout, max_connections)

    def bound(
        self, timeout: float, deadline: float, write_timeout: float, max_connections: int
    ) -> None:
        """Take other bounds, which hold for what is sent from now on."""
        self._connect = timeout
        self._deadline = deadline
        self._read = self._silence(deadline)
        self._stream = self._silence(None)
        self._write = self._silence(write_timeout)
        self._restore = self._silence(RESTORE_TIMEOUT)
        self._beat = aiohttp.ClientTimeout(total=timeout * HEARTBEAT_SHARE)
        self._max_connections = max_connections
        self._pool.resize(max_connections)

    async def read(
        self,
        server: Server,
        question: Question,
        target: str,
        lease: Lease,
        *,
        patience: float | None = None,
    ) -> Answer:
        """
        Ask *server* for *target*, which may differ from the question's own in its wait.

        Args:
            lease: Of the server's connections; given back here on failure, else by the answer.

            patience: Seconds that a poll may keep silent; None: as long as any Consul's would.

        Raises:
            ServerFailed: When there is no answer.
        """
        call = question.call
        if question.is_short:
            async with self._in_pool(lease):
                sent = Intent.READ, call.method, target, question.headers, question.body
                with tally(server.label, "read") as told:
                    answer = told.answer = await self._send(server, lease, self._read, *sent)
                    await answer.read()
                return answer
        timeout = self._stream
        if call.poll is not None:
            timeout = self._silence(patience or longest_patience(call.poll.wait))
        sent = Intent.WATCH, call.method, target, question.headers, question.body
        with tally(server.label, "poll" if call.poll is not None else "stream") as told:
            answer = told.answer = await self._send(server, lease, timeout, *sent)
            if not call.endpoint.stream or answer.status in JUDGED:
                await answer.read()
        return answer

    async def write(
        self,
        server: Server,
        question: Question,
        stream: AsyncIterable[bytes] | None,
        lease: Lease,
    ) -> Answer:
        """
        Send a write to *server*, once.

        Raises:
            ServerFailed: When there is no answer; its ``sent`` says whether it may have arrived.
        """
        call = question.call
        timeout = self._write if stream is None else self._restore
        body: Body = question.body if stream is None else stream
        async with self._in_pool(lease):
            sent = Intent.WRITE, call.method, call.target, question.headers, body
            with tally(server.label, "write") as told:
                answer = told.answer = await self._send(server, lease, timeout, *sent)
                await answer.read()
            return answer

    async def leader(self, server: Server) -> str | None:
        """
        Ask *server* who leads; it answers at once, also without a leader.

        Returns:
            The leader's RPC address, "" without one, None if the answer was something else.

        Raises:
            ServerFailed: When there is no answer.
        """
        # A heartbeat uses no connection of the budget: it must get through when that is spent.
        lease = Lease.of_nobody()
        target = "/v1/status/leader"
        answer = await self._send(server, lease, self._beat, Intent.WATCH, "GET", target, [], None)
        try:
            await answer.read(most=HEARTBEAT_BYTES)
        finally:
            answer.close()
        text = answer.text.strip()
        return text.strip('"') if answer.status == 200 and text.startswith('"') else None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def _send(
        self,
        server: Server,
        lease: Lease,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's several
        intent: Intent,
        method: str,
        target: str,
        headers: Pairs,
        body: Body,
    ) -> Answer:
        try:
            sending = self._client.send(server, intent, method, target, headers, body, timeout)
            return Answer(await sending, server, timeout, lease)
        except BaseException:
            lease.give()
            raise

    @asynccontextmanager
    async def _in_pool(self, lease: Lease) -> AsyncIterator[None]:
        """Wait for one of ``pool.max_connections``, which all servers share."""
        if self._pool.locked():
            try:
                async with asyncio.timeout(self._deadline * QUEUE_SHARE):
                    await self._pool.acquire()
            except BaseException as error:
                lease.give()
                if not isinstance(error, TimeoutError):
                    raise
                limit = "consul.pool.max_connections"
                text = f"{limit} ({self._max_connections}) are all in use"
                raise LimitReached(503, limit, text) from None
        else:
            await self._pool.acquire()
        try:
            yield
        finally:
            self._pool.release()

    def _silence(self, seconds: float | None) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=seconds)
