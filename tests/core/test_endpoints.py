import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.endpoints import (
    ENDPOINTS,
    OTHER,
    UI,
    Blocks,
    Endpoint,
    Treatment,
    find,
    is_canonical,
)

BY_NAME = {row.name: row for row in ENDPOINTS}
PREFIX_ROWS = [row for row in ENDPOINTS if row.path.endswith("/")]
SUFFIX_ROWS = [row for row in ENDPOINTS if "*" in row.path]


def name_of(row: Endpoint) -> str:
    """Label a case by its row."""
    return row.name


def example(row: Endpoint) -> str:
    """Write a path that the row is for."""
    return row.path.replace("*", "x") + ("x" if row.path.endswith("/") else "")


def encoded(text: str) -> str:
    """Spell every byte of a path in percent-encoding."""
    return "/" + "".join(f"%{byte:02x}" for byte in text[1:].encode())


def go_clean(path: str) -> str:
    """Clean a path as Go's mux does: ``path.Clean``, with the trailing slash kept."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", "."):
            kept.append(part)
    cleaned = "/" + "/".join(kept)
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned


def go_mux(path: str) -> Endpoint:
    """Match a decoded path as Go's ServeMux would, had it the table's rows; slowly."""
    patterns = {row.path: row for row in ENDPOINTS if "*" not in row.path}
    if go_clean(path) != path:
        return OTHER
    if path == "/ui" or path.startswith("/ui/"):
        return UI
    if path in patterns:
        return patterns[path]
    if f"{path}/" in patterns:
        return OTHER
    fitting = [
        pattern for pattern in patterns if pattern.endswith("/") and path.startswith(pattern)
    ]
    if not fitting:
        return OTHER
    longest = max(fitting, key=len)
    # What the handler of /v1/query/ does with what the mux gives it.
    for row in SUFFIX_ROWS:
        before, _, after = row.path.partition("*")
        if before == longest and path.endswith(after):
            return row
    return patterns[longest]


segments = sorted({part for row in ENDPOINTS for part in row.path.split("/") if part != "*"})
paths = st.lists(
    st.sampled_from([*segments, "", "", ".", "..", "...", "a b", "é", "ui"]), max_size=7
).map(lambda parts: "/" + "/".join(parts))
near_rows = st.tuples(
    st.sampled_from([example(row) for row in ENDPOINTS]),
    st.sampled_from(["", "/", "//", "/x", "/execute", "/explain", "/.", "/..", "/../x", "x"]),
).map("".join)
from_the_wire = st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("kind", ["name", "path"])
def test_rows_of_the_table_are_unique(kind: str) -> None:
    """No two rows share a metric's label, and none hides another."""
    counts = Counter(getattr(row, kind) for row in (*ENDPOINTS, OTHER, UI))
    assert {value for value, count in counts.items() if count > 1} == set()


@pytest.mark.parametrize("row", ENDPOINTS, ids=name_of)
def test_row_is_reached_by_its_own_path(row: Endpoint) -> None:
    """A row that its own path does not lead to would be a row that nothing obeys."""
    assert find(example(row)) is row


@pytest.mark.parametrize("row", PREFIX_ROWS, ids=name_of)
def test_prefix_row_takes_all_below_and_its_own_slash(row: Endpoint) -> None:
    """A prefix holds for the bare slash, one segment and several, as in Go's mux."""
    found = [find(row.path), find(f"{row.path}zzz"), find(f"{row.path}zzz/y/z/")]
    assert found == [row, row, row]


@pytest.mark.parametrize("row", PREFIX_ROWS, ids=name_of)
def test_prefix_row_without_its_slash_has_no_row(row: Endpoint) -> None:
    """Go's mux redirects ``/v1/kv`` to ``/v1/kv/``, unless the path has a row of its own."""
    bare = row.path.removesuffix("/")
    exact = next((other for other in ENDPOINTS if other.path == bare), OTHER)
    assert exact is find(bare)


@pytest.mark.parametrize("row", ENDPOINTS, ids=name_of)
def test_row_is_reached_by_an_encoded_path(row: Endpoint) -> None:
    """Consul matches the decoded path, so no spelling leads past a row."""
    assert find(encoded(example(row))) is row


@pytest.mark.parametrize(
    ("path", "name"),
    {
        "/v1/kv/a%2Fb": "kv",
        "/v1/kv%2Fa": "kv",
        "/v1%2fkv%2fa": "kv",
        "/v1/kv/a%zz": "kv",
        "/v1/kv/%ff": "kv",
        "/v1/%6bv/\udcff": "kv",
        "/v1/kv/caf\u00e9": "kv",
        "/v1/agent/members/": "agent",
        "/v1/session/create/": "other",
        "/v1/catalog/service": "other",
        "/v1/query/a/execute": "query_execute",
        "/v1/query/a/b/execute": "query_execute",
        "/v1/query/execute": "query_execute",
        "/v1/query/a/explain": "query_explain",
        "/v1/query/a%2Fexecute": "query_execute",
        "/v1/query/a/execute/": "query",
        "/v1/query/aexecute": "query",
        "/v1/query/": "query",
        "/v1/query": "query_list",
        "/ui": "ui",
        "/ui/dc1/services": "ui",
        "/uix": "other",
        "/v1/uix": "other",
        "/V1/kv/a": "other",
        "/v2/kv/a": "other",
        "/": "other",
        "": "other",
        "*": "other",
        "v1/kv/a": "other",
    }.items(),
)
def test_path_spelled_unusually_has_the_row_consul_gives_it(path: str, name: str) -> None:
    """The row is the one whose handler Consul would call."""
    assert name == find(path).name


@pytest.mark.parametrize(
    "path",
    [
        "//v1/kv/a",
        "/v1//kv/a",
        "/v1/kv//a",
        "/v1/kv/a//",
        "/v1/kv/./a",
        "/v1/kv/.",
        "/v1/kv/../kv/a",
        "/v1/kv/a/..",
        "/v1/kv/a%2F%2Fb",
        "/v1/kv/%2e%2e/a",
        "/v1/agent/../kv/a",
        "//ui/",
        "/ui/../v1/kv/a",
    ],
)
def test_path_that_consul_redirects_has_no_row(path: str) -> None:
    """What the mux answers with 301 is nobody's endpoint: passed on, never kept."""
    assert find(path) is OTHER


@pytest.mark.parametrize("path", ["/v1/kv/...", "/v1/kv/.a", "/v1/kv/a..", "/v1/kv/..a/b", "/a/"])
def test_dots_that_are_part_of_a_name_are_canonical(path: str) -> None:
    """Only ``.`` and ``..`` as whole segments are cleaned away."""
    assert is_canonical(path)


@given(path=st.one_of(st.text(), from_the_wire, paths, st.text("/.%2eEfFvk1 ")))
def test_any_text_as_path_finds_some_row(path: str) -> None:
    """No path makes the look-up raise, whatever bytes or half escapes it has."""
    assert find(path) in {*ENDPOINTS, OTHER, UI}


@given(path=paths | near_rows)
def test_plain_path_is_matched_as_gos_mux_would(path: str) -> None:
    """The look-up agrees with Go's rules written down slowly."""
    assert find(path) is go_mux(path)


@given(path=paths | near_rows, chosen=st.integers(min_value=0))
def test_path_with_one_character_encoded_keeps_its_row(path: str, chosen: int) -> None:
    """Encoding any character changes nothing, since the mux sees it decoded."""
    at = chosen % len(path)
    spelled = "".join(f"%{byte:02X}" for byte in path[at].encode())
    assert find(path[:at] + spelled + path[at + 1 :]) is go_mux(path)


@pytest.mark.parametrize("row", [*ENDPOINTS, OTHER, UI], ids=name_of)
def test_row_is_consistent_in_itself(row: Endpoint) -> None:
    """Flags that have no meaning without another one come with that one."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", row.name)
    assert row.stream or not row.endless
    assert row.treatment is Treatment.LOCAL or not row.cluster
    assert row.treatment is not Treatment.WRITE or row.blocks is Blocks.NO
    assert row.treatment is not Treatment.WATCH or row.blocks is Blocks.INDEX


@pytest.mark.parametrize("row", ENDPOINTS, ids=name_of)
def test_row_that_speaks_of_one_agent_is_local(row: Endpoint) -> None:
    """Promise 9: what speaks of one agent is never silently asked of another."""
    own = ("/v1/agent/", "/v1/status/", "/v1/event/list", "/v1/internal/ui/metrics-proxy/")
    assert row.path.startswith(own) == (row.treatment is Treatment.LOCAL)


@pytest.mark.parametrize(
    ("name", "treatment"),
    {
        "kv": Treatment.PASS,
        "session_info": Treatment.PASS,
        "acl": Treatment.PASS,
        "snapshot": Treatment.PASS,
        "connect_ca_configuration": Treatment.PASS,
        "query_execute": Treatment.PASS,
        "health_service": Treatment.WATCH,
        "catalog_services": Treatment.WATCH,
        "catalog_datacenters": Treatment.TTL,
        "coordinate_nodes": Treatment.TTL,
        "txn": Treatment.WRITE,
    }.items(),
)
def test_endpoint_with_a_reason_keeps_its_treatment(name: str, treatment: Treatment) -> None:
    """Locks, secrets and restless tables are not kept; catalog and health are watched."""
    assert treatment is BY_NAME[name].treatment


def test_session_created_through_the_edge_is_pinned() -> None:
    """A session hangs on the health of the node that creates it: only the local agent may."""
    assert [row.name for row in ENDPOINTS if row.pinned_write] == ["session_create"]


def test_only_unbounded_answers_are_streams() -> None:
    """Everything else is read whole, so that a server that dies in mid-answer costs nothing."""
    assert {row.name: row.endless for row in ENDPOINTS if row.stream} == {
        "snapshot": False,
        "agent_monitor": True,
        "agent_metrics_stream": True,
    }
