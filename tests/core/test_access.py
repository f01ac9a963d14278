"""Who gets through: read-only mode and lists, judged as those behind the edge read a path."""

import posixpath
import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consul_edge.core.access import ALWAYS, PAGES, Policy, Refusal, parse_entry
from consul_edge.core.endpoints import ENDPOINTS, READ_METHODS
from consul_edge.core.readings import clean, climbs, readings

WRITES = ("PUT", "POST", "DELETE", "PATCH")

KV_SPELLINGS = [
    "/v1/kv/a",
    "/v1/kv/",
    "/v1/%6bv/a",
    "/v1/%6Bv/a",
    "/%76%31/kv/a",
    "/v1/kv%2Fa",
    "/v1%2fkv%2fa",
    "//v1/kv/a",
    "///v1/kv/a",
    "/v1//kv/a",
    "/v1/kv//a",
    "/./v1/kv/a",
    "/v1/./kv/a",
    "/v1/%2e/kv/a",
    "/v1/kv/./a",
    "/v1/kv/.",
    "/v1/agent/../kv/a",
    "/v1/agent/%2e%2e/kv/a",
    "/v1/agent/..%2Fkv/a",
    "/v1/agent%2F..%2Fkv%2Fa",
    "/v1/agent%2Fself/../kv/a",
    "/v1/kv/../agent/self",
    "/v1/kv/..%2Fagent/self",
    "/v1/kv/a/../../catalog/nodes",
    "/../v1/kv/a",
    "/v1/../v1/kv/a",
    "/v1/kv/%00",
    "/v1/kv/%ff",
    "/v1/kv/a;b",
    "/v1/kv/a?stale",
    "/v1/kv/?recurse",
]
"""Ways to write a path that somebody behind the edge may take for one below ``/v1/kv/``."""

HARMLESS = [
    "/v1/catalog/nodes",
    "/v1/health/service/kv",
    "/v1/health/service/%2Fv1%2Fkvx",
    "/v1/agent/self?x=/v1/kv/a",
    "/V1/KV/a",
    "/v1/KV/a",
    "/v1/%256bv/a",
    "/v1/kv",
    "/v1/session/list",
    "/api/v1/nodes",
    "/",
    "/metrics",
]
"""Targets that nobody takes for one below ``/v1/kv/``."""

UNREADABLE = [
    "/v1/health/service/%zz",
    "/v1/health/service/%",
    "/v1/health/service/a#b",
    "/api/v1/nodes#/../../../v1/health/node/a",
    "/v1/health\\..\\kv/a",
    "v1/health/node/a",
    "*",
    "",
]


def refused(policy: Policy, target: str, method: str = "GET") -> str:
    """Give the setting that refuses; nothing if none does."""
    refusal = policy.why_not(method, target)
    return refusal.setting if refusal else ""


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_write_in_read_only_mode_is_refused_at_each_endpoint(row: object, method: str) -> None:
    """No endpoint of the table takes a write, whatever method it comes by."""
    path = row.path.replace("*", "x")  # type: ignore[attr-defined] # a row
    refusal = Policy(read_only=True).why_not(method, path)
    assert refusal is not None
    assert refusal.text == f"{method} is refused: only reads pass here (access.read_only)"


@pytest.mark.parametrize("target", ["/v1/new", "/ui/", "/nowhere", "/v1/kv/%zz", "//v1/kv/a", "*"])
def test_write_to_an_unknown_place_in_read_only_mode_is_refused(target: str) -> None:
    """What the table does not know, or cannot be read, may be a write all the same."""
    assert refused(Policy(read_only=True), target, "PUT") == "access.read_only"


@pytest.mark.parametrize("method", sorted(READ_METHODS))
@pytest.mark.parametrize("target", ["/v1/kv/a", "/v1/kv/%zz", "/v1/agent/self", "/ui/"])
def test_read_in_read_only_mode_passes(target: str, method: str) -> None:
    """HEAD and OPTIONS change nothing either."""
    assert refused(Policy(read_only=True), target, method) == ""


@pytest.mark.parametrize("target", ["/api/v1/admin/cache/all/flush", "/metrics", "/nodes"])
def test_call_of_the_edge_itself_in_read_only_mode_is_its_own_to_judge(target: str) -> None:
    """A flush writes nothing to Consul; the other routes refuse methods in their own words."""
    assert refused(Policy(read_only=True), target, "POST") == ""


def test_write_below_a_path_that_only_looks_like_the_edges_own_is_refused() -> None:
    """Dot segments lead out of the edge's own paths, too."""
    assert refused(Policy(read_only=True), "/api/v1/../../v1/kv/a", "PUT") == "access.read_only"


@pytest.mark.parametrize("entry", ["kv", "/v1/kv/", "/v1/kv"])
@pytest.mark.parametrize("target", KV_SPELLINGS)
def test_denied_path_is_refused_in_each_spelling(target: str, entry: str) -> None:
    """No way of writing a path leads past the list, by name or by prefix."""
    assert refused(Policy(deny=(entry,)), target) == "access.deny"


@pytest.mark.parametrize("target", HARMLESS[:-5])
def test_path_that_is_not_denied_passes(target: str) -> None:
    """What only resembles a denied path is Consul's to answer."""
    assert refused(Policy(deny=("kv",)), target) == ""


@pytest.mark.parametrize("target", [*HARMLESS[:-1], *KV_SPELLINGS])
def test_path_that_may_be_another_than_an_allowed_one_is_refused(target: str) -> None:
    """With an allow list, a path that can be read as anything else does not pass."""
    policy = Policy(allow=("/v1/coordinate/", "catalog_services"))
    expected = "" if target == "/metrics" else "access.allow"
    assert refused(policy, target) == expected


@pytest.mark.parametrize(
    "target", ["/v1/kv/app/a", "/v1/kv/app/", "/v1/kv/app/?recurse", "/v1/%6bv/app/a%2Fb"]
)
def test_path_below_an_allowed_prefix_passes(target: str) -> None:
    """The prefix lets through all that begins with it, encoded or not."""
    assert refused(Policy(allow=("/v1/kv/app/",)), target) == ""


@pytest.mark.parametrize(
    "target",
    [
        "/v1/kv/app",
        "/v1/kv/application",
        "/v1/kv/App/a",
        "/v1/kv/app/../secret",
        "/v1/kv/app/..%2Fsecret",
        "/v1/kv/app%2F..%2Fsecret",
        "/v1/kv/app/%2e%2e/secret",
        "/v1/kv//app/a",
        "/v1/kv/?recurse",
        "/v1/txn",
        "/v1/agent/self",
        "/",
        "/api/v1/nodes",
    ],
)
def test_path_beside_an_allowed_prefix_is_refused(target: str) -> None:
    """What does not begin with the prefix, or leads out of it again, is on no list."""
    assert refused(Policy(allow=("/v1/kv/app/",)), target) == "access.allow"


@pytest.mark.parametrize("target", UNREADABLE)
@pytest.mark.parametrize("policy", [Policy(allow=("health_service",)), Policy(deny=("kv",))])
def test_target_that_cannot_be_read_is_refused_while_there_is_a_list(
    policy: Policy, target: str
) -> None:
    """A half escape, a fragment or a backslash may be read in a way that is not known here."""
    assert refused(policy, target)


@pytest.mark.parametrize("target", UNREADABLE)
def test_target_that_cannot_be_read_without_a_list_is_not_judged(target: str) -> None:
    """Without lists it is Consul's to refuse."""
    assert refused(Policy(), target) == ""


def test_deny_goes_before_allow() -> None:
    """What is on both lists is refused."""
    policy = Policy(allow=("/v1/kv/",), deny=("/v1/kv/secret/",))
    assert [refused(policy, f"/v1/kv/{key}") for key in ("a", "secret/a")] == ["", "access.deny"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_denied_path_is_refused_to_every_method(method: str) -> None:
    """A list is of paths: HEAD and OPTIONS do not find out what a GET may not."""
    assert refused(Policy(deny=("catalog_nodes",)), "/v1/catalog/nodes", method) == "access.deny"


@pytest.mark.parametrize(
    ("name", "target"),
    {
        "agent": "/v1/agent/service/register",
        "catalog_service": "/v1/catalog/service/web",
        "query_execute": "/v1/query/a/b/execute",
        "query": "/v1/query/a/execute",
        "query_list": "/v1/query",
        "snapshot": "/v1/snapshot",
        "txn": "/v1/./txn",
        "other": "/v1/newer-than-this-edge",
        "ui": "/ui/dc1/services",
        "api": "/api/v1/nodes/a/services",
        "page": "/",
    }.items(),
)
def test_name_stands_for_its_path_and_all_below(name: str, target: str) -> None:
    """A denied class is refused, with the rows that the table has below it."""
    refusal = Policy(deny=(name,)).why_not("GET", target)
    assert refusal == Refusal("access.deny", f"denied here (access.deny: {name})")


@pytest.mark.parametrize("name", ["query_list", "query_execute", "txn", "page", "other"])
def test_name_of_one_path_says_nothing_of_its_neighbours(name: str) -> None:
    """A class that is one path leaves the others alone."""
    policy = Policy(deny=(name,))
    assert [refused(policy, path) for path in ("/v1/query/a", "/v1/catalog/nodes")] == ["", ""]


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_each_name_denies_the_path_of_its_row(row: object) -> None:
    """No name of the table is one that denies nothing."""
    path = row.path.replace("*", "x")  # type: ignore[attr-defined] # a row
    assert refused(Policy(deny=(row.name,)), path) == "access.deny"  # type: ignore[attr-defined] # a row
    assert refused(Policy(allow=(row.name,)), path) == ""  # type: ignore[attr-defined] # a row


@pytest.mark.parametrize("entry", ["kv", "/v1/kv/secret/", "/v1/"])
@pytest.mark.parametrize("target", ["/v1/txn", "/v1/snapshot", "/v1/./txn"])
def test_other_way_to_denied_kv_is_refused(target: str, entry: str) -> None:
    """A transaction reads and writes entries, and a snapshot holds them all."""
    assert refused(Policy(deny=(entry,)), target) == "access.deny"


@pytest.mark.parametrize("target", ["/v1/txn", "/v1/snapshot"])
def test_transaction_passes_while_no_kv_is_denied(target: str) -> None:
    """Another denied endpoint is nothing to them."""
    assert refused(Policy(deny=("agent",)), target) == ""


@pytest.mark.parametrize(
    "target",
    [
        "/v1/kv/?recurse",
        "/v1/kv/se?recurse=false",
        "/v1/kv/?keys&separator=/",
        "/v1/kv/?%72ecurse",
        "/v1/kv/?a;recurse",
        "/v1/kv/secret?keys",
        "/v1/%6bv/?dc=dc1&recurse",
    ],
)
def test_tree_with_a_denied_part_is_refused(target: str) -> None:
    """Who may not read an entry does not get it, or its key, with all the others."""
    refusal = Policy(deny=("/v1/kv/secret/",)).why_not("GET", target)
    assert refusal == Refusal("access.deny", "a part of this tree is denied here (access.deny)")


@pytest.mark.parametrize("target", ["/v1/kv/", "/v1/kv/app?recurse", "/v1/kv/se?raw&x=recurse"])
def test_kv_call_without_a_denied_part_passes(target: str) -> None:
    """A single entry beside, and a tree elsewhere, are not denied."""
    assert refused(Policy(deny=("/v1/kv/secret/",)), target) == ""


@pytest.mark.parametrize("path", [*sorted(ALWAYS), "/static/page.css", "/api/v1/admin/rules"])
def test_path_for_everybody_is_on_no_list(path: str) -> None:
    """Nobody is locked out of health, metrics and the admin calls, which have their own token."""
    assert refused(Policy(allow=("kv",), deny=("/",)), path) == ""


@pytest.mark.parametrize("path", [*sorted(PAGES), "/api/v1/nodes", "/api/v1/events"])
def test_path_with_consuls_data_is_judged(path: str) -> None:
    """The enriched API and the pages show what Consul holds: a list of others leaves them out."""
    assert refused(Policy(allow=("kv",)), path) == "access.allow"


def test_text_of_a_refusal_quotes_nothing_of_the_request() -> None:
    """A path may end in a token, as Consul's first ACL system has it."""
    policy = Policy(deny=("acl", "/v1/kv/secret/"), allow=("agent",), read_only=True)
    targets = ("/v1/acl/info/5ec2", "/v1/kv/5ec2?token=5ec2", "/5ec2%", "/v1/kv/?recurse&5ec2")
    found = [policy.why_not(method, target) for target in targets for method in ("GET", "PUT")]
    assert all(one is not None and "5ec2" not in one.text for one in found)


def test_policy_without_a_word_is_open() -> None:
    """The caller may leave out the judging where there is nothing to judge by."""
    assert Policy().is_open
    assert not any(
        one.is_open
        for one in (Policy(read_only=True), Policy(allow=("kv",)), Policy(deny=("kv",)))
    )


@pytest.mark.parametrize(
    "entry", ["kv", "other", "ui", "api", "page", "/", "/v1/", "/v1/kv/a b/", "/v1/kv", "/ui/"]
)
def test_entry_that_means_something_is_taken(entry: str) -> None:
    """Names, prefixes in an endpoint, and prefixes of several."""
    assert parse_entry(entry) == entry


@pytest.mark.parametrize(
    ("entry", "reason"),
    {
        "catalog_nods": "did you mean catalog_nodes",
        "catalog": "did you mean /v1/catalog/",
        "health": "did you mean /v1/health/",
        "KV": "expected the name of an endpoint",
        "": "expected the name of an endpoint",
        "v1/kv/": "expected the name of an endpoint",
        "/v1/catlog/": "did you mean /v1/catalog/?",
        "/v2/": "did you mean /v1/?",
        "/V1/kv/": "did you mean /v1/",
        "/v1/kvs": "did you mean /v1/kv/",
        "/v1/kv/%73ecret": "without %73",
        "/v1//kv": "without a query",
        "/v1/kv/../a": "without a query",
        "/v1/kv/?recurse": "without a query",
        "/v1/kv/a#b": "without a query",
        "/v1/kv/a\n": "printable",
    }.items(),
)
def test_entry_that_would_mean_nothing_is_refused(entry: str, reason: str) -> None:
    """A slip must not be a door that stays open: the nearest known name is told."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_entry(entry)


@pytest.mark.parametrize("path", ["/../a", "/v1/../../v1/kv", "/a/./../../b", "/..", "/v1/../.."])
def test_path_that_leads_out_above_its_beginning_climbs(path: str) -> None:
    """Behind a prefix such a path would be another service's."""
    assert climbs(path)


@pytest.mark.parametrize("path", ["/", "/v1/..", "/v1/../a", "/a/b/../../c", "/...", "//a/.."])
def test_path_that_stays_below_its_beginning_does_not_climb(path: str) -> None:
    """Dots within are resolved without leaving."""
    assert not climbs(path)


# What stands behind, written down otherwise.


def go_decoding(raw: str) -> str:
    """Give what an older Go's mux makes of a path: decode, then clean."""
    return go_clean(decode(raw))


def go_cleaning(raw: str) -> str:
    """The same of a newer Go's: clean what is encoded, then decode."""
    return decode(go_clean(raw))


def go_handler(raw: str) -> str:
    """Give what a newer Go's handlers see of a path whose dots are encoded: all, uncleaned."""
    return decode(raw)


def rfc_cleaning(raw: str) -> str:
    """Give what a proxy makes of it that decodes dots first (RFC 3986 section 6.2.2)."""
    return decode(rfc_clean(re.sub("%2e", ".", raw, flags=re.IGNORECASE)))


def rfc_decoding(raw: str) -> str:
    """The same of one that decodes everything first."""
    return rfc_clean(decode(raw))


READERS = (go_decoding, go_cleaning, rfc_cleaning, rfc_decoding)


def decode(raw: str) -> str:
    """Undo percent-encoding, once."""
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def go_clean(path: str) -> str:
    """Clean as Go: ``path.Clean``, which Python has, too, and the slash at the end."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    return f"{cleaned}/" if path.endswith("/") and cleaned != "/" else cleaned


def rfc_clean(path: str) -> str:
    """Merge slashes, and clean by rewriting until nothing is left to rewrite."""
    before = ""
    while before != path:
        before = path
        path = re.sub(r"//+", "/", path)
        path = re.sub(r"/\.(?=/|$)", "/", path)
        path = re.sub(r"^/\.\.(?=/|$)", "/", path)
        path = re.sub(r"/(?!\.\.(?:/|$))[^/]+/\.\.(?=/|$)", "/", path, count=1)
    return path or "/"


parts = st.sampled_from(
    ["v1", "kv", "KV", "agent", "self", "a", "secret", "", "", ".", "..", "...", "api", "nodes"]
)
slashes = st.sampled_from(["/", "/", "/", "/", "//", "%2F", "%2f"])


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """Write a path with letters encoded here and there, and slashes in any form."""
    raw = "/"
    for part in draw(st.lists(parts, min_size=1, max_size=7)):
        for letter in part:
            is_encoded = draw(st.integers(0, 5)) == 0
            raw += f"%{ord(letter):02x}" if is_encoded else letter
        raw += draw(slashes)
    return raw if draw(st.booleans()) else raw.rstrip("/") or "/"


@given(raw=spelled())
@example("/v1/agent%2Fself/../kv/secret/a")
@example("/v1/kv/..%2Fagent/self")
@example("/v1/kv/%2e%2e/agent/self")
@example("/v1/kv/../agent/.")
@example("/v1/kv/secret%2F%2e.")
@example("//v1/kv/%2e%2e/agent/self")
def test_no_spelling_leads_to_what_is_denied(raw: str) -> None:
    """Whoever reads it, what passes a deny list is not what is denied."""
    if not refused(Policy(deny=("/v1/kv/secret/", "agent")), raw):
        seen = [read(raw) for read in (*READERS, go_handler)]
        assert [path for path in seen if path.startswith(("/v1/kv/secret/", "/v1/agent/"))] == []


@given(raw=spelled())
@example("/v1/kv/secret%2Fx/../../agent/self")
@example("/v1/kv/secret/..%2F..%2Fagent/self")
@example("/v1/kv/secret/..")
def test_no_spelling_leads_out_of_what_is_allowed(raw: str) -> None:
    """Whoever reads it, what passes an allow list is on it."""
    if not refused(Policy(allow=("/v1/kv/secret/", "agent")), raw):
        seen = [read(raw) for read in (*READERS, go_handler)]
        assert all(path.startswith(("/v1/kv/secret/", "/v1/agent/")) for path in seen)


@given(raw=spelled() | st.text("/%.2efFkv1#\\a", max_size=20).map(lambda text: f"/{text}"))
@example("/%2F/%2e")
def test_readings_of_any_path_hold_what_others_make_of_it(raw: str) -> None:
    """Each way to read it is judged, and no path makes the judge stumble."""
    found = readings(raw)
    if found is not None:
        assert {read(raw) for read in (*READERS, go_handler)} <= set(found)
    else:
        assert re.search(r"[#\\]|%(?![0-9A-Fa-f]{2})", raw)


@given(raw=spelled())
def test_path_is_cleaned_as_go_does(raw: str) -> None:
    """Redirects lead where they lead without the edge."""
    assert clean(raw) == go_clean(raw)
