"""
What a parked client and a kept answer cost: resident memory before and after many of them.

Clients are raw sockets of one cheap process, each with a blocking query on one service of 8 kB; a
crowd of a tenth has come and gone before the first look, so that what is made once is there.  The
client agent and a Consul server stand beside the edge.  Entries are small answers of as many keys,
each asked for once, below the default limit.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from statistics import median
from typing import Final

from tests.bench import contenders
from tests.bench.crowd import Crowd, RefusedError, allow_files
from tests.bench.plan import Plan
from tests.bench.registration import INSTANCES
from tests.bench.report import Cell, Figure, Section, Table
from tests.bench.scenarios.fan_out import NEVER_TOO_MANY
from tests.bench.scenarios.misses import BODY
from tests.bench.usage import rss_bytes
from tests.edge import EdgeProcess
from tests.scrape import sample

NAME: Final = "memory"

CLIENTS: Final = 5000
ENTRIES: Final = 10_000
BEFORE: Final = 500
"""Entries that there are at the first look: more than the edge watches."""

TITLE: Final = f"Memory of {CLIENTS:,} parked clients, and of {ENTRIES - BEFORE:,} entries"

HEADER: Final = ("contender", "what", "number", "MB before", "MB after", "kB each")

AIM: Final = 3
"""Kilobytes of a parked client."""

SERVICE: Final = "parked"


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of a process."""

    contender: str
    what: str
    number: int
    before: int
    after: int

    @property
    def kilobytes_each(self) -> float:
        """The share of one."""
        return (self.after - self.before) / self.number / 1024

    def row(self) -> tuple[Cell, ...]:
        """Tell it."""
        sizes = (self.before / 2**20, self.after / 2**20, self.kilobytes_each)
        return self.contender, self.what, self.number, *sizes


def run(plan: Plan) -> Section:
    """Measure each in a fresh process."""
    allow_files(CLIENTS)
    grown, notes = _parked(plan)
    for number in range(1 if plan.is_quick else 3):
        plan.say(f"  entries, {number + 1}")
        grown.append(_kept(plan))
    return summary(grown, notes)


def summary(grown: Sequence[Growth], notes: Sequence[str]) -> Section:
    """Tell what was found; of entries, measured several times, each."""
    kept = [one.kilobytes_each for one in grown if one.what == "entries"]
    parked = [
        one.kilobytes_each
        for one in grown
        if one.what == "parked clients" and one.contender == contenders.EDGE
    ]
    figures = [Figure(f"of an entry of {len(BODY)} bytes", "kB", tuple(kept))]
    if parked:
        figures.append(Figure(f"of a parked client (aim: at most {AIM})", "kB", (median(parked),)))
    table = Table(HEADER, tuple(one.row() for one in grown))
    return Section(NAME, TITLE, table, tuple(figures), tuple(notes))


def _parked(plan: Plan) -> tuple[list[Growth], list[str]]:
    grown, notes = [], []
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.one_server()).servers[0]
        contenders.register(consul, SERVICE, INSTANCES, ())
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(consul.server, settings=NEVER_TOO_MANY))
            agent = stack.enter_context(contenders.client_agent(consul))
        for name, running, query in (
            (contenders.EDGE, edge, ""),
            ("agent", agent, "?cached"),
            # Last, for it serves the others.
            ("direct", consul, ""),
        ):
            plan.say(f"  parked clients: {name}")
            where, target = (running.address, running.port), f"/v1/health/service/{SERVICE}{query}"
            pids = {running.pid, consul.pid}
            try:
                with Crowd(plan, where, target, CLIENTS // 10) as crowd:
                    crowd.park(tuple(pids))
                before = rss_bytes(running.pid)
                with Crowd(plan, where, target, CLIENTS) as crowd:
                    crowd.park(tuple(pids))
                    after = rss_bytes(running.pid)
                    if running is edge:
                        _assert_parked(edge)
            except RefusedError as error:
                notes.append(f"{name} REFUSED: {error}")
            else:
                grown.append(Growth(name, "parked clients", CLIENTS, before, after))
    return grown, notes


def _assert_parked(edge: EdgeProcess) -> None:
    parked = round(sample(edge.http, "consul_edge_blocking_clients"))
    if parked != CLIENTS:
        raise RefusedError(f"{parked:,} of {CLIENTS:,} clients were parked")


def _kept(plan: Plan) -> Growth:
    with ExitStack() as stack:
        stub = stack.enter_context(contenders.holding_stub(plan, BODY))
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(stub.server))
        _read(edge, 0, BEFORE)
        first, before = sample(edge.http, "consul_edge_cache_entries"), rss_bytes(edge.pid)
        _read(edge, BEFORE, ENTRIES)
        last, after = sample(edge.http, "consul_edge_cache_entries"), rss_bytes(edge.pid)
    return Growth(contenders.EDGE, "entries", round(last - first), before, after)


def _read(edge: EdgeProcess, begin: int, end: int) -> None:
    connection = HTTPConnection(edge.address, edge.port, timeout=20)
    for number in range(begin, end):
        connection.request("GET", f"/v1/health/service/kept-{number:05}")
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, len(body)) == (200, len(BODY)), f"{answer.status} {body[:100]!r}"
    connection.close()
