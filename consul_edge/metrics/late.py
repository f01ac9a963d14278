"""
Counting what is too frequent to be counted as Prometheus's client does.

A counter takes a lock: where a request costs microseconds, three of them cost as much again.  So
plain numbers are counted, and booked when the registry is read.
"""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final

from prometheus_client import REGISTRY, Histogram, Metric
from prometheus_client.registry import Collector


class Late(Collector):
    """Has booked, before the registry is read, what was counted as plain numbers."""

    def __init__(self) -> None:
        """Begin with nothing to book."""
        self.books: list[Callable[[], None]] = []
        self._lock = Lock()

    def describe(self) -> Iterable[Metric]:
        """Name no metric; without this it would be collected to find out."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Book, and give nothing."""
        # Several may read at the same time, in threads of their own.
        with self._lock:
            for book in tuple(self.books):
                book()
        return ()


LATE: Final = Late()
# The registry reads in the order of registration: this comes before every metric.
REGISTRY.register(LATE)


def observe_many(histogram: Histogram, times: int, seconds: float) -> None:
    """
    Observe what happened *times* times and took *seconds* together.

    All of them count to the bucket of their mean: of its kind the library knows single ones only.
    """
    histogram.observe(seconds / times)
    mean = seconds / times
    at = next(at for at, bound in enumerate(histogram._upper_bounds) if mean <= bound)  # noqa: SLF001 - see above
    histogram._buckets[at].inc(times - 1)  # noqa: SLF001 - see above
    histogram._sum.inc(seconds - mean)  # noqa: SLF001 - see above
