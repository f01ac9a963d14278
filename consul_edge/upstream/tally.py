"""What became of each request that was sent to a server."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import Counter, Histogram

from consul_edge import metrics
from consul_edge.core.errors import ServerFailed
from consul_edge.upstream.answer import Answer

TIMED = frozenset({"read", "write"})
"""What is answered as soon as a server can: how long that took says something about it."""


class Tally:
    """One request under way."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        """Begin without an answer."""
        self.answer: Answer | None = None


@contextmanager
def tally(server: str, intent: str) -> Iterator[Tally]:
    """
    Count what comes of the request that is sent inside.

    What cannot be sent at all is the sender's matter, and counted nowhere.

    Args:
        server: As metrics call it.

        intent: ``read``, ``poll``, ``stream`` or ``write``.
    """
    it = Tally()
    began = time.perf_counter()
    try:
        yield it
    except ServerFailed as error:
        _counter(server, intent, "timeout" if error.timed_out else "failure").inc()
        raise
    except asyncio.CancelledError:
        _counter(server, intent, "abandoned").inc()
        raise
    if it.answer is not None:
        _counter(server, intent, "error" if it.answer.status >= 500 else "answered").inc()
    if intent in TIMED:
        _duration(server).observe(time.perf_counter() - began)


# Looked up once: that costs more than the counting.


@cache
def _counter(server: str, intent: str, outcome: str) -> Counter:
    return metrics.UPSTREAM_REQUESTS.labels(server, intent, outcome)


@cache
def _duration(server: str) -> Histogram:
    return metrics.UPSTREAM_DURATION.labels(server)
