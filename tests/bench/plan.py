"""How long to measure, and on which cores."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What every scenario is given."""

    rounds: int
    """How often each contender has its turn."""

    seconds: int
    """Of each turn."""

    server_core: int
    """Where the server under test runs, alone."""

    load_core: int
    """Where the load and the upstream run; the same one if the machine has no other."""

    crowds: tuple[int, ...] = (1000, 5000)
    """Clients of the fan-out, each with a connection of its own."""

    connections: tuple[int, ...] = ()
    """Of a load, instead of the scenario's own."""

    only: tuple[str, ...] = ()
    """Contenders that alone are put under load; all of the scenario's by default."""

    is_quick: bool = False
    """Whether it is only to be seen that everything runs: less of everything then."""

    def on_server_core(self) -> AbstractContextManager[None]:
        """Start in this context what is measured."""
        return _pinned(self.server_core)

    def on_load_core(self) -> AbstractContextManager[None]:
        """Start in this context what it is measured with."""
        return _pinned(self.load_core)

    def say(self, text: str) -> None:
        """Tell on stderr how far it is."""
        sys.stderr.write(f"{text}\n")


def cores() -> tuple[int, int]:
    """Choose a core for the server under test and one for everything else."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    # Inherited by what is started meanwhile, from its first thread on: Go then sees one core.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
