"""
What reads and writes share while they rotate over the servers: who is there, who is listened to,
what is left of the budgets, and what goes on although nobody waits for it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from consul_edge import metrics
from consul_edge.core.blocking import longest_hold
from consul_edge.core.errors import ServerFailed
from consul_edge.core.request import Call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.budget import RetryBudget
from consul_edge.upstream.courier import HEARTBEAT_SHARE, Courier
from consul_edge.upstream.heartbeat import Heartbeat
from consul_edge.upstream.servers import Server, Servers
from consul_edge.upstream.slots import Lease

ORPHAN_SECONDS = 40.0
"""How long a read that nobody waits for may go on: a follower gives up a stopped leader after
36 s, and closing the connection earlier would not free it there."""


WRITES_SECONDS = 15.0
"""How long writes may still take when the edge shuts down: their clients may have left."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds and times of a rotation; seconds."""

    timeout: float
    deadline: float
    max_retries: int
    retry_delay: float

    @property
    def suspect_after(self) -> float:
        """When a silent server's heartbeat is taken, to be known by the end of ``timeout``."""
        return self.timeout * (1 - HEARTBEAT_SHARE)


class Attempt:
    """One server being asked."""

    __slots__ = ("_is_counted", "began", "leaders_seen", "lease", "server", "suspected", "was_out")

    def __init__(self, server: Server, lease: Lease, began: float) -> None:
        """Note the server as it is now, to see later what has changed."""
        self.server = server
        self.lease = lease
        self.began = began
        self.leaders_seen = server.leaders_seen
        self.was_out = server.is_out
        self.suspected = False
        self._is_counted = False

    def count(self, status: str) -> None:
        """Count it once: a silent attempt stays a time-out even if its answer comes at last."""
        if not self._is_counted:
            self._is_counted = True
            self.server.count(status)


class Rotation:
    """The situation among the servers, and the means to ask them."""

    def __init__(self, courier: Courier, servers: Servers, limits: Limits) -> None:
        """Begin with heartbeats for nobody."""
        self.courier = courier
        self.servers = servers
        self.limits = limits
        self.is_draining = False
        self.now = asyncio.get_running_loop().time
        self.budget = RetryBudget()
        self.orphans: set[asyncio.Task[Any]] = set()
        """Reads that go on although nobody waits for them."""
        self._writes: set[asyncio.Task[Any]] = set()
        self._heartbeats: dict[Server, Heartbeat] = {}
        servers.wake = self.wake

    def hedge(self) -> bool:
        """Take from the budget for asking a second server; count what came of it."""
        granted = self.budget.spend()
        metrics.HEDGES.labels("asked" if granted else "denied").inc()
        return granted

    def listen(self, server: Server) -> Heartbeat:
        """Listen to a server's heartbeat."""
        heartbeat = self._heartbeats.get(server)
        if heartbeat is None:
            heartbeat = Heartbeat(server, self.servers, self.courier.leader)
            self._heartbeats[server] = heartbeat
        heartbeat.wake(urgent=False)
        return heartbeat

    def wake(self, server: Server) -> None:
        """Take a server's heartbeat now, unless it is of no interest any more."""
        if not server.is_gone:
            self.listen(server).wake(urgent=True)

    async def hear(self, server: Server) -> None:
        """Wait until *server* has named a leader, but not for long: it may never."""
        self.wake(server)
        until = self.now() + self.limits.timeout
        while server.tenure is None and not server.is_out and self.now() < until:
            await asyncio.wait((self.servers.news(),), timeout=until - self.now())

    def failed(self, server: Server, error: ServerFailed) -> None:
        """Conclude from a failed attempt: out if it could not be reached, else suspect."""
        if error.sent:
            self.wake(server)
        else:
            self.servers.lost(server, error.reason)

    def leave(self, task: asyncio.Task[Answer], attempt: Attempt, call: Call) -> None:
        """
        Let go of an attempt that nobody waits for any more.

        A short read at a server that is well is finished and its connection reused; anything else
        is broken off, and a poll is charged for as long as Consul may hold it.
        """
        task.add_done_callback(_discard)
        if task.done():
            return
        if call.poll is not None:
            waited = self.now() - attempt.began
            attempt.lease.abandon(longest_hold(call.poll.wait) - waited)
        elif not call.endpoint.stream and not attempt.server.is_out:
            self.orphans.add(task)
            task.add_done_callback(self.orphans.discard)
            timer = asyncio.get_running_loop().call_later(ORPHAN_SECONDS, task.cancel)
            task.add_done_callback(lambda _: timer.cancel())
            return
        attempt.lease.give()
        task.cancel()

    async def finish(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do *work*, a write, to its end, also when the caller is cancelled."""
        task = asyncio.create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_discard)
            raise

    def forget(self, server: Server) -> None:
        """Stop listening to a server."""
        heartbeat = self._heartbeats.pop(server, None)
        if heartbeat is not None:
            heartbeat.cancel()

    def dismiss(self, server: Server) -> None:
        """Part with a server that is none any more; what waits for it moves on at once."""
        self.forget(server)
        server.is_gone = server.is_out = True
        server.tenure = None
        self.servers.announce()

    def drain(self) -> None:
        """Have every parked poll answered with its current value."""
        self.is_draining = True
        self.servers.announce()

    async def close(self) -> None:
        """Finish the writes under way, break off the rest, close all connections."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=WRITES_SECONDS)
        for heartbeat in self._heartbeats.values():
            await heartbeat.close()
        left = (*self.orphans, *self._writes)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.courier.close()


Candidates = Callable[[], tuple[Server, ...]]
"""Gives the servers that may be asked, in order, anew for each round."""


def _discard(task: asyncio.Task[Answer]) -> None:
    """Close what an unwanted attempt still brought."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
