"""What the edge says of its metrics: every name, label and text, whether or not it has a value."""

from dataclasses import dataclass
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from consul_edge import metrics
from consul_edge.metrics.nodes import Rows

ENDS: Final = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
"""What series of a kind have behind the name of the family."""

OF_PROMETHEUS: Final = frozenset({"instance", "job"})
"""Labels that every series gets when it is scraped."""

OF_THE_CLIENT: Final = {
    "process_cpu_seconds_total": "counter",
    "process_max_fds": "gauge",
    "process_open_fds": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "python_gc_collections_total": "counter",
    "python_gc_objects_collected_total": "counter",
    "python_gc_objects_uncollectable_total": "counter",
    "python_info": "gauge",
}
"""What every Python program exposes, for which dashboards exist already."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric."""

    name: str
    """As it is asked for: that of a counter ends in ``_total``."""

    kind: str
    labels: tuple[str, ...]
    unit: str
    text: str

    @property
    def series(self) -> dict[str, frozenset[str]]:
        """The names that its samples have, each with its labels."""
        stem = self.name.removesuffix("_total") if self.kind == "counter" else self.name
        return {
            stem + end: frozenset({*self.labels, *(["le"] if end == "_bucket" else [])})
            for end in ENDS.get(self.kind, [""])
        }


def families() -> list[Family]:
    """Give every metric of the edge, by name."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            kind = str(metric._type)
            name = metric._name + ("_total" if kind == "counter" else "")
            labels = tuple(metric._labelnames)
            found[name] = Family(name, kind, labels, metric._unit, metric._documentation)
        elif isinstance(metric, Rows):
            found[metric.name] = Family(metric.name, "gauge", metric.labels, "", metric.text)
    return [found[name] for name in sorted(found)]


FAMILIES: Final = {family.name: family for family in families()}

SERIES: Final = {
    name: (family, labels)
    for family in FAMILIES.values()
    for name, labels in family.series.items()
}
"""Every series of the edge's own, with its metric and its labels."""
