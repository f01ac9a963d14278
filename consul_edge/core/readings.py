"""
In which ways a path of a request line may be read.

Go's mux decodes and then cleans, a newer one cleans what is still encoded, and a proxy in front of
Consul may do either, without the redirect by which Go tells.  Who judges a path judges them all.
"""

import re
from collections.abc import Iterable
from typing import Final

from consul_edge.core.endpoints import decode_path, is_canonical

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def readings(raw: str) -> tuple[str, ...] | None:
    """
    Read a path in each way that something behind the edge may; None if it cannot be read.

    >>> readings("/v1/%6bv/a"), readings("/v1/kv/../agent/self")
    (('/v1/kv/a',), ('/v1/kv/../agent/self', '/v1/agent/self'))
    """
    if not raw.startswith("/") or "#" in raw or "\\" in raw:
        return None
    if "%" not in raw:
        return (raw,) if is_canonical(raw) else tuple(dict.fromkeys((raw, *_cleaned(raw))))
    if _BAD_ESCAPE.search(raw):
        return None
    decoded = decode_path(raw)
    # Dots may be decoded before anything is cleaned, or slashes, too, or neither.
    dotted = raw.replace("%2e", ".").replace("%2E", ".")
    later = map(decode_path, (*_cleaned(raw), *_cleaned(dotted)))
    return tuple(dict.fromkeys((decoded, *_cleaned(decoded), *later)))


def _cleaned(path: str) -> Iterable[str]:
    """Clean a path; after a last dot segment Go has no slash, and RFC 3986 has one."""
    cleaned = clean(path)
    yield cleaned
    if path.endswith(("/.", "/..")) and cleaned != "/":
        yield f"{cleaned}/"


def clean(path: str) -> str:
    """
    Take double slashes and dot segments out of a path, as Go's ``path.Clean``.

    >>> clean("//v1/./kv/../agent/self/"), clean("/.."), clean("/v1/kv/..")
    ('/v1/agent/self/', '/', '/v1')
    """
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    tail = "/" if path.endswith("/") and kept else ""
    return f"/{'/'.join(kept)}{tail}"


def climbs(path: str) -> bool:
    """
    Tell whether dot segments lead out above where a path begins.

    >>> climbs("/v1/../a"), climbs("/v1/../../a")
    (False, True)
    """
    depth = 0
    for segment in path.split("/"):
        if segment not in ("", "."):
            depth += -1 if segment == ".." else 1
        if depth < 0:
            return True
    return False
