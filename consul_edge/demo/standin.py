"""
The stand-in itself: an HTTP server that behaves as Consul 1.8.7 does.

``async with StandIn().running() as base_url:`` is all that a test needs; ``state`` is what it
knows, ``faults`` what goes wrong, ``seen`` what it was asked.

Where it differs from a 1.8.7, on purpose: a missing key does not wake for its siblings; tags of
catalog/services are sorted; tombstones stay until ``state.keys.reap()``; lost polls do not hold
their connections, and their number is not limited; ``/`` is no page; ``?near`` does not sort, and
``?filter`` knows comparisons only (see ``selection``); with a datacenter of its own only, it
answers 500 for any other; ``agent/self`` is reduced, and what ``routes`` lacks is 404.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from aiohttp import web

from consul_edge.demo import wire
from consul_edge.demo.answers import render
from consul_edge.demo.call import Place
from consul_edge.demo.churn import Churn
from consul_edge.demo.dataset import DataSet
from consul_edge.demo.dispatch import Tokens, dispatch
from consul_edge.demo.faults import Fault, Faults, Moment
from consul_edge.demo.routes_kv import LARGEST_VALUE
from consul_edge.demo.seen import Log, Seen
from consul_edge.demo.state import State

_LONGEST_LINE: Final = 64 * 1024
"""Consul takes targets and headers of this size."""

_ACCEPTING: Final = 10
"""Turns of the loop that a connection takes at most between its acceptance and its first byte."""

_PATIENCE: Final = 1.0
"""Seconds that handlers get when the stand-in stops; all of them were woken before."""


class StandIn:
    """One Consul server, or what a client takes for one."""

    def __init__(
        self,
        *,
        nodes: int = 12,
        services: int = 155,
        churn: float = 0.0,
        seed: int | None = None,
        newer: bool = False,
        tokens: Tokens | None = None,
        state: State | None = None,
        server: int = 0,
    ) -> None:
        """
        Build the data set, which takes a few seconds for 100,000 services.

        Args:
            nodes: Of the data set, at least one.

            services: Instances in the data set; 0 with one node is almost a fresh Consul.

            churn: Changes a second while it runs.

            seed: Of the data set and of what the churn does; None is as good as 0.

            newer: Add the headers of newer Consuls, and their quirks with them.

            tokens: What each token may do; anybody may do everything without.

            state: Shared with another stand-in instead of a data set of its own, as servers of
                one cluster share theirs; let only one of them churn.

            server: Which of the servers among the members it is; the first one leads.
        """
        if state is None:
            state = State()
            DataSet(nodes, services, seed).load(state)
        self.state = state
        self.faults = Faults()
        self.faults.wake = state.ledger.notify_all
        self.seen = Log()
        self.tokens = tokens
        self.churn = Churn(state, churn, seed)
        self._place = Place(state, self.faults, server, newer=newer)
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._socket: socket.socket | None = None
        self._address = ("127.0.0.1", 0)

    @property
    def parked(self) -> int:
        """How many requests wait for a change."""
        return self._place.parked

    @property
    def port(self) -> int:
        """Where it listens, or last did."""
        return self._address[1]

    @property
    def base_url(self) -> str:
        """``http://host:port``."""
        return f"http://{self._address[0]}:{self._address[1]}"

    def app(self) -> web.Application:
        """
        Make the application, for those who serve it themselves.

        They should serve it with ``handler_cancellation`` and without ``auto_decompress``.
        """
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(_hide_server)
        app.on_shutdown.append(self._release)
        app.cleanup_ctx.append(self._living)
        return app

    @contextlib.asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
        """
        Serve in the current loop.

        Leaving answers parked polls at once, aborts what hangs, and closes.

        Args:
            host: A loopback address.

            port: 0 lets the system choose.

        Yields:
            The base URL.
        """
        self._address = (host, port)
        self._runner = web.AppRunner(
            self.app(),
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            shutdown_timeout=_PATIENCE,
        )
        await self._runner.setup()
        try:
            await self.listen()
            yield self.base_url
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End before ``running`` would; nothing if that was done."""
        runner, self._runner, self._site = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    async def listen(self) -> None:
        """Accept connections, after ``refuse`` on the same port as before."""
        assert self._runner is not None, "not running"  # noqa: S101 - a mistake of the caller
        if self._site is None:
            host, port = self._address
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
            self._socket.setblocking(False)
            self._site = web.SockSite(self._runner, self._socket)
            await self._site.start()
            self._address = (host, self._socket.getsockname()[1])

    async def refuse(self, *, drop: bool = True) -> None:
        """
        Refuse new connections, as a dead server does, until ``listen``.

        Args:
            drop: Also reset the connections that are open.
        """
        if self._site is not None and self._socket is not None:
            # Whoever is just being accepted becomes a connection first, like all others: else he
            # would go on as if nothing had happened, or hear nothing at all.
            asyncio.get_running_loop().remove_reader(self._socket)
            for _ in range(_ACCEPTING):
                await asyncio.sleep(0)
            await self._site.stop()
            self._site = self._socket = None
        if drop:
            self.disconnect()

    def disconnect(self) -> None:
        """Reset all open connections."""
        server = self._runner.server if self._runner is not None else None
        for connection in server.connections if server is not None else ():
            wire.reset(connection.transport)

    async def _release(self, _app: web.Application) -> None:
        """Answer those who wait for a change, and abort those whom a fault holds."""
        self._place.closing = True
        self.state.ledger.notify_all()
        for fault in self.faults.held:
            fault.abandon()
        for timer in self._place.timers.values():
            timer.cancel()
        self._place.timers.clear()

    async def _living(self, _app: web.Application) -> AsyncIterator[None]:
        self._place.closing = False
        task = asyncio.create_task(self.churn.run(), name="churn of the demo")
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = self.seen.note(request.method, request.raw_path, request.headers)
        if self.faults.armed:
            fault = self.faults.take(request.method, request.raw_path)
            if fault is not None:
                return await self._handle_with(fault, request, seen)
        body = await _receive(request, seen)
        answer, pretty = await dispatch(request, body, self._place, self.tokens)
        return await render(answer, request.headers.get("Accept-Encoding", ""), pretty=pretty)

    async def _handle_with(
        self, fault: Fault, request: web.Request, seen: Seen
    ) -> web.StreamResponse:
        await wire.before_reading(request, fault, seen)
        body = await _receive(request, seen)
        await wire.before_acting(request, fault)
        pretty = False
        answer = fault.answer
        if answer is None:
            answer, pretty = await dispatch(request, body, self._place, self.tokens)
        if fault.reset is Moment.DONE:
            wire.drop(request)
        if fault.rewrite is not None:
            answer = fault.rewrite(answer)
        accepted = request.headers.get("Accept-Encoding", "")
        response = await render(answer, accepted, pretty=pretty)
        return await wire.send(request, response, fault) if fault.streams else response


async def _receive(request: web.Request, seen: Seen) -> bytes:
    """Read the body, unless Consul would refuse it unread for its length."""
    if not request.body_exists:
        seen.complete = True
        return b""
    if (request.content_length or 0) > LARGEST_VALUE and request.path.startswith("/v1/kv/"):
        return b""
    body = await request.read()
    seen.receive(body)
    return body


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Take out what only aiohttp says."""
    response.headers.pop("Server", None)
