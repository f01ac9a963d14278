"""The token bucket: bursts are allowed, and what comes on top of them is spread."""

from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.pace import Pace


def test_burst_is_spent_what_follows_waits_its_turn() -> None:
    """Two at once, and each further one an interval behind the one before it."""
    pace = Pace(burst=2, interval=1.0)
    assert [pace.delay(10.0) for _ in range(4)] == [0.0, 0.0, 1.0, 2.0]


def test_time_passes_the_bucket_fills_again() -> None:
    """After a quiet while the whole burst is there again, and never more than that."""
    pace = Pace(burst=2, interval=1.0)
    for _ in range(2):
        pace.delay(10.0)
    assert [pace.delay(1000.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_one_interval_passes_one_more_is_allowed() -> None:
    """It fills one by one, not all at once."""
    pace = Pace(burst=2, interval=1.0)
    for _ in range(2):
        pace.delay(10.0)
    assert [pace.delay(11.0) for _ in range(2)] == [0.0, 1.0]


def test_interval_of_nothing_never_delays() -> None:
    """``refresh_interval: 0s`` switches the pace off."""
    pace = Pace(burst=1, interval=0.0)
    assert {0.0} == {pace.delay(5.0) for _ in range(100)}


@given(
    burst=st.integers(1, 5),
    interval=st.sampled_from([0.25, 1.0, 3.0]),
    gaps=st.lists(st.sampled_from([0.0, 0.25, 1.0, 10.0]), max_size=40),
)
def test_in_any_stretch_of_time_no_more_than_the_burst_and_one_each_interval(
    burst: int, interval: float, gaps: list[float]
) -> None:
    """The bound that a server can rely on, whatever the moments at which one asks."""
    pace = Pace(burst=burst, interval=interval)
    now, done = 0.0, []
    for gap in gaps:
        # Whoever asks waits for the delay before asking again.
        now += gap
        now += pace.delay(now)
        done.append(now)
    for first in range(len(done)):
        for last in range(first, len(done)):
            most = burst + (done[last] - done[first]) / interval
            assert last - first + 1 <= most + 1e-6
