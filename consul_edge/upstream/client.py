"""
The sessions that carry requests to Consul, by intent, and the translation of what can go wrong.

Rule 1: reads share connections that are kept alive; polls and streams have connections of their
own, so that parked ones never keep a short read waiting; each write opens a fresh connection.
Rule 2: a write's session must not replay.  aiohttp repeats a PUT whose pooled connection turns
out dead; a connection that was never pooled cannot be (``force_close``), and the session's own
second try is switched off beside that.
Rule 3: how many connections there are is counted by ``Slots``, not by aiohttp.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable
from enum import Enum
from functools import partial
from typing import Any

import aiohttp
from yarl import URL

from consul_edge.core.durations import render_duration
from consul_edge.core.errors import BadRequest, EdgeError, ServerFailed
from consul_edge.core.headers import Pairs
from consul_edge.upstream.connectors import KeepsFew, TCPConnector, UnixConnector
from consul_edge.upstream.servers import Server

Body = bytes | AsyncIterable[bytes] | None


class Intent(Enum):
    """What a session is for."""

    READ = "read"
    WATCH = "watch"
    WRITE = "write"


_KEPT_AS_THEY_ARE = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add where the client sent none."""

DNS_TTL = 10
"""Seconds that an address found by aiohttp for a name is believed."""


class Client:
    """All connections to all servers."""

    def __init__(
        self,
        *,
        keepalive_connections: int,
        keepalive_expiry: float,
        head_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Prepare sessions; connections are opened on use.

        Args:
            keepalive_connections: How many idle connections are kept, for each intent.

            keepalive_expiry: Seconds that an idle one is kept.

            head_bytes: Longest line of an answer's head that is accepted.

            tls: How to speak to servers of scheme https; None: the system's trust store.
        """
        self._keepalive_connections = keepalive_connections
        self._keepalive_expiry = keepalive_expiry
        self._head_bytes = head_bytes
        self._tls = tls
        self._sessions: dict[tuple[Intent, str], aiohttp.ClientSession] = {}
        self._retired: set[aiohttp.ClientSession] = set()
        """Those of earlier bounds, until the last answer of theirs is read."""
        self._closing: set[asyncio.Task[None]] = set()

    def bound(
        self,
        *,
        keepalive_connections: int,
        keepalive_expiry: float,
        head_bytes: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Open connections otherwise from now on; those that are in use are used to their end."""
        wanted = (keepalive_connections, keepalive_expiry, head_bytes, tls)
        if wanted == (
            self._keepalive_connections,
            self._keepalive_expiry,
            self._head_bytes,
            self._tls,
        ):
            return
        self._keepalive_connections, self._keepalive_expiry, self._head_bytes, self._tls = wanted
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            self._retired.add(session)
            connector = session.connector
            assert isinstance(connector, KeepsFew), "as opened"  # noqa: S101 - for the type checker
            connector.retire(partial(self._end, session))

    async def send(
        self,
        server: Server,
        intent: Intent,
        method: str,
        target: str,
        headers: Pairs,
        body: Body,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - not one time-out but aiohttp's several
    ) -> aiohttp.ClientResponse:
        """
        Send one request to one server and wait for the head of its answer.

        Args:
            target: Origin form, sent as it is.

            timeout: ``sock_connect`` bounds the connecting, ``sock_read`` each silence after the
                request was written.

        Raises:
            ServerFailed: When there is no answer; its ``sent`` says whether the request may have
                reached the server.

            BadRequest: When the request cannot be written as HTTP.
        """
        # yarl takes "#" for the start of a fragment; in a request line it is part of the path.
        url = URL(server.address.base + target.replace("#", "%23"), encoded=True)
        if server.host is not None:
            headers = [*headers, ("Host", server.host)]
        try:
            return await self._session(intent, server.address.socket).request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=timeout,
                server_hostname=server.tls_name,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error.__cause__, EdgeError):
                # The body that was being sent is refused: that is its sender's, not the server's.
                raise error.__cause__ from None
            raise translate(server.name, error, timeout) from error
        except ValueError as error:
            raise BadRequest(f"the request cannot be forwarded: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        sessions, self._sessions = self._sessions, {}
        for session in (*sessions.values(), *self._retired):
            await session.close()
        await asyncio.gather(*self._closing)

    def _end(self, session: aiohttp.ClientSession) -> None:
        self._retired.discard(session)
        closing = asyncio.create_task(session.close(), name="session ends")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _session(self, intent: Intent, socket: str) -> aiohttp.ClientSession:
        session = self._sessions.get((intent, socket))
        if session is None:
            session = self._sessions[intent, socket] = self._open(intent, socket)
        return session

    def _open(self, intent: Intent, socket: str) -> aiohttp.ClientSession:
        options: dict[str, Any] = {"limit": 0, "force_close": intent is Intent.WRITE}
        if intent is not Intent.WRITE:
            options["keepalive_timeout"] = self._keepalive_expiry
        connector: KeepsFew
        if socket:
            connector = UnixConnector(socket, **options)
        else:
            connector = TCPConnector(ttl_dns_cache=DNS_TTL, ssl=self._tls or True, **options)
        connector.keepalive_connections = self._keepalive_connections
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_KEPT_AS_THEY_ARE,
            max_line_size=self._head_bytes,
            max_field_size=self._head_bytes,
        )
        if intent is Intent.WRITE:
            session._retry_connection = False  # noqa: SLF001 - aiohttp has no public switch; a test counts PUTs
        return session


def translate(  # noqa: C901 - one table, a row for each kind of error
    server: str, error: BaseException, timeout: aiohttp.ClientTimeout
) -> ServerFailed:
    """
    Say what a foreign error means.

    The one table of them.  What happened while connecting is known not to have sent anything;
    everything after is not.
    """

    def failed(reason: str, *, sent: bool, timed_out: bool = False) -> ServerFailed:
        return ServerFailed(server, reason, sent=sent, timed_out=timed_out)

    def silent(seconds: float | None) -> str:
        return f"timed out after {render_duration(seconds)}" if seconds else "timed out"

    match error:
        case aiohttp.ConnectionTimeoutError():
            return failed(silent(timeout.sock_connect), sent=False, timed_out=True)
        case aiohttp.ServerTimeoutError() | aiohttp.SocketTimeoutError():
            return failed(silent(timeout.sock_read), sent=True, timed_out=True)
        case aiohttp.ClientConnectorDNSError():
            return failed("has a name that cannot be resolved", sent=False)
        case aiohttp.ClientConnectorCertificateError():
            return failed(
                f"has a certificate that is not trusted: {error.certificate_error}", sent=False
            )
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return failed("refused", sent=False)
        case aiohttp.ClientConnectorError():
            return failed(
                f"cannot be reached: {error.os_error.strerror or error.os_error}", sent=False
            )
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return failed("closed the connection", sent=True)
        case aiohttp.ClientPayloadError():
            return failed("broke off its answer", sent=True)
        case aiohttp.ClientResponseError():
            return failed(f"did not answer in HTTP: {error.message}", sent=True)
        case TimeoutError() | asyncio.CancelledError():
            return failed(silent(timeout.total), sent=True, timed_out=True)
        case OSError(__cause__=ssl.SSLError(reason=str() as why)) if "ALERT" in why:
            # TLS 1.3 tells a client only after the handshake that its certificate is not wanted.
            return failed(f"refused the TLS connection: {why}", sent=False)
        case _:
            # Not the error's own text: aiohttp's may hold the URL, and that a token.
            return failed(f"broke the connection ({type(error).__name__})", sent=True)
