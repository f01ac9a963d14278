"""
Every decision about keeping answers and answering from them.

Rule 1: every such decision is made in this file.
Rule 2: this file performs none of them.
Rule 3: in doubt Consul is asked: each branch that answers from what is kept names its proof.

See Also:
    RFC 9111 (caching), RFC 9211 (``Cache-Status``), DESIGN.md section 4
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from consul_edge.core.ask import Ask, Mode
from consul_edge.core.endpoints import Blocks, Endpoint, Treatment
from consul_edge.core.entry import Entry, find_header, needs_confirmation


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one key, whatever is kept for it."""

    endpoint: Endpoint

    treatment: Treatment

    ttl: float
    """Seconds that an entry without a watch answers default-mode reads; 0: never."""

    is_strict: bool
    """Whether default-mode reads that do not block always go to Consul."""

    stale_if_error: float
    """Seconds that an entry may be old when no server answers."""

    may_outlive_consul: bool
    """Whether it may be answered stale at all: KV may not, locks live there."""

    @property
    def is_kept(self) -> bool:
        """Whether plain reads are answered from entries."""
        return self.treatment in (Treatment.WATCH, Treatment.TTL)

    @property
    def is_watchable(self) -> bool:
        """Whether there is a watch for it: one of KV also where its plain reads pass."""
        return self.treatment is Treatment.WATCH or (self.is_held and not self.is_kept)

    @property
    def is_held(self) -> bool:
        """Whether its blocking queries are collapsed: those of KV always are."""
        return self.endpoint.blocks is Blocks.INDEX and (
            self.is_kept or self.endpoint.name == "kv"
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a key now."""

    entry: Entry

    is_live: bool
    """A watch round is pending for it, and its server's heartbeat proves the connection."""

    is_watched: bool
    """A watch keeps it as fresh as its server allows."""

    age: float
    """Seconds since it was last proven."""

    is_superseded: bool
    """Something was written here since: it may answer for want of anything better only."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """Ask Consul with the client's own request, and keep nothing."""

    reason: str
    """For ``Cache-Status``; empty where the endpoint is never kept."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer from the entry."""

    result: str
    """Its proof: ``live`` or ``ttl``."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask Consul once for everybody, and keep the answer."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The client has this already: wait for what comes next."""


Decision = Bypass | Serve | Fetch | Hold

_FETCH: Final = Fetch()
_HOLD: Final = Hold()
_LIVE: Final = Serve("live")
_YOUNG: Final = Serve("ttl")


def decide(ask: Ask, rule: Rule, kept: Kept | None) -> Decision:
    """
    Decide how a read is answered.

    >>> from consul_edge.core.endpoints import find
    >>> rule = Rule(find("/v1/catalog/nodes"), Treatment.WATCH, 1.0, False, 60.0, True)
    >>> decide(Ask(), rule, None), decide(Ask(Mode.CONSISTENT), rule, None)
    (Fetch(), Bypass(reason='consistent'))
    """
    if ask.mode is Mode.CONSISTENT:
        return Bypass("consistent")
    if ask.no_cache:
        return Bypass("no-cache")
    if ask.index and rule.is_held:
        return _decide_blocking(ask, rule, kept)
    if not rule.is_kept or ask.index:
        return Bypass("")
    if ask.mode is Mode.DEFAULT and rule.is_strict:
        return Bypass("strict")
    if kept is not None and not kept.is_superseded and _is_fresh(ask, rule, kept):
        return _LIVE if kept.is_live else _YOUNG
    # Only default-mode answers fill what others are answered from: a stale one proves nothing.
    return Bypass("stale") if ask.mode is Mode.STALE else _FETCH


def _is_fresh(ask: Ask, rule: Rule, kept: Kept) -> bool:
    """Tell whether what is kept is as fresh as the client demands."""
    if ask.max_age is not None:
        return kept.age <= ask.max_age
    if ask.mode is Mode.CACHED and kept.is_watched:
        # Consul's agent answers from such an entry whatever its age, which it shows (A.4).
        return kept.age <= rule.stale_if_error
    return kept.is_live or 0 < rule.ttl >= kept.age


def good_for(ask: Ask, rule: Rule, kept: Kept) -> float:
    """
    Tell for how many seconds an answer that ``decide`` says to serve stays one to serve, while
    the entry becomes nothing but older.

    >>> from consul_edge.core.endpoints import find
    >>> from consul_edge.core.entry import make_entry
    >>> rule = Rule(find("/v1/catalog/nodes"), Treatment.WATCH, 1.0, False, 60.0, True)
    >>> entry = make_entry(200, "OK", (), b"[]", server="a:8500")
    >>> kept = Kept(entry, is_live=False, is_watched=False, age=0.25, is_superseded=False)
    >>> good_for(Ask(), rule, kept), good_for(Ask(max_age=0.5), rule, kept)
    (0.75, 0.25)
    """
    if ask.max_age is not None:
        return ask.max_age - kept.age
    if ask.mode is Mode.CACHED and kept.is_watched:
        return rule.stale_if_error - kept.age
    return inf if kept.is_live else rule.ttl - kept.age


def _decide_blocking(ask: Ask, rule: Rule, kept: Kept | None) -> Decision:
    if kept is None or kept.is_superseded:
        return _FETCH
    if kept.entry.covers(ask.index):
        return _HOLD
    if ask.index < kept.entry.index and _is_fresh(ask, rule, kept):
        if kept.is_live:
            return _LIVE
        # In KV, where locks live, a young entry is no proof; but who said how old it may be.
        return _YOUNG if rule.is_kept or ask.max_age is not None else _FETCH
    return _FETCH


def stand_in(ask: Ask, rule: Rule, kept: Kept | None) -> bool:
    """Tell whether *kept* may answer because no server does (fail static, promise 7)."""
    if kept is None or ask.mode is Mode.CONSISTENT or ask.no_cache:
        return False
    asked_for_stale = ask.mode is Mode.STALE and (rule.is_kept or rule.is_held)
    if not (rule.may_outlive_consul or asked_for_stale):
        return False
    if ask.index > kept.entry.index:
        # The client has seen newer: an error lets it keep that, an old answer takes it back.
        return False
    bounds = [rule.stale_if_error]
    if ask.stale_if_error is not None:
        bounds.append(ask.stale_if_error)
    if ask.mode is Mode.STALE and ask.max_age is not None:
        bounds.append(ask.max_age)
    return kept.age <= min(bounds)


class Denial(Enum):
    """What a 403 says."""

    KEY = "key"
    """``Permission denied``: this question is not for this token."""

    IDENTITY = "identity"
    """``ACL not found``: there is no such token, if the leader says so, too."""


@dataclass(frozen=True, slots=True)
class Store:
    """Keep it."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask again before believing it: it says that much is gone, or what was once true."""

    before: Entry
    """What it would replace."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Keep neither this answer nor what was kept."""

    denial: Denial


@dataclass(frozen=True, slots=True)
class PassOn:
    """Give it to whoever asked; what is kept stays."""


Conclusion = Store | Confirm | Drop | PassOn

_STORE: Final = Store()
_PASS_ON: Final = PassOn()


def conclude(rule: Rule, entry: Entry, before: Entry | None) -> Conclusion:
    """
    Decide what becomes of a default-mode answer.

    Args:
        entry: The answer, whatever its status.

        before: What is kept; a *second* answer that says the same as a doubted one is concluded
            without it.
    """
    if entry.status == 403:
        gone = b"acl not found" in entry.body.lower()
        return Drop(Denial.IDENTITY if gone else Denial.KEY)
    if not _is_storable(rule, entry):
        return _PASS_ON
    if before is not None and needs_confirmation(before, entry):
        return Confirm(before)
    return _STORE


def _is_storable(rule: Rule, entry: Entry) -> bool:
    endpoint = rule.endpoint.name
    is_absence = entry.status == 404 and endpoint in _SAY_ABSENT and entry.index > 0
    if entry.status != 200 and not is_absence:
        return False
    if rule.endpoint.blocks is Blocks.INDEX and not entry.index:
        return False
    if find_header(entry.headers, "x-consul-effective-consistency") == "stale":
        # ``discovery_max_stale`` makes default reads stale ones (CONSUL.md A.3).
        return False
    streams = find_header(entry.headers, "x-consul-query-backend") == "streaming"
    # The streaming backend says "false" for want of knowledge (CONSUL.md A.2), and so does 1.8 of
    # the mesh's roots always; without a leader a default-mode read fails.
    return entry.known_leader != "false" or streams or endpoint == "connect_ca_roots"


_SAY_ABSENT: Final = frozenset({"kv", "config"})
"""Endpoints of whose 404 Consul tells the index: it can be waited for that to change."""


def cache_status(parts: Sequence[str]) -> str:
    """
    Render ``Cache-Status``.

    >>> cache_status(("fwd=miss", "collapsed"))
    'consul-edge; fwd=miss; collapsed'
    """
    return "; ".join(("consul-edge", *parts))
