"""A semaphore that tells how many hold a place, how many wait for one, and for how long."""

import asyncio
import time
from typing import Literal

from consul_edge import metrics


class Turnstile(asyncio.Semaphore):
    """Lets so many through at once."""

    def __init__(self, places: int, queue: str) -> None:
        """
        Begin with nobody inside.

        Args:
            queue: As metrics call it.
        """
        super().__init__(places)
        self._places = places
        self._owed = 0
        """Places that are taken away as soon as they are given back."""
        self.inside = 0
        self.waiting = 0
        self._waited = metrics.UPSTREAM_QUEUE_WAIT.labels(queue)
        metrics.UPSTREAM_IN_FLIGHT.labels(queue).set_function(lambda: self.inside)
        metrics.UPSTREAM_QUEUE.labels(queue).set_function(lambda: self.waiting)

    async def acquire(self) -> Literal[True]:
        """Wait for a place; whoever gives up has waited, too."""
        began = time.perf_counter()
        self.waiting += 1
        try:
            await super().acquire()
        finally:
            self.waiting -= 1
            self._waited.observe(time.perf_counter() - began)
        self.inside += 1
        return True

    def release(self) -> None:
        """Give the place back."""
        self.inside -= 1
        if self._owed:
            self._owed -= 1
        else:
            super().release()

    def resize(self, places: int) -> None:
        """Have another number of places from now on; whoever is inside stays."""
        more, self._places = places - self._places, places
        self._owed -= more
        while self._owed < 0:
            self._owed += 1
            super().release()
        while self._owed and not self.locked():
            self._owed -= 1
            self._value -= 1
