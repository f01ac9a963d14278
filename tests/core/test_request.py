import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.request import (
    CONTROLS,
    Poll,
    at_once,
    controls,
    parse_call,
    redacted,
    with_wait,
    without_parameters,
)

LARGEST = 2**64 - 1

POLLS = {
    "?index=7": Poll(None),
    "?index=007": Poll(None),
    "?index=7&wait=1m": Poll(60.0),
    "?index=7&wait=0": Poll(None),
    "?index=7&wait=-1s": Poll(None),
    "?index=7&wait=10": Poll(None),
    "?wait=500ms&index=7": Poll(0.5),
    "?recurse;index=7;wait=2s": Poll(2.0),
    "?%69ndex=%37&w%61it=2s": Poll(2.0),
    "?index=7&index=0": Poll(None),
    f"?index={LARGEST}": Poll(None),
}

NO_POLLS = {
    "no query": "",
    "an empty query": "?",
    "a wait alone": "?wait=1m",
    "index 0": "?index=0",
    "an index of zeros": "?index=000",
    "an empty index": "?index=",
    "a first index of 0": "?index=0&index=7",
    "an index in another case": "?Index=7",
    "a signed index": "?index=%2B7",
    "a negative index": "?index=-7",
    "an index in Arabic digits": "?index=%D9%A7",
    "an index beyond 64 bits": f"?index={LARGEST + 1}",
    "an index of 5000 digits": "?index=" + "9" * 5000,
    "a hash where indexes block": "?hash=abc",
}

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def go_query(query: str) -> dict[str, str] | None:
    """Read a query as Go's ``url.ParseQuery`` did before 1.17; None where it reports an error."""
    values: dict[str, str] = {}
    for pair in re.split("[&;]", query):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if BAD_ESCAPE.search(name + " " + value):
            return None
        texts = [
            unquote_to_bytes(part.replace("+", " ")).decode("utf-8", "replace")
            for part in (name, value)
        ]
        values.setdefault(texts[0], texts[1])
    return values


def raw_pairs(target: str) -> list[str]:
    """Take a target's pairs apart without decoding any."""
    return [pair for pair in re.split("[&;]", target.partition("?")[2]) if pair]


from_the_wire = st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
"""Everything a parser of bytes can hand over."""

NAMES = ["index", "wait", "hash", "token", "stale", "%74oken", "t%6Fken", "inde%78", "a", "é"]
SIGNS = ["=", "=", "&", "&", ";", "+", "%20", "%26", "%3B", "%3D", "%C3%A9", "%", "%zz", "7", "1m"]
pieces = st.sampled_from([*NAMES, *SIGNS, ""])
queries = st.lists(pieces, max_size=14).map("".join)

FOREIGN = ["recurse", "dc=a%26b", "near=_agent", "x", "x=", "=y", "filter=a%3D%3D%22b%22", "%zz=1"]
pairs = st.sampled_from([*FOREIGN, "wait=5m", "%77ait=1s", "index=7", "hash=a", "wait"])


@pytest.mark.parametrize(("query", "poll"), POLLS.items(), ids=POLLS)
def test_index_above_zero_makes_a_poll(query: str, poll: Poll) -> None:
    """A GET with an index that Consul waits for is a poll, with the wait that Consul reads."""
    assert poll == parse_call("GET", f"/v1/kv/a{query}").poll


@pytest.mark.parametrize("query", NO_POLLS.values(), ids=NO_POLLS)
def test_index_consul_does_not_wait_for_makes_no_poll(query: str) -> None:
    """Without an index above 0 that Go can read, nothing is held back."""
    assert parse_call("GET", f"/v1/kv/a{query}").poll is None


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "HEAD", "OPTIONS"])
def test_index_on_another_method_makes_no_poll(method: str) -> None:
    """Only a GET blocks."""
    assert parse_call(method, "/v1/kv/a?index=7").poll is None


@pytest.mark.parametrize(
    ("query", "poll"),
    {"?hash=abc&wait=1m": Poll(60.0), "?hash=": None, "?index=7": None}.items(),
    ids=["hash", "empty-hash", "index"],
)
def test_endpoint_that_blocks_by_hash_waits_for_a_hash(query: str, poll: Poll | None) -> None:
    """``agent/service`` blocks on ``hash`` and knows no index."""
    assert poll == parse_call("GET", f"/v1/agent/service/web{query}").poll


def test_endpoint_that_cannot_block_makes_no_poll() -> None:
    """An index means nothing to an endpoint that answers at once."""
    assert parse_call("GET", "/v1/catalog/datacenters?index=7").poll is None


@pytest.mark.parametrize(
    ("method", "is_read"),
    {"GET": True, "HEAD": True, "OPTIONS": True, "PUT": False, "get": False, "X": False}.items(),
)
def test_only_methods_known_to_change_nothing_are_reads(method: str, *, is_read: bool) -> None:
    """Whatever is not known to be harmless counts as a write."""
    assert is_read == parse_call(method, "/v1/kv/a").is_read


@pytest.mark.parametrize(
    "query",
    ["token=a", "x;token=a", "%74oken=a", "t%6fken=a", "recurse&token=a&token=", "token=%20"],
)
def test_token_consul_could_see_is_noted(query: str) -> None:
    """However the parameter is spelled, a token that Consul would use is known to be there."""
    assert parse_call("GET", f"/v1/kv/a?{query}").has_token_parameter


@pytest.mark.parametrize(
    "query", ["", "token=", "token", "Token=a", "xtoken=a", "a=token", "token=&token=a"]
)
def test_parameter_that_is_no_token_is_not_noted(query: str) -> None:
    """An empty token is none, and the first of several is the one that counts."""
    assert not parse_call("GET", f"/v1/kv/a?{query}").has_token_parameter


@given(method=st.text(max_size=8), target=st.one_of(st.text(), from_the_wire, queries))
def test_any_text_as_target_is_parsed_and_kept(method: str, target: str) -> None:
    """No request line makes the parser raise, and the target is never changed by it."""
    assert target == parse_call(method, target).target


@given(query=queries)
def test_query_go_accepts_is_read_as_go_reads_it(query: str) -> None:
    """The controls found are exactly the first values that Go's ``ParseQuery`` would give."""
    seen = go_query(query)
    if seen is not None:
        wanted = {name: value for name, value in seen.items() if name in CONTROLS}
        assert wanted == controls(query)


@given(path=st.sampled_from(["/v1/kv/a", "/v1/kv/a%3Fb", "//v1/kv"]), given=st.lists(pairs))
def test_removing_parameters_keeps_all_other_pairs(path: str, given: list[str]) -> None:
    """Other pairs stay byte for byte in their order; a removed name is gone in any spelling."""
    query = "&".join(given)
    target = f"{path}?{query}" if given else path
    rest = without_parameters(target, frozenset({"wait"}))
    names = {"wait": "wait", "%77ait": "wait"}
    kept = [pair for pair in given if names.get(pair.partition("=")[0]) is None]
    assert kept == raw_pairs(rest)
    assert path == rest.partition("?")[0]


@given(given=st.lists(st.sampled_from(FOREIGN), min_size=1))
def test_removing_nothing_with_semicolons_keeps_each_pair(given: list[str]) -> None:
    """Pairs that ``;`` separates are pairs, too."""
    target = "/v1/kv/a?" + ";".join(given)
    assert given == raw_pairs(without_parameters(target, frozenset({"wait"})))


@given(given=st.lists(pairs), wait=st.floats(0.001, 600))
def test_wait_set_anew_is_what_consul_reads(given: list[str], wait: float) -> None:
    """Whatever the query held, its only wait is the new one, to the millisecond."""
    call = parse_call("GET", with_wait("/v1/kv/a?" + "&".join(["index=7", *given]), wait))
    assert call.poll is not None
    assert call.poll.wait == pytest.approx(round(wait, 3))


@pytest.mark.parametrize("wait", [0.0, -3.0, 0.0004], ids=["none", "overdue", "tiny"])
def test_wait_used_up_is_never_written_as_zero(wait: float) -> None:
    """Consul takes 0 for its default of five minutes, so what is left is at least 1 ms."""
    assert with_wait("/v1/kv/a?index=7&wait=5m", wait) == "/v1/kv/a?index=7&wait=1ms"


@given(given=st.lists(pairs))
def test_poll_rewritten_to_answer_at_once_is_no_poll(given: list[str]) -> None:
    """Asking for the current value never blocks, whichever control names were there."""
    for path in ("/v1/kv/a", "/v1/agent/service/a"):
        assert parse_call("GET", at_once(f"{path}?" + "&".join(given))).poll is None


SECRET = "5ecre7"


@given(
    before=st.lists(pairs, max_size=3),
    name=st.sampled_from(["token", "%74oken", "t%6Fken", "Token", "x", ""]),
    separator=st.sampled_from("&;"),
)
def test_target_for_a_log_shows_no_value(before: list[str], name: str, separator: str) -> None:
    """Any value may be a token, so none is shown; the names are."""
    target = "/v1/kv/a?" + separator.join([*before, f"{name}={SECRET}"])
    shown = redacted(target)
    assert SECRET not in shown
    assert shown.endswith(f"{name}=***")


@pytest.mark.parametrize("verb", ["info", "clone", "destroy", "update", "create", "list"])
@pytest.mark.parametrize(
    "path", ["/v1/acl/{}/{}", "/v1/%61cl/{}/{}", "//v1/acl/{}/{}", "/v1/acl//{}/{}/x"]
)
def test_legacy_token_in_a_path_is_not_shown(verb: str, path: str) -> None:
    """Consul's first ACL system had tokens in paths; Consul hides them in its log, so do we."""
    assert SECRET not in redacted(path.format(verb, SECRET))


@pytest.mark.parametrize(
    "target", ["/v1/kv/a%2Fb?recurse", "/v1/acl/token/self", "/v1/acl/policies", "/v1/kv/?", ""]
)
def test_target_without_values_is_shown_as_it_is(target: str) -> None:
    """A log shows what can hold no secret unchanged."""
    assert target.removesuffix("?") == redacted(target).removesuffix("?")
