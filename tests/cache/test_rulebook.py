"""The rulebook: which rule holds for which request, by table and settings."""

import pytest

from consul_edge.cache.rulebook import Rulebook
from consul_edge.config import load
from consul_edge.core.endpoints import Treatment
from consul_edge.core.policy import Rule
from consul_edge.core.request import parse_call

WATCH, TTL, PASS = Treatment.WATCH, Treatment.TTL, Treatment.PASS


def book(**env: str) -> Rulebook:
    """Make the rulebook of some settings of the cache."""
    given = {f"CONSUL_EDGE_CACHE__{name}": value for name, value in env.items()}
    return Rulebook(load(file=None, env=given, flags={}).settings)


def rule_of(target: str, **env: str) -> Rule:
    """Find one request's rule."""
    return book(**env).of(parse_call("GET", target))


TREATED = [
    ("/v1/catalog/nodes", WATCH, True, True),
    ("/v1/health/service/web?passing", WATCH, True, True),
    ("/v1/catalog/datacenters", TTL, True, False),
    ("/v1/coordinate/nodes", TTL, True, True),
    ("/v1/kv/a", PASS, False, True),
    ("/v1/session/list", PASS, False, False),
    ("/v1/acl/tokens", PASS, False, False),
    ("/v1/agent/self", Treatment.LOCAL, False, False),
    ("/v1/something/new", PASS, False, False),
]


@pytest.mark.parametrize(
    ("target", "treatment", "is_kept", "is_held"), TREATED, ids=[row[0] for row in TREATED]
)
def test_nothing_is_set_the_table_holds(
    target: str, treatment: Treatment, is_kept: bool, is_held: bool
) -> None:
    """Of KV only blocking queries are collapsed: locks live there."""
    rule = rule_of(target)
    assert (rule.treatment, rule.is_kept, rule.is_held) == (treatment, is_kept, is_held)


def test_settings_of_the_cache_are_in_each_rule() -> None:
    """Times and mode are the operator's."""
    rule = rule_of("/v1/catalog/nodes", TTL="7s", MODE="strict", STALE_IF_ERROR="90s")
    assert (rule.ttl, rule.is_strict, rule.stale_if_error) == (7.0, True, 90.0)


ENDPOINTS = "/v1/kv/config/=watch,catalog_nodes=5s,health_state=pass"

SET = [
    ("/v1/kv/config/a", WATCH, 1.0),
    ("/v1/kv/config%2Fa?raw", WATCH, 1.0),
    ("/v1/kv/config/?recurse", WATCH, 1.0),
    ("/v1/kv/configuration", PASS, 1.0),
    ("/v1/catalog/nodes?dc=a", TTL, 5.0),
    ("/v1/catalog/services", WATCH, 1.0),
    ("/v1/health/state/any", PASS, 1.0),
]


@pytest.mark.parametrize(("target", "treatment", "ttl"), SET, ids=[row[0] for row in SET])
def test_endpoints_are_set_they_go_before_the_table(
    target: str, treatment: Treatment, ttl: float
) -> None:
    """By name or by decoded path, however the client writes it."""
    rule = rule_of(target, ENDPOINTS=ENDPOINTS)
    assert (rule.treatment, rule.ttl) == (treatment, ttl)


OUTLIVES = [
    ("/v1/catalog/nodes", True),
    ("/v1/health/service/web", True),
    ("/v1/kv/a", False),
    ("/v1/kv/config/a", True),
    ("/v1/kv/config%2Fa", True),
    ("/v1/kv/config/?recurse", True),
    ("/v1/kv/conf", False),
    ("/v1/kv/?recurse", False),
]


@pytest.mark.parametrize(("target", "expected"), OUTLIVES, ids=[row[0] for row in OUTLIVES])
def test_kv_outlives_consul_only_below_an_opted_in_prefix(target: str, expected: bool) -> None:
    """A query for more than the prefix shows keys that were not opted in."""
    assert rule_of(target, STALE_KV="config/").may_outlive_consul is expected


def test_no_kv_is_opted_in_none_outlives_consul() -> None:
    """An empty list is no prefix of everything."""
    assert not rule_of("/v1/kv/a").may_outlive_consul


def test_endpoint_without_settings_is_asked_for_often_its_rule_is_made_once() -> None:
    """Requests of one endpoint share it, and paths of any number make no more."""
    rules = book(STALE_KV="config/")
    found = {id(rules.of(parse_call("GET", f"/v1/health/service/{n}"))) for n in range(100)}
    assert len(found) == 1
