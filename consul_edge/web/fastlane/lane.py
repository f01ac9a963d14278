"""
What all connections of the fast lane share: the memo, the renderings in use, the counts.

Rule 1: whatever holds the bytes of an answer lets go of them when its second is over.
Rule 2: a client that says nothing for long is closed, as aiohttp closes it, and so are all when
the edge drains.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import hdrs, web

from consul_edge import metrics
from consul_edge.cache.plan import Question
from consul_edge.cache.served import Served
from consul_edge.core.key import ANONYMOUS
from consul_edge.web.access_log import loggable, record
from consul_edge.web.fastlane.connection import Connection
from consul_edge.web.fastlane.memo import DIGEST_BYTES, Book, Memo
from consul_edge.web.fastlane.spot import Spot
from consul_edge.web.fastlane.tally import Tallies
from consul_edge.web.hits import accepts_gzip
from consul_edge.web.keys import ACCESS, CACHE, GENERATION, PARKED, RENDERING
from consul_edge.web.protocol import EdgeProtocol
from consul_edge.web.rendering import Parts

SWEEP = 30.0
"""Seconds between two looks for clients that say nothing."""


class Lane:
    """The fast lane of one edge."""

    def __init__(
        self,
        app: web.Application,
        build: Callable[[], EdgeProtocol],
        *,
        keepalive: float,
    ) -> None:
        """
        Begin without a connection, inside a running loop.

        Args:
            build: Makes aiohttp's protocol of one connection.

            keepalive: Seconds that a client may say nothing.
        """
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.cache = app[CACHE]
        self.rendering = app[RENDERING]
        self.parked = app[PARKED]
        self.access = app[ACCESS]
        self.build = build
        self.memo = Memo()
        self.tallies = Tallies(self.cache.counts)
        self._generation = app[GENERATION]
        self._keepalive = keepalive
        self._connections: set[Connection] = set()
        self._ready: set[Spot] = set()
        self._is_native = type(self.loop).__module__.startswith("uvloop")
        self._sweeping = self.loop.call_later(SWEEP, self._sweep)
        metrics.LATE.books.append(self.tallies.book)
        self.logs = self._generation.settings.log.access
        """Whether each answer is logged."""
        self._generation.heard.append(self._exchange)
        self.cache.disowned.append(self.memo.forget)

    def listen(self, listener: str) -> Callable[[], Connection]:
        """Give what makes the connections of a listener."""
        return partial(Connection, self, listener)

    def opened(self, connection: Connection, listener: str, transport: asyncio.Transport) -> Book:
        """Note a connection, and give the book for its circumstances."""
        self._connections.add(connection)
        tls = transport.get_extra_info("ssl_object")
        certificate = None if tls is None else tls.getpeercert(binary_form=True)
        return self.memo.book((listener, certificate))

    def closed(self, connection: Connection) -> None:
        """Forget a connection, or that the lane is open there."""
        self._connections.discard(connection)

    def shares(self, transport: asyncio.Transport) -> bool:
        """Whether what a client does not read at once is kept without a copy of its own."""
        return self._is_native and transport.get_extra_info("ssl_object") is None

    def client(self, transport: asyncio.Transport) -> str | None:
        """Give the address of a client; none is known behind a unix socket."""
        peer = transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else None

    def learn(self, book: Book, name: bytes, request: web.BaseRequest, question: Question) -> None:
        """Remember what a head asks for, by which aiohttp was brought to ask the cache."""
        is_digest = len(name) == DIGEST_BYTES
        if question.key.identity != ANONYMOUS and not is_digest:
            # A token was where none was looked for.
            return
        accepted = ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
        spot = Spot(
            self,
            question,
            None if is_digest else name,
            target=loggable(request.raw_path),
            accepts_gzip=accepts_gzip(accepted),
        )
        self.memo.learn(book, name, spot)

    def log(
        self,
        transport: asyncio.Transport,
        spot: Spot,
        served: Served,
        parts: Parts,
        seconds: float,
    ) -> None:
        """Log an answer as aiohttp's are."""
        record(
            method="GET",
            target=spot.target,
            status=served.entry.status,
            size_bytes=sum(map(len, parts)),
            seconds=seconds,
            client=self.client(transport),
            server=served.entry.server,
        )

    def in_use(self, spot: Spot) -> None:
        """Have *spot* let go of its bytes when this second is over."""
        if not self._ready:
            self.loop.call_later(1.0, self._turn)
        self._ready.add(spot)

    def drain(self) -> None:
        """Close each connection as soon as nobody waits there."""
        for connection in tuple(self._connections):
            connection.leave()

    def leave(self, listener: str) -> None:
        """Close those that came by a listener that is no more, as soon as nobody waits there."""
        for connection in tuple(self._connections):
            if connection.listener == listener:
                connection.leave()

    def close(self) -> None:
        """End what goes on."""
        self._sweeping.cancel()
        self._turn()
        self.tallies.book()
        metrics.LATE.books.remove(self.tallies.book)

    def _exchange(self) -> None:
        """Follow an exchange of the settings: every head must be judged by them."""
        self.memo.clear()
        self.logs = self._generation.settings.log.access

    def _turn(self) -> None:
        ready, self._ready = self._ready, set()
        now = self.now()
        for spot in ready:
            if spot.until > now:
                self.in_use(spot)
            else:
                spot.rest()

    def _sweep(self) -> None:
        self._sweeping = self.loop.call_later(SWEEP, self._sweep)
        silent_since = self.now() - self._keepalive
        for connection in tuple(self._connections):
            if connection.is_idle and connection.heard_at < silent_since:
                connection.leave()
