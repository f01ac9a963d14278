"""
What an operator says of single endpoints, over what the table of ``core.endpoints`` says of all.

Rule 1: the longest path prefix goes before a shorter one, any prefix before the name of an
endpoint, and that before the table.
Rule 2: the row of a request has the last word: a rule that asks more of it than it can give does
not count for it, as if it were not there.
Rule 3: no rule makes an answer kept that is private, local, a stream or of an unknown endpoint.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from consul_edge.core.endpoints import (
    ENDPOINTS,
    OTHER,
    Blocks,
    Endpoint,
    Treatment,
    find,
    is_canonical,
)

_BY_NAME: Final = {row.name: row for row in ENDPOINTS}
_PATHS: Final = tuple(row.path for row in ENDPOINTS)
_FIXED: Final = frozenset({Treatment.LOCAL, Treatment.WRITE})


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """How the reads of one endpoint, or below one path, are treated."""

    pattern: str
    """An endpoint's name, or a decoded path prefix, which begins with ``/v1/``."""

    treatment: Treatment
    """WATCH, TTL or PASS."""

    ttl: float | None = None
    """Seconds that an answer may be old: with TTL, and only there."""

    @property
    def is_prefix(self) -> bool:
        """Whether the pattern is a path prefix; no name begins with a slash."""
        return self.pattern.startswith("/")


def parse_rule(pattern: str, treatment: Treatment, ttl: float | None = None) -> EndpointRule:
    """
    Check that a rule can mean something.

    Of a prefix the row of just that path decides; what lies below it may have rows of its own,
    which rule 2 takes care of.  A prefix that lies in no one row can only pass.

    Raises:
        ValueError: When the pattern is none, or its endpoint cannot be treated so.

    >>> parse_rule("/v1/kv/config/", Treatment.WATCH).is_prefix
    True
    >>> parse_rule("catalog_nods", Treatment.PASS)
    Traceback (most recent call last):
    ValueError: unknown endpoint; did you mean catalog_nodes?
    """
    if "/" not in pattern:
        row = _row_called(pattern)
    else:
        row = _row_around(pattern)
        if row is OTHER and treatment is not Treatment.PASS:
            below = next(path for path in _PATHS if path.startswith(pattern))
            raise ValueError(f"expected pass, or a path in a single endpoint, such as {below}")
    reason = why_not(row, treatment)
    if reason:
        raise ValueError(f"expected pass: {reason}")
    return EndpointRule(pattern, treatment, ttl)


def treatment_of(
    rules: Iterable[EndpointRule], endpoint: Endpoint, path: str
) -> tuple[Treatment, float | None]:
    """
    Tell how a read is treated, and the seconds its answer may be old where a rule says them.

    Args:
        rules: In any order.

        endpoint: The row of the request.

        path: Of the request, decoded.

    >>> rules = [EndpointRule("/v1/kv/config/", Treatment.TTL, 5.0)]
    >>> treatment_of(rules, find("/v1/kv/config/a"), "/v1/kv/config/a")[1]
    5.0
    >>> treatment_of(rules, find("/v1/kv/lock"), "/v1/kv/lock")[0].value
    'pass'
    """
    best: EndpointRule | None = None
    longest = -1
    for rule in rules:
        if rule.is_prefix:
            matches, length = path.startswith(rule.pattern), len(rule.pattern)
        else:
            matches, length = rule.pattern == endpoint.name, 0
        if matches and length > longest and not why_not(endpoint, rule.treatment):
            best, longest = rule, length
    if best is None or endpoint.treatment in _FIXED:
        return endpoint.treatment, None
    return best.treatment, best.ttl


def why_not(row: Endpoint, treatment: Treatment) -> str:
    """Say why the answers of *row* cannot be treated so; nothing if they can."""
    if treatment is Treatment.PASS:
        return ""
    if row is OTHER:
        return "nothing is known of such an endpoint"
    if row.treatment is Treatment.LOCAL:
        return "such an answer speaks of the one agent that gives it"
    if row.treatment is Treatment.WRITE:
        return "the endpoint is for writes"
    if row.stream:
        return "such an answer is a stream"
    if row.private:
        return "such an answer holds secrets or depends on who asks"
    if treatment is Treatment.WATCH and row.blocks is not Blocks.INDEX:
        return "the endpoint cannot wait for a change; {ttl: 5s} would do"
    return ""


def _row_called(name: str) -> Endpoint:
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name, _BY_NAME, n=1)
    if near:
        raise ValueError(f"unknown endpoint; did you mean {near[0]}?")
    raise ValueError(
        "expected the name of an endpoint, such as catalog_nodes, or a path prefix, such as"
        " /v1/kv/config/"
    )


def _row_around(prefix: str) -> Endpoint:
    """Find the row that a prefix lies in; OTHER for one that is wider than a row."""
    if not prefix.startswith("/v1/"):
        raise ValueError("expected a path prefix that begins with /v1/")
    if not prefix.isprintable() or "?" in prefix or not is_canonical(prefix):
        raise ValueError(
            "expected a path prefix of printable characters, without a query, // and dot segments"
        )
    # find() takes what stands on the wire, where a percent sign is an escape.
    row = find(prefix.replace("%", "%25"))
    if row is OTHER and not any(path.startswith(prefix) for path in _PATHS):
        near = difflib.get_close_matches(prefix, _PATHS, n=1, cutoff=0.0)
        raise ValueError(f"unknown path; did you mean {near[0]}?")
    return row
