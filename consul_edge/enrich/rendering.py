"""
JSON documents without their end: what all answers share, rendered once, and what each says last.

Rule 1: a document is an object, of which the large part comes first and is kept; its end, which
tells the moment, is put behind it.
Rule 2: there is nothing that cannot be written. A lone surrogate, which no UTF-8 has, becomes a
question mark.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


def encoded(value: object) -> bytes:
    r"""
    Render a value.

    >>> encoded({"a": "\ud800"})
    b'{"a":"?"}'
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_writable(msgspec.to_builtins(value)))


def opened(fields: Mapping[str, Any]) -> bytes:
    """
    Render an object but for its end.

    >>> opened({"data": [1, 2]})
    b'{"data":[1,2]'
    """
    return encoded(fields)[:-1]


def ending(fields: Mapping[str, Any]) -> bytes:
    """
    Render the end of an object that has fields already.

    >>> opened({"data": []}) + ending({"index": 7})
    b'{"data":[],"index":7}'
    >>> ending({})
    b'}'
    """
    return b"," + encoded(fields)[1:] if fields else b"}"


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_writable(key): _writable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_writable, value))
    return value
