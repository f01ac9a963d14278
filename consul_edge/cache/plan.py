"""What a read means to the cache, found out once: every later step works from this."""

from dataclasses import dataclass, field

from consul_edge.cache.identity import Identities
from consul_edge.cache.rulebook import Rulebook
from consul_edge.core.ask import Ask, Unclear
from consul_edge.core.headers import Pairs
from consul_edge.core.key import Key, parse_key
from consul_edge.core.policy import Rule
from consul_edge.core.request import Call
from consul_edge.upstream.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Question:
    """A read for which something may be kept."""

    key: Key

    ask: Ask


@dataclass(frozen=True, slots=True)
class Plan:
    """A read, taken apart."""

    call: Call

    rule: Rule

    token: str = field(repr=False)
    """In whose name it is asked."""

    question: Question | None
    """None: nothing may be kept for it."""

    reason: str = ""
    """Why not, for ``Cache-Status``."""

    is_lent: bool = False
    """The token is the edge's, which may be another a moment later."""


def plan(
    call: Call,
    headers: Pairs,
    rules: Rulebook,
    credentials: Credentials,
    identities: Identities,
) -> Plan:
    """Take a read apart; *headers* are the client's own."""
    rule = rules.of(call)
    if not (rule.is_kept or rule.is_held):
        return Plan(call, rule, "", None)
    token = credentials.token_of(call, headers)
    try:
        key, ask = parse_key(call, headers, identities.of(token))
    except Unclear as unclear:
        return Plan(call, rule, token, None, str(unclear))
    is_lent = credentials.lends(call, headers)
    return Plan(call, rule, token, Question(key, ask), is_lent=is_lent)
