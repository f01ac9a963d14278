"""
The way of every request to Consul: which servers it may be sent to, and in whose name.
"""

import asyncio
import math
from collections.abc import AsyncIterable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from consul_edge import metrics
from consul_edge.core.blocking import longest_hold, patience
from consul_edge.core.errors import LimitReached
from consul_edge.core.request import Call
from consul_edge.upstream.answer import WHOLE_BYTES, Answer
from consul_edge.upstream.budget import RetryBudget
from consul_edge.upstream.client import Body, Client, Intent
from consul_edge.upstream.heartbeat import Heartbeat
from consul_edge.upstream.reads import Attempt, Question, Read
from consul_edge.upstream.servers import Server, Servers
from consul_edge.upstream.writes import write

log = structlog.get_logger()

ORPHAN_SECONDS = 40.0
"""How long a read that nobody waits for may go on: a follower gives up a stopped leader after
36 s, and closing the connection earlier would not free it there."""

RESTORE_TIMEOUT = 600.0
"""Seconds for the answer to a write that streams: restoring a snapshot takes Consul long."""

HEARTBEAT_SHARE = 0.75
"""Of the read timeout, for a heartbeat; the first quarter makes a silent server suspect."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds and times of a rotation; seconds."""

    timeout: float
    deadline: float
    write_timeout: float
    max_retries: int
    retry_delay: float
    max_connections: int
    poll_limit: int


class Rotation:
    """Asks the servers on behalf of clients, and keeps their heartbeats."""

    def __init__(
        self,
        client: Client,
        servers: Servers,
        local_agent: Server,
        limits: Limits,
        *,
        rotate_agent_reads: bool = False,
    ) -> None:
        """
        Begin with heartbeats for nobody.

        Args:
            servers: Those that any request may be sent to.

            local_agent: The one for requests that mean one agent.

            rotate_agent_reads: Whether also reads that mean one agent may go to any server.
        """
        self.servers = servers
        self.local_agent = local_agent
        self.timeout = limits.timeout
        self.suspect_after = limits.timeout * (1 - HEARTBEAT_SHARE)
        self.max_retries = limits.max_retries
        self.retry_delay = limits.retry_delay
        self.poll_limit = limits.poll_limit
        self.budget = RetryBudget()
        self.is_draining = False
        self.now = asyncio.get_running_loop().time
        self._client = client
        self._limits = limits
        self._pool = asyncio.Semaphore(limits.max_connections)
        self._heartbeats: dict[Server, Heartbeat] = {}
        self.orphans: set[asyncio.Task[Any]] = set()
        """Reads and writes that go on although nobody waits for them."""
        servers.wake = lambda server: self.wake(server, urgent=True)
        timeouts = aiohttp.ClientTimeout
        connect = limits.timeout
        self._read_timeout = timeouts(total=None, sock_connect=connect, sock_read=limits.deadline)
        self._stream_timeout = timeouts(total=None, sock_connect=connect, sock_read=None)
        self._write_timeout = timeouts(
            total=None, sock_connect=connect, sock_read=limits.write_timeout
        )
        self._restore_timeout = timeouts(
            total=None, sock_connect=connect, sock_read=RESTORE_TIMEOUT
        )
        self._beat_timeout = timeouts(total=limits.timeout * HEARTBEAT_SHARE)
        self._rotate_agent_reads = rotate_agent_reads

    def start(self) -> None:
        """Take a first heartbeat of everyone, so that later ones have something to differ from."""
        for server in (*self.servers, self.local_agent):
            self.wake(server, urgent=False)

    async def read(self, question: Question) -> Answer:
        """
        Ask for something that may be asked twice.

        Raises:
            EdgeError: NoServer, LimitReached, as ``Read.answer`` has them.
        """
        call = question.call
        candidates = self.candidates(call)
        if call.poll is not None:
            with metrics.BLOCKING_CLIENTS.track_inprogress():
                seconds = patience(call.poll.wait)
                return await Read(self, question, candidates, patience=seconds).answer()
        if call.endpoint.stream:
            return await Read(self, question, candidates, patience=math.inf).answer()
        self.budget.earn()
        await self._enter_pool()
        try:
            return await Read(self, question, candidates, patience=self._limits.deadline).answer()
        finally:
            self._pool.release()

    async def write(self, question: Question, stream: AsyncIterable[bytes] | None) -> Answer:
        """
        Send something that must not be done twice; see ``writes.write``.

        The write goes on to its end also when the caller is cancelled: its client has left, and
        half a write is worse than one whose answer nobody reads.
        """
        if stream is not None:
            # The body comes from the client: without it there is nothing to go on with.
            return await self._write(question, stream)
        return await self.keep(self._write(question, None))

    async def _write(self, question: Question, stream: AsyncIterable[bytes] | None) -> Answer:
        await self._enter_pool()
        try:
            return await write(self, question, stream, self.candidates(question.call))
        finally:
            self._pool.release()

    def candidates(self, call: Call) -> Callable[[], tuple[Server, ...]]:
        """Choose who may be asked: everyone in order, or the local agent alone (promise 9)."""
        if is_pinned(call, rotate_agent_reads=self._rotate_agent_reads):
            return lambda: (self.local_agent,)
        return self.servers.candidates

    def attempt(self, server: Server, question: Question, target: str) -> asyncio.Task[Answer]:
        """Begin to ask one server; the task raises ServerFailed."""
        return asyncio.create_task(self._attempt(server, question, target))

    async def _attempt(self, server: Server, question: Question, target: str) -> Answer:
        call = question.call
        is_poll = call.poll is not None or call.endpoint.stream
        slots = server.slots
        slots.take(poll=is_poll)
        if is_poll:
            self.wake(server, urgent=False)
        try:
            timeout = self._timeout_of(call)
            response = await self._client.send(
                server,
                Intent.WATCH if is_poll else Intent.READ,
                call.method,
                target,
                question.headers,
                question.body,
                timeout,
            )
        except BaseException:
            slots.give(poll=is_poll)
            raise
        answer = Answer(response, server, timeout, lambda: slots.give(poll=is_poll))
        if not call.endpoint.stream or response.status in (429, 500):
            await answer.read()
        return answer

    def _timeout_of(self, call: Call) -> aiohttp.ClientTimeout:
        if call.poll is not None:
            return aiohttp.ClientTimeout(
                total=None,
                sock_connect=self.timeout,
                sock_read=patience(call.poll.wait),
            )
        return self._stream_timeout if call.endpoint.stream else self._read_timeout

    async def write_once(self, server: Server, question: Question, stream: Body) -> Answer:
        """Send a write to one server, once."""
        slots = server.slots
        timeout = self._write_timeout if stream is None else self._restore_timeout
        slots.take(poll=False)
        try:
            response = await self._client.send(
                server,
                Intent.WRITE,
                question.call.method,
                question.call.target,
                question.headers,
                question.body if stream is None else stream,
                timeout,
            )
        except BaseException:
            slots.give(poll=False)
            raise
        answer = Answer(response, server, timeout, lambda: slots.give(poll=False))
        await answer.read(most=WHOLE_BYTES)
        return answer

    def leave(self, task: asyncio.Task[Answer], attempt: Attempt, question: Question) -> None:
        """
        Let go of an attempt that nobody waits for any more.

        A short read at a server that is well is finished and its connection reused; anything else
        is broken off, and a poll is charged for as long as Consul may hold it.
        """
        task.add_done_callback(_discard)
        if task.done():
            return
        call = question.call
        if call.poll is not None:
            attempt.server.slots.abandon(
                longest_hold(call.poll.wait) - (self.now() - attempt.began)
            )
        elif not call.endpoint.stream and not attempt.server.is_out:
            self.orphans.add(task)
            task.add_done_callback(self.orphans.discard)
            timer = asyncio.get_running_loop().call_later(ORPHAN_SECONDS, task.cancel)
            task.add_done_callback(lambda _: timer.cancel())
            return
        task.cancel()

    def hedge(self) -> bool:
        """Take from the budget for asking a second server; count what came of it."""
        granted = self.budget.spend()
        metrics.HEDGES.labels("asked" if granted else "denied").inc()
        return granted

    def wake(self, server: Server, *, urgent: bool) -> None:
        """Listen to a server's heartbeat."""
        heartbeat = self._heartbeats.get(server)
        if heartbeat is None:
            heartbeat = Heartbeat(server, self.servers, self._ask_leader)
            self._heartbeats[server] = heartbeat
        heartbeat.wake(urgent=urgent)

    async def keep(self, work: "Coroutine[Any, Any, Answer]") -> Answer:
        """Do *work* to its end, also when the caller is cancelled."""
        task = asyncio.create_task(work)
        self.orphans.add(task)
        task.add_done_callback(self.orphans.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_discard)
            raise

    def drain(self) -> None:
        """Have every parked poll answered with its current value."""
        self.is_draining = True
        self.servers.announce()

    async def close(self) -> None:
        """Stop listening, finish writes under way, close all connections."""
        for heartbeat in self._heartbeats.values():
            await heartbeat.close()
        for task in self.orphans:
            task.cancel()
        await asyncio.gather(*self.orphans, return_exceptions=True)
        await self._client.close()

    async def _ask_leader(self, server: Server) -> str | None:
        response = await self._client.send(
            server, Intent.WATCH, "GET", "/v1/status/leader", [], None, self._beat_timeout
        )
        async with response:
            text = await response.text()
        if response.status != 200 or not text.strip().startswith('"'):
            return None
        return text.strip().strip('"')

    async def _enter_pool(self) -> None:
        if not self._pool.locked():
            await self._pool.acquire()
            return
        try:
            async with asyncio.timeout(self._limits.deadline):
                await self._pool.acquire()
        except TimeoutError:
            metrics.LIMITS_REACHED.labels("consul.pool.max_connections").inc()
            raise LimitReached(
                503,
                f"consul.pool.max_connections ({self._limits.max_connections}) are all in use",
            ) from None


def is_pinned(call: Call, *, rotate_agent_reads: bool) -> bool:
    """Tell whether a call means the one agent that answers it."""
    endpoint = call.endpoint
    if endpoint.treatment.value == "local":
        return not (call.is_read and (endpoint.cluster or rotate_agent_reads))
    return endpoint.pinned_write and not call.is_read


def _discard(task: "asyncio.Task[Answer]") -> None:
    """Close what an unwanted attempt still brought."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
