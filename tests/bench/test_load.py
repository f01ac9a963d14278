"""What of a burst counts, and whose turn it is."""

from dataclasses import replace

import pytest

from tests.bench import load
from tests.bench.load import (
    Burst,
    Contender,
    LoadFailedError,
    burst,
    in_turns,
    parse,
)
from tests.bench.plan import Plan
from tests.bench.probing import Expected

SAID = """Running 1s test @ http://127.0.0.1:8510/v1/kv/x
  1 threads and 32 connections
  12345 requests in 1.00s, 8.12MB read
figures {"microseconds": 1000500, "requests": 10, "p50": 290, "p99": 1400, "bytes": 3700, %s}
"""

GOOD = SAID % '"statuses": 0, "broken": 0'

PLAN = Plan(rounds=2, seconds=2, server_core=0, load_core=0, is_quick=True)

BODY_BYTES = 170


def entrant(name: str, target: str = "/v1/kv/x") -> Contender:
    """Give a contender that is nowhere."""
    return Contender(name, "http://127.0.0.1:1", 0, target, Expected(BODY_BYTES))


def told(monkeypatch: pytest.MonkeyPatch, output: str, *troubles: str) -> Burst:
    """Give a burst in which wrk said *output*, and a look before and after it found *troubles*."""
    looks = iter(troubles or ("", ""))
    monkeypatch.setattr(load, "_output", lambda *_: output)
    monkeypatch.setattr(load, "trouble_of", lambda *_: next(looks))
    return burst(PLAN, entrant("edge"), 32, 1)


def test_figures_of_wrk_are_read_from_its_one_line() -> None:
    """Whatever else it says is left aside."""
    measured = parse(GOOD)

    assert (measured.requests, measured.p50, measured.p99) == (10, 290, 1400)
    assert (measured.bytes_read, measured.errors) == (3700, 0)
    assert round(measured.rate, 3) == 9.995


def test_wrk_that_died_is_told_in_its_own_words() -> None:
    """There are no figures then, and no guess."""
    with pytest.raises(LoadFailedError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_burst_of_good_answers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong before, in or after it."""
    assert told(monkeypatch, GOOD).trouble == ""


@pytest.mark.parametrize(
    ("output", "troubles", "why"),
    [
        (SAID % '"statuses": 3, "broken": 1', ("", ""), "4 errors in 10 requests"),
        (GOOD.replace("3700", "1699"), ("", ""), "1,699 bytes in 10 answers are too few"),
        (GOOD.replace('"requests": 10', '"requests": 0'), ("", ""), "no answer at all"),
        (GOOD, ("503 full", ""), "503 full"),
        (GOOD, ("", "404 gone"), "404 gone"),
    ],
    ids=["errors", "short", "none", "before", "after"],
)
def test_burst_with_anything_wrong_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch, output: str, troubles: tuple[str, str], why: str
) -> None:
    """The reason is kept with it."""
    assert told(monkeypatch, output, *troubles).trouble == why


def test_contenders_take_turns_within_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow minute of the machine is everyone's; one connection alone is measured for shorter."""
    seen = []

    def record(_plan: Plan, one: Contender, connections: int, seconds: int) -> Burst:
        seen.append((one.name, connections, seconds))
        return parse(GOOD.replace('"requests": 10', '"requests": 1000'))

    monkeypatch.setattr(load, "burst", record)
    monkeypatch.setattr(load, "trouble_of", lambda *_: "")
    bursts = in_turns(PLAN, [entrant("a"), entrant("b")], (1, 32))

    assert seen == [("a", 1, 1), ("b", 1, 1), ("a", 32, 2), ("b", 32, 2)] * 2
    assert {key: len(rounds) for key, rounds in bursts.items()} == {
        (name, places): 2 for name in "ab" for places in (1, 32)
    }


def test_plan_may_leave_contenders_and_connections_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who tunes one of them need not wait for the others."""
    seen = []

    def record(_plan: Plan, one: Contender, connections: int, _seconds: int) -> Burst:
        seen.append((one.name, connections))
        return parse(GOOD.replace('"requests": 10', '"requests": 1000'))

    monkeypatch.setattr(load, "burst", record)
    monkeypatch.setattr(load, "trouble_of", lambda *_: "")
    plan = replace(PLAN, only=("b",), connections=(8,))
    in_turns(plan, [entrant("a"), entrant("b")], (1, 32))

    assert seen == [("b", 8)] * 2


def test_slow_contender_gets_longer_bursts_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in which most connections had no answer would tell of the fastest answers only."""
    seen = []

    def record(_plan: Plan, _one: Contender, _connections: int, seconds: int) -> Burst:
        seen.append(seconds)
        return replace(parse(GOOD), requests=30 * seconds)

    monkeypatch.setattr(load, "burst", record)
    monkeypatch.setattr(load, "trouble_of", lambda *_: "")
    bursts = in_turns(PLAN, [entrant("slow")], (32,))

    assert seen == [2, 6, 6]
    assert [one.requests for one in bursts["slow", 32]] == [180, 180]


def test_target_of_misses_is_another_one_each_time() -> None:
    """Neither two looks nor two bursts ask for the same."""
    one = load._numbered("/v1/x-@"), load._numbered("/v1/x-@"), load._numbered("/v1/x-@", "-@")

    assert len(set(one)) == 3
    assert one[2].endswith("-@")
    assert load._numbered("/v1/x") == "/v1/x"
