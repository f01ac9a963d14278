"""
All listeners of one edge, and their exchange for others while it serves.

Rule 1: a listener whose address stays keeps its socket and its connections; its certificate is
another for those that come.  But where clients are asked for more than before, for TLS or for a
certificate of other authorities, nobody goes on as he came.
Rule 2: new sockets listen before any is given up; whoever connects meanwhile is served.
Rule 3: what is given up takes no connection, and closes those that it has when their requests are
answered.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from consul_edge.config import Settings
from consul_edge.core.address import Listen
from consul_edge.core.errors import EdgeError
from consul_edge.web.handed_over import Handed
from consul_edge.web.listeners import BACKLOG, Listener, bind
from consul_edge.web.protocol import EdgeProtocol
from consul_edge.web.server_trust import server_trust

Make = Callable[[str], Callable[[], asyncio.Protocol]]
"""Gives what makes the connections of a listener, by its name."""


@dataclass(slots=True)
class _Place:
    """One configured address: several sockets where a name stands for several."""

    sockets: list[socket.socket]
    listeners: list[Listener] = field(default_factory=list)


class Listening:
    """The listeners of an edge."""

    def __init__(self, settings: Settings, handed: Sequence[Handed], stack: ExitStack) -> None:
        """
        Bind all sockets; nobody is accepted before ``start``.

        Args:
            handed: Those that the service manager bound; *settings* name them, too.

            stack: Gives the sockets back.

        Raises:
            EdgeError: When an address or a certificate cannot be used.
        """
        self._places: dict[Listen, _Place] = {}
        stack.callback(self._close)
        for one in handed:
            self._places.setdefault(one.listen, _Place([])).sockets.append(one.socket)
        for listen in settings.listen:
            if listen not in self._places:
                self._places[listen] = _Place(bind(listen))
        self._trust = server_trust(settings.tls, None)
        self._runner: web.AppRunner
        self._make: Make
        self._left: Callable[[str], None]

    async def start(
        self, runner: web.AppRunner, make: Make, left: Callable[[str], None] = lambda _: None
    ) -> None:
        """
        Begin to accept.

        Args:
            left: Called with the name of a listener that was given up.
        """
        self._runner, self._make, self._left = runner, make, left
        for place in self._places.values():
            await self._open(place)

    async def prepare(self, settings: Settings) -> Callable[[], Awaitable[None]]:
        """
        Bind what other settings name besides, and read the certificates again.

        Returns:
            What exchanges them; it cannot fail for want of an address or a certificate.

        Raises:
            EdgeError: When one cannot be used.
        """
        trust = await asyncio.to_thread(server_trust, settings.tls, self._trust)
        gone = [listen for listen in self._places if listen not in settings.listen]
        with ExitStack() as undo:
            added: dict[Listen, _Place] = {}
            for listen in settings.listen:
                if listen not in self._places:
                    added[listen] = _Place(self._listen(listen, gone, undo))
            undo.pop_all()

        async def exchange() -> None:
            before, self._trust = self._trust, trust
            kept = {one: place for one, place in self._places.items() if one not in gone}
            left = [self._places[one] for one in gone]
            self._places = {one: (kept | added)[one] for one in settings.listen}
            for place in added.values():
                await self._open(place)
            if trust is not before:
                for place in kept.values():
                    place.sockets = [await one.renew(trust.context) for one in place.listeners]
                    for one in place.listeners if trust.asks_more_than(before) else ():
                        self._part(one.name, one.address)
            for place in left:
                await self._give_up(place)

        return exchange

    def _close(self) -> None:
        for place in self._places.values():
            for bound in place.sockets:
                bound.close()
            for listener in place.listeners:
                listener.close()

    async def _open(self, place: _Place) -> None:
        for bound in place.sockets:
            factory = self._make(str(bound.getsockname()))
            listener = Listener(self._runner, bound, factory, self._trust.context)
            await listener.start()
            place.listeners.append(listener)

    async def _give_up(self, place: _Place) -> None:
        for listener in place.listeners:
            name, address = listener.name, listener.address
            await listener.stop()
            if isinstance(address, str):
                with suppress(OSError):
                    await asyncio.to_thread(Path(address).unlink)
            self._part(name, address)

    def _part(self, name: str, address: object) -> None:
        """Have a listener's connections closed when their requests are answered."""
        self._left(name)
        server = self._runner.server
        assert server is not None, "it was set up"  # noqa: S101 - for the type checker
        for protocol in tuple(server.connections):
            transport = protocol.transport
            is_theirs = transport is not None and came_by(transport, address)
            if is_theirs and isinstance(protocol, EdgeProtocol):
                protocol.leave()

    def _listen(
        self, listen: Listen, gone: Iterable[Listen], undo: ExitStack
    ) -> list[socket.socket]:
        """Listen at an address, also where a listener that is to be given up is in its way."""
        in_the_way = [
            one
            for other in gone
            if not listen.socket and other.port == listen.port
            for one in self._places[other].sockets
        ]
        with _letting(in_the_way):
            bound = bind(listen, beside=bool(in_the_way))
            for one in bound:
                undo.enter_context(one)
            if listen.socket:
                undo.callback(Path(listen.socket).unlink, missing_ok=True)
            with _letting(bound if in_the_way else ()):
                for one in bound:
                    _listen(one, listen)
        return bound


@contextmanager
def _letting(sockets: Iterable[socket.socket]) -> Iterator[None]:
    """Let others of this user bind the same address for as long as the context lasts."""
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


def _listen(bound: socket.socket, listen: Listen) -> None:
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        raise EdgeError(f"cannot listen on {listen.name}: {error.strerror or error}") from error


def came_by(transport: asyncio.BaseTransport, address: object) -> bool:
    """Tell whether a connection was accepted by the listener at *address*."""
    own = transport.get_extra_info("sockname")
    if isinstance(own, tuple) and isinstance(address, tuple):
        anywhere = address[0] in ("0.0.0.0", "::")  # noqa: S104 - is compared with, binds nothing
        return own[1] == address[1] and (anywhere or own[0] == address[0])
    return bool(own == address)
