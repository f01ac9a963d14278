"""The judge itself: it finds each kind of violation, and lets pass what Consul may do."""

import math
from dataclasses import replace

import pytest

from tests.torture.cases import (
    BYPASS,
    GUILTY,
    INNOCENT,
    KEY,
    MISS,
    OLD,
    PEACE,
    WEB,
    key_reply,
    late,
    put,
    read,
    web_reply,
)
from tests.torture.history import Election, History, Outcome, Probe, Via
from tests.torture.judge import judge
from tests.torture.report import EVENTS, events_around, verdict
from tests.torture.turmoil import APPLY_SECONDS, Turmoil, turmoils


def rules(history: History) -> set[str]:
    """Name the rules that the judge finds broken."""
    return {violation.rule for violation in judge(history)}


@pytest.mark.parametrize("crime", GUILTY)
def test_broken_promise_is_found(crime: str) -> None:
    """Each kind of violation is found, under its name, and nothing else with it."""
    rule, history = GUILTY[crime]
    assert rules(history) == {rule}


@pytest.mark.parametrize("deed", INNOCENT)
def test_what_consul_may_do_is_no_violation(deed: str) -> None:
    """Nothing is demanded that Consul itself does not give."""
    assert rules(INNOCENT[deed]) == set()


def test_conditional_write_without_an_answer_cannot_come_after_a_later_one() -> None:
    """An unknown conditional write is over once a later one was acknowledged."""
    unknown = replace(late("a", 1, 10), is_conditional=True)
    history = History([unknown, put("a", 2, 20)], [read(KEY, key_reply("a#1", BYPASS), 30)])
    assert rules(history) == {"older than promised"}


def test_turmoil_reaches_from_the_last_sign_of_a_leader_to_the_next_good_answer() -> None:
    """It begins where the successor's memory may end, and ends when a leader has served."""
    history = History(
        probes=[Probe(9, 9.1, True), Probe(9.5, 11.5, False), Probe(11.7, 11.8, True)],
        elections=[Election(11.6)],
    )
    assert turmoils(history) == [Turmoil(9.1 - APPLY_SECONDS, 11.6, 11.8, forgets=False)]


def test_turmoil_without_an_end_lasts() -> None:
    """A leader that never served in the run excuses everything after it."""
    assert turmoils(History(elections=[Election(5.0)]))[0].settled == math.inf


def test_election_before_the_history_excuses_nothing() -> None:
    """It was over before anybody asked."""
    assert turmoils(History(probes=[Probe(9, 9.1, True)], elections=[Election(8.0)])) == []


def test_report_shows_what_happened_to_what_a_violation_is_about() -> None:
    """Who asked the same and who wrote it, and whoever was writing through the edge just then."""
    other, of_other = read(KEY, key_reply("a#1", BYPASS), 29.9), put("a", 1, 10)
    hung = replace(put("web-9", 1, 28, Via.EDGE), ended=33.0, outcome=Outcome.UNKNOWN)
    before = read(WEB, web_reply(*OLD, headers=MISS, index=9), 29)
    after = read(WEB, web_reply(*OLD, headers=MISS, index=9), 40)
    bad = replace(read(WEB, web_reply(*OLD, headers=MISS, index=8), 30), index=9)
    written = [put("web-1", 1, 10), put("web-2", 1, 11)]
    done = put("web-9", 0, 27, Via.EDGE)
    writes = [*written, of_other, done, hung]
    history = History(writes, [before, other, bad, after], probes=PEACE)
    (violation,) = judge(history)
    assert events_around(history, violation) == [*written, before, bad, hung]
    told = verdict(history, "again")
    assert "replay: again" in told
    assert "around 30.100 [index went back] /v1/health/service/web:" in told
    assert [line for line in told.splitlines() if "web-9" in line]


def test_report_shows_the_last_events_only() -> None:
    """Of a long run what came just before counts."""
    reads = [read(WEB, web_reply(*OLD, headers=MISS, index=9), 20 + at) for at in range(100)]
    bad = replace(read(WEB, web_reply(*OLD, headers=MISS, index=8), 130), index=9)
    history = History([put("web-1", 1, 10), put("web-2", 1, 11)], [*reads, bad], probes=PEACE)
    (violation,) = judge(history)
    assert events_around(history, violation) == [*reads[-EVENTS + 1 :], bad]


def test_nothing_is_wrong_there_is_nothing_to_report() -> None:
    """An empty verdict is what a run asserts."""
    assert verdict(History(), "again") == ""
