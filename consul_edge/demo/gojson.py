"""
JSON as Consul's Go encoder writes it.

The two differ from plain JSON in what a page could take for markup, and in how ``?pretty`` looks.
"""

from typing import Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder()

_ESCAPES: Final = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
"""What Go escapes beyond the standard; in JSON these bytes can only stand within a string."""


def encode(value: object) -> bytes:
    """Write *value*; maps must have been sorted, as Go's are."""
    body = _ENCODER.encode(value)
    for plain, escaped in _ESCAPES:
        if plain in body:
            body = body.replace(plain, escaped)
    return body


def prettify(body: bytes) -> bytes:
    """Indent as ``?pretty`` does, with the newline that only then ends the body."""
    return msgspec.json.format(body, indent=4) + b"\n"


def join(fragments: list[bytes]) -> bytes:
    """Make a list of what is written already."""
    return b"[" + b",".join(fragments) + b"]"


def readable(text: str) -> str:
    """Replace bytes that are no UTF-8, which arrive as surrogates, as Go's encoder does."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
