"""How reads ended, counted for Prometheus."""

from prometheus_client import Counter

from consul_edge import metrics


class Counts:
    """Counts reads by endpoint name and result."""

    def __init__(self) -> None:
        """Look up nothing yet."""
        # A look-up costs more than the counting.
        self._counters: dict[tuple[str, str], Counter] = {}

    def add(self, endpoint: str, result: str, times: int = 1) -> None:
        """Count reads that ended in the same."""
        counter = self._counters.get((endpoint, result))
        if counter is None:
            counter = metrics.CACHE_REQUESTS.labels(endpoint, result)
            self._counters[endpoint, result] = counter
        counter.inc(times)
