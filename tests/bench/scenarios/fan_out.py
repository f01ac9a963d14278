"""
One change that many clients wait for: how long until each has its whole new answer.

Every client has a connection of its own with a blocking query pending on one service; then one
instance of that is changed directly at Consul. Measured is from sending that write (not from its
acknowledgement, which the first answers may overtake) to the last byte of each client's answer;
the write itself takes some 2 ms of that.

Each contender is on the server core; the Consul that the edge and the client agent ask is on the
load core, beside the clients. "direct" is a Consul server of its own on the server core. Each has
a service of its own, so that nobody else wakes. All poll again only when all have their answers.
"""

from collections.abc import Sequence
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

TITLE: Final = f"Fan-out of one change to blocking clients, 8 kB to each, {CHANGES} changes a turn"

HEADER: Final = (
    *("contender", "clients", "answer bytes", "p50 ms", "p99 ms", "max ms"),
    *("load busy %", "early", "refused"),
)

SHARES: Final = {"p50": 0.5, "p99": 0.99, "max": 1.0}

AIMS: Final = {"agent": 0.5, "direct": 0.2}
"""The edge's p99 as a part of theirs, at most."""


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
    allow_files(plan.clients)
    waves: dict[str, list[list[Wave]]] = {}
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        entrants = _started(plan, stack)
        marks = (f"change-{number:06}" for number in count(1))
        for number in range(plan.rounds):
            for one in entrants:
                if one.name in refused:
                    continue
                plan.say(f"  round {number + 1} of {plan.rounds}: {one.name}")
                try:
                    turn = _turn(plan, one, [next(marks) for _ in range(CHANGES + 1)])
                except RefusedError as error:
                    refused[one.name] = str(error)
                else:
                    waves.setdefault(one.name, []).append(turn)
    return summary(plan.clients, [one.name for one in entrants], waves, refused)


def _started(plan: Plan, stack: ExitStack) -> list[Entrant]:
    with plan.on_load_core():
        upstream = stack.enter_context(contenders.one_server()).servers[0]
    with plan.on_server_core():
        edge = stack.enter_context(contenders.edge(upstream.server))
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


def _turn(plan: Plan, one: Entrant, marks: Sequence[str]) -> list[Wave]:
    """Change the service once for each of *marks*; the first is to warm up and not told."""
    target = f"/v1/health/service/{one.service}{one.query}"
    where = (one.consul.address, one.consul.port)
    waves = []
    with Crowd(plan, one.address, target) as crowd:
        for mark in marks:
            crowd.park(one.pids)
            waves.append(crowd.change(where, REGISTER, written(one.service, mark), mark))
    return waves[1:]


def summary(
    clients: int,
    names: Sequence[str],
    turns: dict[str, list[list[Wave]]],
    refused: dict[str, str],
) -> Section:
    """
    Tell what was found; of who refused even once there are no figures, only why.

    Args:
        names: The edge first.

        turns: By contender; the same place in two lists is the same round.

        refused: By contender.
    """
    good = {name: turns[name] for name in names if name in turns and name not in refused}
    rows = [
        _row(name, clients, turns[name]) if name in good else _refused(name, clients)
        for name in names
    ]
    figures = [
        Figure(f"{word}, {name}", "ms", tuple(_typical(waves, share) for waves in rounds))
        for name, rounds in good.items()
        for word, share in SHARES.items()
    ]
    edge = names[0]
    figures += [
        Figure(f"p99, {edge}/{other} (aim: at most {aim})", "x", _ratios(good[edge], good[other]))
        for other, aim in AIMS.items()
        if edge in good and other in good
    ]
    notes = tuple(f"{name} REFUSED: {why}" for name, why in refused.items())
    return Section(NAME, TITLE, Table(HEADER, tuple(rows)), tuple(figures), notes)


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
