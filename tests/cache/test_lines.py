"""Lines: what is known of a key, whom news wakes, and what a write touches."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.cache.holding import Held
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.core.effects import (
    CATALOG,
    EVERYTHING,
    MESH,
    SESSIONS,
    Effect,
    KvEntry,
    KvTree,
    touches,
)
from tests.cache.making import KV, SERVICES, WEB, an_entry, line_in, lines_with, waiter_at


@dataclass
class FakeRound:
    """A pending round, whatever it proves."""

    index: int = 5
    heard_at: float = 100.0
    proves: bool = True

    def is_live(self, now: float) -> bool:
        """Say what was made up."""
        return self.proves and now >= 0


def a_line(target: str = WEB) -> Line:
    """Make a line among no others."""
    return line_in(lines_with(), target)


def test_key_is_asked_for_again_its_line_is_the_same() -> None:
    """There is one line for a key, whoever obtains it."""
    lines = lines_with()
    assert line_in(lines, WEB) is line_in(lines, f"{WEB}?stale")
    assert len(lines) == 1


def test_entry_is_published_it_is_known_with_its_age() -> None:
    """Its age is the time since it was seen to be true."""
    line = a_line()
    entry = line.publish(an_entry(), proved_at=90.0)
    known = line.kept(100.0)
    assert known is not None
    assert (known.entry, known.age, known.is_live, known.is_superseded) == (
        entry,
        10.0,
        False,
        False,
    )


def test_nothing_was_published_nothing_is_known() -> None:
    """A line alone is no answer."""
    assert a_line().kept(1.0) is None


def test_round_is_pending_it_proves_the_entry() -> None:
    """The age is the time since the server of the round was heard last."""
    line = a_line()
    line.publish(an_entry(index=5), proved_at=1.0)
    line.round = FakeRound(index=5, heard_at=99.0)
    known = line.kept(100.0)
    assert known is not None
    assert (known.is_live, known.age) == (True, 1.0)


def test_round_was_heard_before_the_entry_was_fetched_the_later_proof_counts() -> None:
    """Proofs do not take each other back."""
    line = a_line()
    line.publish(an_entry(index=5), proved_at=99.5)
    line.round = FakeRound(index=5, heard_at=99.0)
    known = line.kept(100.0)
    assert known is not None
    assert known.age == 0.5


def test_round_waits_from_a_higher_index_it_proves_nothing() -> None:
    """It would not tell that the entry, which is older, has been replaced."""
    line = a_line()
    line.publish(an_entry(index=5), proved_at=1.0)
    line.round = FakeRound(index=6)
    known = line.kept(100.0)
    assert known is not None
    assert (known.is_live, known.age) == (False, 99.0)


@pytest.mark.parametrize("target", [WEB, KV])
def test_write_is_under_way_or_over_the_entry_is_superseded_and_not_live(target: str) -> None:
    """A round's proof is of what Consul said, not of what a write has just changed."""
    lines = lines_with()
    line = line_in(lines, target)
    line.publish(an_entry(), proved_at=1.0)
    line.round = FakeRound()
    seen = []
    with lines.writing((EVERYTHING,)):
        seen.append(line.kept(100.0))
    seen.append(line.kept(100.0))
    assert [(one.is_superseded, one.is_live) for one in seen if one] == [(True, False)] * 2


def test_entry_is_published_after_a_write_it_is_valid() -> None:
    """What was fetched since then is not superseded."""
    lines = lines_with()
    line = line_in(lines, KV)
    with lines.writing((KvEntry("a"),)):
        pass
    line.publish(an_entry(), proved_at=1.0)
    assert not line.is_superseded


def test_write_raises_it_counts_as_done() -> None:
    """Also a write whose answer was lost may have happened."""
    lines = lines_with()
    line = line_in(lines, KV)
    line.publish(an_entry(), proved_at=1.0)
    with pytest.raises(OSError, match="lost"), lines.writing((KvEntry("a"),)):
        raise OSError("lost")
    assert line.is_superseded
    assert line.writes == 0


@pytest.mark.parametrize(
    ("target", "effect"), [(KV, KvEntry("a")), (KV, KvTree("")), (KV, SESSIONS), (WEB, CATALOG)]
)
def test_line_begins_during_a_write_it_waits_for_its_end(target: str, effect: Effect) -> None:
    """What is fetched meanwhile may be from before the write, on lines that are new as well."""
    lines = lines_with()
    with lines.writing((effect,)):
        line = line_in(lines, target)
        began = line.generation
        assert line.writes == 1
    assert line.writes == 0
    assert line.generation > began


def test_two_writes_overlap_the_line_waits_for_both() -> None:
    """The end of one is not the end of the other, though they do the same."""
    lines = lines_with()
    one, other = lines.writing((KvEntry("a"),)), lines.writing((KvEntry("a"),))
    seen = []
    with one:
        with other:
            line = line_in(lines, KV)
            seen.append(line.writes)
        seen.append(line.writes)
    assert [*seen, line.writes] == [2, 1, 0]


PATHS = st.text("ab/", max_size=4).filter(lambda path: "//" not in f"/{path}")
KV_TARGETS = st.builds(
    lambda path, query: f"/v1/kv/{path}{query}",
    PATHS,
    st.sampled_from(["", "?raw", "?recurse", "?keys", "?keys&separator=/"]),
)
TARGETS = KV_TARGETS | st.sampled_from(
    [WEB, SERVICES, "/v1/kv/a%2Fb", "/v1/config/service-defaults/web", "/v1/catalog/datacenters"]
)
EFFECTS = st.one_of(
    st.builds(KvEntry, PATHS),
    st.builds(KvTree, PATHS),
    st.sampled_from([CATALOG, SESSIONS, MESH, EVERYTHING]),
)
WRITES = st.lists(EFFECTS, max_size=3, unique=True)


@given(st.lists(TARGETS, max_size=12), st.lists(TARGETS, max_size=6), WRITES, WRITES)
def test_writes_bump_exactly_the_lines_that_they_touch(
    before: list[str], meanwhile: list[str], write: list[Effect], other: list[Effect]
) -> None:
    """Seen from each line: bumped if any effect touches its key, whenever it began."""
    lines = lines_with()
    old = {line_in(lines, target) for target in before}
    with lines.writing(tuple(write)):
        with lines.writing(tuple(other)):
            new = {line_in(lines, target) for target in meanwhile} - old
            under_way = {line: line.writes for line in old | new}
            at_begin = {line: line.generation for line in old | new}
        at_other_end = {line: line.generation for line in old | new}
    for line in old | new:
        by = [[effect for effect in one if touches(effect, line.key)] for one in (write, other)]
        assert under_way[line] == len(by[0]) + len(by[1])
        assert line.writes == 0
        assert (at_other_end[line] > at_begin[line]) == bool(by[1])
        assert (line.generation > at_other_end[line]) == bool(by[0])
        if line in old:
            assert (at_begin[line] > 0) == bool(by[0] or by[1])


NEWS = [
    # target, body and index that were kept and that come, the client's index, woken
    ("another-body", WEB, (b"[1]", 5), (b"[2]", 6), 5, True),
    ("moved-index-only", WEB, (b"[1]", 5), (b"[1]", 6), 5, False),
    ("moved-index-of-a-table", SERVICES, (b"{}", 5), (b"{}", 90), 5, False),
    ("same-again", WEB, (b"[1]", 5), (b"[1]", 5), 5, False),
    ("moved-index-of-kv", KV, (b"[1]", 5), (b"[1]", 6), 5, True),
    ("another-body-at-a-lower-index", WEB, (b"[1]", 5), (b"[2]", 4), 5, True),
    ("same-body-at-a-lower-index", WEB, (b"[1]", 5), (b"[1]", 4), 5, True),
    ("client-is-ahead-and-still-is", WEB, (b"[1]", 5), (b"[2]", 6), 8, True),
]


@pytest.mark.parametrize(
    ("target", "was", "comes", "index", "woken"),
    [row[1:] for row in NEWS],
    ids=[row[0] for row in NEWS],
)
async def test_news_comes_it_wakes_whoever_does_not_have_it(
    target: str, was: tuple[bytes, int], comes: tuple[bytes, int], index: int, woken: bool
) -> None:
    """A body, or an index that went back, is news; in KV an index alone is, too."""
    line = a_line(target)
    line.publish(an_entry(*was), proved_at=0.0)
    news = waiter_at(line, index)
    line.publish(an_entry(*comes), proved_at=0.0)
    assert news.done() is woken
    if woken:
        served = news.result()
        assert served is not None
        assert (served.entry.body, served.entry.index) == comes


async def test_absent_key_moves_with_the_table_nobody_is_woken() -> None:
    """The index of a 404 is that of all keys: somebody wrote another one (CONSUL.md A.1.1)."""
    line = a_line(KV)
    line.publish(an_entry(b"", 5, 404), proved_at=0.0)
    news = waiter_at(line, 5)
    line.publish(an_entry(b"", 6, 404), proved_at=0.0)
    assert not news.done()


async def test_absent_key_is_created_whoever_waits_is_woken() -> None:
    """Waiting for a key to appear is what the 404 is watched for."""
    line = a_line(KV)
    line.publish(an_entry(b"", 5, 404), proved_at=0.0)
    news = waiter_at(line, 5)
    line.publish(an_entry(b"[1]", 6), proved_at=0.0)
    assert news.done()


async def test_index_moves_and_then_the_body_whoever_waited_since_before_is_woken() -> None:
    """The clients' index lies within the interval, and the news is for all of them."""
    line = a_line(SERVICES)
    line.publish(an_entry(b"{}", 5), proved_at=0.0)
    early = waiter_at(line, 5)
    line.publish(an_entry(b"{}", 9), proved_at=0.0)
    late = waiter_at(line, 9)
    line.publish(an_entry(b'{"a":[]}', 10), proved_at=0.0)
    assert (early.done(), late.done()) == (True, True)


async def test_answer_that_is_not_to_be_kept_is_shown_to_whom_it_is_news_for() -> None:
    """During a write those who wait get what came, but it answers nobody later."""
    line = a_line(KV)
    line.publish(an_entry(b"[1]", 5), proved_at=0.0)
    behind, ahead = waiter_at(line, 5), waiter_at(line, 6)
    line.show(an_entry(b"[2]", 6))
    assert (behind.done(), ahead.done()) == (True, False)
    assert line.entry is not None
    assert line.entry.body == b"[1]"


async def test_all_are_released_they_are_to_look_again() -> None:
    """There is no news in it, and nobody stays parked."""
    line = a_line()
    news = [waiter_at(line, index) for index in (5, 6)]
    line.release_all()
    assert [one.result() for one in news] == [None, None]
    assert not line.waiters


async def test_news_is_delivered_before_it_is_waited_for() -> None:
    """The client is written to in the moment of the news, with what it then is told it got."""
    line = a_line()
    delivered: list[object] = []
    waiter = Held(1, lambda served: delivered.append((served, waiter.news.done())))
    line.waiters[waiter] = None
    line.publish(an_entry(), proved_at=0.0)
    assert delivered == [(waiter.news.result(), False)]


def test_line_is_dropped_what_was_asked_before_is_of_another_generation() -> None:
    """A flush must not be undone by a fetch that was under way."""
    line = a_line()
    line.publish(an_entry(), proved_at=0.0)
    before = line.generation
    line.drop()
    assert line.entry is None
    assert line.generation > before


def gone(lines: Lines, line: Line) -> bool:
    """Tell whether nothing reminds of *line*."""
    lines.tidy(line)
    return not len(lines) and not lines._by_name and not lines._kv


@pytest.mark.parametrize("target", [WEB, KV, "/v1/kv/?keys"])
def test_nothing_is_known_the_line_is_forgotten(target: str) -> None:
    """In every index."""
    lines = lines_with()
    assert gone(lines, line_in(lines, target))


def test_entry_is_kept_its_line_is_too() -> None:
    """And goes when the entry does."""
    lines = lines_with()
    line = line_in(lines, KV)
    line.publish(an_entry(), proved_at=0.0)
    assert not gone(lines, line)
    line.drop()
    assert gone(lines, line)


async def test_client_waits_the_line_is_kept() -> None:
    """Somebody must be woken."""
    lines = lines_with()
    line = line_in(lines, KV)
    waiter_at(line, 5)
    assert not gone(lines, line)
    line.release_all()
    assert gone(lines, line)


def test_line_is_watched_it_is_kept() -> None:
    """The watch ends by itself."""
    lines = lines_with()
    line = line_in(lines, KV)
    line.is_watched = True
    assert not gone(lines, line)


def test_line_that_was_forgotten_and_began_anew_is_not_forgotten_for_the_old_one() -> None:
    """Whoever still holds the old one cannot take away the new one."""
    lines = lines_with()
    old = line_in(lines, KV)
    lines.tidy(old)
    new = line_in(lines, KV)
    lines.tidy(old)
    assert lines.find(new.key) is new


def test_entry_is_evicted_its_line_goes_with_it() -> None:
    """Ten thousand keys read once leave nothing behind but the entries that there is room for."""
    lines = lines_with(max_entries=2)
    for number in range(100):
        line_in(lines, f"/v1/kv/{number}").publish(an_entry(), proved_at=0.0)
    assert (len(lines), len(lines._by_name), len(lines._kv)) == (2, 2, 2)


async def test_client_waits_the_entry_is_not_evicted() -> None:
    """It would have to be fetched again to tell what is news."""
    lines = lines_with(max_entries=2)
    needed = line_in(lines, KV)
    needed.publish(an_entry(), proved_at=0.0)
    waiter_at(needed, 5)
    for number in range(100):
        line_in(lines, f"/v1/kv/{number}").publish(an_entry(), proved_at=0.0)
    assert needed.entry is not None


def test_token_is_in_no_rendering_of_a_line() -> None:
    """Promise 2: a log may show a line."""
    lines = lines_with()
    line = line_in(lines, WEB)
    line.token = "secret"
    assert "secret" not in repr(line)
