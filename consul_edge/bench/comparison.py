"""One run held against another: what got better or worse, and whether they can be compared."""

import msgspec

from consul_edge.bench.figures import FIGURES, Series
from consul_edge.bench.records import Run


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one figure."""

    baseline: float
    current: float
    diff_ms: float
    diff_pct: float | None
    """None where the baseline is 0."""
    improved: bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all figures, by their names."""

    hits: dict[str, Difference]
    misses: dict[str, Difference] | None
    """None unless both runs have some."""


def compare(baseline: Run, current: Run) -> Comparison:
    """Hold *current* against *baseline*."""
    return Comparison(
        hits=_differences(baseline.hits, current.hits),
        misses=(
            _differences(baseline.misses, current.misses)
            if baseline.misses is not None and current.misses is not None
            else None
        ),
    )


def doubts(baseline: Run, current: Run) -> list[str]:
    """Say why the two should not be compared; empty if nothing speaks against it."""
    found = [
        f"{what}: {before} in the baseline, {now} now"
        for what, before, now in (
            ("another url", baseline.url, current.url),
            ("another number of nodes", baseline.nodes, current.nodes),
            ("another number of iterations", baseline.iterations, current.iterations),
        )
        if before != now
    ]
    for name, run in (("the baseline", baseline), ("the present run", current)):
        if run.misses is None:
            found.append(f"{name} has no misses: {run.misses_left_out}")
    if current.timestamp < baseline.timestamp:
        found.append(
            f"the baseline is the younger one: of {baseline.timestamp}, not before"
            f" {current.timestamp}"
        )
    return found


def _differences(baseline: Series, current: Series) -> dict[str, Difference]:
    return {name: _difference(getattr(baseline, name), getattr(current, name)) for name in FIGURES}


def _difference(baseline: float, current: float) -> Difference:
    diff = round(current - baseline, 3)
    return Difference(
        baseline=baseline,
        current=current,
        diff_ms=diff,
        diff_pct=round(100 * diff / baseline, 1) if baseline else None,
        improved=current < baseline,
    )
