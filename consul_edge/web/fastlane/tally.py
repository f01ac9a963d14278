"""
Counting what the fast lane answers: as plain numbers, which become Prometheus's when it looks.

Rule: the loop only adds to a tally, and whoever books only reads it: booking may happen in a
thread of its own, and nothing is lost or counted twice.
"""

from consul_edge import metrics
from consul_edge.cache.counts import Counts
from consul_edge.cache.plan import Question
from consul_edge.cache.served import Served
from consul_edge.core.endpoints import Endpoint


class Tally:
    """Answers of one kind."""

    __slots__ = ("booked_hits", "booked_seconds", "hits", "seconds")

    def __init__(self) -> None:
        """Begin at nothing."""
        self.hits = 0
        self.seconds = 0.0
        """What they took, all together."""
        self.booked_hits = 0
        self.booked_seconds = 0.0


Kind = tuple[Endpoint, int, str, bool]
"""Endpoint, status, how the cache had it, and whether it was a blocking query."""


class Tallies:
    """All kinds of answers."""

    def __init__(self, counts: Counts) -> None:
        """
        Begin at nothing.

        Args:
            counts: The cache's, which counts how its reads ended.
        """
        self._counts = counts
        self._kinds: dict[Kind, Tally] = {}

    def of(self, question: Question, served: Served) -> Tally:
        """Give the tally for an answer."""
        is_poll = question.ask.index > 0
        kind = (question.key.endpoint, served.entry.status, served.result, is_poll)
        tally = self._kinds.get(kind)
        if tally is None:
            tally = self._kinds[kind] = Tally()
        return tally

    def book(self) -> None:
        """Count them as aiohttp's requests are counted."""
        for (endpoint, status, result, is_poll), tally in tuple(self._kinds.items()):
            hits = tally.hits - tally.booked_hits
            if not hits:
                continue
            seconds = tally.seconds - tally.booked_seconds
            tally.booked_hits += hits
            tally.booked_seconds += seconds
            self._counts.add(endpoint.name, result, hits)
            metrics.HTTP_REQUESTS.labels(endpoint.name, "GET", str(status)).inc(hits)
            if not is_poll:
                duration = metrics.HTTP_REQUEST_DURATION.labels(endpoint.treatment.value)
                metrics.observe_many(duration, hits, max(seconds, 0.0))
