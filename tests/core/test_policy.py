"""The policy: the table of DESIGN.md section 4, and what must hold whatever is asked."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.ask import Ask, Mode
from consul_edge.core.endpoints import Treatment, find
from consul_edge.core.entry import Entry, make_entry
from consul_edge.core.headers import Pairs
from consul_edge.core.policy import (
    Bypass,
    Conclusion,
    Confirm,
    Decision,
    Denial,
    Drop,
    Fetch,
    Hold,
    Kept,
    PassOn,
    Rule,
    Serve,
    Store,
    cache_status,
    conclude,
    decide,
    stand_in,
)


def an_entry(
    body: bytes = b"[1]", index: int = 9, status: int = 200, headers: Pairs | None = None
) -> Entry:
    """Make an entry as one is made of Consul's answer."""
    said = [("X-Consul-Index", str(index))] if index else []
    return make_entry(status, "", [*said, *(headers or [])], body, server="a:8500")


def a_rule(
    path: str = "/v1/health/service/web",
    treatment: Treatment | None = None,
    *,
    ttl: float = 1.0,
    is_strict: bool = False,
    may_outlive_consul: bool = True,
) -> Rule:
    """Make the rule of a path, by its row unless said otherwise."""
    row = find(path)
    return Rule(row, treatment or row.treatment, ttl, is_strict, 60.0, may_outlive_consul)


KNOWN: Final = replace(an_entry(index=9), known=(5, 7, 9))
"""Its body was seen at 5 first, then at 7, and is at 9 now."""


def kept(
    age: float,
    *,
    is_live: bool = False,
    is_watched: bool = False,
    is_superseded: bool = False,
    entry: Entry = KNOWN,
) -> Kept:
    """Describe what is known of a key."""
    return Kept(entry, is_live, is_watched, age, is_superseded)


SITUATIONS: Final[dict[str, Kept | None]] = {
    "nothing": None,
    "live": kept(0.5, is_live=True, is_watched=True),
    "young": kept(0.5),
    "old": kept(30.0),
    "superseded": kept(0.5, is_live=True, is_watched=True, is_superseded=True),
    "watched but not live": kept(30.0, is_watched=True),
}

SHORT: Final[dict[str, Decision]] = {
    "fetch": Fetch(),
    "live": Serve("live"),
    "ttl": Serve("ttl"),
    "hold": Hold(),
    "stale": Bypass("stale"),
    "consistent": Bypass("consistent"),
    "no-cache": Bypass("no-cache"),
    "strict": Bypass("strict"),
    "pass": Bypass(""),
}

Row = tuple[Ask, str]
"""What is asked, and what is decided in each of the situations in their order."""

DEFAULT: Final = Ask()
CONSISTENT: Final = Ask(Mode.CONSISTENT)
NO_CACHE: Final = Ask(no_cache=True)
CACHED: Final = Ask(Mode.CACHED)

PLAIN: Final[dict[str, Row]] = {
    "default": (DEFAULT, "fetch live ttl fetch fetch fetch"),
    "stale": (Ask(Mode.STALE), "stale live ttl stale stale stale"),
    "max_stale=0s": (Ask(Mode.STALE, max_age=0.0), "stale stale stale stale stale stale"),
    "max_stale=10s": (Ask(Mode.STALE, max_age=10.0), "stale live ttl stale stale stale"),
    "max_stale=40s": (Ask(Mode.STALE, max_age=40.0), "stale live ttl ttl stale ttl"),
    "cached": (CACHED, "fetch live ttl fetch fetch ttl"),
    "cached max-age=10": (replace(CACHED, max_age=10.0), "fetch live ttl fetch fetch fetch"),
    "cached max-age=40": (replace(CACHED, max_age=40.0), "fetch live ttl ttl fetch ttl"),
    "cached must-revalidate": (
        replace(CACHED, max_age=0.0),
        "fetch fetch fetch fetch fetch fetch",
    ),
}

PAST_EVERY_CACHE: Final[dict[str, Row]] = {
    "consistent": (CONSISTENT, "consistent " * 6),
    "consistent blocking": (replace(CONSISTENT, index=9), "consistent " * 6),
    "no-cache": (NO_CACHE, "no-cache " * 6),
    "no-cache blocking": (replace(NO_CACHE, index=9), "no-cache " * 6),
    "no-cache cached": (replace(CACHED, no_cache=True), "no-cache " * 6),
}

BLOCKING: Final[dict[str, Row]] = {
    "index below": (Ask(index=4), "fetch live ttl fetch fetch fetch"),
    "index of the same body's first sight": (Ask(index=5), "fetch hold hold hold fetch hold"),
    "index of the same body": (Ask(index=7), "fetch hold hold hold fetch hold"),
    "index between": (Ask(index=8), "fetch live ttl fetch fetch fetch"),
    "index equal": (Ask(index=9), "fetch hold hold hold fetch hold"),
    "index above": (Ask(index=10), "fetch fetch fetch fetch fetch fetch"),
    "index below, max_stale=40s": (
        Ask(Mode.STALE, index=4, max_age=40.0),
        "fetch live ttl ttl fetch ttl",
    ),
    "index below, max_stale=0s": (
        Ask(Mode.STALE, index=4, max_age=0.0),
        "fetch fetch fetch fetch fetch fetch",
    ),
    "index equal, stale": (Ask(Mode.STALE, index=9), "fetch hold hold hold fetch hold"),
    "index equal, cached": (replace(CACHED, index=9), "fetch hold hold hold fetch hold"),
}

NEVER: Final = "pass " * 6

KV, LIST, NODES = "/v1/kv/a", "/v1/session/list", "/v1/coordinate/nodes"
DATACENTERS: Final = "/v1/catalog/datacenters"

TABLES: Final[dict[str, tuple[Rule, dict[str, Row]]]] = {
    "watch": (a_rule(), PLAIN | PAST_EVERY_CACHE | BLOCKING),
    "ttl": (a_rule(NODES), PLAIN | PAST_EVERY_CACHE | BLOCKING),
    "ttl without blocking": (
        a_rule(DATACENTERS),
        PLAIN | PAST_EVERY_CACHE | {name: (ask, NEVER) for name, (ask, _) in BLOCKING.items()},
    ),
    "pass": (
        a_rule(LIST),
        PAST_EVERY_CACHE | {name: (ask, NEVER) for name, (ask, _) in (PLAIN | BLOCKING).items()},
    ),
    "kv": (
        a_rule(KV),
        PAST_EVERY_CACHE
        | BLOCKING
        | {name: (ask, NEVER) for name, (ask, _) in PLAIN.items()}
        | {
            # Locks live there: young is no proof.
            "index below": (Ask(index=4), "fetch live fetch fetch fetch fetch"),
            "index between": (Ask(index=8), "fetch live fetch fetch fetch fetch"),
        },
    ),
    "kv that is watched": (a_rule(KV, Treatment.WATCH), PLAIN | PAST_EVERY_CACHE | BLOCKING),
    "strict": (
        a_rule(is_strict=True),
        PLAIN | PAST_EVERY_CACHE | BLOCKING | {"default": (DEFAULT, "strict " * 6)},
    ),
    "no ttl": (
        a_rule(ttl=0.0),
        {
            "default": (DEFAULT, "fetch live fetch fetch fetch fetch"),
            "stale": (Ask(Mode.STALE), "stale live stale stale stale stale"),
            "max_stale=10s": PLAIN["max_stale=10s"],
            "index below": (Ask(index=4), "fetch live fetch fetch fetch fetch"),
            "index equal": BLOCKING["index equal"],
        },
    ),
}

CASES: Final = [
    pytest.param(rule, ask, situation, SHORT[short], id=f"{table}-{row}-{situation}")
    for table, (rule, rows) in TABLES.items()
    for row, (ask, shorts) in rows.items()
    for situation, short in zip(SITUATIONS, shorts.split(), strict=True)
]


@pytest.mark.parametrize(("rule", "ask", "situation", "expected"), CASES)
def test_read_is_decided_by_the_table(
    rule: Rule, ask: Ask, situation: str, expected: Decision
) -> None:
    """What the client asks and what is known of the key decide, and nothing else."""
    assert decide(ask, rule, SITUATIONS[situation]) == expected


AGES = st.sampled_from([0.0, 0.4, 0.9, 4.0, 29.0, 99.0]) | st.floats(0, 1000)
BOUNDS = st.none() | st.sampled_from([0.0, 0.5, 1.0, 30.0, 100.0])
ASKS = st.builds(
    Ask,
    mode=st.sampled_from(Mode),
    index=st.sampled_from([0, 1, 5, 7, 8, 9, 10, 2**64 - 1]),
    max_age=BOUNDS,
    stale_if_error=BOUNDS,
    no_cache=st.booleans(),
)
KEPTS = st.builds(
    kept,
    AGES,
    is_live=st.booleans(),
    is_watched=st.booleans(),
    is_superseded=st.booleans(),
)
RULES = st.builds(
    a_rule,
    st.sampled_from(["/v1/health/service/web", KV, NODES, DATACENTERS, LIST]),
    st.sampled_from([Treatment.WATCH, Treatment.TTL, Treatment.PASS]),
    ttl=st.sampled_from([0.0, 1.0, 5.0]),
    is_strict=st.booleans(),
    may_outlive_consul=st.booleans(),
)


@given(ASKS, RULES, KEPTS)
def test_client_is_held_only_with_an_index_at_which_this_body_was_seen(
    ask: Ask, rule: Rule, known: Kept
) -> None:
    """At any other it may have seen another body: it would wait for what has come already."""
    if isinstance(decide(ask, rule, known), Hold):
        assert ask.index in known.entry.known


@given(ASKS, RULES, KEPTS)
def test_superseded_entry_is_never_served_nor_held_for(ask: Ask, rule: Rule, known: Kept) -> None:
    """Whoever reads behind a write of his own never gets what was before it."""
    decision = decide(ask, rule, replace(known, is_superseded=True))
    assert not isinstance(decision, Serve | Hold)


@given(ASKS, RULES, KEPTS)
def test_consistent_and_no_cache_always_go_to_consul(ask: Ask, rule: Rule, known: Kept) -> None:
    """What asks for Consul itself is neither served, held, nor stood in for."""
    for past in (replace(ask, mode=Mode.CONSISTENT), replace(ask, no_cache=True)):
        assert isinstance(decide(past, rule, known), Bypass)
        assert not stand_in(past, rule, known)


@given(ASKS, RULES, KEPTS)
def test_answer_served_is_never_older_than_was_asked_for(
    ask: Ask, rule: Rule, known: Kept
) -> None:
    """``max_stale`` and ``max-age`` bound the age, also of what answers a blocking query."""
    if isinstance(decide(ask, rule, known), Serve):
        assert ask.max_age is None or known.age <= ask.max_age


@given(ASKS, RULES, KEPTS)
def test_without_ttl_only_live_entries_answer_those_who_named_no_age(
    ask: Ask, rule: Rule, known: Kept
) -> None:
    """With ``ttl: 0s`` nothing is guessed; an agent's ``?cached`` alone asks for old answers."""
    ask = replace(ask, max_age=None)
    decision = decide(ask, replace(rule, ttl=0.0), known)
    if isinstance(decision, Serve) and ask.mode is not Mode.CACHED:
        assert known.is_live


@given(ASKS, RULES, KEPTS)
def test_served_result_names_the_proof_that_there_is(ask: Ask, rule: Rule, known: Kept) -> None:
    """Nothing is called live that is not."""
    decision = decide(ask, rule, known)
    if isinstance(decision, Serve):
        assert decision.result == ("live" if known.is_live else "ttl")


@given(ASKS, RULES)
def test_nothing_kept_is_neither_served_nor_held_nor_stood_in_for(ask: Ask, rule: Rule) -> None:
    """There must be an entry."""
    assert not isinstance(decide(ask, rule, None), Serve | Hold)
    assert not stand_in(ask, rule, None)


KV_RULE = a_rule(KV, may_outlive_consul=False)
STALE_KV = a_rule(KV, may_outlive_consul=True)
PASSED = a_rule(LIST, may_outlive_consul=False)
STALE = Ask(Mode.STALE)

STANDS = [
    # rule, ask, age, stands in
    ("catalog", a_rule(), DEFAULT, 60.0, True),
    ("catalog-too-old", a_rule(), DEFAULT, 60.1, False),
    ("catalog-blocking", a_rule(), Ask(index=9), 60.0, True),
    ("catalog-client-has-newer", a_rule(), Ask(index=10), 0.0, False),
    ("catalog-strict", a_rule(is_strict=True), DEFAULT, 60.0, True),
    ("catalog-consistent", a_rule(), CONSISTENT, 0.0, False),
    ("catalog-no-cache", a_rule(), NO_CACHE, 0.0, False),
    ("client-allows-less", a_rule(), Ask(stale_if_error=10.0), 10.1, False),
    ("client-allows-just-that", a_rule(), Ask(stale_if_error=10.0), 10.0, True),
    ("client-allows-more-than-the-operator", a_rule(), Ask(stale_if_error=900.0), 60.1, False),
    ("max-stale-bounds", a_rule(), replace(STALE, max_age=5.0), 5.1, False),
    ("max-stale-allows", a_rule(), replace(STALE, max_age=5.0), 5.0, True),
    ("kv", KV_RULE, DEFAULT, 0.0, False),
    ("kv-blocking", KV_RULE, Ask(index=9), 0.0, False),
    ("kv-cached", KV_RULE, CACHED, 0.0, False),
    ("kv-stale", KV_RULE, STALE, 60.0, True),
    ("kv-stale-too-old", KV_RULE, STALE, 60.1, False),
    ("kv-stale-blocking", KV_RULE, replace(STALE, index=9), 60.0, True),
    ("kv-opted-in", STALE_KV, DEFAULT, 60.0, True),
    ("kv-opted-in-too-old", STALE_KV, DEFAULT, 60.1, False),
    ("never-kept", PASSED, STALE, 0.0, False),
]


@pytest.mark.parametrize(
    ("rule", "ask", "age", "expected"), [row[1:] for row in STANDS], ids=[row[0] for row in STANDS]
)
def test_no_server_answers_what_is_kept_stands_in_within_bounds(
    rule: Rule, ask: Ask, age: float, expected: bool
) -> None:
    """Fail static (promise 7): KV only if opted in or asked ``?stale``: locks live there."""
    assert stand_in(ask, rule, kept(age)) is expected


def test_superseded_entry_stands_in_for_want_of_a_better_one() -> None:
    """After a write that was lost with the servers the answer before it is still the best."""
    assert stand_in(DEFAULT, a_rule(), kept(1.0, is_superseded=True))


@given(ASKS, KEPTS)
def test_kv_never_stands_in_unless_opted_in_or_asked_stale(ask: Ask, known: Kept) -> None:
    """No lock is ever believed to be held on the word of an old answer."""
    if stand_in(ask, KV_RULE, known):
        assert ask.mode is Mode.STALE


NODES_RULE = a_rule("/v1/catalog/nodes")
LEADER, NO_LEADER = ("X-Consul-Knownleader", "true"), ("X-Consul-Knownleader", "false")
STREAMING = ("X-Consul-Query-Backend", "streaming")
BLOCKING_QUERY = ("X-Consul-Query-Backend", "blocking-query")
EFFECTIVE = "X-Consul-Effective-Consistency"
LARGE = an_entry(b"[" + b"1," * 2000 + b"1]", 9)


def store(_: Entry | None) -> Conclusion:
    """Expect it to be kept."""
    return Store()


def doubt(before: Entry | None) -> Conclusion:
    """Expect it to be asked for again."""
    assert before is not None
    return Confirm(before)


def let_by(_: Entry | None) -> Conclusion:
    """Expect it to be given on and not kept."""
    return PassOn()


def drop_key(_: Entry | None) -> Conclusion:
    """Expect the key's entry to go."""
    return Drop(Denial.KEY)


def drop_identity(_: Entry | None) -> Conclusion:
    """Expect the identity to be doubted."""
    return Drop(Denial.IDENTITY)


CONCLUDED = [
    ("answer", NODES_RULE, an_entry(), None, store),
    ("answer-with-leader", NODES_RULE, an_entry(headers=[LEADER]), None, store),
    ("answer-after-another", NODES_RULE, an_entry(b"[2]", 10), KNOWN, store),
    ("same-again", NODES_RULE, KNOWN, KNOWN, store),
    ("permission-denied", NODES_RULE, an_entry(b"Permission denied", 0, 403), KNOWN, drop_key),
    (
        "permission-denied-by-newer-words",
        NODES_RULE,
        an_entry(b"Permission denied: token with AccessorID '1' lacks permission", 0, 403),
        None,
        drop_key,
    ),
    ("acl-not-found", NODES_RULE, an_entry(b"ACL not found", 0, 403), KNOWN, drop_identity),
    (
        "acl-not-found-forwarded",
        NODES_RULE,
        an_entry(b"rpc error making call: ACL not found", 0, 403),
        None,
        drop_identity,
    ),
    ("kv-absent", a_rule(KV), an_entry(b"", 9, 404), None, store),
    ("kv-absent-without-index", a_rule(KV), an_entry(b"", 0, 404), None, let_by),
    ("config-absent", a_rule("/v1/config/a/b"), an_entry(b"", 9, 404), None, store),
    ("config-absent-without-index", a_rule("/v1/config/a/b"), an_entry(b"", 0, 404), None, let_by),
    ("config-deleted", a_rule("/v1/config/a/b"), an_entry(b"", 10, 404), KNOWN, store),
    ("absent-elsewhere", a_rule("/v1/connect/intentions/1"), an_entry(b"", 9, 404), KNOWN, let_by),
    ("error-with-index", NODES_RULE, an_entry(b"oops", 1, 500), KNOWN, let_by),
    ("error-with-index-of-kv", a_rule(KV), an_entry(b"oops", 1, 500), KNOWN, let_by),
    ("refused", NODES_RULE, an_entry(b"slow down", 0, 429), KNOWN, let_by),
    ("redirect", NODES_RULE, an_entry(b"", 9, 301), None, let_by),
    ("no-index", NODES_RULE, an_entry(index=0), KNOWN, let_by),
    ("no-index-where-there-is-none", a_rule(DATACENTERS), an_entry(index=0), None, store),
    ("effectively-stale", NODES_RULE, an_entry(headers=[(EFFECTIVE, "stale")]), None, let_by),
    ("effectively-default", NODES_RULE, an_entry(headers=[(EFFECTIVE, "leader")]), None, store),
    ("no-leader", NODES_RULE, an_entry(headers=[NO_LEADER]), None, let_by),
    ("no-leader-streaming", NODES_RULE, an_entry(headers=[NO_LEADER, STREAMING]), None, store),
    (
        "no-leader-of-the-roots",
        a_rule("/v1/connect/ca/roots"),
        an_entry(headers=[NO_LEADER]),
        None,
        store,
    ),
    ("no-leader-rpc", NODES_RULE, an_entry(headers=[NO_LEADER, BLOCKING_QUERY]), None, let_by),
    ("empty-at-lower-index", NODES_RULE, an_entry(b"[]", 1), KNOWN, doubt),
    ("empty-at-higher-index", NODES_RULE, an_entry(b"[]", 10), KNOWN, store),
    ("another-at-lower-index", NODES_RULE, an_entry(b"[2]", 8), KNOWN, doubt),
    ("same-at-lower-index", NODES_RULE, an_entry(index=8), KNOWN, store),
    ("empty-at-first", NODES_RULE, an_entry(b"[]", 1), None, store),
    ("large-set-emptied-at-once", NODES_RULE, an_entry(b"[]", 10), LARGE, doubt),
    ("large-value-deleted", a_rule(KV), an_entry(b"", 10, 404), LARGE, doubt),
    ("emptied-without-leader", NODES_RULE, an_entry(b"[]", 1, 200, [NO_LEADER]), LARGE, let_by),
]


@pytest.mark.parametrize(
    ("rule", "entry", "before", "expected"),
    [(*row[1:4], row[4](row[3])) for row in CONCLUDED],
    ids=[row[0] for row in CONCLUDED],
)
def test_answer_is_concluded_by_what_it_says(
    rule: Rule, entry: Entry, before: Entry | None, expected: Conclusion
) -> None:
    """Only what a leader vouches for is kept, errors never replace, and emptiness is doubted."""
    assert conclude(rule, entry, before) == expected


@given(
    st.sampled_from([200, 204, 301, 400, 401, 403, 404, 405, 429, 500, 503]),
    st.sampled_from([0, 1, 9, 10]),
    st.sampled_from([b"", b"[]", b"[1]", b"Permission denied"]),
    RULES,
)
def test_error_is_never_kept(status: int, index: int, body: bytes, rule: Rule) -> None:
    """Promise 3, for every status: but for "there is no such key", and no such config entry."""
    conclusion = conclude(rule, an_entry(body, index, status), KNOWN)
    is_absence = status == 404 and rule.endpoint.name in ("kv", "config")
    if status != 200 and not is_absence:
        assert not isinstance(conclusion, Store | Confirm)


def test_cache_status_is_one_list_member() -> None:
    """RFC 9211: the cache's name, then its parameters."""
    assert cache_status(()) == "consul-edge"
    assert cache_status(("hit", "detail=live")) == "consul-edge; hit; detail=live"
