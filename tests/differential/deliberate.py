"""
Where the edge answers differently from Consul on purpose.

Rule: each entry says why, and what must then hold; a difference that has gone is a failure, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.wire import Answer


@dataclass(frozen=True, slots=True)
class Deliberate:
    """One difference."""

    reason: str

    holds: Callable[[Answer, Answer], bool]
    """Whether a direct answer and one through the edge differ in just this."""


DELIBERATE: Final = {
    "chunked-session": Deliberate(
        "Consul forgets the TTL of a session whose creation came chunked; the edge sends short "
        "bodies on with their length, so through it the TTL is kept.",
        lambda direct, edge: direct.json()[0]["TTL"] == "" and edge.json()[0]["TTL"] == "30s",
    ),
    "chunked-value": Deliberate(
        "Consul takes a value beyond its limit of 512 KiB if it comes chunked; the edge sends it "
        "on with its length, so through it the limit holds.",
        lambda direct, edge: (direct.status, edge.status) == (200, 413),
    ),
    "raw-target": Deliberate(
        "Go takes bytes beyond ASCII in a target; no client may send them (RFC 9112 3.2), and "
        "aiohttp refuses them.",
        lambda direct, edge: (direct.status, edge.status) == (404, 400),
    ),
    "unknown-method": Deliberate(
        "Consul answers 405 to a method that it does not know; aiohttp refuses methods that "
        "nobody knows before the edge sees them.",
        lambda direct, edge: (direct.status, edge.status) == (405, 400),
    ),
}

REPLACED: Final = frozenset({"x-cache", "age"})
"""Headers of Consul's own agent cache, in whose place the edge tells of its cache."""

ADDED: Final = frozenset({"x-consul-edge-server", "cache-status", *REPLACED})
"""Headers that only the edge sends."""

FRAMING: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers that speak of one connection, not of the answer."""

MOMENT: Final = frozenset({"date"})
"""Headers that are never twice the same."""
