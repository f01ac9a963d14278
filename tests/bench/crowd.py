"""
A crowd of clients around one contender: the process that is the load, and what it found.

Rule 1: figures exist only of changes that reached every client; anything else is a refusal.
Rule 2: numbers are milliseconds, since that is what a change takes to reach a thousand clients.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.bench.load import LoadFailedError
from tests.bench.plan import Plan
from tests.bench.report import at_share

ROOT: Final = Path(__file__).parent.parent.parent

CONSUL_CONNECTIONS: Final = 15_000
"""What the Consuls here are configured for; one that may not open as many files ends at once."""

BESIDE_CLIENTS: Final = 300
"""Files that a server needs beside its clients' connections; an edge has some 200 upstream."""

TOLD: Final = 3
"""Kinds of failure that a refusal names."""


class RefusedError(Exception):
    """Raised when a contender did not serve every client; the text is what they were told."""


@dataclass(frozen=True, slots=True)
class Wave:
    """One change that reached everyone."""

    seconds: tuple[float, ...]
    """Of each client, from sending the change to the last byte of its answer; ascending."""
    busy: float
    """Share of its core that the load used meanwhile: near 1 it measured itself."""
    early: int
    """Answers before the change, or without it, that made a client poll again."""
    answer_bytes: int

    def milliseconds(self, share: float) -> float:
        """
        Give what *share* of the clients had their answer within.

        >>> wave = Wave((0.001, 0.002, 0.003, 0.004), 0.5, 0, 8000)
        >>> [wave.milliseconds(share) for share in (0.5, 0.99, 1)]
        [2.0, 4.0, 4.0]
        """
        return at_share(self.seconds, share) * 1000


class Crowd:
    """Clients with a blocking query each, in a process of their own on the load's core."""

    def __init__(self, plan: Plan, address: tuple[str, int], target: str, clients: int) -> None:
        """
        Prepare, but connect nobody.

        Args:
            address: Of the contender.

            target: What everyone asks there, without index and wait.

            clients: How many there are.
        """
        self._plan = plan
        self._clients = clients
        self._open = {"address": address, "target": target, "clients": clients}
        self._early = 0

    def __enter__(self) -> Self:
        command = (sys.executable, "-m", "tests.bench.watchers")
        with self._plan.on_load_core():
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        try:
            self._order("open", self._open)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def park(self, pids: Sequence[int]) -> None:
        """Have everyone poll, and wait until the processes *pids* have parked them."""
        self._early = self._order("park", {"pids": pids})["early"]

    def change(self, address: tuple[str, int], target: str, body: str, mark: str) -> Wave:
        """Write *body* with *mark* in it to *address*, and wait until everyone has it."""
        order = {"address": address, "target": target, "body": body, "mark": mark}
        told = self._order("change", order)
        early = self._early + told["early"]
        return Wave(tuple(told["seconds"]), told["busy"], early, told["bytes"])

    def _order(self, kind: str, details: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"order": kind, **details}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailedError(f"the watchers ended at {kind!r}; why stands above")
        told: dict[str, Any] = json.loads(line)
        if told["failures"]:
            raise RefusedError(refusal(told["failures"], self._clients))
        return told

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


def refusal(failures: Mapping[str, int], clients: int) -> str:
    """
    Say what clients got instead of their answers.

    >>> refusal({"503 full": 890, "closed": 2}, 1000)
    '890 of 1,000 clients: 503 full; 2: closed'
    """
    kinds = sorted(failures.items(), key=lambda item: -item[1])
    (first, count), *others = kinds[:TOLD]
    rest = len(kinds) - TOLD
    more = [f"{rest} more kinds"] if rest > 0 else []
    told = [
        f"{count:,} of {clients:,} clients: {first}",
        *(f"{n:,}: {text}" for text, n in others),
    ]
    return "; ".join(told + more)


def allow_files(clients: int) -> None:
    """
    Let what is started from now on open a connection for each client, and what Consul insists on.

    Raises:
        LoadFailedError: When this machine does not allow as many.
    """
    needed = max(clients, CONSUL_CONNECTIONS) + BESIDE_CLIENTS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise LoadFailedError(f"ulimit -n: {needed:,} are needed, {hard:,} allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
