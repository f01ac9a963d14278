"""
How fresh an answer a client asks for, in Consul's words.

Rule 1: presence counts, not value: ``?stale=false`` is stale (``parseConsistency`` in Go).
Rule 2: what Consul would refuse or read in a way that cannot be told from the text alone (a
parameter twice, an encoded name, a bad number) is left to Consul: ``Unclear`` is raised.

See Also:
    https://developer.hashicorp.com/consul/api-docs/features/consistency
    https://developer.hashicorp.com/consul/api-docs/features/caching
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from consul_edge.core.durations import parse_duration

CONTROLS: Final = frozenset(
    {"index", "wait", "hash", "token", "stale", "consistent", "leader", "cached", "max_stale"}
)
"""Parameters that steer how a question is answered and are no part of it."""

_INDEX: Final = re.compile(r"[0-9]{1,20}")
_LARGEST_INDEX: Final = 2**64 - 1


class Unclear(Exception):
    """Raised for what only Consul can answer; its text is the reason in ``Cache-Status``."""


class Mode(Enum):
    """Consul's consistency modes, and its agent cache."""

    DEFAULT = "default"
    STALE = "stale"
    CONSISTENT = "consistent"
    CACHED = "cached"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client wants of an answer."""

    mode: Mode = Mode.DEFAULT

    index: int = 0
    """Of a blocking query: hold until the index is above; 0: do not hold."""

    wait: float | None = None
    """Seconds to hold; None: Consul's default."""

    max_age: float | None = None
    """Seconds that an answer may be old, by ``max_stale`` or ``max-age``; None: not said."""

    stale_if_error: float | None = None
    """Seconds that an answer may be old when no server can be asked; None: not said."""

    no_cache: bool = False
    """``Cache-Control: no-cache`` or ``no-store``: past every cache."""


def parse_ask(pairs: tuple[tuple[str, str], ...], cache_control: str) -> Ask:
    """
    Read the control parameters of a query and the request's ``Cache-Control``.

    Args:
        pairs: Decoded names and values of the query, in order.

        cache_control: The header's value, several joined by commas; "" without.

    Raises:
        Unclear: When Consul must answer.

    >>> parse_ask((("stale", "false"), ("max_stale", "10s")), "").max_age
    10.0
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in CONTROLS:
            if name in given:
                raise Unclear(f"{name}-repeated")
            given[name] = value
    directives = _directives(cache_control)
    return Ask(
        mode=_mode(given),
        index=_index(given.get("index", "")),
        wait=_wait(given.get("wait", "")),
        max_age=_max_age(given, directives),
        stale_if_error=_seconds(directives, "stale-if-error"),
        no_cache="no-cache" in directives or "no-store" in directives,
    )


def _mode(given: dict[str, str]) -> Mode:
    stale = "stale" in given or given.get("max_stale", "") != ""
    consistent, cached = "consistent" in given, "cached" in given
    if consistent + stale > 1 or (consistent and cached) or ("leader" in given and stale):
        raise Unclear("conflicting-consistency")
    if consistent:
        return Mode.CONSISTENT
    if cached:
        return Mode.CACHED
    return Mode.STALE if stale else Mode.DEFAULT


def _index(text: str) -> int:
    if not text:
        return 0
    if not _INDEX.fullmatch(text) or int(text) > _LARGEST_INDEX:
        raise Unclear("index")
    return int(text)


def _wait(text: str) -> float | None:
    if not text:
        return None
    try:
        wait = parse_duration(text)
    except ValueError:
        raise Unclear("wait") from None
    return wait if wait > 0 else None


def _max_age(given: dict[str, str], directives: dict[str, str]) -> float | None:
    # Consul refuses a bad number also where it makes no use of it.
    max_age = _seconds(directives, "max-age")
    text = given.get("max_stale", "")
    if text:
        try:
            return max(parse_duration(text), 0.0)
        except ValueError:
            raise Unclear("max_stale") from None
    if "cached" not in given:
        return None
    if "must-revalidate" in directives:
        return 0.0
    return max_age


def _directives(cache_control: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in cache_control.lower().split(","):
        name, _, value = part.strip().partition("=")
        if name.strip() in found:
            # Consul checks each of them.
            raise Unclear("cache-control")
        if name:
            found[name.strip()] = value.strip()
    return found


def _seconds(directives: dict[str, str], name: str) -> float | None:
    if name not in directives:
        return None
    value = directives[name]
    if not (value.isascii() and value.isdecimal() and len(value) <= 12):
        raise Unclear("cache-control")
    return float(value)
