"""
Where the edge answers differently from Consul on purpose.

Rule 1: each entry says why, and what must then hold.
Rule 2: a difference of a request that has gone is a failure, too; one of a header may or may not
show, for it depends on the moment.
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


BEYOND: Final = 99_999_999
"""An index that no Consul of these tests reaches."""

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
    "index-above": Deliberate(
        "Consul holds a client that insists on an index above its own, as after a restored "
        "snapshot, for the whole wait; the edge tells it the lower one at once, but only once.",
        lambda direct, edge: (
            direct.status == edge.status
            and max(direct.index, edge.index) < BEYOND
            and "fwd=miss" in str(edge.header("Cache-Status"))
        ),
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


@dataclass(frozen=True, slots=True)
class Retold:
    """One header that the cache may tell otherwise; never an answer that passed it."""

    reason: str

    holds: Callable[[str | None, str | None, Answer], bool]
    """Whether this may be told by an answer of the edge in place of that, which Consul told."""


UNCOMPRESSED_BYTES: Final = 1400
"""Below, the edge compresses nothing."""


def _has_aged(theirs: str | None, ours: str | None, edge: Answer) -> bool:
    if theirs is None or ours is None or "detail=ttl" not in str(edge.header("Cache-Status")):
        return False
    age = int(edge.header("Age") or 0) * 1000
    return age <= int(ours) - int(theirs) <= age + 1000


RETOLD: Final = {
    "x-consul-lastcontact": Retold(
        "What is answered from an entry that no watch proves is as old as its last proof: its age "
        "counts as contact with the leader lost (DESIGN.md 5).",
        _has_aged,
    ),
    "x-consul-effective-consistency": Retold(
        "Who allows a stale answer may get a kept one, which was asked for in the default mode: "
        "it tells how it was made, and that is better than what was demanded.",
        lambda theirs, ours, edge: (
            (theirs, ours) == ("stale", "leader")
            and any(word in str(edge.header("Cache-Status")) for word in ("; hit", "fwd=miss"))
        ),
    ),
    "content-encoding": Retold(
        "Consul compresses from the first byte on; the cache leaves alone what fits a packet.",
        lambda theirs, ours, edge: (
            (theirs, ours) == ("gzip", None) and len(edge.body) < UNCOMPRESSED_BYTES
        ),
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
