"""What a write touches, and what it must not fail to touch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.ask import Unclear
from consul_edge.core.effects import (
    CATALOG,
    EVERYTHING,
    MESH,
    SESSIONS,
    Effect,
    KvEntry,
    KvTree,
    effects,
    touches,
)
from consul_edge.core.key import ANONYMOUS, parse_key
from consul_edge.core.request import parse_call

WRITES: list[tuple[str, str, tuple[Effect, ...]]] = [
    ("GET", "/v1/kv/a", ()),
    ("PUT", "/v1/kv/a%2Fb", (KvEntry("a/b"),)),
    ("PUT", "/v1/kv/a?cas=7", (KvEntry("a"),)),
    ("DELETE", "/v1/kv/a", (KvEntry("a"),)),
    ("DELETE", "/v1/kv/a?recurse", (KvTree("a"),)),
    ("DELETE", "/v1/kv/a?%72ecurse", (KvTree("a"),)),
    ("DELETE", "/v1/kv/?recurse", (KvTree(""),)),
    ("PUT", "/v1/catalog/register", (CATALOG,)),
    ("PUT", "/v1/catalog/deregister", (CATALOG,)),
    ("PUT", "/v1/agent/service/register", (CATALOG,)),
    ("PUT", "/v1/agent/service/deregister/web", (CATALOG,)),
    ("PUT", "/v1/agent/maintenance?enable=true", (CATALOG,)),
    ("PUT", "/v1/agent/check/pass/service:web", ()),
    ("PUT", "/v1/agent/check/warn/service:web", (CATALOG,)),
    ("PUT", "/v1/agent/check/fail/service:web", (CATALOG,)),
    ("PUT", "/v1/agent/check/update/service:web", (CATALOG,)),
    ("PUT", "/v1/session/create", (SESSIONS,)),
    ("PUT", "/v1/session/destroy/id", (SESSIONS,)),
    ("PUT", "/v1/session/renew/id", ()),
    ("PUT", "/v1/config", (MESH,)),
    ("DELETE", "/v1/config/service-defaults/web", (MESH,)),
    ("PUT", "/v1/connect/intentions/exact", (MESH,)),
    ("PUT", "/v1/acl/policy/id", (EVERYTHING,)),
    ("POST", "/v1/acl/login", ()),
    ("PUT", "/v1/snapshot", (EVERYTHING,)),
    ("PUT", "/v1/event/fire/deploy", ()),
    ("PUT", "/v1/something/new", (EVERYTHING,)),
]


@pytest.mark.parametrize(
    ("method", "target", "expected"), WRITES, ids=[f"{row[0]} {row[1]}" for row in WRITES]
)
def test_write_has_the_effects_of_its_endpoint(
    method: str, target: str, expected: tuple[Effect, ...]
) -> None:
    """Each kind of write names what it may change; what is unknown may change everything."""
    assert effects(parse_call(method, target), b"") == expected


TRANSACTIONS: list[tuple[str, object, tuple[Effect, ...]]] = [
    ("set", [{"KV": {"Verb": "set", "Key": "a/b", "Value": "MQ=="}}], (KvEntry("a/b"),)),
    ("lower-case", [{"kv": {"verb": "delete-tree", "key": "a"}}], (KvTree("a"),)),
    (
        "several",
        [{"KV": {"Verb": "cas", "Key": "a"}}, {"KV": {"Verb": "delete", "Key": "b"}}],
        (KvEntry("a"), KvEntry("b")),
    ),
    ("catalog", [{"Node": {"Verb": "set", "Node": {"Node": "n"}}}], (CATALOG,)),
    ("unknown", [{"Intention": {"Operation": "create"}}], (EVERYTHING,)),
    ("no-key", [{"KV": {"Verb": "set"}}], (EVERYTHING,)),
    ("no-list", {"KV": {}}, (EVERYTHING,)),
]


@pytest.mark.parametrize(
    ("body", "expected"), [row[1:] for row in TRANSACTIONS], ids=[row[0] for row in TRANSACTIONS]
)
def test_transaction_has_the_effects_of_its_operations(
    body: object, expected: tuple[Effect, ...]
) -> None:
    """Each operation counts; what cannot be read may be anything."""
    assert effects(parse_call("PUT", "/v1/txn"), json.dumps(body).encode()) == expected


@pytest.mark.parametrize(
    "body", [b"", b"{", b'[{"\xff": {}}]', None], ids=["empty", "broken", "no-utf-8", "streamed"]
)
def test_transaction_that_cannot_be_read_may_change_everything(body: bytes | None) -> None:
    """A body that is not known is assumed to do the most."""
    assert effects(parse_call("PUT", "/v1/txn"), body) == (EVERYTHING,)


TOUCHED: list[tuple[Effect, str, bool]] = [
    (KvEntry("a/b"), "/v1/kv/a/b", True),
    (KvEntry("a/b"), "/v1/kv/a%2Fb?raw", True),
    (KvEntry("a/b"), "/v1/kv/a", False),
    (KvEntry("a/b"), "/v1/kv/a?recurse", True),
    (KvEntry("a/b"), "/v1/kv/?keys", True),
    (KvEntry("a/b"), "/v1/kv/a/b/c", False),
    (KvEntry("a/b"), "/v1/kv/b?recurse", False),
    (KvEntry("a/b"), "/v1/catalog/nodes", False),
    (KvTree("a/"), "/v1/kv/a/b", True),
    (KvTree("a/"), "/v1/kv/a", False),
    (KvTree("a/b"), "/v1/kv/a?recurse", True),
    (KvTree("a"), "/v1/kv/ab?keys", True),
    (KvTree("a"), "/v1/kv/b?keys", False),
    (KvTree(""), "/v1/kv/anything", True),
    (CATALOG, "/v1/health/service/web", True),
    (CATALOG, "/v1/catalog/nodes?dc=dc2", True),
    (CATALOG, "/v1/kv/a", True),
    (CATALOG, "/v1/session/list", True),
    (MESH, "/v1/kv/a", False),
    (MESH, "/v1/health/service/web", True),
    (SESSIONS, "/v1/kv/locked", True),
    (MESH, "/v1/discovery-chain/web", True),
    (EVERYTHING, "/v1/kv/a", True),
]


@pytest.mark.parametrize(
    ("effect", "target", "expected"), TOUCHED, ids=[f"{row[0]}-{row[1]}" for row in TOUCHED]
)
def test_effect_touches_what_it_may_have_changed(
    effect: Effect, target: str, expected: bool
) -> None:
    """An entry is touched by its decoded key, by its prefix, or by its class."""
    key, _ = parse_key(parse_call("GET", target), [], ANONYMOUS)
    assert touches(effect, key) is expected


_KEYS = st.text("ab/", max_size=5)


@given(_KEYS, _KEYS, st.booleans())
def test_recursive_deletion_touches_every_answer_that_could_hold_a_deleted_entry(
    prefix: str, asked: str, recurse: bool
) -> None:
    """Seen from the data: an answer that names an entry below the prefix is touched."""
    target = f"/v1/kv/{asked}" + ("?recurse" if recurse else "")
    try:
        key, _ = parse_key(parse_call("GET", target), [], ANONYMOUS)
    except Unclear:  # a path that Consul redirects
        return
    entries = [prefix, f"{prefix}a", f"{prefix}b/a"]
    shown = [one for one in entries if (one.startswith(asked) if recurse else one == asked)]
    assert not shown or touches(KvTree(prefix), key)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"Status": "passing"}', ()),
        (b'{"status":"passing","Output":"critical"}', ()),
        (b'{"Status": "critical"}', (CATALOG,)),
        (b'{"Status": "passing", "status": "critical"}', (CATALOG,)),
        (b'{"Output": "x"}', (CATALOG,)),
        (b"[]", (CATALOG,)),
        (b"{", (CATALOG,)),
        (None, (CATALOG,)),
    ],
)
def test_check_is_updated_only_a_beat_touches_nothing(
    body: bytes | None, expected: tuple[Effect, ...]
) -> None:
    """Whoever says that he is not well wants that seen; that he is well he says all the time."""
    assert effects(parse_call("PUT", "/v1/agent/check/update/a"), body) == expected
