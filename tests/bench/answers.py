"""
HTTP/1.1 as the load of a bench needs it: bytes out, and where the answer's bytes end.

Rule 1: pure, so that it can be shown to be right without a server.
Rule 2: :func:`is_whole` is in the timed path; everything else looks at an answer afterwards.
Rule 3: an answer has a length or is chunked; one that ends with its connection is never whole.
"""

import re
from typing import Final

END_OF_HEAD: Final = b"\r\n\r\n"

END_OF_CHUNKS: Final = b"\r\n0\r\n\r\n"
"""No body of JSON holds this: its strings have no bare line ends."""

# Classes of two letters instead of a flag: ignoring all case costs the timed path a microsecond.
_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")

_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)

_INDEX: Final = re.compile(rb"\r\nx-consul-index: *(\d+)", re.IGNORECASE)


def get(host: str, target: str) -> bytes:
    """Render a read."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def put(host: str, target: str, body: str) -> bytes:
    """Render a write."""
    data = body.encode()
    head = f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def poll(host: str, target: str, index: int, wait: str) -> bytes:
    """
    Render a blocking query.

    >>> poll("a:1", "/v1/kv/x?cached", 7, "60s").splitlines()[0]
    b'GET /v1/kv/x?cached&index=7&wait=60s HTTP/1.1'
    """
    return get(host, f"{target}{'&' if '?' in target else '?'}index={index}&wait={wait}")


def is_whole(data: bytes) -> bool:
    """Whether the first answer in *data* is there to its last byte."""
    end = data.find(END_OF_HEAD)
    if end < 0:
        return False
    length = _LENGTH.search(data, 0, end)
    if length is not None:
        return len(data) - end - len(END_OF_HEAD) >= int(length[1])
    return data.endswith(END_OF_CHUNKS)


def status(answer: bytes) -> int:
    """Give the status of a whole answer; 0 if it is none."""
    word = answer[9:12]
    return int(word) if answer.startswith(b"HTTP/1.1 ") and word.isdigit() else 0


def index(answer: bytes) -> int:
    """Give Consul's index of a whole answer; 0 without."""
    found = _INDEX.search(answer, 0, answer.find(END_OF_HEAD))
    return int(found[1]) if found else 0


def body(answer: bytes) -> bytes:
    """Give the body of a whole answer without its framing."""
    head, _, rest = answer.partition(END_OF_HEAD)
    return _joined(rest) if _CHUNKED.search(head) else rest


def _joined(chunks: bytes) -> bytes:
    parts = []
    while chunks:
        line, _, rest = chunks.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        parts.append(rest[:size])
        if size == 0:
            break
        chunks = rest[size + 2 :]
    return b"".join(parts)
