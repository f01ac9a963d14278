"""
Which requests an operator lets through: read-only mode, and lists of endpoints and paths.

Rule 1: a path is judged as whoever stands behind may read it: decoded once, letter by letter.  One
that can be read in several ways (dot segments, double slashes, encoded slashes) must be allowed,
and must not be denied, in each of them.
Rule 2: deny goes before allow; with an allow list, what is not on it is refused.
Rule 3: while there is a list, what cannot be read at all is refused.
Rule 4: what is denied of KV is denied by each other way to it: its trees, transactions, snapshots.
Rule 5: health and metrics are for everybody, for who cannot see them restarts the edge; and admin
calls, which have a token of their own and change nothing in Consul.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from consul_edge.core.endpoints import (
    ENDPOINTS,
    OTHER,
    READ_METHODS,
    UI,
    find,
    is_canonical,
)
from consul_edge.core.readings import readings

ALWAYS: Final = frozenset(
    {"/metrics", "/-/healthy", "/healthz", "/-/ready", "/readyz", "/-/reload"}
)
"""The edge's own paths that no list closes; the last is an admin call."""

PAGES: Final = frozenset({"/", "/nodes"})
"""The edge's own pages, which lists know as ``page``."""

API, PAGE = "api", "page"
"""What lists call the enriched API, and the pages."""

_OWN: Final = ("/api/", "/static/")
_UNJUDGED: Final = ("/api/v1/admin/", "/static/")
_KV: Final = "/v1/kv/"
_BESIDE_KV: Final = frozenset({"/v1/txn", "/v1/snapshot"})
_TREES: Final = frozenset({"recurse", "keys"})
_PATHS: Final = tuple(row.path for row in ENDPOINTS)
_BY_NAME: Final = {row.name: row.path for row in ENDPOINTS} | {UI.name: UI.path, API: "/api/"}
_NAMES: Final = (*_BY_NAME, OTHER.name, PAGE)


class Refusal(NamedTuple):
    """Why a request is not let through."""

    setting: str
    """``access.deny``, say."""

    text: str
    """For the client: it names the setting, and nothing of the request, which may hold a token."""


class _List:
    """Entries of a list, ready to be looked through."""

    def __init__(self, entries: Iterable[str]) -> None:
        self.exact: dict[str, str] = {}
        self.prefixes: list[tuple[str, str]] = []
        self.between: list[tuple[str, str, str]] = []
        self.others: str | None = None
        for entry in entries:
            self._add(entry)

    def _add(self, entry: str) -> None:
        path = _BY_NAME.get(entry, entry)
        before, star, after = path.partition("*")
        if entry == OTHER.name:
            self.others = entry
        elif entry == PAGE:
            self.exact |= dict.fromkeys(PAGES, entry)
        elif star and entry in _BY_NAME:
            self.between.append((before, after, entry))
        elif path.endswith("/") or entry.startswith("/"):
            self.prefixes.append((path, entry))
        else:
            self.exact[path] = entry

    def entry_for(self, path: str) -> str | None:
        """Find the entry that a decoded path falls under."""
        if path in self.exact:
            return self.exact[path]
        for prefix, entry in self.prefixes:
            if path.startswith(prefix):
                return entry
        for before, after, entry in self.between:
            if path.startswith(before) and path.endswith(after):
                return entry
        if self.others and not _is_own(path) and find(path.replace("%", "%25")) is OTHER:
            return self.others
        return None

    def has_below(self, prefix: str) -> bool:
        """Tell whether an entry is for a part of what begins with *prefix*."""
        return any(one.startswith(prefix) for one, _ in self.prefixes)


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator said of access."""

    read_only: bool = False

    allow: tuple[str, ...] = ()
    """Names of endpoints and decoded path prefixes; empty: everything."""

    deny: tuple[str, ...] = ()

    _allowed: _List = field(init=False, repr=False, compare=False)
    _denied: _List = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the lists."""
        object.__setattr__(self, "_allowed", _List(self.allow))
        object.__setattr__(self, "_denied", _List(self.deny))

    @property
    def is_open(self) -> bool:
        """Whether it refuses nothing."""
        return not (self.read_only or self.allow or self.deny)

    def why_not(self, method: str, target: str) -> Refusal | None:
        """
        Say why a request is refused; None if it is not.

        Args:
            method: HEAD and OPTIONS are reads like the GET that they mirror.

            target: In origin form, as it stands on the wire.

        >>> Policy(deny=("kv",)).why_not("GET", "/v1/%6bv/a").text
        'denied here (access.deny: kv)'
        >>> Policy(read_only=True).why_not("GET", "/v1/kv/a") is None
        True
        """
        raw, _, query = target.partition("?")
        paths = readings(raw)
        if self.read_only and method not in READ_METHODS and not all(map(_is_own, paths or ("",))):
            setting = "access.read_only"
            return Refusal(setting, f"{method} is refused: only reads pass here ({setting})")
        if not (self.allow or self.deny):
            return None
        if paths is None:
            setting = "access.deny" if self.deny else "access.allow"
            return Refusal(setting, f"the target cannot be told from what is denied ({setting})")
        if all(map(is_for_everybody, paths)):
            return None
        for path in paths:
            refusal = self._judged(path, query)
            if refusal is not None:
                return refusal
        return None

    def _judged(self, path: str, query: str) -> Refusal | None:
        setting = "access.deny"
        entry = self._denied.entry_for(path)
        if entry is not None:
            return Refusal(setting, f"denied here ({setting}: {entry})")
        if path in _BESIDE_KV and (
            self._denied.entry_for(_KV) is not None or self._denied.has_below(_KV)
        ):
            return Refusal(setting, f"denied here, as it reaches KV that is ({setting})")
        if path.startswith(_KV) and self._denied.has_below(path) and _is_tree(query):
            return Refusal(setting, f"a part of this tree is denied here ({setting})")
        if self.allow and self._allowed.entry_for(path) is None:
            return Refusal("access.allow", "not among what is allowed here (access.allow)")
        return None


def is_for_everybody(path: str) -> bool:
    """Tell whether a decoded *path* is one of ours that neither list nor limit closes."""
    return path in ALWAYS or path.startswith(_UNJUDGED)


def parse_entry(text: str) -> str:
    """
    Check that an entry of a list can mean something.

    Raises:
        ValueError: When it is neither an endpoint's name nor a prefix of a known path.

    >>> parse_entry("/v1/kv/apps/")
    '/v1/kv/apps/'
    >>> parse_entry("catalog_nods")
    Traceback (most recent call last):
    ValueError: unknown endpoint; did you mean catalog_nodes?
    """
    if text.startswith("/"):
        return _checked_prefix(text)
    if text in _NAMES:
        return text
    if any(path.startswith(f"/v1/{text}/") for path in _PATHS) and text:
        raise ValueError(f"unknown endpoint; did you mean /v1/{text}/?")
    near = difflib.get_close_matches(text[:100], _NAMES, n=1)
    if near:
        raise ValueError(f"unknown endpoint; did you mean {near[0]}?")
    raise ValueError(
        "expected the name of an endpoint, such as catalog_nodes, or a path prefix, such as"
        " /v1/kv/config/"
    )


def _checked_prefix(prefix: str) -> str:
    if not prefix.isprintable() or re.search(r"[?#\\]", prefix) or not is_canonical(prefix):
        raise ValueError(
            "expected a path prefix of printable characters, without a query, a fragment, // and"
            " dot segments"
        )
    escape = re.search(r"%[0-9A-Fa-f]{2}", prefix)
    if escape:
        raise ValueError(f"expected decoded text, without {escape[0]}")
    known = (*_PATHS, UI.path, _OWN[0], *PAGES)
    is_own = prefix.startswith(_OWN[0])
    if find(prefix) is OTHER and not is_own and not any(one.startswith(prefix) for one in known):
        # What begins like nothing that is known would deny nothing.
        parts = (one.split("/") for one in known)
        above = {"/".join((*each[:end], "")) for each in parts for end in range(2, len(each))}
        near = difflib.get_close_matches(prefix[:100], sorted({*known, *above}), n=1, cutoff=0.0)
        raise ValueError(f"unknown path; did you mean {near[0]}?")
    return prefix


def _is_own(path: str) -> bool:
    return path in ALWAYS or path in PAGES or path.startswith(_OWN)


def _is_tree(query: str) -> bool:
    """Tell whether a KV call means all that lies below its path, in whatever spelling."""
    pairs = query.replace(";", "&").split("&")
    return any(unquote_plus(pair.partition("=")[0]) in _TREES for pair in pairs)
