"""
A client that sends a request exactly as it is written and shows the answer exactly as it came.

Libraries mend targets, add headers and hide framing; what the edge does with those is tested here.
"""

import gzip
import json
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Headers = Sequence[tuple[str, str]]

CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    """In the order and the case of the wire."""
    body: bytes = field(repr=False)
    """Without the framing, but with its content coding."""

    def all(self, name: str) -> list[str]:
        """Give every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Give a header's only value, or None."""
        values = self.all(name)
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def index(self) -> int:
        """The value of ``X-Consul-Index``; 0 without."""
        return int(self.header("X-Consul-Index") or 0)

    @property
    def content(self) -> bytes:
        """The body without its content coding."""
        return gzip.decompress(self.body) if self.header("Content-Encoding") else self.body

    def json(self) -> Any:
        """Decode the content."""
        return json.loads(self.content)


class Wire:
    """One connection."""

    def __init__(self, address: str, port: int, timeout: float = 30.0) -> None:
        """Connect to *address*; ``unix:///path`` is one, too."""
        host = f"[{address}]" if ":" in address else address
        self.host = "localhost" if address.startswith("unix://") else f"{host}:{port}"
        if address.startswith("unix://"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            self._socket.connect(address.removeprefix("unix://"))
        else:
            self._socket = socket.create_connection((address, port), timeout)
        self._file = self._socket.makefile("rb")

    def send(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes = b"",
        *,
        chunked: bool = False,
    ) -> None:
        """Write a request; *target* and *headers* go out as Latin-1, untouched."""
        lines = [f"{method} {target} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.append(f"Host: {self.host}")
        lines += [f"{name}: {value}" for name, value in headers]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            parts = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
        elif body or method in {"PUT", "POST"}:
            lines.append(f"Content-Length: {len(body)}")
        self._socket.sendall("\r\n".join((*lines, "", "")).encode("latin-1") + body)

    def read_head(self) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        """Read up to the empty line."""
        version, _, rest = self._line().partition(" ")
        # aiohttp's own refusals of what it cannot parse say 1.0.
        assert version in {"HTTP/1.1", "HTTP/1.0"}, f"no HTTP: {version!r}"
        status, _, reason = rest.partition(" ")
        headers = []
        while line := self._line():
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        return int(status), reason, tuple(headers)

    def read(self, method: str = "GET") -> Answer:
        """Read one response; *method* tells whether it has a body."""
        status, reason, headers = self.read_head()
        while status == 100:  # "go on with the body", which went out at once
            status, reason, headers = self.read_head()
        names = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in {204, 304}:
            body = b""
        elif names.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(iter(self.read_chunk, b""))
        elif "content-length" in names:
            body = self._exactly(int(names["content-length"]))
        else:
            body = self._file.read()
        return Answer(status, reason, headers, body)

    def read_chunk(self) -> bytes:
        """Read one chunk of a chunked body; empty at its end."""
        size = int(self._line().partition(";")[0], 16)
        chunk = self._exactly(size)
        self._line()
        return chunk

    def readable(self, within: float = 0.05) -> bool:
        """Whether something arrived, looking for at most *within* seconds."""
        return bool(select.select([self._socket], [], [], within)[0])

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError(f"the connection ended within a line: {line[:80]!r}")
        return line.rstrip(b"\r\n").decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        body = self._file.read(size)
        if len(body) != size:
            raise ConnectionResetError(f"the body ended after {len(body)} of {size} bytes")
        return body


def exchange(
    where: tuple[str, int],
    method: str,
    target: str,
    headers: Headers = (),
    body: bytes = b"",
    *,
    chunked: bool = False,
    timeout: float = 30.0,
) -> Answer:
    """Send one request over a connection of its own and read its answer."""
    with Wire(*where, timeout) as wire:
        wire.send(method, target, headers, body, chunked=chunked)
        return wire.read(method)
