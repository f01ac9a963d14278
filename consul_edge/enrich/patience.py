"""
How long a search may take: what goes through many texts asks now and then whether to go on.

Rule 1: what counts is how long the thread itself has worked, not how long others kept it from it:
who asks for little is never refused because much is asked for.
Rule 2: all that is done within ``spend`` shares one patience; without one there is no bound.
Rule 3: it ends at the next ``check``, so whatever a client's words make long has one.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Final, TypeVar

from consul_edge.core.errors import BadRequest

STEP: Final = 1_000
"""Cells between two checks; a pattern, which may need long for one cell, asks for each."""

Made = TypeVar("Made")
Cell = TypeVar("Cell")


class TakesTooLong(BadRequest):
    """Raised when a search has had its time, or nobody waits for it any more."""

    def __init__(self) -> None:
        """Say what would be answered."""
        super().__init__("q: this search takes too long: expected fewer or simpler conditions")


class Patience:
    """The time of one search."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.thread_time) -> None:
        """
        Allow some *seconds*, which begin to pass with ``spend``.

        Args:
            clock: Read by the thread that works.
        """
        self._seconds = seconds
        self._clock = clock
        self._until = 0.0
        self._is_over = False

    def spend(self, make: Callable[[], Made]) -> Made:
        """
        Have *make* done within that time.

        Raises:
            TakesTooLong: When it is over before.
        """
        self._until = self._clock() + self._seconds
        self.check()
        before = _current.set(self)
        try:
            return make()
        finally:
            _current.reset(before)

    def end(self) -> None:
        """Have it over now; any thread may say so."""
        self._is_over = True

    def check(self) -> None:
        """
        Go on if there is time.

        Raises:
            TakesTooLong: When there is none.
        """
        if self._is_over or self._clock() >= self._until:
            raise TakesTooLong


_current: Final[ContextVar[Patience | None]] = ContextVar("patience", default=None)


def check() -> None:
    """Go on if there is time, in whatever search this is."""
    patience = _current.get()
    if patience is not None:
        patience.check()


def in_steps(cells: Sequence[Cell]) -> Iterator[Sequence[Cell]]:
    """
    Give *cells* in parts, with a check before each.

    >>> list(in_steps(range(1_500)))
    [range(0, 1000), range(1000, 1500)]
    """
    for start in range(0, len(cells), STEP):
        check()
        yield cells[start : start + STEP]
