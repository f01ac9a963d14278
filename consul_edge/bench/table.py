"""Runs and their comparison as tables, in milliseconds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from consul_edge.bench.comparison import Comparison, Difference
from consul_edge.bench.figures import FIGURES, Series
from consul_edge.bench.gates import Gate
from consul_edge.bench.records import Run


def run_lines(run: Run) -> Iterator[str]:
    """Write a run."""
    version = f"consul-edge {run.edge_version}" if run.edge_version else "of unknown version"
    yield f"{run.mode}: {run.url}, {version}, {run.nodes} nodes, {run.timestamp}"
    yield (
        f"{run.iterations} requests each after {run.warmup} to warm up,"
        f" {run.connections} connection{'' if run.connections == 1 else 's'}"
    )
    yield ""
    names = [name.removesuffix("_ms") for name in FIGURES]
    rows = [("ms", *names, "success")]
    rows += [_row("hits", run.hits)]
    if run.misses is not None:
        rows += [_row("misses", run.misses)]
    yield from _aligned(rows)
    if run.misses is None:
        yield f"misses: not measured: {run.misses_left_out}"
    for name, series in (("hits", run.hits), ("misses", run.misses)):
        if series is not None and series.errors:
            kinds = ", ".join(f"{count} x {kind}" for kind, count in series.errors.items())
            yield f"{name}: {kinds}"


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """Write a comparison."""
    rows: list[tuple[str, ...]] = [("ms", "", "baseline", "now", "diff", "%", "")]
    rows += _differences("hits", comparison.hits)
    rows += _differences("misses", comparison.misses or {})
    yield from _aligned(rows)


def gate_lines(gates: Sequence[Gate]) -> Iterator[str]:
    """Write what was expected, and whether it came."""
    for gate in gates:
        yield f"{'passed' if gate.passed else 'FAILED'}  {gate}"


def _row(name: str, series: Series) -> tuple[str, ...]:
    figures = (f"{getattr(series, figure):.3f}" for figure in FIGURES)
    return (name, *figures, f"{series.success_rate:g}%")


def _differences(whose: str, differences: Mapping[str, Difference]) -> Iterator[tuple[str, ...]]:
    for name, found in differences.items():
        percent = "-" if found.diff_pct is None else f"{found.diff_pct:+.1f}"
        worse = "worse" if found.diff_ms > 0 else "same"
        yield (
            whose,
            name.removesuffix("_ms"),
            f"{found.baseline:.3f}",
            f"{found.current:.3f}",
            f"{found.diff_ms:+.3f}",
            percent,
            "better" if found.improved else worse,
        )


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        yield "  ".join(padded).rstrip()
