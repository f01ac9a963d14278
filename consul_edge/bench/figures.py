"""
The figures of a series of times.

Percentiles are by the nearest rank: the smallest of the measured times that at least so many
percent of all do not exceed. So each is a time that was measured, none is made up in between, and
of fewer than 100 times the 99th percentile is the slowest.
"""

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking the same again and again; times are those of the answers that came."""

    requests: int
    success_rate: float
    """Percent of the requests, 0 to 100."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    avg_ms: float
    min_ms: float
    max_ms: float
    stdev_ms: float
    """Of the sample; 0 of a single time."""
    errors: dict[str, int]
    """How many requests came to nothing, by kind: timeout, connection, http_503, malformed, and
    the same behind ``flush_`` if it was the flush before a miss."""
    raw_times_ms: list[float]
    """In the order of asking."""


FIGURES = ("p50_ms", "p95_ms", "p99_ms", "avg_ms", "min_ms", "max_ms", "stdev_ms")
"""The fields of a series that can be better or worse by milliseconds."""


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """
    Pick a percentile of times in ascending order.

    >>> nearest_rank([1.0, 2.0, 3.0, 4.0], 50), nearest_rank([1.0, 2.0, 3.0, 4.0], 51)
    (2.0, 3.0)
    """
    # In whole numbers: in floats 7% of 100 is the 8th.
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]


def summarize(seconds: Sequence[float], errors: Mapping[str, int]) -> Series:
    """
    Make the figures of the answers that took *seconds*, at least one, and of those not had.

    >>> summarize([0.003, 0.001], {"timeout": 2}).success_rate
    50.0
    """
    times = [round(second * 1000, 3) for second in seconds]
    ordered = sorted(times)
    requests = len(times) + sum(errors.values())
    return Series(
        requests=requests,
        success_rate=round(100 * len(times) / requests, 3),
        p50_ms=nearest_rank(ordered, 50),
        p95_ms=nearest_rank(ordered, 95),
        p99_ms=nearest_rank(ordered, 99),
        avg_ms=round(math.fsum(times) / len(times), 3),
        min_ms=ordered[0],
        max_ms=ordered[-1],
        stdev_ms=round(statistics.stdev(times), 3) if len(times) > 1 else 0.0,
        errors=dict(errors),
        raw_times_ms=times,
    )
