"""Patterns: what they match, what is refused, and that neither hangs nor loses a match."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consul_edge.enrich import patterns
from consul_edge.enrich.patterns import BadPattern, PatternSet, measure


def matches(pattern: str, text: str) -> bool:
    """Ask one pattern."""
    measure(pattern)
    return PatternSet([pattern]).matches(text) == [0]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("node", "node_exporter", True),
        ("exporter", "node_exporter", False),
        ("^exporter", "node_exporter", False),
        ("(?m)^exporter", "node\nexporter", False),
        ("a|b", "b", True),
        ("a|b", "ab", True),
        ("a|b", "cb", False),
        ("^a|b", "cb", False),
        ("", "anything", True),
        ("", "", True),
        ("a", "", False),
        ("^icmp$", "icmp", True),
        ("^icmp$", "icmp2", False),
        ("^icmp$", "icmp\n", False),
        ("^a.b", "a\nb", False),
        ("(?s)^a.b", "a\nb", True),
        ("^a", "a\nb", True),
        ("^NODE", "node", True),
        ("^node", "NoDe", True),
        ("(?-i)^node", "NODE", False),
        ("^ção", "ÇÃO", True),
        ("^привет", "ПРИВЕТ", True),
        ("^strasse", "straße", False),
        (r"^\d", "٣", False),
        (r"^node(_|\b)", "node_exporter", True),
        (r"^node(_|\b)", "node-exporter", True),
        (r"^node(_|\b)", "nodejs", False),
        ("^(?P<kind>a)", "a", True),
        ("^.$", "\U0001f600", True),
        ("^.$", "\udc80", True),
        ("^a", "a\udc80", True),
        ("^a\\x00b", "a\x00b", True),
    ],
)
def test_pattern_matches_at_the_start_in_any_case(pattern: str, text: str, expected: bool) -> None:
    """As ``re.match`` with IGNORECASE, but for what rule 2 of the module says."""
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?!a)b", "(?!"),
        ("(?=a)b", "(?="),
        ("(?<!a)b", "(?<!"),
        (r"(a)\1", r"\1"),
        (r"a\Z", r"\Z"),
        ("(?x)a", "(?x"),
        ("(", "missing )"),
        ("*a", "*"),
        ("[z-a]", "z-a"),
        ("\\", "trailing"),
        ("a{1001}", "repetition"),
        ("((a{100}){100}){100}", "repetition"),
        (r"\pL{20}", "too large"),
        (r"\pL{1000}", "too large"),
        ("a\udc80", "Unicode"),
    ],
)
def test_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    """The reason names what is wrong, for whoever wrote it."""
    with pytest.raises(BadPattern, match=re.escape(reason)):
        measure(pattern)


def test_no_patterns_match_nothing() -> None:
    """A set may be empty: RE2's own would not compile so."""
    assert PatternSet([]).matches("a") == []


def test_several_patterns_that_match_are_all_told() -> None:
    """Each by its place."""
    found = PatternSet(["^a", "^b", "^ab", "", "b"]).matches("abc")

    assert sorted(found) == [0, 2, 3]


def test_refused_pattern_writes_nothing_to_stderr() -> None:
    """RE2 would log it there by itself, in a form of its own, once more for each reload."""
    program = """
from consul_edge.enrich.patterns import BadPattern, PatternSet, measure
try:
    measure("(?!a)")
except BadPattern:
    PatternSet(["a"]).matches("b")
    print("refused")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (run.stdout, run.stderr) == ("refused\n", "")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*)*b$"])
def test_evil_pattern_does_no_harm(pattern: str) -> None:
    """Backtracking would not be done with this while the universe lasts."""
    assert not matches(pattern, "a" * 50_000 + "!")


BLOW_UP = [f".*a[ab]{{{count}}}x" for count in range(1, 19)]
"""Together they need a state for each way of the last letters."""


@settings(deadline=None)
@given(st.text("abx", min_size=150, max_size=300))
def test_automaton_that_outgrows_its_room_loses_no_match(text: str) -> None:
    """RE2 begins its table anew when it is full; what each pattern says alone stays said."""
    expected = [place for place, one in enumerate(BLOW_UP) if re.match(one, text)]

    assert sorted(TIGHT.matches(text)) == expected


def _tight() -> PatternSet:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "SET_BYTES", 128 << 10)
        return PatternSet(BLOW_UP)


TIGHT = _tight()


@pytest.mark.parametrize(
    "form",
    [
        r"x{}\pL{{10}}",
        r"\pL{{10}}x{}",
        ".{{500}}{}",
        "(a|b|c{})*d[ab]{{18}}{}",
        ".*a[ab]{{18}}x{}",
        "(([ab]*)*x?){{40}}{}",
        "^svc{}.*",
        "^[a-z]+svc{}$",
    ],
)
def test_as_many_steps_as_are_allowed_have_room_together(form: str) -> None:
    """What is measured one by one compiles as a whole, and still matches."""
    wanted: list[str] = []
    left = patterns.SET_STEPS
    while len(wanted) < 10_000:
        pattern = form.format(len(wanted), len(wanted))
        left -= measure(pattern)
        if left < 0:
            break
        wanted.append(pattern)
    wanted[-1] = "^needle$"

    assert PatternSet(wanted).matches("needle") == [len(wanted) - 1]
