"""
One change that many clients wait for: how long until each has its whole new answer.

Every client has a connection of its own with a blocking query pending on one service; then one
instance of that is changed directly at Consul. Measured is from sending that write (not from its
acknowledgement, which the first answers may overtake) to the last byte of each client's answer;
the write itself takes some 2 ms of that.

This is done with one crowd after the other, a thousand clients and five thousand.

Each contender is on the server core; the Consul that the edge and the client agent ask is on the
load core, beside the clients. "direct" is a Consul server of its own on the server core. Each has
a service of its own, so that nobody else wakes. All poll again only when all have their answers.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import Final

from tests.bench import contenders
from tests.bench.crowd import Crowd, RefusedError, Wave, allow_files
from tests.bench.plan import Plan
from tests.bench.registration import INSTANCES, REGISTER, instance, written
from tests.bench.report import Cell, Figure, Section, Table
from tests.server import ConsulServer

NAME: Final = "fan-out"

CHANGES: Final = 3
"""Measured in each turn, after one more to warm up; the turn's figure is their median."""

QUICK: Final = 1
"""So many where it is only to be seen that it runs."""

TITLE: Final = "Fan-out of one change to blocking clients, 8 kB to each"

HEADER: Final = (
    *("contender", "clients", "answer bytes", "p50 ms", "p99 ms", "max ms"),
    *("load busy %", "early", "refused"),
)

SHARES: Final = {"p50": 0.5, "p99": 0.99, "max": 1.0}

AIMS: Final = {"agent": 0.2, "direct": 0.2}
"""The edge's p99 as a part of theirs, at most."""

GROWTH: Final = 1.2
"""Times as much as there are times as many clients is what the edge's p99 grows by, at most."""

NEVER_TOO_MANY: Final = {"limits": {"parked_per_client": 20_000}}
"""All come from one address here."""

Turns = dict[str, list[list[Wave]]]
"""By contender; the same place in two lists is the same round."""

Crowds = dict[int, tuple[Turns, dict[str, str]]]
"""By the number of clients: the turns, and who refused and why."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender with its service."""

    name: str
    address: tuple[str, int]
    query: str
    """What its clients add to their target."""
    consul: ConsulServer
    """Where its service is changed."""
    pids: tuple[int, ...]
    """What is at rest once everyone is parked."""

    @property
    def service(self) -> str:
        """What its clients wait for."""
        return f"fan-out-{self.name:-<6}"  # as long for each: so are the answers then


def run(plan: Plan) -> Section:
    """Measure the edge, a client agent and a Consul server, in turns."""
    allow_files(max(plan.crowds))
    crowds: Crowds = {}
    with ExitStack() as stack:
        entrants = _started(plan, stack)
        marks = (f"change-{number:06}" for number in count(1))
        for clients in plan.crowds:
            turns, refused = crowds[clients] = {}, {}
            for number in range(plan.rounds):
                for one in entrants:
                    if one.name in refused:
                        continue
                    plan.say(
                        f"  {clients:,} clients, round {number + 1} of {plan.rounds}: {one.name}"
                    )
                    changes = 1 + (QUICK if plan.is_quick else CHANGES)
                    try:
                        turn = _turn(plan, one, clients, [next(marks) for _ in range(changes)])
                    except RefusedError as error:
                        refused[one.name] = str(error)
                    else:
                        turns.setdefault(one.name, []).append(turn)
    return summary([one.name for one in entrants], crowds)


def _started(plan: Plan, stack: ExitStack) -> list[Entrant]:
    with plan.on_load_core():
        upstream = stack.enter_context(contenders.one_server()).servers[0]
    with plan.on_server_core():
        edge = stack.enter_context(contenders.edge(upstream.server, settings=NEVER_TOO_MANY))
        agent = stack.enter_context(contenders.client_agent(upstream))
        direct = stack.enter_context(contenders.one_server()).servers[0]
    shared = (upstream.pid,)
    entrants = [
        Entrant("edge", (edge.address, edge.port), "", upstream, (edge.pid, *shared)),
        Entrant("agent", (agent.address, agent.port), "?cached", upstream, (agent.pid, *shared)),
        Entrant("direct", (direct.address, direct.port), "", direct, (direct.pid,)),
    ]
    for one in entrants:
        for number in range(INSTANCES):
            one.consul.put(REGISTER, instance(one.service, number))
    return entrants


def _turn(plan: Plan, one: Entrant, clients: int, marks: Sequence[str]) -> list[Wave]:
    """Change the service once for each of *marks*; the first is to warm up and not told."""
    target = f"/v1/health/service/{one.service}{one.query}"
    where = (one.consul.address, one.consul.port)
    waves = []
    with Crowd(plan, one.address, target, clients) as crowd:
        for mark in marks:
            crowd.park(one.pids)
            waves.append(crowd.change(where, REGISTER, written(one.service, mark), mark))
    return waves[1:]


def summary(names: Sequence[str], crowds: Crowds) -> Section:
    """
    Tell what was found; of who refused even once there are no figures, only why.

    Args:
        names: The edge first.

        crowds: The smallest first.
    """
    rows: list[tuple[Cell, ...]] = []
    figures: list[Figure] = []
    notes: list[str] = []
    for clients, (turns, refused) in crowds.items():
        good = {name: turns[name] for name in names if name in turns and name not in refused}
        rows += [
            _row(name, clients, turns[name]) if name in good else _refused(name, clients)
            for name in names
        ]
        figures += [
            Figure(
                f"p99, {name}, {clients:,} clients",
                "ms",
                tuple(_typical(waves, SHARES["p99"]) for waves in rounds),
            )
            for name, rounds in good.items()
        ]
        edge = names[0]
        figures += [
            Figure(
                f"p99, {edge} : {other}, {clients:,} clients (aim: at most {aim})",
                "x",
                _ratios(good[edge], good[other]),
            )
            for other, aim in AIMS.items()
            if edge in good and other in good
        ]
        notes += [f"{name}, {clients:,} clients, REFUSED: {why}" for name, why in refused.items()]
    return Section(
        NAME, TITLE, Table(HEADER, tuple(rows)), (*figures, *_growths(names, crowds)), tuple(notes)
    )


def _growths(names: Sequence[str], crowds: Crowds) -> Iterator[Figure]:
    """Compare the largest crowd with the smallest."""
    few, many = min(crowds), max(crowds)
    if few == many:
        return
    for name in names:
        both = [crowds[clients] for clients in (many, few)]
        if any(name in refused or name not in turns for turns, refused in both):
            continue
        large, small = (turns[name] for turns, _ in both)
        aim = f" (aim: at most {GROWTH * many / few:.3g})" if name == names[0] else ""
        text = f"p99, {name}, {many:,} : {few:,} clients{aim}"
        yield Figure(text, "x", _ratios(large, small))


def _typical(waves: Sequence[Wave], share: float) -> float:
    return median(wave.milliseconds(share) for wave in waves)


def _ratios(one: list[list[Wave]], other: list[list[Wave]]) -> tuple[float, ...]:
    p99 = SHARES["p99"]
    pairs = zip(one, other, strict=True)
    return tuple(_typical(mine, p99) / _typical(theirs, p99) for mine, theirs in pairs)


def _row(name: str, clients: int, rounds: list[list[Wave]]) -> tuple[Cell, ...]:
    waves = [wave for turn in rounds for wave in turn]
    return (
        name,
        clients,
        waves[0].answer_bytes,
        *(median(_typical(turn, share) for turn in rounds) for share in SHARES.values()),
        round(100 * median(wave.busy for wave in waves)),
        sum(wave.early for wave in waves),
        "no",
    )


def _refused(name: str, clients: int) -> tuple[Cell, ...]:
    return (name, clients, *("-" for _ in HEADER[2:-1]), "YES")
