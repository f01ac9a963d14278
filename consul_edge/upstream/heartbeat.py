"""
The heartbeat of each server: ``/v1/status/leader``, which answers at once even without a leader.

A server is asked every second while anything hangs on the answer: it carries polls, an attempt at
it is slow, its circuit is open, or a read waits for a leader.  Otherwise it is left in peace.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from consul_edge import metrics
from consul_edge.core.backoff import backoff
from consul_edge.core.errors import ServerFailed
from consul_edge.upstream.servers import Server, Servers

log = structlog.get_logger()

INTERVAL = 1.0
"""Seconds between heartbeats of a server on which something hangs."""

MOST = 2.0
"""Seconds between heartbeats of a server that has been out for long: it is found back as soon."""

SHORTEST = 0.1
"""Seconds between heartbeats however many ask for one."""

LINGER = 3
"""Quiet beats after which a server that is well is left in peace."""


class Heartbeat:
    """The loop that listens to one server."""

    def __init__(
        self, server: Server, servers: Servers, ask: Callable[[Server], Awaitable[str | None]]
    ) -> None:
        """
        Begin to listen when woken.

        Args:
            ask: Fetches the leader from the server; None if what it said is no leader's address.
                Raises ServerFailed.
        """
        self._server = server
        self._servers = servers
        self._ask = ask
        self._woken = asyncio.Event()
        self._urgent = asyncio.Event()
        self._counters = {
            outcome: metrics.HEARTBEATS.labels(server.label, outcome)
            for outcome in ("success", "failure")
        }
        self._task = asyncio.create_task(self._listen(), name=f"heartbeat {server.name}")

    def wake(self, *, urgent: bool) -> None:
        """Begin to listen; if that is *urgent*, do not wait for the next regular beat."""
        self._woken.set()
        if urgent:
            self._urgent.set()

    def cancel(self) -> None:
        """Stop listening, without waiting for the end of a beat."""
        self._task.cancel()

    async def close(self) -> None:
        """Stop listening."""
        self.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        quiet = LINGER
        while True:
            if quiet >= LINGER:
                await self._woken.wait()
                quiet = 0
            self._woken.clear()
            self._urgent.clear()
            try:
                await self._beat()
            except Exception:
                # The top of a background loop: a defect must not end the listening.
                log.exception("heartbeat failed", server=self._server.name)
            quiet = 0 if self._is_needed() else quiet + 1
            await self._pause()

    async def _beat(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            leader = await self._ask(self._server)
        except ServerFailed as error:
            self._counters["failure"].inc()
            self._server.failures += 1
            self._servers.lost(self._server, error.reason)
        else:
            self._counters["success"].inc()
            self._servers.heard(self._server, leader, at=began)

    def _is_needed(self) -> bool:
        server = self._server
        return server.is_out or server.slots.polls > 0 or server.leader == ""

    async def _pause(self) -> None:
        failures = self._server.failures
        seconds = INTERVAL
        if failures:
            seconds = backoff(failures, first=INTERVAL, most=MOST, jitter=random.random())  # noqa: S311 - spreads load
        await asyncio.sleep(SHORTEST)
        try:
            async with asyncio.timeout(seconds - SHORTEST):
                await self._urgent.wait()
        except TimeoutError:
            pass
