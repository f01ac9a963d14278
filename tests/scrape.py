"""Reading one number from an edge's ``/metrics``, as Prometheus would."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def scrape(base: str) -> str:
    """Fetch the exposition."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=10) as response:
        text: str = response.read().decode()
        return text


def sample(base: str, name: str, **labels: str) -> float:
    """Sum the samples called *name* that have all *labels*; 0 if there are none."""
    return sum(
        found.value
        for family in text_string_to_metric_families(scrape(base))
        for found in family.samples
        if found.name == name and labels.items() <= found.labels.items()
    )
