"""
Kept answers as the bytes that go to clients.

Rule 1: clients that get the same get the same bytes: head and body of an answer are put together
once a second and entry, whoever asks, and each client costs one write.
Rule 2: a body is compressed once, and never copied but to join a small one to its head.
Rule 3: what takes long is not begun here: who asks for it makes it elsewhere and has it adopted.
"""

import asyncio
import gzip
import time
from email.utils import formatdate
from typing import Final
from weakref import WeakKeyDictionary

from consul_edge.cache.served import Served
from consul_edge.core.entry import Entry, moment_headers
from consul_edge.core.headers import Pairs
from consul_edge.core.policy import cache_status

SMALL_BYTES: Final = 1400
"""Bodies below are not compressed: they fit a packet as they are."""

LARGE_BYTES: Final = 128 * 1024
"""Bodies from here on are compressed outside the event loop."""

JOINED_BYTES: Final = 16 * 1024
"""Bodies up to this size are joined to their head: one buffer to write, at the price of a copy."""

RENDERED: Final = 128
"""Entries whose rendering is remembered, for a second at most."""

LEVEL: Final = 4
"""Of gzip: done once per entry, and sent perhaps a thousand times."""

Parts = tuple[bytes, ...]
"""What is written one behind the other."""


class Rendering:
    """Renders what the cache serves."""

    def __init__(self) -> None:
        """Begin with nothing compressed or rendered."""
        self._compressed: WeakKeyDictionary[Entry, bytes] = WeakKeyDictionary()
        self._rendered: WeakKeyDictionary[Entry, dict[tuple[object, ...], Parts]]
        self._rendered = WeakKeyDictionary()
        self._second = 0
        self._date = ""

    def parts(self, served: Served, *, zipped: bool) -> Parts:
        """
        Render a whole answer, its head ending with the body's length and the date of now.

        Args:
            zipped: Whether the client gets the compressed form.
        """
        now = int(time.time())
        if now != self._second or len(self._rendered) >= RENDERED:
            self._second, self._date = now, formatdate(now, usegmt=True)
            self._rendered.clear()
        forms = self._rendered.setdefault(served.entry, {})
        contact = 0 if served.is_live else round(served.age * 1000)
        form = (served.result, int(served.age), contact, zipped)
        parts = forms.get(form)
        if parts is None:
            parts = self._render(served, zipped=zipped)
            if served.is_live:
                # What is not has another contact each millisecond: nobody else gets the same.
                forms[form] = parts
        return parts

    def is_quick(self, entry: Entry) -> bool:
        """Whether compressing it would not hold up others, or has been done."""
        return len(entry.body) < LARGE_BYTES or entry in self._compressed

    def compress(self, entry: Entry) -> bytes:
        """Give the compressed form of its body."""
        body = self._compressed.get(entry)
        if body is None:
            body = self._compressed[entry] = compress(entry.body)
        return body

    def adopt(self, entry: Entry, compressed: bytes) -> None:
        """Take over its compressed form, which was made elsewhere."""
        self._compressed[entry] = compressed

    def _render(self, served: Served, *, zipped: bool) -> Parts:
        entry = served.entry
        body = self.compress(entry) if zipped else entry.body
        lines = [f"HTTP/1.1 {entry.status} {entry.reason}"]
        lines += [f"{name}: {value}" for name, value in answer_headers(served)]
        if zipped:
            lines.append("Content-Encoding: gzip")
        lines += [f"Content-Length: {len(body)}", f"Date: {self._date}", "", ""]
        head = "\r\n".join(lines).encode("utf-8", "surrogateescape")
        return (head + body,) if len(body) <= JOINED_BYTES else (head, body)


def send(transport: asyncio.WriteTransport, parts: Parts) -> None:
    """Write an answer."""
    if len(parts) == 1:
        transport.write(parts[0])
    else:
        transport.writelines(parts)


def answer_headers(served: Served) -> Pairs:
    """Make the headers of an answer: Consul's, those of the moment and the edge's."""
    entry = served.entry
    pairs = [
        *entry.headers,
        *moment_headers(
            entry, age=served.age, is_live=served.is_live, because_of_error=served.is_stale
        ),
        ("X-Cache", "HIT" if served.is_hit else "MISS"),
    ]
    if served.is_hit:
        pairs.append(("Age", str(int(served.age))))
    if served.is_stale:
        pairs.append(("X-Consul-Edge-Stale", str(int(served.age))))
    pairs.append(("X-Consul-Edge-Server", entry.server))
    pairs.append(("Cache-Status", cache_status(served.status)))
    return pairs


def compress(body: bytes) -> bytes:
    """Compress as every client is given it: the same bytes for the same body."""
    return gzip.compress(body, LEVEL, mtime=0)
