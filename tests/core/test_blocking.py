import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.blocking import LONGEST_DEFAULT_WAIT, MARGIN, longest_hold, longest_patience

waits = st.floats(0.001, 86_400)

HOLDS = {
    60.0: 70.75,
    300.0: 325.75,
    600.0: 644.5,
    None: 644.5,
}
"""CONSUL.md A.1: wait * 17/16 + 7 s."""


@pytest.mark.parametrize(("wait", "seconds"), HOLDS.items(), ids=str)
def test_query_held_by_consul_is_bounded_by_wait_jitter_and_hold(
    wait: float | None, seconds: float
) -> None:
    """The bound is Consul's own: the wait, a sixteenth of it, and the hold without a leader."""
    assert seconds == longest_hold(wait)


@given(wait=waits)
def test_hold_is_never_shorter_than_consuls_longest_jitter(wait: float) -> None:
    """A query charged too short would let the edge meet Consul's limit of connections."""
    assert longest_hold(wait) >= wait + wait / 16 + 7


@given(wait=waits | st.none())
def test_patience_outlasts_whatever_consul_may_hold(wait: float | None) -> None:
    """A query is given up only when Consul cannot be about to answer any more."""
    assert longest_patience(wait) >= longest_hold(wait) + MARGIN


@given(wait=waits)
def test_patience_with_a_short_wait_is_that_of_the_longest_default(wait: float) -> None:
    """A server may be configured to hold longer than asked, but not beyond its longest wait."""
    expected = longest_hold(max(wait, LONGEST_DEFAULT_WAIT)) + MARGIN
    assert expected == longest_patience(wait)


def test_patience_believes_a_clients_wait_beyond_the_default_cap() -> None:
    """The cap is an option of Consul's (``max_query_time``), so a longer wait is believed."""
    assert longest_patience(3600.0) > 3600 * 17 / 16
