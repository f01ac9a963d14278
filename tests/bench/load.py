"""Bursts of load by wrk, and what it measured."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.bench.plan import Plan
from tests.peers import peer

MARK: Final = "figures "
"""What the one line of wrk's output that is read begins with."""

SCRIPT: Final = f"""
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{MARK}{{"microseconds": %d, "requests": %d, "p50": %d, "p99": %d, '
    .. '"statuses": %d, "broken": %d}}\\n',
    summary.duration, summary.requests, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""
"""Lua for wrk: its own report is rounded to three digits and meant for eyes."""


class LoadFailedError(Exception):
    """Raised when wrk did not do its work; the text is its own."""


class Contender(Protocol):
    """What is put under load."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def http(self) -> str:
        """Its URL without a path."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What one run of wrk saw."""

    seconds: float
    requests: int
    p50: float
    """Microseconds from sending a request to the end of its answer."""
    p99: float
    errors: int
    """Answers that were none, or neither 2xx nor 3xx."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def burst(plan: Plan, url: str, connections: int, seconds: int | None = None) -> Burst:
    """
    Read *url* over and over on each of *connections* that stay open.

    Args:
        seconds: Instead of those of the plan.

    Raises:
        LoadFailedError: When wrk died, or nothing was answered.
    """
    seconds = seconds or plan.seconds
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, plan.on_load_core():
        script = Path(folder) / "figures.lua"
        script.write_text(SCRIPT)
        words = [f"-t1 -c{connections} -d{seconds}s", f"-s {script}", url]
        done = subprocess.run(
            [peer("wrk"), *" ".join(words).split()],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    return parse(done.stdout + done.stderr)


def parse(output: str) -> Burst:
    """
    Read what the script made wrk say.

    >>> parse('figures {"microseconds": 2000000, "requests": 10, "p50": 1, "p99": 2,'
    ...       ' "statuses": 1, "broken": 2}').rate
    5.0
    """
    for line in output.splitlines():
        if line.startswith(MARK):
            told = json.loads(line.removeprefix(MARK))
            if not told["requests"]:
                break
            return Burst(
                seconds=told["microseconds"] / 1e6,
                requests=told["requests"],
                p50=told["p50"],
                p99=told["p99"],
                errors=told["statuses"] + told["broken"],
            )
    raise LoadFailedError(f"wrk measured nothing: {output.strip()[-500:]}")


def in_turns(
    plan: Plan, contenders: Sequence[Contender], target: str, connections: Sequence[int]
) -> dict[tuple[str, int], list[Burst]]:
    """
    Put every contender under every number of connections, round by round.

    Returns:
        The bursts of each, by its name and the connections; the same place in two lists is the
        same round.
    """
    bursts: dict[tuple[str, int], list[Burst]] = {}
    for contender in contenders:
        burst(plan, contender.http + target, max(connections), seconds=1)  # to warm up
    for number in range(plan.rounds):
        for count in connections:
            for contender in contenders:
                plan.say(
                    f"  round {number + 1} of {plan.rounds}: {contender.name},"
                    f" {count} {'connection' if count == 1 else 'connections'}"
                )
                measured = burst(plan, contender.http + target, count)
                bursts.setdefault((contender.name, count), []).append(measured)
    return bursts
