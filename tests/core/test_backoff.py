import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.backoff import backoff

failures = st.integers(1, 10_000)
jitters = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("count", "seconds"), {1: 1.0, 2: 2.0, 3: 4.0, 4: 5.0, 5: 5.0, 10**9: 5.0}.items()
)
def test_each_further_failure_doubles_the_pause_up_to_the_most(count: int, seconds: float) -> None:
    """The pause doubles from the first one and stops growing at the bound."""
    assert seconds == backoff(count, first=1.0, most=5.0)


def test_bound_below_the_first_pause_wins_at_once() -> None:
    """The bound holds for the first pause, too."""
    assert backoff(1, first=8.0, most=5.0) == 5.0


@given(count=failures, jitter=jitters)
def test_jitter_takes_away_at_most_half(count: int, jitter: float) -> None:
    """However the dice fall, a pause is between half of the plain one and all of it."""
    plain = backoff(count, first=0.5, most=30.0)
    assert plain / 2 <= backoff(count, first=0.5, most=30.0, jitter=jitter) <= plain


def test_jitter_spreads_two_instances_apart() -> None:
    """Two draws give two pauses: that is what it is for."""
    early, late = (backoff(3, first=1.0, most=60.0, jitter=jitter) for jitter in (0.0, 0.5))
    assert (early, late) == (2.0, 3.0)


@given(count=failures)
def test_further_failure_never_shortens_the_pause(count: int) -> None:
    """Without jitter the pauses only grow."""
    now, later = (backoff(number, first=0.1, most=60.0) for number in (count, count + 1))
    assert now <= later
