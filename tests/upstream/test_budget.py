from hypothesis import given
from hypothesis import strategies as st

from consul_edge.upstream.budget import RetryBudget


def spent(budget: RetryBudget) -> int:
    """Spend until nothing is left."""
    count = 0
    while budget.spend():
        count += 1
    return count


def test_new_budget_helps_the_first_slow_reads() -> None:
    """All that can be saved is there from the start, and no more."""
    assert spent(RetryBudget(share=0.1, most=10.0)) == 10


def test_budget_spent_is_refilled_by_its_share_of_reads() -> None:
    """Ten reads at a tenth earn one second asking."""
    budget = RetryBudget(share=0.125, most=10.0)
    spent(budget)
    for _ in range(7):
        budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()


def test_quiet_time_saves_no_more_than_the_bound() -> None:
    """A million reads without trouble do not pay for a storm of second askings."""
    budget = RetryBudget(share=1.5, most=2.0)
    spent(budget)
    for _ in range(1000):
        budget.earn()
    assert spent(budget) == 2


def test_refused_spending_costs_nothing() -> None:
    """Asking an empty budget leaves what was saved up for the next one."""
    budget = RetryBudget(share=0.5, most=1.0)
    spent(budget)
    budget.earn()
    for _ in range(100):
        assert not budget.spend()
    budget.earn()
    assert budget.spend()


@given(reads=st.lists(st.booleans(), max_size=300))
def test_load_is_never_multiplied_beyond_the_share(reads: list[bool]) -> None:
    """Of any mixture of reads, the second askings stay within the share plus what was saved."""
    budget = RetryBudget(share=0.125, most=4.0)
    granted = 0
    for is_slow in reads:
        budget.earn()
        granted += is_slow and budget.spend()
    assert granted <= 4 + 0.125 * len(reads)
