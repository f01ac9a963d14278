"""The judge of the differential test: it must find every difference that matters, and no other."""

import gzip
from dataclasses import replace

import pytest

from tests.differential.compare import Place, differences, misstatements
from tests.differential.deliberate import UNCOMPRESSED_BYTES
from tests.differential.rows import get
from tests.wire import Answer

ONE = Place("127.0.0.1", twin=False)
TWIN_A, TWIN_B = Place("127.0.0.1", twin=True), Place("127.0.0.2", twin=True)

ROW = get("kv", "/v1/kv/a")

ID_A, ID_B = "4e2a5a9a-0f0b-4d53-9c0c-5e0f2c0b7a11", "0c0b7a11-9c0c-4d53-0f0b-4e2a5a9a5e0f"


def answer(body: bytes = b'[{"Key": "a", "ModifyIndex": 7}]', /, **headers: str) -> Answer:
    """Make an answer as Consul gives it."""
    fields = {"Content-Type": "application/json", "X-Consul-Index": "7", "Date": "now"}
    pairs = fields | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, "OK", tuple(pairs.items()), body)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (replace(answer(), status=500), "status 500"),
        (replace(answer(), reason="Fine"), "'Fine'"),
        (answer(X_Consul_Index="8"), "x-consul-index"),
        (answer(X_Extra="1"), "x-extra"),
        (answer(Content_Type="text/plain"), "content-type"),
        (replace(answer(), headers=answer().headers[:1]), "lost"),
        (answer(b'[{"Key":"a","ModifyIndex":7}]'), "body"),
        (answer(b'[{"Key": "a", "ModifyIndex": 8}]'), "body"),
        (answer(b""), "body"),
    ],
    ids=["status", "reason", "index", "added", "type", "lost", "format", "value", "empty"],
)
def test_answer_changed_in_anything_that_matters_is_named(changed: Answer, named: str) -> None:
    """Of one Consul not a byte may differ."""
    found = differences(ROW, answer(), changed, ONE, ONE)

    assert len(found) == 1
    assert named in found[0]


def test_answer_with_the_headers_of_the_edge_is_the_same() -> None:
    """What the edge adds, frames or dates anew is no difference."""
    edge = answer(
        X_Cache="HIT", Age="0", Cache_Status="x", X_Consul_Edge_Server="s", Content_Length="9"
    )

    assert differences(ROW, answer(), edge, ONE, ONE) == []


def test_answers_of_twins_may_differ_in_what_each_made_up() -> None:
    """Identifiers, indexes, times and the own address are masked; all else is not."""
    text = '{"ID": "%s", "At": "%s", "Address": "%s:8300", "CreateIndex": %d}'
    left = answer((text % (ID_A, "2026-01-02T03:04:05.6Z", "127.0.0.1", 7)).encode())
    right = answer(
        (text % (ID_B, "2026-02-03T04:05:06Z", "127.0.0.2", 12)).encode(), X_Consul_Index="12"
    )

    assert differences(ROW, left, right, TWIN_A, TWIN_B) == []
    assert differences(ROW, left, right, ONE, ONE) != []


def test_twin_without_a_usable_index_is_named() -> None:
    """An index of 0 or none would make a client poll in a loop."""
    zero = answer(X_Consul_Index="0")

    assert differences(ROW, answer(), zero, TWIN_A, TWIN_B) != []
    assert differences(ROW, answer(), answer(b'[{"ModifyIndex": 0}]'), TWIN_A, TWIN_B) != []


def test_lists_in_another_order_are_named_unless_order_means_nothing() -> None:
    """Only rows that say so have their lists sorted."""
    left, right = answer(b'{"web": ["a", "b"]}'), answer(b'{"web": ["b", "a"]}')

    assert differences(ROW, left, right, ONE, ONE) != []
    assert differences(replace(ROW, unordered=True), left, right, ONE, ONE) == []


def test_volatile_values_are_compared_by_type_only() -> None:
    """A value that is never twice the same must still be there, and of its kind."""
    row = replace(ROW, volatile=frozenset({"Coord"}))
    left, right, lost = answer(b'{"Coord": 1.5}'), answer(b'{"Coord": 2.5}'), answer(b"{}")

    assert differences(row, left, right, ONE, ONE) == []
    assert differences(row, left, lost, ONE, ONE) != []
    assert differences(row, left, answer(b'{"Coord": "x"}'), ONE, ONE) != []


PASSED = {"X_Consul_Edge_Server": "a:1", "Cache_Status": "consul-edge; fwd=bypass"}
MISS = PASSED | {"Cache_Status": "consul-edge; fwd=miss; collapsed", "X_Cache": "MISS"}
HIT = PASSED | {"Cache_Status": "consul-edge; hit; detail=ttl", "X_Cache": "HIT", "Age": "0"}


@pytest.mark.parametrize(
    ("told", "changed"),
    [
        (PASSED, {"X_Consul_Edge_Server": "b:1"}),
        (PASSED, {"Cache_Status": "other; hit"}),
        (PASSED, {"X_Cache": "STALE"}),
        (PASSED, {"X_Cache": "HIT"}),
        (PASSED, {"X_Consul_Edge_Stale": "3"}),
        (MISS, {"X_Cache": "HIT", "Age": "0"}),
        (MISS, {"Age": "3"}),
        (HIT, {"X_Cache": "MISS"}),
        (HIT, {"Age": "young"}),
    ],
    ids=lambda value: "-".join((*value, *value.values())) if len(value) < 3 else "",
)
def test_edge_that_misstates_what_it_did_is_named(
    told: dict[str, str], changed: dict[str, str]
) -> None:
    """Its own headers are compared with nothing, so they are checked by their rules."""
    assert misstatements(answer(**told), "a:1") == []
    assert misstatements(answer(**told | changed), "a:1") != []


CONTACT, CONSISTENCY = "X_Consul_Lastcontact", "X_Consul_Effective_Consistency"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({CONTACT: "0"}, HIT | {CONTACT: "7"}),
        ({CONTACT: "3"}, HIT | {CONTACT: "2503", "Age": "2"}),
        ({CONSISTENCY: "stale"}, HIT | {CONSISTENCY: "leader"}),
        ({"Content_Encoding": "gzip"}, MISS),
        ({"Content_Encoding": "gzip"}, HIT),
    ],
    ids=["young", "old", "stale", "small-miss", "small-hit"],
)
def test_header_that_a_cache_tells_otherwise_is_the_same(
    theirs: dict[str, str], ours: dict[str, str]
) -> None:
    """What is old says so; what is better or simpler than was asked for may be."""
    compressed = "Content_Encoding" in theirs
    body = gzip.compress(answer().body) if compressed else answer().body

    assert differences(ROW, answer(body, **theirs), answer(**ours), ONE, ONE) == []


LIVE = HIT | {"Cache_Status": "consul-edge; hit; detail=live"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({CONTACT: "0"}, PASSED | {CONTACT: "7"}),
        ({CONTACT: "0"}, MISS | {CONTACT: "7"}),
        ({CONTACT: "0"}, LIVE | {CONTACT: "7"}),
        ({CONTACT: "0"}, HIT | {CONTACT: "2503"}),
        ({CONTACT: "0"}, HIT | {CONTACT: "7", "Age": "2"}),
        ({CONTACT: "0"}, HIT),
        ({}, HIT | {CONTACT: "7"}),
        ({CONSISTENCY: "leader"}, HIT | {CONSISTENCY: "stale"}),
        ({CONSISTENCY: "stale"}, PASSED | {CONSISTENCY: "leader"}),
        ({CONSISTENCY: "stale"}, HIT),
        ({"Content_Encoding": "gzip"}, PASSED),
        ({}, HIT | {"Content_Encoding": "gzip"}),
    ],
    ids=[
        *("passed", "fetched", "live", "older-than-age", "younger-than-age", "no-contact"),
        *("contact-made-up", "worse", "not-asked-so", "no-consistency", "past-the-cache"),
        "compressed-unasked",
    ],
)
def test_header_that_a_cache_may_not_tell_otherwise_is_named(
    theirs: dict[str, str], ours: dict[str, str]
) -> None:
    """Each such difference has its bounds."""
    bodies = [
        gzip.compress(answer().body) if "Content_Encoding" in told else answer().body
        for told in (theirs, ours)
    ]

    assert differences(ROW, answer(bodies[0], **theirs), answer(bodies[1], **ours), ONE, ONE) != []


def test_large_body_that_is_not_compressed_is_named() -> None:
    """Only what fits a packet may stay as it is."""
    large = b'[{"Key": "%s"}]' % (b"a" * UNCOMPRESSED_BYTES)
    direct = answer(gzip.compress(large), Content_Encoding="gzip")

    assert differences(ROW, direct, answer(large, **HIT), ONE, ONE) != []
