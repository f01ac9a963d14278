"""
One change made directly at Consul: how long until it is seen, directly and through the edge.

Three clients look out for each write at the same time: one with a blocking query at Consul, one
that reads through the edge all the time (default mode, an answer and a millisecond later the next
question), and one with a blocking query through the edge. Measured is from sending the write to
the last byte of the first answer that has it.

The edge is alone on the server core; the Consul that is written to, and the clients, are on the
load core. Writes are "spaced", each sent when the edge's answers are live, or "hurried": the next
as soon as all have seen the last, faster than the edge lets the rounds of one watch follow.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count, islice
from typing import Any, Final

from tests.bench import contenders
from tests.bench.crowd import ROOT
from tests.bench.load import LoadFailedError
from tests.bench.plan import Plan
from tests.bench.registration import INSTANCES, REGISTER, instance, written
from tests.bench.report import Cell, Figure, Section, Table, at_share

NAME: Final = "freshness"

WRITES: Final = 40
"""In each round: 200 in the five of a full run."""

TITLE: Final = f"Freshness: until a write made at Consul is seen, {WRITES} writes a round"

RESTS: Final[dict[str, tuple[float, float] | None]] = {"spaced": (0.06, 0.12), "hurried": None}
"""Seconds between a write that all have seen and the next one, by what the tables call them."""

SERVICE: Final = "freshness"

WITNESSES: Final = {
    "direct": "Consul, blocking query",
    "read": "edge, default-mode reads",
    "poll": "edge, blocking query",
}
"""By what the load calls them."""

LATER: Final = "edge read - direct, same write"

HEADER: Final = ("first sight by", "pace", "writes", "p50 ms", "p99 ms", "max ms")

AIM: Final = 50
"""Milliseconds that the edge's p99 may be behind the direct one, of spaced writes."""

ENOUGH: Final = 300.0
"""Seconds for all writes; each has 20 of its own."""


def run(plan: Plan) -> Section:
    """Write, and have it seen."""
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.one_server()).servers[0]
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(consul.server))
        for number in range(INSTANCES):
            consul.put(REGISTER, instance(SERVICE, number))
        marks = (f"change-{number:06}" for number in count(1))
        told = {}
        for pace, rest in RESTS.items():
            plan.say(f"  {plan.rounds * WRITES} writes, {pace}")
            order = {
                "consul": (consul.address, consul.port),
                "edge": (edge.address, edge.port),
                "target": f"/v1/health/service/{SERVICE}",
                "register": REGISTER,
                "writes": [
                    (written(SERVICE, mark), mark) for mark in islice(marks, plan.rounds * WRITES)
                ],
                "rest": rest,
            }
            told[pace] = _witnessed(plan, order)
        return summary(told)


def _witnessed(plan: Plan, order: Mapping[str, Any]) -> dict[str, Any]:
    with plan.on_load_core():
        done = subprocess.run(
            (sys.executable, "-m", "tests.bench.sightings"),
            cwd=ROOT,
            input=json.dumps(order) + "\n",
            stdout=subprocess.PIPE,
            text=True,
            timeout=ENOUGH,
            check=False,
        )
    if not done.stdout:
        raise LoadFailedError("the witnesses ended; why stands above")
    told: dict[str, Any] = json.loads(done.stdout)
    if "failure" in told:
        raise LoadFailedError(f"{NAME}: {told['failure']}")
    return told


def summary(told: Mapping[str, Mapping[str, Any]]) -> Section:
    """
    Tell what the witnesses saw.

    Args:
        told: By the pace of the writes.
    """
    rows: list[tuple[Cell, ...]] = []
    figures: list[Figure] = []
    notes: list[str] = []
    for pace, one in told.items():
        spans = _spans(one["seconds"])
        rows += (
            (text, pace, len(span), at_share(span, 0.5), at_share(span, 0.99), span[-1])
            for text, span in spans.items()
        )
        direct, read, poll = (at_share(spans[text], 0.99) for text in WITNESSES.values())
        aim = f" (aim: at most {AIM})" if pace == "spaced" else ""
        figures += (
            Figure(f"p99, edge read - direct, {pace}{aim}", "ms", (read - direct,)),
            Figure(f"p99, edge poll - direct, {pace}", "ms", (poll - direct,)),
        )
        seen = ", ".join(f"{times} x {status}" for status, times in one["seen_by"].items())
        notes += (
            f"{pace}: {one['reads']:,} reads of {one['bytes']:,} bytes",
            f"{pace}: load busy {100 * one['busy']:.0f} % of its core",
            f"{pace}: the first reads with a write said {seen}",
        )
    return Section(NAME, TITLE, Table(HEADER, tuple(rows)), tuple(figures), tuple(notes))


def _spans(writes: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Sort the milliseconds of each witness, and by how much the edge's reader was later."""
    spans = {
        text: sorted(1000 * write[name] for write in writes) for name, text in WITNESSES.items()
    }
    spans[LATER] = sorted(1000 * (write["read"] - write["direct"]) for write in writes)
    return spans
