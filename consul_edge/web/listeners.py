"""
Where clients come in: TCP over IPv4 and IPv6 and unix sockets, plain or with TLS.
"""

import asyncio
import os
import socket
import ssl
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from consul_edge.core.address import Listen
from consul_edge.core.errors import EdgeError

BACKLOG = 1024

_CLEANS_UP = sys.version_info >= (3, 13)

SOCKET_MODE = 0o600
"""A unix socket belongs to its owner alone; who wants to share it changes its folder's group."""


class Listener(web.BaseSite):
    """One listening socket whose connections are made by a factory of ours."""

    __slots__ = ("_factory", "_socket", "_tls")

    def __init__(
        self,
        runner: web.AppRunner,
        listening: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        """Take over a bound socket."""
        super().__init__(runner, ssl_context=tls, backlog=BACKLOG)
        self._socket = listening
        self._factory = factory
        self._tls = tls

    @property
    def name(self) -> str:
        """The address as the system gives it."""
        return str(self.address)

    @property
    def address(self) -> object:
        """The same, unrendered: a path, or host and port."""
        return self._socket.getsockname()

    async def start(self) -> None:
        """Begin to accept."""
        await super().start()
        await self._serve()

    async def renew(self, tls: ssl.SSLContext | None) -> socket.socket:
        """
        Meet those that connect from now on otherwise; connections that there are stay as they are.

        Returns:
            The socket by its new descriptor.
        """
        before = self._server
        # The same socket by another descriptor: the former server closes its own.
        self._socket, self._tls = self._socket.dup(), tls
        await self._serve()
        if before is not None:
            before.close()
        return self._socket

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        if self._socket.family == socket.AF_UNIX:
            # From Python 3.13 on a closed server takes the file along, be it another's by then.
            options: dict[str, Any] = {"cleanup_socket": False} if _CLEANS_UP else {}
            self._server = await loop.create_unix_server(
                self._factory, sock=self._socket, ssl=self._tls, backlog=BACKLOG, **options
            )
        else:
            self._server = await loop.create_server(
                self._factory, sock=self._socket, ssl=self._tls, backlog=BACKLOG
            )


def bind(listen: Listen, *, beside: bool = False) -> list[socket.socket]:
    """
    Bind the sockets of one listener: several where its name or all interfaces mean so.

    Args:
        beside: Whether others of this process are there already that let it.

    Raises:
        EdgeError: When the address is taken or not of this machine.
    """
    try:
        if listen.socket:
            return [_bind_unix(Path(listen.socket))]
        return _bind_tcp(listen.host, listen.port, beside=beside)
    except OSError as error:
        raise EdgeError(f"cannot listen on {listen.name}: {error.strerror or error}") from error


def _bind_tcp(host: str, port: int, *, beside: bool) -> list[socket.socket]:
    found = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listening = socket.socket(family, kind, protocol)
            bound.append(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if beside:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(address)
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


def _bind_unix(path: Path) -> socket.socket:
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Created with its final mode: there is no moment at which others could connect.
        before = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
    except OSError:
        listening.close()
        raise
    return listening


def _clear(path: Path) -> None:
    """Remove the socket of an edge that is gone; leave one alone that answers, or another file."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError(f"{path} exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Not waiting: of a process that accepts nothing any more the backlog may be full.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
        raise OSError(f"{path} is in use")


def server_context(cert: Path, key: Path | None, client_ca: Path | None) -> ssl.SSLContext:
    """
    Build the context of TLS listeners.

    Args:
        client_ca: Authorities one of which must have signed a client's certificate; None: clients
            need none.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context
