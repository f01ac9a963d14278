"""Rules for endpoints: which can be meant, and which of several counts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.endpoints import ENDPOINTS, Endpoint, Treatment, decode_path, find
from consul_edge.core.rules import EndpointRule, parse_rule, treatment_of

WATCH, TTL, PASS = Treatment.WATCH, Treatment.TTL, Treatment.PASS
LOCAL, WRITE = Treatment.LOCAL, Treatment.WRITE


@pytest.mark.parametrize(
    ("pattern", "treatment", "ttl"),
    [
        ("catalog_nodes", PASS, None),
        ("catalog_nodes", TTL, 5.0),
        ("coordinate_nodes", WATCH, None),
        ("catalog_datacenters", PASS, None),
        ("session_list", WATCH, None),
        ("kv", WATCH, None),
        ("operator", TTL, 5.0),
        ("/v1/kv/config/", WATCH, None),
        ("/v1/kv/config", WATCH, None),
        ("/v1/kv/", TTL, 0.5),
        ("/v1/kv/50% off/ü", WATCH, None),
        ("/v1/health/service/web", PASS, None),
        ("/v1/catalog/nodes", PASS, None),
        ("/v1/connect/intentions", WATCH, None),
        # Never kept is what they are already.
        ("acl", PASS, None),
        ("agent", PASS, None),
        ("snapshot", PASS, None),
        # Wider than an endpoint.
        ("/v1/catalog/", PASS, None),
        ("/v1/", PASS, None),
    ],
)
def test_rule_that_its_endpoint_can_follow_is_accepted(
    pattern: str, treatment: Treatment, ttl: float | None
) -> None:
    """Names and prefixes are taken with what the endpoint can give."""
    assert parse_rule(pattern, treatment, ttl) == EndpointRule(pattern, treatment, ttl)


@pytest.mark.parametrize(
    ("pattern", "treatment", "problem"),
    [
        ("catalog_nods", WATCH, "unknown endpoint; did you mean catalog_nodes?"),
        ("health-service", PASS, "unknown endpoint; did you mean health_service?"),
        ("qqq", PASS, "expected the name of an endpoint, such as catalog_nodes, or a path prefix"),
        ("", PASS, "expected the name of an endpoint"),
        ("v1/kv/config/", WATCH, "expected a path prefix that begins with /v1/"),
        ("other", WATCH, "expected the name of an endpoint"),
        ("/kv/config/", WATCH, "expected a path prefix that begins with /v1/"),
        ("/v1", PASS, "expected a path prefix that begins with /v1/"),
        ("/ui/", PASS, "expected a path prefix that begins with /v1/"),
        ("/v1/health/services/web", PASS, "unknown path; did you mean /v1/health/service/?"),
        ("/v1/health/services/web", WATCH, "unknown path; did you mean /v1/health/service/?"),
        ("/v1/kv//config", WATCH, "without a query, // and dot segments"),
        ("/v1/kv/../config", WATCH, "without a query, // and dot segments"),
        ("/v1/kv/config/?recurse", WATCH, "without a query, // and dot segments"),
        ("/v1/kv/a\nb", WATCH, "expected a path prefix of printable characters"),
        ("/v1/kv/\udcff", WATCH, "expected a path prefix of printable characters"),
        ("/v1/", TTL, "expected pass, or a path in a single endpoint, such as /v1/catalog/data"),
        ("/v1/health/", WATCH, "a path in a single endpoint, such as /v1/health/service/"),
        ("/v1/kv", WATCH, "expected pass, or a path in a single endpoint, such as /v1/kv/"),
        ("catalog_datacenters", WATCH, "cannot wait for a change; {ttl: 5s} would do"),
        ("/v1/catalog/datacenters", WATCH, "cannot wait for a change; {ttl: 5s} would do"),
        ("acl", TTL, "expected pass: such an answer holds secrets"),
        ("/v1/acl/token/self", TTL, "expected pass: such an answer holds secrets"),
        ("internal_acl", TTL, "such an answer holds secrets"),
        ("query_execute", TTL, "depends on who asks"),
        ("/v1/query/web/execute", TTL, "depends on who asks"),
        ("connect_ca_configuration", TTL, "such an answer holds secrets"),
        ("operator_keyring", TTL, "such an answer holds secrets"),
        ("snapshot", TTL, "expected pass: such an answer is a stream"),
        ("agent_monitor", TTL, "the one agent that gives it"),
        ("agent_members", TTL, "the one agent that gives it"),
        ("agent_ca_leaf", WATCH, "the one agent that gives it"),
        ("/v1/agent/", WATCH, "the one agent that gives it"),
        ("status_leader", TTL, "the one agent that gives it"),
        ("catalog_register", WATCH, "expected pass: the endpoint is for writes"),
        ("txn", TTL, "expected pass: the endpoint is for writes"),
    ],
)
def test_rule_that_means_nothing_or_cannot_be_followed_is_refused(
    pattern: str, treatment: Treatment, problem: str
) -> None:
    """What is refused is told with the nearest that is known, or with the reason."""
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_rule(pattern, treatment, 5.0 if treatment is TTL else None)


KV_CONFIG = EndpointRule("/v1/kv/config/", WATCH)
KV_LOCKS = EndpointRule("/v1/kv/config/locks/", PASS)
KV = EndpointRule("kv", TTL, 5.0)
NODES = EndpointRule("catalog_nodes", PASS)
ALL = EndpointRule("/v1/", PASS)
CATALOG = EndpointRule("/v1/catalog/", PASS)


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        # No rule, or none that matches: the table.
        ((), "/v1/catalog/nodes", (WATCH, None)),
        ((), "/v1/catalog/datacenters", (TTL, None)),
        ((), "/v1/kv/config/a", (PASS, None)),
        ((NODES,), "/v1/catalog/services", (WATCH, None)),
        ((KV_CONFIG,), "/v1/kv/other", (PASS, None)),
        ((KV_CONFIG,), "/v1/kv/config", (PASS, None)),
        # By name, by prefix.
        ((NODES,), "/v1/catalog/nodes", (PASS, None)),
        ((KV,), "/v1/kv/a", (TTL, 5.0)),
        ((KV_CONFIG,), "/v1/kv/config/", (WATCH, None)),
        ((KV_CONFIG,), "/v1/kv/config/a/b", (WATCH, None)),
        ((KV_CONFIG,), "/v1/kv/%63onfig%2Fa", (WATCH, None)),
        # A prefix before a name, the longest before a shorter one.
        ((KV, KV_CONFIG), "/v1/kv/config/a", (WATCH, None)),
        ((KV, KV_CONFIG), "/v1/kv/a", (TTL, 5.0)),
        ((KV_CONFIG, KV_LOCKS), "/v1/kv/config/locks/a", (PASS, None)),
        ((KV_CONFIG, KV_LOCKS), "/v1/kv/config/a", (WATCH, None)),
        ((ALL, KV_CONFIG), "/v1/kv/config/a", (WATCH, None)),
        ((ALL, KV), "/v1/kv/a", (PASS, None)),
        ((ALL, CATALOG), "/v1/health/state/any", (PASS, None)),
        # The row has the last word.
        ((ALL,), "/v1/agent/self", (LOCAL, None)),
        ((ALL,), "/v1/txn", (WRITE, None)),
        ((EndpointRule("/v1/", WATCH),), "/v1/acl/tokens", (PASS, None)),
        ((EndpointRule("/v1/", TTL, 5.0),), "/v1/snapshot", (PASS, None)),
        ((EndpointRule("/v1/", TTL, 5.0),), "/v1/something/new", (PASS, None)),
        ((EndpointRule("/v1/", WATCH),), "/v1/catalog/datacenters", (TTL, None)),
        (
            (EndpointRule("/v1/connect/intentions", WATCH),),
            "/v1/connect/intentions/check",
            (PASS, None),
        ),
        # What does not count for a row leaves the next rule its turn.
        (
            (EndpointRule("/v1/catalog/data", WATCH), EndpointRule("catalog_datacenters", PASS)),
            "/v1/catalog/datacenters",
            (PASS, None),
        ),
    ],
)
def test_read_is_treated_by_the_nearest_rule_that_its_row_can_follow(
    rules: tuple[EndpointRule, ...], path: str, expected: tuple[Treatment, float | None]
) -> None:
    """The longest prefix, then the name, then the table; in any order of the rules."""
    endpoint, decoded = find(path), decode_path(path)
    assert treatment_of(rules, endpoint, decoded) == expected
    assert treatment_of(rules[::-1], endpoint, decoded) == expected


@given(
    st.lists(
        st.builds(
            EndpointRule,
            st.sampled_from([*(row.path for row in ENDPOINTS), "/v1/", "/v1/kv/a", "kv", "acl"]),
            st.sampled_from([WATCH, TTL, PASS]),
        )
    ),
    st.sampled_from(ENDPOINTS),
)
def test_no_rule_makes_an_answer_kept_that_must_not_be(
    rules: list[EndpointRule], row: Endpoint
) -> None:
    """Secrets, streams and what is local or written keep their treatment under any rules."""
    treatment, _ = treatment_of(rules, row, row.path.replace("*", "x"))
    if row.treatment in {LOCAL, WRITE}:
        assert treatment is row.treatment
    elif row.private or row.stream:
        assert treatment is PASS
