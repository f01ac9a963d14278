"""Entries: what is the same, which indexes know it already, and what holds for a moment only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.entry import (
    Entry,
    digest,
    find_header,
    make_entry,
    moment_headers,
    needs_confirmation,
)
from consul_edge.core.headers import Pairs

SERVER = "10.0.0.1:8500"


def an_entry(
    body: bytes = b"[1]",
    index: int = 7,
    status: int = 200,
    *,
    leader: str | None = "true",
    contact: str | None = "0",
    headers: Pairs | None = None,
) -> Entry:
    """Make an entry as one is made of Consul's answer."""
    said = [
        ("X-Consul-Index", str(index) if index else None),
        ("X-Consul-Knownleader", leader),
        ("X-Consul-Lastcontact", contact),
    ]
    pairs = [(name, value) for name, value in said if value is not None]
    return make_entry(status, "OK", [*(headers or []), *pairs], body, server=SERVER)


def test_answer_becomes_an_entry_its_facts_are_read() -> None:
    """Index, leader and contact are values, and the body is what it was."""
    entry = an_entry(b"[1]", 7, contact="12")
    facts = (entry.status, entry.body, entry.index, entry.known, entry.server)
    assert facts == (200, b"[1]", 7, (7,), SERVER)
    assert (entry.known_leader, entry.last_contact) == ("true", 12)


def test_consul_says_nothing_the_entry_knows_nothing() -> None:
    """A header that is not there is None or 0, never made up."""
    entry = an_entry(index=0, leader=None, contact=None)
    assert (entry.index, entry.known_leader, entry.last_contact) == (0, None, None)


@pytest.mark.parametrize("text", ["", "-1", "7.5", "seven", "\u0667"])
def test_index_that_is_no_number_is_none(text: str) -> None:
    """What cannot be waited for is as if it had not been said."""
    headers = [("X-Consul-Index", text)]
    assert make_entry(200, "OK", headers, b"", server=SERVER).index == 0


def test_headers_of_one_moment_are_not_kept_the_others_are() -> None:
    """What is true of one answer only is made anew for each client; the rest stays as sent."""
    of_the_moment = ["X-Cache", "Age", "Date", "Content-Encoding"]
    lasting = [("Content-Type", "application/json"), ("X-Consul-Default-Acl-Policy", "allow")]
    entry = an_entry(headers=[*lasting, *((name, "x") for name in of_the_moment)])
    assert tuple(lasting) == entry.headers


def test_size_grows_with_body_and_headers() -> None:
    """What is counted is never less than what is held."""
    small, large = an_entry(b""), an_entry(b"x" * 10_000, headers=[("N", "v" * 500)])
    assert large.size_bytes - small.size_bytes >= 10_500
    assert small.size_bytes > 0


TAGS = b'{"web":["a","b"],"db":[]}'


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (b'{"db":[],"web":["b","a"]}', True),
        (b'{"web": ["b", "a"], "db": []}', True),
        (b'{"web":["a"],"db":[]}', False),
        (b'{"web":["a","b"],"db":["a"]}', False),
        (b'{"web":["a","b"]}', False),
    ],
)
def test_unordered_tags_of_services_mean_the_same_in_any_order(other: bytes, same: bool) -> None:
    """``/v1/catalog/services`` has its tags in another order each time (CONSUL.md 0)."""
    one = digest(200, TAGS, unordered=True)
    assert (one == digest(200, other, unordered=True)) is same


def test_order_counts_where_it_may_mean_something() -> None:
    """Only the one endpoint that is known to shuffle is read; other bodies are bytes."""
    assert digest(200, b'{"a":["x","y"]}') != digest(200, b'{"a":["y","x"]}')


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":1}', b"{", b'{"a":["\xff"]}'])
def test_unordered_body_of_another_shape_is_digested_as_bytes(body: bytes) -> None:
    """A newer Consul may answer something else: then its bytes count."""
    assert digest(200, body, unordered=True) == digest(200, body)


def test_status_is_part_of_what_is_said() -> None:
    """An empty 200 and an empty 404 are two answers."""
    assert digest(200, b"") != digest(404, b"")


FOLLOWING = [
    # before (body, index), after (body, index), wakes, at which indexes the body counts as known
    ("same-body-moved-index", (b"a", 5), (b"a", 9), False, (5, 9)),
    ("same-body-moved-index-in-kv", (b"a", 5), (b"a", 9), True, (9,)),
    ("same-body-same-index", (b"a", 9), (b"a", 9), False, (9,)),
    ("same-body-same-index-in-kv", (b"a", 9), (b"a", 9), True, (9,)),
    ("another-body", (b"a", 5), (b"b", 9), False, (9,)),
    ("another-body-same-index", (b"a", 9), (b"b", 9), False, (9,)),
    ("index-went-back", (b"a", 9), (b"a", 5), False, (5,)),
]


@pytest.mark.parametrize(
    ("before", "after", "wakes", "known"),
    [row[1:] for row in FOLLOWING],
    ids=[row[0] for row in FOLLOWING],
)
def test_body_stays_it_is_known_at_all_the_indexes_at_which_it_was_seen(
    before: tuple[bytes, int], after: tuple[bytes, int], wakes: bool, known: tuple[int, ...]
) -> None:
    """Who knows one of them need not be told of another."""
    entry = an_entry(*after).following(an_entry(*before), wakes=wakes)
    assert (entry.known, entry.index) == (known, after[1])


def test_first_entry_of_a_line_covers_its_own_index_only() -> None:
    """Nothing is known of what was before."""
    entry = an_entry(index=7).following(None, wakes=False)
    assert [entry.covers(index) for index in (6, 7, 8)] == [False, True, False]


def test_index_moves_in_steps_what_lies_between_two_of_them_is_not_covered() -> None:
    """There may have been another body, which somebody saw who now waits for its end."""
    entry = an_entry(index=5)
    for index in (6, 8, 20):
        entry = an_entry(index=index).following(entry, wakes=False)
    assert [index for index in range(30) if entry.covers(index)] == [5, 6, 8, 20]


def test_index_moves_for_ever_what_is_remembered_of_it_is_bounded() -> None:
    """Promise 8: the newest count, and they are part of the size."""
    entry = first = an_entry(index=1)
    for index in range(2, 1000):
        entry = an_entry(index=index).following(entry, wakes=False)
    assert entry.known == tuple(range(744, 1000))
    assert entry.size_bytes - first.size_bytes >= 255 * 32
    assert first.most_bytes == entry.most_bytes == entry.size_bytes


LARGE = b"[" + b"1," * 2000 + b"1]"

DOUBTED = [
    ("nothing-left-at-a-lower-index", (b"[1]", 9), (b"[]", 1, 200), True),
    ("nothing-left-at-a-higher-index", (b"[1]", 9), (b"[]", 10, 200), False),
    ("gone-at-a-lower-index", (b"[1]", 9), (b"", 1, 404), True),
    ("half-of-it-at-a-lower-index", (b"[1,2,3,4,5]", 9), (b"[1]", 1, 200), True),
    ("another-one-at-a-lower-index", (b"[1]", 9), (b"[2]", 8, 200), True),
    ("more-at-a-lower-index", (b"[1]", 9), (b"[1,2]", 8, 200), True),
    ("same-at-a-lower-index", (b"[1]", 9), (b"[1]", 8, 200), False),
    ("another-one-at-the-same-index", (b"[1]", 9), (b"[2]", 9, 200), False),
    ("large-set-empty-at-once", (LARGE, 9), (b"[]", 10, 200), True),
    ("large-set-null-at-once", (LARGE, 9), (b"null\n", 10, 200), True),
    ("large-object-empty-at-once", (LARGE, 9), (b"{}", 10, 200), True),
    ("large-value-gone-at-once", (LARGE, 9), (b"", 10, 404), True),
    ("large-set-shrunk-to-little", (LARGE, 9), (b"[1,2]", 10, 200), True),
    ("large-set-shrunk-to-half", (LARGE, 9), (LARGE[:2000], 10, 200), False),
    ("large-set-empty-at-the-same-index", (LARGE, 9), (b"[]", 9, 200), True),
]


@pytest.mark.parametrize(
    ("before", "after", "doubted"), [row[1:] for row in DOUBTED], ids=[row[0] for row in DOUBTED]
)
def test_answer_that_says_much_is_gone_or_what_was_once_is_doubted(
    before: tuple[bytes, int], after: tuple[bytes, int, int], doubted: bool
) -> None:
    """Revoked tokens, restored snapshots and young leaders have all looked like the truth."""
    assert needs_confirmation(an_entry(*before), an_entry(*after)) is doubted


def test_absence_cannot_be_emptied() -> None:
    """There is less than nothing to lose behind a 404."""
    assert not needs_confirmation(an_entry(LARGE, 9, 404), an_entry(b"[]", 10))


def test_absence_is_not_undone_by_what_was_there_before() -> None:
    """A key that was deleted does not come back for the word of a leader that lags."""
    assert needs_confirmation(an_entry(b"", 9, 404), an_entry(b"[1]", 8))


MOMENTS = [
    # leader and contact of Consul, age, live, because of an error -> the two headers
    ("live", ("true", "0"), 0.9, True, False, ("true", "0")),
    ("live-at-a-follower", ("true", "30"), 0.9, True, False, ("true", "30")),
    ("not-live", ("true", "30"), 2.5, False, False, ("true", "2530")),
    ("for-an-error", ("true", "0"), 100.0, False, True, ("false", "100000")),
    ("for-an-error-without-leader-header", (None, "0"), 1.0, False, True, ("false", "1000")),
    ("no-contact-said", ("true", None), 100.0, False, False, ("true", "")),
    ("nothing-said", (None, None), 1.0, True, False, ("", "")),
]


@pytest.mark.parametrize(
    ("said", "age", "is_live", "failed", "expected"),
    [row[1:] for row in MOMENTS],
    ids=[row[0] for row in MOMENTS],
)
def test_headers_of_the_moment_are_honest(
    said: tuple[str | None, str | None],
    age: float,
    is_live: bool,
    failed: bool,
    expected: tuple[str, str],
) -> None:
    """Contact is always there if Consul said it, with the age on top where nothing proves it."""
    entry = an_entry(leader=said[0], contact=said[1])
    made = moment_headers(entry, age=age, is_live=is_live, because_of_error=failed)
    names = ("x-consul-knownleader", "x-consul-lastcontact")
    assert expected == tuple(find_header(made, name) for name in names)


def test_index_is_told_only_where_there_is_one() -> None:
    """An endpoint without an index gets none, for a client would wait with it."""
    told = [
        moment_headers(an_entry(index=index), age=0.0, is_live=True, because_of_error=False)
        for index in (7, 0)
    ]
    assert [find_header(pairs, "x-consul-index") for pairs in told] == ["7", ""]


@given(st.floats(0, 1e6), st.integers(0, 10**6))
def test_contact_of_what_is_not_live_is_never_less_than_its_age(age: float, contact: int) -> None:
    """A client that bounds staleness by this header is never told too little."""
    entry = an_entry(contact=str(contact))
    made = moment_headers(entry, age=age, is_live=False, because_of_error=False)
    assert int(find_header(made, "x-consul-lastcontact")) >= int(age * 1000)
