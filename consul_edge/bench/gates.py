"""
What a run must keep to: the original's bounds, which it wrote down for misses.

It measured hits by mistake, for its warm-up had filled the cache. Here they are held against
misses, and against hits only if there are no others, which says less.
"""

from typing import Final, Literal

import msgspec

from consul_edge.bench.figures import Series
from consul_edge.bench.records import Run

BELOW_MS: Final = {"p50_ms": 200.0, "p95_ms": 500.0, "p99_ms": 600.0}

SUCCESS_RATE: Final = 99.0
"""Percent, of hits and misses together."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One bound, and whether it was kept."""

    of: Literal["misses", "hits", "all"]
    metric: str
    relation: Literal["<", ">="]
    bound: float
    value: float
    passed: bool

    def __str__(self) -> str:
        unit = " ms" if self.metric.endswith("_ms") else "%"
        name = self.metric.removesuffix("_ms").replace("_", " ")
        whose = "" if self.of == "all" else f"{self.of} "
        return f"{whose}{name} {self.value:g}{unit}, expected {self.relation} {self.bound:g}{unit}"


def judge(run: Run) -> list[Gate]:
    """Hold a run against all bounds."""
    of: Literal["misses", "hits"] = "hits" if run.misses is None else "misses"
    judged = run.misses or run.hits
    gates = []
    for metric, bound in BELOW_MS.items():
        value: float = getattr(judged, metric)
        gates.append(
            Gate(
                of=of, metric=metric, relation="<", bound=bound, value=value, passed=value < bound
            )
        )
    rate = _success_rate([run.hits, *([run.misses] if run.misses else [])])
    gates.append(
        Gate(
            of="all",
            metric="success_rate",
            relation=">=",
            bound=SUCCESS_RATE,
            value=rate,
            passed=rate >= SUCCESS_RATE,
        )
    )
    return gates


def _success_rate(all_series: list[Series]) -> float:
    succeeded = sum(len(series.raw_times_ms) for series in all_series)
    return round(100 * succeeded / sum(series.requests for series in all_series), 3)
