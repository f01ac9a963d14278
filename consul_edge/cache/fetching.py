"""
From a key to what Consul says: questions are rendered from the key alone, answers become entries.
"""

import asyncio
import zlib
from collections import OrderedDict
from typing import Final

from consul_edge.cache.line import Line
from consul_edge.core.durations import render_duration
from consul_edge.core.entry import Entry, make_entry
from consul_edge.core.errors import EdgeError
from consul_edge.core.failover import Verdict
from consul_edge.core.headers import response_headers, via
from consul_edge.core.key import Key
from consul_edge.core.request import parse_call
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.upstream import Upstream

LARGE_BYTES: Final = 128 * 1024
"""Bodies beyond are digested outside the event loop, so that nobody waits for it."""

TOO_LARGE_SECONDS: Final = 60.0
"""How long a key whose answer was too large to keep is passed on without trying."""

_REMEMBERED: Final = 1000
"""Keys whose answers were too large."""


class TooLarge(Exception):
    """
    Raised when an answer is larger than ``cache.max_entry_bytes``, or than the whole cache; also
    when it is packed so that nobody here can tell how large it is.
    """


class Unanswered(EdgeError):
    """Raised when all that came was Consul's own word that it cannot answer now."""

    def __init__(self, entry: Entry) -> None:
        """Hold its answer, for want of a better one."""
        super().__init__(f"{entry.server} answered {entry.status}")
        self.entry = entry


class Fetcher:
    """Asks for lines, as one who knows nothing but their keys and tokens."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        instance: str,
        max_entry_bytes: int,
        max_bytes: int,
        wait: float,
    ) -> None:
        """
        Take what every question has in common.

        Args:
            instance: What this edge calls itself in ``Via``.

            max_entry_bytes: Of an answer's body.

            max_bytes: Of all entries together, each with all that it costs.

            wait: Seconds that a watch's round waits for a change.
        """
        self._upstream = upstream
        self._via = via(instance)
        self.now = upstream.rotation.now
        self.bound(max_entry_bytes=max_entry_bytes, max_bytes=max_bytes, wait=wait)

    def bound(self, *, max_entry_bytes: int, max_bytes: int, wait: float) -> None:
        """Take other bounds; what was too large for the former ones is tried again."""
        self._max_entry_bytes = max_entry_bytes
        self._max_bytes = max_bytes
        self._wait = render_duration(wait)
        self._too_large: OrderedDict[Key, float] = OrderedDict()

    def question(self, line: Line, *, index: int = 0, is_consistent: bool = False) -> Question:
        """
        Render what is asked for *line*.

        Args:
            index: Of a blocking query; 0: it does not wait.

            is_consistent: Whether only a leader may answer that knows all.
        """
        key = line.key
        target = key.polling(index, self._wait) if index else key.target
        if is_consistent:
            target += "&consistent" if "?" in target else "?consistent"
        headers = [*key.headers, ("Via", self._via)]
        if line.token:
            headers.append(("X-Consul-Token", line.token))
        self._upstream.credentials.authorize(headers)
        return Question(parse_call("GET", target), headers, None)

    async def ask(self, line: Line) -> Entry:
        """
        Ask whichever server answers, without waiting for a change.

        Raises:
            EdgeError: When none does; ``Unanswered`` if some could only say why not.

            TooLarge: When the answer cannot be kept.
        """
        answer = await self._upstream.read(self.question(line))
        entry = await self.entry_of(line, answer)
        if answer.verdict is not Verdict.FINAL:
            raise Unanswered(entry)
        return entry

    async def ask_again(self, line: Line) -> Entry:
        """
        Ask once more, of a leader that knows all that was ever acknowledged.

        One that has just been elected answers default-mode reads from what it has applied of its
        log by then: after a restart, nothing.  A consistent read it refuses until it has all.

        Raises:
            EdgeError: As ``ask`` has them.

            TooLarge: When the answer cannot be kept.
        """
        answer = await self._upstream.read(self.question(line, is_consistent=True))
        answer.close()
        if answer.verdict is not Verdict.FINAL:
            raise Unanswered(await self.entry_of(line, answer))
        return await self.ask(line)

    async def entry_of(self, line: Line, answer: Answer) -> Entry:
        """
        Read *answer* to its end and make an entry of it, whatever it says.

        Raises:
            TooLarge: When it cannot be kept.

            ServerFailed: When the server breaks off.
        """
        body = await self._unpacked(line, answer, await self._whole(line, answer))
        unordered = line.key.endpoint.name == "catalog_services"
        headers = response_headers(answer.headers.items())

        def make() -> Entry:
            return make_entry(
                answer.status,
                answer.reason,
                headers,
                body,
                server=answer.server.name,
                unordered=unordered,
            )

        entry = make() if len(body) < LARGE_BYTES else await asyncio.to_thread(make)
        if entry.most_bytes > self._max_bytes:
            raise self._note_too_large(line.key)
        return entry

    def is_too_large(self, entry: Entry) -> bool:
        """Tell whether what is kept would not be any more."""
        return len(entry.body) > self._max_entry_bytes or entry.most_bytes > self._max_bytes

    def was_too_large(self, key: Key) -> bool:
        """Tell whether trying to keep an answer for *key* has just failed."""
        return self._too_large.get(key, 0.0) > self.now()

    async def _whole(self, line: Line, answer: Answer) -> bytes:
        if not answer.is_open:
            if len(answer.body) > self._max_entry_bytes:
                raise self._note_too_large(line.key)
            return answer.body
        parts = [answer.body]
        size = len(answer.body)
        try:
            if (answer.length or 0) > self._max_entry_bytes:
                raise self._note_too_large(line.key)
            async for part in answer.chunks():
                parts.append(part)
                size += len(part)
                if size > self._max_entry_bytes:
                    raise self._note_too_large(line.key)
        finally:
            answer.close()
        return b"".join(parts)

    async def _unpacked(self, line: Line, answer: Answer, body: bytes) -> bytes:
        """Unpack what nobody asked to be packed, as a proxy in front of Consul may."""
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if coding == "identity":
            return body
        unpacked = None
        if coding in ("gzip", "x-gzip"):
            unpacked = await asyncio.to_thread(_gunzip, body, self._max_entry_bytes)
        if unpacked is None:
            raise self._note_too_large(line.key)
        return unpacked

    def _note_too_large(self, key: Key) -> TooLarge:
        self._too_large[key] = self.now() + TOO_LARGE_SECONDS
        if len(self._too_large) > _REMEMBERED:
            self._too_large.popitem(last=False)
        return TooLarge(key.endpoint.name)


def _gunzip(packed: bytes, most_bytes: int) -> bytes | None:
    """Unpack; None: it is no gzip, is not whole, or more than *most_bytes* come out of it."""
    unpacked = b""
    while packed:
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(packed, most_bytes + 1 - len(unpacked))
        except zlib.error:
            return None
        if not member.eof or len(unpacked) > most_bytes:
            return None
        packed = member.unused_data
    return unpacked
