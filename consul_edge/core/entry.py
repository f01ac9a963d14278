"""
A kept answer: immutable, so that whoever holds one may go on sending it.

Rule 1: what is true of one moment only (how old it is, who leads) is no part of it; those headers
are made anew for every client.
Rule 2: two bodies are the same if they mean the same: their digests are equal.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from consul_edge.core.headers import Pairs

_INDEX, _LEADER, _CONTACT = "x-consul-index", "x-consul-knownleader", "x-consul-lastcontact"

_OF_THE_MOMENT: Final = frozenset(
    {_INDEX, _LEADER, _CONTACT, "x-cache", "age", "date", "content-encoding"}
)

_OVERHEAD_BYTES: Final = 2048
"""What one entry costs beside its texts: its objects here and in the index of lines."""


_INDEX_BYTES: Final = 40

_KNOWN: Final = 256
"""Indexes of one body that are remembered: at one move a second those of most clients' waits."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Entry:
    """An answer of Consul's, as it may be given to everyone with the same key."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    """Never compressed: clients that accept gzip and those that do not share one entry."""
    digest: bytes
    server: str
    """The ``host:port`` that gave it."""
    index: int = 0
    """Consul's index; 0 if the endpoint has none."""
    known: tuple[int, ...] = ()
    """Indexes at which this same body was seen, the newest last: who waits from one of them has
    it.  Between two of them there may have been another body, and somebody may have seen that."""
    known_leader: str | None = None
    """As Consul said it; None: it did not."""
    last_contact: int | None = None
    """Milliseconds; None: Consul said nothing."""

    @property
    def size_bytes(self) -> int:
        """What keeping it costs, with room for its compressed form."""
        texts = sum(len(name) + len(value) for name, value in self.headers)
        known = len(self.known) * _INDEX_BYTES
        return len(self.body) + len(self.body) // 4 + texts + known + _OVERHEAD_BYTES

    @property
    def most_bytes(self) -> int:
        """What keeping it may come to cost, with all the indexes at which it may yet be seen."""
        return self.size_bytes + (_KNOWN - len(self.known)) * _INDEX_BYTES

    def covers(self, index: int) -> bool:
        """Tell whether a client that knows *index* has this body already."""
        return index in self.known

    def following(self, before: "Entry | None", *, wakes: bool) -> "Entry":
        """
        Add the indexes at which this body was seen to those of the entry *before* it.

        Args:
            wakes: Whether a moved index alone is news: in KV it says that someone wrote.

        >>> def at(index): return Entry(200, "OK", (), b"[]", b"d", "a:8500", index, (index,))
        >>> after = at(9).following(at(7), wakes=False)
        >>> after.covers(7), after.covers(8)
        (True, False)
        >>> at(9).following(at(7), wakes=True).covers(7)
        False
        """
        if before is None or before.digest != self.digest or self.index < before.index:
            return self
        if wakes and self.index != before.index:
            return self
        moved = () if self.index == before.index else (self.index,)
        return replace(self, known=(*before.known, *moved)[-_KNOWN:])


def make_entry(
    status: int,
    reason: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    server: str,
    unordered: bool = False,
) -> Entry:
    """
    Make an entry of an answer.

    Args:
        headers: Those that may pass a proxy.

        unordered: Whether Consul lists equal things in another order each time
            (``/v1/catalog/services`` and its tags).
    """
    pairs = tuple(headers)
    told = {name.lower(): value for name, value in pairs}
    index = _number(told.get(_INDEX)) or 0
    return Entry(
        status=status,
        reason=reason,
        headers=tuple(pair for pair in pairs if pair[0].lower() not in _OF_THE_MOMENT),
        body=body,
        digest=digest(status, body, unordered=unordered),
        server=server,
        index=index,
        known=(index,),
        known_leader=told.get(_LEADER),
        last_contact=_number(told.get(_CONTACT)),
    )


def digest(status: int, body: bytes, *, unordered: bool = False) -> bytes:
    """
    Condense what an answer says.

    >>> digest(200, b'{"a":["x","y"]}', unordered=True) == digest(
    ...     200, b'{"a": ["y", "x"]}', unordered=True)
    True
    >>> digest(200, b"[]") == digest(404, b"[]")
    False
    """
    if unordered:
        try:
            tags = msgspec.json.decode(body, type=dict[str, list[str]])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        else:
            body = msgspec.json.encode({name: sorted(tags[name]) for name in sorted(tags)})
    return hashlib.blake2b(b"%d " % status + body, digest_size=16).digest()


def needs_confirmation(before: Entry, after: Entry) -> bool:
    """
    Tell whether *after* must be asked for again before it is believed.

    An answer to a revoked token, a restored snapshot, a server that has just started: all have
    looked like "there is nothing" (CONSUL.md A.1.4, B.6).  And a leader that has just been elected
    answers from what it has applied of its log by then: what was once true, at a lower index.
    """
    if after.index < before.index:
        return after.digest != before.digest
    nothing = after.status == 404 or after.body.strip() in _NOTHING
    large = before.status == 200 and len(before.body) >= _LARGE_BYTES
    return large and (nothing or len(after.body) < len(before.body) // _SHRUNK)


_NOTHING: Final = frozenset({b"", b"[]", b"{}", b"null"})
_LARGE_BYTES: Final = 2048
_SHRUNK: Final = 10


def moment_headers(entry: Entry, *, age: float, is_live: bool, because_of_error: bool) -> Pairs:
    """
    Make the headers of Consul's that are true of this moment.

    Args:
        age: Seconds since the entry was last proven.

        is_live: Whether it is being proven all the time; else its age counts as contact lost.

        because_of_error: Whether it is given for want of anything better.
    """
    pairs: Pairs = []
    if entry.index:
        pairs.append(("X-Consul-Index", str(entry.index)))
    if because_of_error:
        pairs.append(("X-Consul-Knownleader", "false"))
    elif entry.known_leader is not None:
        pairs.append(("X-Consul-Knownleader", entry.known_leader))
    if entry.last_contact is not None:
        contact = entry.last_contact + (0 if is_live else round(age * 1000))
        pairs.append(("X-Consul-Lastcontact", str(contact)))
    return pairs


def find_header(headers: Sequence[tuple[str, str]], name: str) -> str:
    """Give the first value of a header, or nothing; *name* in lower case."""
    return next((value for known, value in headers if known.lower() == name), "")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
