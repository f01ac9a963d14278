"""
One server's answer to one attempt: read whole if it is small, open if it is large or endless.
"""

import zlib
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDictProxy

from consul_edge.core.failover import JUDGED, READABLE_BYTES, Verdict, judge
from consul_edge.upstream.client import translate
from consul_edge.upstream.servers import Server
from consul_edge.upstream.slots import Lease

WHOLE_BYTES = 1024 * 1024
"""Bodies up to this size are held whole, in both directions: a server that dies in mid-answer, or
is not there, then costs nothing but another attempt."""


class Answer:
    """A status, headers and a body that is there (``body``) or still comes (``chunks``)."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        server: Server,
        timeout: aiohttp.ClientTimeout,
        lease: Lease,
    ) -> None:
        """
        Hold an answer whose head has arrived.

        Args:
            timeout: What bounds each silence in the body.

            lease: Given back when the connection is not needed any more.
        """
        self.server = server
        self.status = response.status
        self.reason = response.reason or ""
        self.headers: CIMultiDictProxy[str] = response.headers
        self.body = b""
        """The whole body, or its beginning if ``is_open``."""
        self.is_open = True
        self.verdict = Verdict.FINAL
        self._response = response
        self._timeout = timeout
        self._lease = lease

    async def read(self, *, most: int = WHOLE_BYTES) -> None:
        """
        Read the body, or its first *most* bytes; then judge an error by its text.

        Raises:
            ServerFailed: When the server breaks off.
        """
        parts: list[bytes] = []
        size = 0
        content = self._response.content
        try:
            while not content.at_eof():
                part = await content.readany()
                parts.append(part)
                size += len(part)
                if size > most:
                    self.body = b"".join(parts)
                    return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.close()
            raise translate(self.server.name, error, self._timeout) from error
        except BaseException:
            self.close()
            raise
        self.body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._finish()
        if self.status in JUDGED:
            self.verdict = judge(self.status, self.text)

    @property
    def text(self) -> str:
        """An error's own words; Consul compresses even those for clients that accept it."""
        body = self.body
        if self.headers.get("Content-Encoding", "").lower() == "gzip":
            # Bounded, and content with a part: it is read to be judged, not to be passed on.
            try:
                body = zlib.decompressobj(wbits=31).decompress(body, READABLE_BYTES)
            except zlib.error:
                return ""
        return body[:READABLE_BYTES].decode("utf-8", "replace")

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield what is left of the body behind ``body``, as it comes.

        Raises:
            ServerFailed: When the server breaks off: the client must not take what it got for
                the whole.
        """
        try:
            async for chunk, _ in self._response.content.iter_chunks():
                yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.close()
            raise translate(self.server.name, error, self._timeout) from error
        self._finish()

    @property
    def length(self) -> int | None:
        """Bytes of the whole body, if the server said so."""
        return self._response.content_length

    def close(self) -> None:
        """Break off: an open answer's connection is closed, a whole one's is not touched."""
        if self.is_open:
            self._response.close()
            self._finish()

    def _finish(self) -> None:
        self.is_open = False
        self._lease.give()
