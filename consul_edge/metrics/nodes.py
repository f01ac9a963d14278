"""What the enrichment learns: nodes, rows, sites."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

MOST_NODES: Final = 1000
"""How many nodes have series of their own."""

MOST_CATEGORIES: Final = 50
"""How many categories have; whoever writes rules may invent as many as he likes."""

OTHER: Final = "other"
"""The ``node_name`` of all further nodes, and the category of the rows of all further ones."""

ERROR_TYPES: Final = frozenset({"timeout", "connection", "http_error", "unknown"})

STEP: Final = 64
BREATH: Final = 0.0002
"""After so many samples whoever renders them sleeps for so many seconds: ten thousand are a tenth
of a second of work, and the event loop needs the interpreter, too."""


def breathe() -> None:
    """Let other threads work, unless this is the event loop's own."""
    if threading.current_thread() is not threading.main_thread():
        time.sleep(BREATH)


class _Breathing(list[Sample]):
    """Samples that are not gone through without a pause."""

    def __iter__(self) -> Iterator[Sample]:
        return _with_breaks(super().__iter__())


def _with_breaks(samples: Iterable[Sample]) -> Iterator[Sample]:
    for number, sample in enumerate(samples):
        if number % STEP == STEP - 1:
            breathe()
        yield sample


class _ManyCounters(Counter):
    """A counter with thousands of children."""

    def collect(self) -> Iterator[Metric]:
        yield from _breathing(super().collect())

    def _multi_samples(self) -> Iterable[Sample]:
        return _with_breaks(super()._multi_samples())


class _ManyHistograms(Histogram):
    """A histogram with thousands of children."""

    def collect(self) -> Iterator[Metric]:
        yield from _breathing(super().collect())

    def _multi_samples(self) -> Iterable[Sample]:
        return _with_breaks(super()._multi_samples())


def _breathing(families: Iterable[Metric]) -> Iterator[Metric]:
    for family in families:
        family.samples = _Breathing(family.samples)
        yield family


NODE_FAILURES: Final = _ManyCounters(
    "consul_node_enrich_failures_total",
    "Nodes whose services could not be read, by what happened: timeout, connection, http_error or"
    " unknown. Beyond 1,000 node names the rest is node_name other.",
    ["node_name", "error_type"],
)

NODE_DURATION: Final = _ManyHistograms(
    "consul_node_enrich_duration_seconds",
    "Time until the services of a node were known (status success), or known not to be had"
    " (error). Beyond 1,000 node names the rest is node_name other.",
    ["node_name", "status"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
    unit="seconds",
)

NODES: Final = Gauge(
    "consul_edge_nodes",
    "Nodes as the identity sees them that has most of them in error; 0 before anybody asked.",
)

NODES_IN_ERROR: Final = Gauge(
    "consul_edge_nodes_in_error",
    "Those of consul_edge_nodes whose services_status is error.",
)

SITES_CACHE_STATUS: Final = Counter(
    "consul_sites_cache_status_total",
    "The sites document: hit was read from memory, miss before there was one; refresh is a load or"
    " an edit that brought one, error a load that failed, or brought what is none.",
    ["status"],
)
for _status in ("hit", "miss", "refresh", "error"):
    SITES_CACHE_STATUS.labels(_status)

DOCUMENT_GOOD: Final = Gauge(
    "consul_edge_document_good",
    "1 while the sites and the rules in force are the newest there are; 0 while they are older"
    " ones, because the document cannot be read or is none.",
    ["document"],
)

Counts = Mapping[tuple[str, str], int]
"""Rows by category and status."""


class Rows(Collector):
    """Counts rows when it is scraped: a category that is gone leaves no series behind."""

    name: Final = "consul_edge_rows"
    text: Final = (
        "Service instances by category and status (passing, warning, critical), as the identity"
        " sees them that sees the most; none before anybody asked. Beyond 50 categories the rest"
        " is category other."
    )
    labels: Final = ("category", "status")

    def __init__(self) -> None:
        """Count nothing yet."""
        self._count: Callable[[], Counts] = dict
        REGISTRY.register(self)

    def set_function(self, count: Callable[[], Counts]) -> None:
        """Have *count* tell what there is."""
        self._count = count

    def describe(self) -> Iterable[Metric]:
        """Tell the names, without counting."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Count."""
        family = self._family()
        for labels, count in bounded(self._count()).items():
            family.add_metric(labels, count)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self.name, self.text, labels=self.labels)


def bounded(counts: Counts, most: int = MOST_CATEGORIES) -> Counts:
    """
    Put the rows of the smallest categories together.

    >>> bounded({("a", "passing"): 3, ("b", "passing"): 1, ("c", "passing"): 1}, most=1)
    {('a', 'passing'): 3, ('other', 'passing'): 2}
    """
    sums: dict[str, int] = {}
    for (category, _), count in counts.items():
        sums[category] = sums.get(category, 0) + count
    own = set(sorted(sums, key=lambda category: (-sums[category], category))[:most])
    found: dict[tuple[str, str], int] = {}
    for (category, status), count in counts.items():
        key = (category if category in own else OTHER), status
        found[key] = found.get(key, 0) + count
    return found


ROWS: Final = Rows()


class FirstNames:
    """
    The first names that come keep their own, all later ones share one.

    A name is never given up for a newer one: what a counter has counted must not vanish.

    >>> names = FirstNames(2)
    >>> [names.label(name) for name in ("a", "b", "c", "a")]
    ['a', 'b', 'other', 'a']
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Give the label under which *name* is counted."""
        if name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name


_node_names: Final = FirstNames(MOST_NODES)


def node_enriched(name: str, seconds: float, ok: bool) -> None:
    """Count that the services of the node *name* took *seconds* to be known, or to fail."""
    status = "success" if ok else "error"
    NODE_DURATION.labels(_node_names.label(name), status).observe(seconds)


def node_failed(name: str, kind: str) -> None:
    """Count that the services of the node *name* could not be read; *kind* is what happened."""
    error_type = kind if kind in ERROR_TYPES else "unknown"
    NODE_FAILURES.labels(_node_names.label(name), error_type).inc()
