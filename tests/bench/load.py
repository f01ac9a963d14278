"""
Bursts of load by wrk, and what it measured.

Rule 1: a contender answers as it should right before and right after each burst, or the burst
counts for nothing: the status, the length of the body, and that it comes from memory where it is
said to.  Meanwhile no answer may be an error, and all together have the bytes that so many have.
Rule 2: a burst that counts for nothing is kept, with the reason: nothing is measured again until
it looks good.
Rule 3: one so slow that most connections had no answer is given longer bursts from then on, and
one connection alone, which has no queue to vary with, shorter ones.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from tests.bench.plan import Plan
from tests.bench.probing import Expected, trouble_of
from tests.bench.usage import cpu_seconds
from tests.peers import peer

MARK: Final = "figures "
"""What the one line of wrk's output that is read begins with."""

FIGURES: Final = f"""
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{MARK}{{"microseconds": %d, "requests": %d, "p50": %d, "p99": %d, '
    .. '"bytes": %.0f, "statuses": %d, "broken": %d}}\\n',
    summary.duration, summary.requests, latency:percentile(50), latency:percentile(99),
    summary.bytes, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""
"""Lua for wrk: its own report is rounded to three digits and meant for eyes."""

OTHERS: Final = """
local number = 0
local head, tail
init = function(arguments)
  local whole = wrk.format()
  local place = string.find(whole, '@', 1, true)
  head, tail = string.sub(whole, 1, place - 1), string.sub(whole, place + 1)
end
request = function()
  number = number + 1
  return head .. number .. tail
end
"""
"""More of it: each request has another number in the place of the ``@`` of its target."""

PATIENCE: Final = 30
"""Seconds for one answer; wrk's own 2 are too few for the slowest."""

SETTLED_WITHIN: Final = 20.0
"""Seconds until it answers as it should, at the latest."""

LONGER: Final = 3
"""Times as long is a burst of whom is slow."""

_turns: Final = count(1)


class LoadFailedError(Exception):
    """Raised when wrk did not do its work; the text is its own."""


class Running(Protocol):
    """A process that takes requests."""

    @property
    def http(self) -> str:
        """Its URL without a path."""

    @property
    def pid(self) -> int:
        """Its process."""


@dataclass(frozen=True, slots=True)
class Contender:
    """What is put under load, and what it must answer."""

    name: str
    http: str
    pid: int
    target: str
    """With an ``@`` where each request has another number."""
    expected: Expected = field(default_factory=Expected)
    headers: Mapping[str, str] = field(default_factory=dict)

    def trouble(self) -> str:
        """Ask once, and say what is wrong with the answer; nothing if all is well."""
        return trouble_of(self.http, _numbered(self.target), self.headers, self.expected)


def contender(
    name: str,
    running: Running,
    target: str,
    expected: Expected | None = None,
    headers: Mapping[str, str] | None = None,
) -> Contender:
    """Let a process take part under a name."""
    expected, headers = expected or Expected(), headers or {}
    return Contender(name, running.http, running.pid, target, expected, headers)


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
    bytes_read: int = 0
    """Heads included."""
    cpu: float = 0.0
    """Share of its core that the contender used."""
    trouble: str = ""
    """Why it counts for nothing."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


Bursts = dict[tuple[str, int], list[Burst]]
"""By the contender's name and the number of connections, in the order of the rounds."""


def burst(plan: Plan, one: Contender, connections: int, seconds: int) -> Burst:
    """
    Ask *one* over and over on each of *connections* that stay open.

    Raises:
        LoadFailedError: When wrk died.
    """
    before, used = one.trouble(), cpu_seconds(one.pid)
    measured = parse(_output(plan, one, connections, seconds))
    used = cpu_seconds(one.pid) - used
    trouble = before or _trouble(measured, one.expected.body_bytes) or one.trouble()
    return replace(measured, cpu=used / measured.seconds, trouble=trouble)


def _trouble(measured: Burst, body_bytes: int | None) -> str:
    if not measured.requests:
        return "no answer at all"
    if measured.errors:
        return f"{measured.errors:,} errors in {measured.requests:,} requests"
    if body_bytes is not None and measured.bytes_read < body_bytes * measured.requests:
        return f"{measured.bytes_read:,} bytes in {measured.requests:,} answers are too few"
    return ""


def _output(plan: Plan, one: Contender, connections: int, seconds: int) -> str:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, plan.on_load_core():
        script = Path(folder) / "figures.lua"
        script.write_text(FIGURES + (OTHERS if "@" in one.target else ""))
        url = one.http + _numbered(one.target, "-@")
        words = f"-t1 -c{connections} -d{seconds}s --timeout {PATIENCE}s -s {script} {url}".split()
        for name, value in one.headers.items():
            words += ["-H", f"{name}: {value}"]
        done = subprocess.run(
            [peer("wrk"), *words],
            capture_output=True,
            text=True,
            timeout=seconds + 2 * PATIENCE,
            check=False,
        )
    return done.stdout + done.stderr


def _numbered(target: str, more: str = "") -> str:
    """Give a target that nobody was asked for yet, or what such ones of one burst begin with."""
    return target.replace("@", f"{next(_turns)}{more}") if "@" in target else target


def parse(output: str) -> Burst:
    """
    Read what the script made wrk say.

    >>> parse('figures {"microseconds": 2000000, "requests": 10, "p50": 1, "p99": 2,'
    ...       ' "bytes": 700, "statuses": 1, "broken": 2}').rate
    5.0

    Raises:
        LoadFailedError: When it did not come to that.
    """
    for line in output.splitlines():
        if line.startswith(MARK):
            told = json.loads(line.removeprefix(MARK))
            return Burst(
                seconds=told["microseconds"] / 1e6,
                requests=told["requests"],
                p50=told["p50"],
                p99=told["p99"],
                errors=told["statuses"] + told["broken"],
                bytes_read=told["bytes"],
            )
    raise LoadFailedError(f"wrk measured nothing: {output.strip()[-500:]}")


def in_turns(plan: Plan, contenders: Sequence[Contender], connections: Iterable[int]) -> Bursts:
    """
    Put every contender under every number of connections, round by round.

    Args:
        contenders: Less those that the plan leaves out.

        connections: Unless the plan says others.

    Returns:
        The bursts of each; the same place in two lists is the same round.
    """
    connections = plan.connections or tuple(connections)
    contenders = [one for one in contenders if not plan.only or one.name in plan.only]
    bursts: Bursts = {}
    slow: set[tuple[str, int]] = set()
    for one in contenders:
        _warm_up(plan, one, max(connections))
    for number in range(plan.rounds):
        for places in connections:
            for one in contenders:
                key = (one.name, places)
                plan.say(
                    f"  round {number + 1} of {plan.rounds}: {one.name},"
                    f" {places} {'connection' if places == 1 else 'connections'}"
                )
                seconds = max(1, plan.seconds // 2) if places == 1 else plan.seconds
                measured = burst(plan, one, places, seconds * (LONGER if key in slow else 1))
                if measured.requests < 2 * places and key not in slow:
                    slow.add(key)
                    measured = burst(plan, one, places, seconds * LONGER)
                bursts.setdefault(key, []).append(measured)
    return bursts


def _warm_up(plan: Plan, one: Contender, connections: int) -> None:
    """Let it come to answer as it should; if it does not, its bursts will tell."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while one.trouble() and time.monotonic() < deadline:
        time.sleep(0.05)
    if not plan.is_quick:
        burst(plan, one, connections, seconds=1)
