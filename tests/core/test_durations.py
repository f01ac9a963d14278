import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.durations import parse_duration, parse_seconds, render_duration

# What Go 1.22's time.ParseDuration makes of them, in seconds.
GO = {
    "0": 0.0,
    "-0": 0.0,
    "+0": 0.0,
    "0s": 0.0,
    "5s": 5.0,
    "+5s": 5.0,
    "-5s": -5.0,
    "1478s": 1478.0,
    "5.0s": 5.0,
    "5.6s": 5.6,
    "5.s": 5.0,
    ".5s": 0.5,
    "1.004s": 1.004,
    "10ns": 1e-8,
    "11us": 1.1e-5,
    "12µs": 1.2e-5,
    "12μs": 1.2e-5,
    "13ms": 0.013,
    "1m30s": 90.0,
    "1.5h": 5400.0,
    "10.5s4m": 250.5,
    "-2m3.4s": -123.4,
    "1h2m3s4ms5us6ns": 3723.004005006,
    "39h9m14.425s": 140954.425,
    "0.3333333333333333333h": 1200.0,
    "9223372036854775807ns": 9223372036.854775807,
    "-9223372036854775808ns": -9223372036.854775808,
    "0.100000000000000000000h": 360.0,
}
REFUSED = (
    "",
    "3",
    "-",
    "s",
    ".",
    "-.",
    ".s",
    "+.s",
    "1d",
    "1w",
    "2 s",
    " 2s",
    "2s ",
    "1m 30s",
    "1e3s",
    "--2s",
    "2s-1s",
    "soon",
    "٢s",
    "9223372036854775808ns",
    "-9223372036854775809ns",
    "3000000h",
    "9" * 5000 + "s",
)


@pytest.mark.parametrize(("text", "seconds"), GO.items(), ids=GO)
def test_duration_that_go_reads_is_read_alike(text: str, seconds: float) -> None:
    """Every text of Go's grammar means what it means in Go."""
    assert seconds == pytest.approx(parse_duration(text), abs=1e-9)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:30]))
def test_duration_that_go_refuses_is_refused_by_name(text: str) -> None:
    """A text outside the grammar is refused with the text itself."""
    with pytest.raises(ValueError, match="expected a duration") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)


@given(st.text() | st.from_regex(r"[-+]?([0-9.]{0,25}(ns|us|µs|ms|s|m|h|d)?){0,4}"))
def test_any_text_gives_seconds_or_value_error(text: str) -> None:
    """No text makes the parser fail in another way."""
    with contextlib.suppress(ValueError):
        assert isinstance(parse_duration(text), float)


@given(st.integers(-(10**15), 10**15))
def test_rendered_duration_is_read_as_the_same(nanoseconds: int) -> None:
    """What is written is read back to the nanosecond."""
    seconds = nanoseconds / 1e9
    assert nanoseconds == round(parse_duration(render_duration(seconds)) * 1e9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-0.0, "0s"),
        (1e-12, "0s"),
        (1e-9, "1ns"),
        (0.00025, "250µs"),
        (0.0015, "1.5ms"),
        (0.5, "500ms"),
        (2, "2s"),
        (1.5, "1.5s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (3601.25, "1h1.25s"),
        (86400, "24h"),
        (-90, "-1m30s"),
    ],
    ids=str,
)
def test_duration_is_rendered_in_its_shortest_form(seconds: float, text: str) -> None:
    """Units that are zero are left out."""
    assert text == render_duration(seconds)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(2, 2.0), (0.5, 0.5), (-1, -1.0), ("2.0", 2.0), ("2", 2.0), (".5", 0.5), ("1m", 60.0)],
    ids=repr,
)
def test_bare_number_means_seconds(value: str | float, seconds: float) -> None:
    """The configuration takes numbers beside durations."""
    assert seconds == parse_seconds(value)


@pytest.mark.parametrize(
    "value",
    [True, False, float("nan"), float("inf"), 1e300, 10**400, "nan", "inf", "1e3", "", "9" * 5000],
    ids=lambda value: repr(value)[:20],
)
def test_number_that_is_no_time_is_refused(value: str | float) -> None:
    """Booleans, endless and unheard-of numbers are no durations."""
    with pytest.raises(ValueError, match="expected a duration"):
        parse_seconds(value)
