"""Reading one number from an edge's ``/metrics``, as Prometheus would."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def scrape(base: str) -> str:
    """Fetch the exposition."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as response:
        text: str = response.read().decode()
        return text


def samples(base: str, name: str) -> list[tuple[dict[str, str], float]]:
    """List the labels and values of all samples called *name*, of one scrape."""
    # Parsing is slow, and a process that has run many tests has many series.
    lines = [line for line in scrape(base).splitlines(keepends=True) if line.startswith(name)]
    return [
        (found.labels, found.value)
        for family in text_string_to_metric_families("".join(lines))
        for found in family.samples
        if found.name == name
    ]


def sample(base: str, name: str, **labels: str) -> float:
    """Sum the samples called *name* that have all *labels*; 0 if there are none."""
    return sum(value for found, value in samples(base, name) if labels.items() <= found.items())
