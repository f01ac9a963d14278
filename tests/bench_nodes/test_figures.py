"""The figures: percentiles by the nearest rank, success, and what is better than what."""

import pytest

from consul_edge.bench.comparison import compare, doubts
from consul_edge.bench.figures import FIGURES, Series, nearest_rank, summarize
from consul_edge.bench.gates import judge
from consul_edge.bench.records import FORM, Run


def made(
    hits: list[float],
    misses: list[float] | None = None,
    *,
    url: str = "http://a:1",
    nodes: int = 3,
    day: int = 2,
) -> Run:
    """Make a run of times in milliseconds."""
    return Run(
        form=FORM,
        mode="baseline",
        url=url,
        timestamp=f"2026-01-{day:02}T03:04:05Z",
        version="1",
        edge_version=None,
        nodes=nodes,
        iterations=len(hits),
        warmup=0,
        connections=1,
        hits=series(hits),
        misses=series(misses) if misses is not None else None,
        misses_left_out=None if misses is not None else "no token",
    )


def series(times: list[float], errors: dict[str, int] | None = None) -> Series:
    """Make a series of times in milliseconds."""
    return summarize([time / 1000 for time in times], errors or {})


@pytest.mark.parametrize(
    ("count", "percent", "rank"),
    [
        (1, 50, 1),
        (1, 99, 1),
        (2, 50, 1),
        (3, 50, 2),
        (4, 50, 2),
        (5, 30, 2),
        (20, 95, 19),
        (20, 99, 20),
        (21, 95, 20),
        (100, 99, 99),
        (101, 99, 100),
        (100, 7, 7),
        (1000, 95, 950),
        (10, 100, 10),
    ],
)
def test_percentile_is_the_time_at_the_nearest_rank(count: int, percent: int, rank: int) -> None:
    """The ceiling of percent of the count, without the rounding of floats."""
    assert nearest_rank([float(number) for number in range(1, count + 1)], percent) == rank


def test_figures_of_times_in_any_order_are_those_of_the_series() -> None:
    """Worked by hand: the raw times keep their order, the figures do not depend on it."""
    found = series([4.0, 2.0, 9.0, 5.0, 4.0, 4.0, 7.0, 5.0])

    assert found == Series(
        requests=8,
        success_rate=100.0,
        p50_ms=4.0,
        p95_ms=9.0,
        p99_ms=9.0,
        avg_ms=5.0,
        min_ms=2.0,
        max_ms=9.0,
        stdev_ms=2.138,  # the square root of 32 / 7
        errors={},
        raw_times_ms=[4.0, 2.0, 9.0, 5.0, 4.0, 4.0, 7.0, 5.0],
    )


def test_single_time_has_no_deviation() -> None:
    """One time deviates from nothing."""
    assert series([3.0]).stdev_ms == 0.0


def test_errors_lower_the_success_rate_and_no_time() -> None:
    """What came to nothing has no time."""
    found = series([1.0, 3.0], {"timeout": 1, "http_503": 1})

    assert (found.requests, found.success_rate, found.max_ms) == (4, 50.0, 3.0)
    assert found.errors == {"timeout": 1, "http_503": 1}


@pytest.mark.parametrize(
    ("times", "failed"),
    [
        ([199.999] * 20, []),
        ([200.0] * 20, ["p50_ms"]),
        ([1.0] * 10 + [499.0] * 10, []),
        ([1.0] * 18 + [500.0] * 2, ["p95_ms"]),
        ([1.0] * 19 + [599.0], []),
        ([1.0] * 19 + [600.0], ["p99_ms"]),
        ([700.0], ["p50_ms", "p95_ms", "p99_ms"]),
    ],
)
def test_gates_are_held_against_misses(times: list[float], failed: list[str]) -> None:
    """A bound itself is not below it; hits, however fast, do not help."""
    gates = judge(made([1.0] * 20, times))

    assert [gate.metric for gate in gates if not gate.passed] == failed
    assert {gate.of for gate in gates if gate.metric != "success_rate"} == {"misses"}


def test_gates_without_misses_are_held_against_hits() -> None:
    """It says less, but not nothing."""
    gates = judge(made([300.0] * 20))

    assert [(gate.of, gate.metric) for gate in gates if not gate.passed] == [("hits", "p50_ms")]


@pytest.mark.parametrize(("failures", "passed"), [(0, True), (2, True), (3, False)])
def test_success_is_judged_over_hits_and_misses(failures: int, passed: bool) -> None:
    """99 of 100 is enough, and one more failure is not."""
    run = made([1.0] * 100, [1.0] * (100 - failures))
    assert run.misses is not None
    run = Run(
        **{field: getattr(run, field) for field in run.__struct_fields__}
        | {"misses": series([1.0] * (100 - failures), {"timeout": failures})}
    )

    assert judge(run)[-1].passed is passed


def test_difference_of_a_figure_is_in_milliseconds_and_percent() -> None:
    """Less is better; the sign says which way it went."""
    found = compare(made([10.0], [200.0]), made([8.0], [250.0]))

    assert found.misses is not None
    hits, misses = found.hits["p50_ms"], found.misses["p50_ms"]
    assert (hits.baseline, hits.current, hits.diff_ms, hits.diff_pct, hits.improved) == (
        10.0,
        8.0,
        -2.0,
        -20.0,
        True,
    )
    assert (misses.diff_ms, misses.diff_pct, misses.improved) == (50.0, 25.0, False)
    assert tuple(found.hits) == tuple(found.misses) == FIGURES


def test_difference_from_nothing_has_no_percent() -> None:
    """A deviation of 0 is no base for a percentage; what is equal is no improvement."""
    found = compare(made([10.0]), made([10.0])).hits

    assert found["stdev_ms"].diff_pct is None
    assert not found["p50_ms"].improved


@pytest.mark.parametrize(
    ("current", "doubt"),
    [
        (made([1.0], [1.0], url="http://b:1"), "another url: http://a:1 in the baseline"),
        (made([1.0], [1.0], nodes=4), "another number of nodes: 3 in the baseline, 4 now"),
        (made([1.0, 1.0], [1.0, 1.0]), "another number of iterations: 1 in the baseline, 2 now"),
        (made([1.0], [1.0], day=1), "the baseline is the younger one"),
        (made([1.0]), "the present run has no misses: no token"),
    ],
    ids=["url", "nodes", "iterations", "order", "misses"],
)
def test_runs_that_differ_in_what_was_asked_are_doubted(current: Run, doubt: str) -> None:
    """Apples are compared with oranges only under protest."""
    (found,) = doubts(made([1.0], [1.0]), current)

    assert found.startswith(doubt)


def test_runs_of_the_same_thing_are_not_doubted() -> None:
    """No protest without a reason."""
    assert doubts(made([1.0], [1.0]), made([2.0], [2.0])) == []
