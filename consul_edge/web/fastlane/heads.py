"""
Which request heads may be known by their bytes alone.

Rule 1: one whole ``GET`` of ``/v1/`` in origin form, by HTTP/1.1, ended by the only empty line,
and nothing behind it.
Rule 2: each header is one of a list, of which none says that a body follows, that the connection
ends or turns into another, or through whom the request came.  A new header is added here only if
``core`` and ``web`` look at it, or nobody does.
Rule 3: a token is worth more than speed: a head in which one may be is remembered by a keyed
digest only (promise 2).

See Also:
    RFC 9112 sections 3, 6 and 9
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_BYTES: Final = 2048
"""Heads are remembered by the thousand."""

ALLOWED: Final = frozenset(
    {
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cache-control",
        b"connection",
        b"host",
        b"pragma",
        b"user-agent",
        b"x-consul-namespace",
        b"x-consul-partition",
        b"x-consul-token",
    }
)

_HEAD: Final = re.compile(
    rb"GET (/v1/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
)

_SECRET: Final = frozenset({b"authorization", b"x-consul-token"})


@dataclass(frozen=True, slots=True)
class Head:
    """What is said of a head that may be known by its bytes."""

    has_token: bool
    """Whether a token may be in it."""


_OPEN: Final = Head(has_token=False)
_WITH_TOKEN: Final = Head(has_token=True)


def examine(data: bytes) -> Head | None:
    r"""
    Judge what came in one piece; None: it is not to be known by its bytes.

    >>> examine(b"GET /v1/catalog/nodes HTTP/1.1\r\nHost: a\r\n\r\n")
    Head(has_token=False)
    >>> examine(b"GET /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") is None
    True
    """
    if len(data) > LONGEST_BYTES:
        return None
    found = _HEAD.fullmatch(data)
    if found is None:
        return None
    target, lines = found.groups()
    names = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in ALLOWED:
            return None
        if name == b"connection" and value.strip().lower() != b"keep-alive":
            return None
        names.append(name)
    if names.count(b"host") != 1 or names.count(b"connection") > 1:
        return None
    # Whatever spells the parameter otherwise is never kept, and so never remembered.
    has_token = b"token" in target.lower() or not _SECRET.isdisjoint(names)
    return _WITH_TOKEN if has_token else _OPEN
