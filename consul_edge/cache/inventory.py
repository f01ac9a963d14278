"""
What is kept, for operators: to be looked at, and to be picked for a flush.

Rule 1: no body and no token is shown; an identity is the beginning of its digest.
Rule 2: looking changes nothing, not even what is evicted next.
Rule 3: targets are compared decoded: ``a%2Fb`` and ``a/b`` are one to whoever types them, and one
answer too many flushed costs a fetch, one too few an outage that goes on.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import prometheus_client

from consul_edge import metrics
from consul_edge.cache.cache import Cache, Flush
from consul_edge.cache.line import Line
from consul_edge.cache.served import MISSES
from consul_edge.config import Settings
from consul_edge.core.ask import Unclear
from consul_edge.core.endpoints import decode_path
from consul_edge.core.errors import BadRequest
from consul_edge.core.key import ANONYMOUS, parse_key
from consul_edge.core.policy import Kept
from consul_edge.core.request import parse_call, redacted
from consul_edge.logs import redact

SHOWN: Final = 1000
"""Most keys that are listed, the first by name."""

_TAG: Final = 8
"""Hexadecimal digits of an identity's digest that are shown: enough to tell identities apart."""

_API: Final = "/v1/"
_OWN_API: Final = "/api/v1/"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which keys are meant, whoever's they are; at most one of both is set."""

    key: str | None = None
    """A target."""

    prefix: str | None = None
    """What targets begin with."""

    def pick(self, lines: Iterable[Line]) -> list[Line]:
        """List those of *lines* that are meant."""
        if self.key is None and self.prefix is None:
            return list(lines)
        return [line for line in lines if self.takes(line.key.target)]

    def takes(self, target: str) -> bool:
        """Tell whether a target is meant."""
        if self.key is not None:
            return _plain(target) == _plain(self.key)
        return _plain(target).startswith(_plain(self.prefix or ""))


def select(key: str | None, prefix: str | None) -> Selection:
    """
    Read what an operator means.

    Args:
        key: A request's target; whatever steers an answer without being part of the question
            (``index``, ``stale``, a token) is left out.

        prefix: The beginning of targets.

    Raises:
        BadRequest: When nothing can be kept under it.

    >>> select("/v1/catalog/nodes?index=7&dc=a&wait=1m", None).key
    '/v1/catalog/nodes?dc=a'
    """
    if key is not None and prefix is not None:
        raise BadRequest(
            "key and prefix: both are there: expected one of them, or neither for all"
        )
    if prefix is not None and not _may_begin(prefix):
        raise _unexpected("prefix", prefix, "the beginning of request targets: /v1/health/")
    if key is not None:
        key = _question(key)
    return Selection(key, prefix or None)


def _may_begin(prefix: str) -> bool:
    return any(prefix.startswith(api) or api.startswith(prefix) for api in (_API, _OWN_API))


def _question(target: str) -> str:
    if target.startswith(_OWN_API):
        return target
    if not target.startswith(_API):
        raise _unexpected("key", target, "a request target: /v1/health/service/web?passing")
    try:
        return parse_key(parse_call("GET", target), (), ANONYMOUS)[0].target
    except Unclear as unclear:
        expected = f"a target whose answers are kept; this one's never are ({unclear})"
        raise _unexpected("key", target, expected) from None


def _unexpected(field: str, value: str, expected: str) -> BadRequest:
    # What was typed may have a token in it.
    return BadRequest(f"{field}: {redacted(value)[:200]!r}: expected {expected}")


def _plain(target: str) -> str:
    path, question, query = target.partition("?")
    return decode_path(path) + question + query


@dataclass(frozen=True, slots=True)
class Row:
    """One key; None stands for what only an answer has, where there is none."""

    target: str
    endpoint: str
    identity: str
    """``anonymous``, or the beginning of the token's digest."""
    namespace: str
    partition: str
    status: int | None
    index: int | None
    size_bytes: int | None
    age_seconds: float | None
    """Since it was last proven."""
    live: bool
    superseded: bool
    """Something was written since: it stands in only when no server answers."""
    watched: bool
    waiters: int
    server: str | None
    """The one that gave the answer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that say how long things are kept."""

    mode: str
    ttl_seconds: float
    stale_if_error_seconds: float


@dataclass(frozen=True, slots=True)
class Inventory:
    """The cache of the proxy as it is now, and what this process counted since its start."""

    entries: int
    bytes: int
    max_entries: int
    max_bytes: int
    lines: int
    """Keys with an entry, a fetch, a watch or a waiter."""
    watched: int
    wanted: int
    """Keys that clients wait for and no server has room to watch."""
    waiters: int
    hits: int
    misses: int
    bypassed: int
    hit_ratio: float | None
    evictions: dict[str, int]
    oldest_age_seconds: float | None
    newest_age_seconds: float | None
    last_flush: Flush | None
    settings: Policy
    matched: int
    """Keys that were asked for."""
    keys: list[Row]
    """The first of them."""


def take_stock(cache: Cache, settings: Settings, selection: Selection) -> Inventory:
    """Say what is kept, and list the keys of *selection*."""
    now = asyncio.get_running_loop().time()
    lines = list(cache.lines)
    matched = selection.pick(lines)
    ages = [kept.age for line in lines if (kept := line.kept(now, touch=False)) is not None]
    store = cache.lines.store
    results = _counted(metrics.CACHE_REQUESTS, "result")
    misses = sum(results[result] for result in MISSES)
    hits = results.total() - misses - results["bypass"] - results["error"]
    return Inventory(
        entries=len(store),
        bytes=store.size_bytes,
        max_entries=store.max_entries,
        max_bytes=store.max_bytes,
        lines=len(lines),
        watched=len(cache.watches),
        wanted=cache.watches.wanted,
        waiters=sum(len(line.waiters) for line in lines),
        hits=hits,
        misses=misses,
        bypassed=results["bypass"],
        hit_ratio=round(hits / (hits + misses), 4) if hits + misses else None,
        evictions=dict(_counted(metrics.CACHE_EVICTIONS, "reason")),
        oldest_age_seconds=round(max(ages), 3) if ages else None,
        newest_age_seconds=round(min(ages), 3) if ages else None,
        last_flush=cache.last_flush,
        settings=Policy(settings.cache.mode, settings.cache.ttl, settings.cache.stale_if_error),
        matched=len(matched),
        keys=[
            _row(line, line.kept(now, touch=False))
            for line in heapq.nsmallest(SHOWN, matched, key=_place)
        ],
    )


def _place(line: Line) -> tuple[str, str]:
    return line.key.target, line.name


def _row(line: Line, kept: Kept | None) -> Row:
    key = line.key
    entry = kept.entry if kept is not None else None
    return Row(
        # A misspelt "Token=" is part of the question to Consul, and a secret all the same.
        target=redact(key.target),
        endpoint=key.endpoint.name,
        identity=key.identity[:_TAG] or "anonymous",
        namespace=key.namespace,
        partition=key.partition,
        status=entry.status if entry is not None else None,
        index=entry.index if entry is not None else None,
        size_bytes=entry.size_bytes if entry is not None else None,
        age_seconds=round(kept.age, 3) if kept is not None else None,
        live=kept is not None and kept.is_live,
        superseded=kept is not None and kept.is_superseded,
        watched=line.is_watched,
        waiters=len(line.waiters),
        server=entry.server if entry is not None else None,
    )


def _counted(counter: prometheus_client.Counter, label: str) -> Counter[str]:
    """Sum a metric's samples by one of its labels."""
    counted: Counter[str] = Counter()
    for family in counter.collect():
        for sample in family.samples:
            counted[sample.labels[label]] += int(sample.value)
    return counted
