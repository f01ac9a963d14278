"""Keys: two requests share one only if Consul must answer both the same."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consul_edge.core.ask import CONTROLS, Ask, Mode, Unclear
from consul_edge.core.key import ANONYMOUS, Key, parse_key
from consul_edge.core.request import parse_call

Headers = list[tuple[str, str]]


def key_of(target: str, headers: Headers | None = None, identity: str = ANONYMOUS) -> Key:
    """Parse the key of a GET."""
    return parse_key(parse_call("GET", target), headers or [], identity)[0]


def ask_of(target: str, headers: Headers | None = None) -> Ask:
    """Parse what a GET asks."""
    return parse_key(parse_call("GET", target), headers or [], ANONYMOUS)[1]


SAME = [
    ("/v1/catalog/nodes", "/v1/catalog/nodes?stale"),
    ("/v1/catalog/nodes", "/v1/catalog/nodes?index=7&wait=5m"),
    ("/v1/catalog/nodes", "/v1/catalog/nodes?token=secret"),
    ("/v1/catalog/nodes", "/v1/catalog/nodes?"),
    ("/v1/health/service/web?tag=a&passing", "/v1/health/service/web?passing&tag=a"),
    ("/v1/health/service/web?tag=a&cached&tag=b", "/v1/health/service/web?tag=a&tag=b"),
]

DIFFERENT = [
    ("/v1/catalog/nodes", "/v1/catalog/nodes?dc=dc1"),
    ("/v1/catalog/nodes?dc=a&dc=b", "/v1/catalog/nodes?dc=b&dc=a"),
    ("/v1/health/service/web?passing", "/v1/health/service/web?passing=false"),
    ("/v1/health/service/web?tag=a", "/v1/health/service/web?tag=a&tag=b"),
    ("/v1/health/service/web", "/v1/health/service/Web"),
    ("/v1/kv/a/b", "/v1/kv/a%2Fb"),
    ("/v1/kv/a", "/v1/kv/a?raw"),
    ("/v1/kv/a", "/v1/kv/a?recurse"),
    ("/v1/kv/a?keys", "/v1/kv/a?keys&separator=/"),
    ("/v1/catalog/nodes", "/v1/catalog/nodes?unknown"),
    ("/v1/catalog/nodes", "/v1/catalog/nodes?ns=team"),
    ("/v1/catalog/nodes", "/v1/catalog/nodes?pretty"),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=[other for _, other in SAME])
def test_steering_or_order_differs_the_key_is_the_same(one: str, other: str) -> None:
    """How fresh, how long and in which order is no part of the question."""
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=[other for _, other in DIFFERENT])
def test_question_differs_the_key_differs(one: str, other: str) -> None:
    """Whatever may change the answer is in the key."""
    assert key_of(one) != key_of(other)


def test_identity_differs_the_key_differs() -> None:
    """Nobody is ever given what was fetched for another token."""
    target = "/v1/catalog/nodes"
    assert len({key_of(target, identity=who) for who in (ANONYMOUS, "a", "b")}) == 3


@pytest.mark.parametrize("header", ["X-Consul-Namespace", "X-Consul-Partition"])
def test_namespace_of_the_headers_differs_the_key_differs(header: str) -> None:
    """Namespace and partition count wherever they are said, and are rendered again."""
    target = "/v1/catalog/nodes"
    named = key_of(target, [(header.lower(), "team")])
    assert named != key_of(target)
    assert named.headers == [(header, "team")]


UNCLEAR = [
    ("HEAD", "/v1/catalog/nodes", [], "method"),
    ("GET", "/v1/catalog/nodes?a;b", [], "uri"),
    ("GET", "/v1/catalog/nodes?%74oken=root", [], "uri"),
    ("GET", "/v1//catalog/nodes", [], "uri"),
    ("GET", "/v1/catalog/../catalog/nodes", [], "uri"),
    ("GET", "/v1/catalog/nodes?token=a&token=b", [], "token-repeated"),
    ("GET", "/v1/catalog/nodes?index=1&index=2", [], "index-repeated"),
    ("GET", "/v1/catalog/nodes?index=-1", [], "index"),
    ("GET", "/v1/catalog/nodes?index=99999999999999999999", [], "index"),
    ("GET", "/v1/catalog/nodes?wait=10", [], "wait"),
    ("GET", "/v1/catalog/nodes?max_stale=soon", [], "max_stale"),
    ("GET", "/v1/catalog/nodes?stale&consistent", [], "conflicting-consistency"),
    ("GET", "/v1/catalog/nodes?cached&consistent", [], "conflicting-consistency"),
    ("GET", "/v1/catalog/nodes?cached", [("Cache-Control", "max-age=soon")], "cache-control"),
    ("GET", "/v1/catalog/nodes", [("Cache-Control", "max-age=abc")], "cache-control"),
    ("GET", "/v1/kv/a?max_stale=1s", [("Cache-Control", "max-age=abc")], "cache-control"),
    (
        "GET",
        "/v1/catalog/services",
        [("Cache-Control", "max-age=30 stale-if-error=9")],
        "cache-control",
    ),
    (
        "GET",
        "/v1/catalog/services?cached",
        [("Cache-Control", "must-revalidate, max-age=x")],
        "cache-control",
    ),
    (
        "GET",
        "/v1/catalog/datacenters",
        [("Cache-Control", "max-age=x, max-age=1")],
        "cache-control",
    ),
    ("GET", "/v1/catalog/nodes?near=_agent", [], "near"),
    ("GET", "/v1/catalog/nodes?near=%5Fip", [], "near"),
    ("GET", "/v1/catalog/nodes", [("Authorization", "Basic dTpw")], "authorization"),
    ("GET", "/v1/catalog/nodes", [("Content-Length", "3")], "body"),
    ("GET", "/v1/catalog/nodes", [("Range", "bytes=0-1")], "range"),
    (
        "GET",
        "/v1/catalog/nodes",
        [("X-Consul-Namespace", "a"), ("x-consul-namespace", "b")],
        "header-repeated",
    ),
]


@pytest.mark.parametrize(
    ("method", "target", "headers", "reason"),
    UNCLEAR,
    ids=[f"{row[1]}-{row[3]}" for row in UNCLEAR],
)
def test_request_that_only_consul_can_read_has_no_key(
    method: str, target: str, headers: Headers, reason: str
) -> None:
    """What cannot be rendered again, or read for certain, is never kept; the reason is told."""
    with pytest.raises(Unclear, match=f"^{reason}$"):
        parse_key(parse_call(method, target), headers, ANONYMOUS)


ASKS = [
    ("", [], Ask()),
    ("?stale=false", [], Ask(Mode.STALE)),
    ("?consistent=0", [], Ask(Mode.CONSISTENT)),
    ("?leader", [], Ask()),
    ("?max_stale=10s", [], Ask(Mode.STALE, max_age=10.0)),
    ("?max_stale=", [], Ask()),
    ("?index=7&wait=1m30s", [], Ask(index=7, wait=90.0)),
    ("?index=0&wait=0s", [], Ask()),
    ("?cached", [], Ask(Mode.CACHED)),
    ("?cached", [("Cache-Control", "Max-Age=30")], Ask(Mode.CACHED, max_age=30.0)),
    ("?cached", [("Cache-Control", "must-revalidate")], Ask(Mode.CACHED, max_age=0.0)),
    (
        "?cached",
        [("Cache-Control", "max-age=1"), ("cache-control", "stale-if-error=60")],
        Ask(Mode.CACHED, max_age=1.0, stale_if_error=60.0),
    ),
    ("", [("Cache-Control", "no-cache")], Ask(no_cache=True)),
    ("", [("Cache-Control", "no-store, max-age=3")], Ask(no_cache=True)),
    ("", [("Cache-Control", "max-age=3")], Ask()),
]


@pytest.mark.parametrize(
    ("query", "headers", "expected"), ASKS, ids=[str(row[:2]) for row in ASKS]
)
def test_controls_say_how_fresh_the_answer_must_be(
    query: str, headers: Headers, expected: Ask
) -> None:
    """Presence counts; values are Consul's durations and integers."""
    assert ask_of(f"/v1/catalog/nodes{query}", headers) == expected


def test_key_renders_the_question_and_nothing_else() -> None:
    """A fetch built from the key has neither the token nor how fresh somebody wanted it."""
    key = key_of("/v1/health/service/web?token=secret&passing&index=7&stale&dc=dc1")
    assert key.target == "/v1/health/service/web?dc=dc1&passing"
    assert key.polling(7, "30s") == "/v1/health/service/web?dc=dc1&passing&index=7&wait=30s"
    assert "secret" not in repr(key)


@pytest.mark.parametrize(
    ("target", "path", "prefix"),
    [
        ("/v1/kv/a%2Fb", "a/b", False),
        ("/v1/kv/a/?recurse", "a/", True),
        ("/v1/kv/?keys", "", True),
        ("/v1/catalog/nodes?recurse", None, True),
    ],
)
def test_kv_path_is_decoded(target: str, path: str | None, prefix: bool) -> None:
    """Invalidation goes by the key as Consul knows it."""
    key = key_of(target)
    assert (key.kv_path, key.is_kv_prefix) == (path, prefix)


_NAMES = sorted(CONTROLS | {"dc", "tag", "passing", "near", "ns"})
_PAIRS = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(["", "a", "b", "1", "2s", "a%62"])),
    max_size=4,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Headers]:
    """Draw requests from so small a world that many of them mean the same."""
    path = draw(st.sampled_from(["/v1/kv/a", "/v1/kv/%61", "/v1/health/service/a"]))
    pairs = draw(_PAIRS)
    query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    names = st.sampled_from(["X-Consul-Namespace", "X-Consul-Partition", "Accept"])
    headers = draw(st.lists(st.tuples(names, st.sampled_from(["", "a", "b"])), max_size=2))
    return (f"{path}?{query}" if query else path), headers


def meaning(target: str, headers: Headers) -> object:
    """Say independently what Consul is asked: per name all its values in their order."""
    split = urlsplit(target)
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(split.query, keep_blank_values=True):
        if name not in CONTROLS:
            values.setdefault(name, []).append(value)
    told = {name: value for name, value in headers if name != "Accept" and value}
    return split.path, values, told


@settings(max_examples=500)
@given(requests(), requests())
def test_two_requests_with_one_key_ask_the_same(
    one: tuple[str, Headers], other: tuple[str, Headers]
) -> None:
    """The property that isolation rests on; a request without a key is kept by nobody."""
    try:
        keys = [key_of(*request) for request in (one, other)]
    except Unclear:
        return
    if keys[0] == keys[1]:
        assert meaning(*one) == meaning(*other)


@settings(max_examples=300)
@given(requests())
def test_key_rendered_and_parsed_again_is_itself(request: tuple[str, Headers]) -> None:
    """What is fetched for a key has that key: the loop of rendering and reading is closed."""
    try:
        key = key_of(*request)
    except Unclear:
        return
    assert key_of(key.target, key.headers) == key
