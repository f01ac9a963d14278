"""
The picture of a large cluster: what the first one costs, and how soon a change is in it.

"Cold" is the first GET /api/v1/nodes of an edge that has just been started.  It stands beside the
two ways that there are by hand, each by one lean client with connections kept open: one call for
each service name, which is the cheapest, and one for each node, which was the original's.  Their
answers are read and not even decoded.  "Warm" are the following ones.

Then edits of Meta, which no table shows, are made directly at Consul, each to be seen by a client
that holds a blocking query at /api/v1/services; upstream calls are those that the edge counts.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import aiohttp

from tests.bench import catalog, contenders
from tests.bench.load import LoadFailedError
from tests.bench.plan import Plan
from tests.bench.report import Cell, Figure, Section, Table, at_share
from tests.edge import EdgeProcess
from tests.scrape import sample
from tests.server import ConsulServer

NAME: Final = "enrichment"

NODES: Final = 1000
INSTANCES: Final = 5000
FEW: Final = 6
MANY: Final = 500
"""Service names: with a watch each, and more than half of all watches."""

TITLE: Final = (
    f"Enrichment: {NODES:,} nodes and {INSTANCES:,} instances of {FEW} and of {MANY} names"
)

PARALLEL: Final = 5
"""Calls at once by hand: as many as the edge allows itself."""

WARM: Final = 200
EDITS: Final = 20
"""In each round."""

PATIENCE: Final = 60.0
"""Seconds for an edit to be seen."""

HEADER: Final = ("what", "names", "n", "p50 ms", "p99 ms", "max ms")

Rows = list[tuple[Cell, ...]]


def run(plan: Plan) -> Section:
    """Measure with few names, then with many."""
    rows: Rows = []
    figures: list[Figure] = []
    notes: list[str] = []
    for names in (FEW,) if plan.is_quick else (FEW, MANY):
        with ExitStack() as stack:
            with plan.on_load_core():
                consul = stack.enter_context(contenders.one_server()).servers[0]
                plan.say(f"  registering {names} names")
                catalog.register(consul, nodes=NODES, instances=INSTANCES, names=names)
            with plan.on_load_core():
                _measure(plan, consul, names, rows, figures, notes)
    return Section(NAME, TITLE, Table(HEADER, tuple(rows)), tuple(figures), tuple(notes))


def _measure(
    plan: Plan,
    consul: ConsulServer,
    names: int,
    rows: Rows,
    figures: list[Figure],
    notes: list[str],
) -> None:
    by_name = [f"/v1/health/service/{catalog.service_name(number)}" for number in range(names)]
    by_node = [f"/v1/catalog/node/{catalog.node_name(number)}" for number in range(NODES)]
    cold, warm, name_calls, node_calls, edits = [], [], [], [], []
    for _ in range(plan.rounds):
        name_calls.append(asyncio.run(_by_hand(consul.http, by_name)))
        node_calls.append(asyncio.run(_by_hand(consul.http, by_node)))
        with _edge(plan, consul) as edge:
            took, again = asyncio.run(_read(edge.http, "/api/v1/nodes"))
            cold.append(took)
            before = _calls(edge)
            warm += again
            notes.append(f"{names} names: {_calls(edge) - before:.0f} calls for {WARM} warm reads")
            seen, rate = asyncio.run(_edited(edge, consul, names))
            edits += seen
            notes.append(f"{names} names: {rate:.1f} upstream calls a second during the edits")
    for what, seconds in (
        ("by hand, a call for each name", name_calls),
        ("by hand, a call for each node", node_calls),
        ("edge, cold", cold),
        ("edge, warm", warm),
        ("edge, an edit of Meta is seen", edits),
    ):
        rows.append(_row(what, names, seconds))
    ratios = tuple(mine / theirs for mine, theirs in zip(cold, name_calls, strict=True))
    aim = " (aim: at most 1.5)" if names == FEW else ""
    figures.append(Figure(f"cold / a call for each name, {names} names{aim}", "", ratios))
    aim = " (aim: at most 2,000)" if names == MANY else ""
    slowest = 1000 * max(edits)
    figures.append(Figure(f"slowest edit seen, {names} names{aim}", "ms", (slowest,)))


def _row(what: str, names: int, seconds: Sequence[float]) -> tuple[Cell, ...]:
    span = sorted(1000 * one for one in seconds)
    return what, names, len(span), at_share(span, 0.5), at_share(span, 0.99), span[-1]


@contextmanager
def _edge(plan: Plan, consul: ConsulServer) -> Iterator[EdgeProcess]:
    """Start an edge that has heard its server's heartbeat, and nothing else."""
    with ExitStack() as stack:
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(consul.server))
        yield edge


async def _by_hand(base: str, targets: Sequence[str]) -> float:
    async with aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(limit=PARALLEL)) as one:
        for _ in range(PARALLEL):
            await _get(one, "/v1/status/leader")
        began = time.perf_counter()
        await asyncio.gather(*(_get(one, target) for target in targets))
        return time.perf_counter() - began


async def _read(base: str, target: str) -> tuple[float, list[float]]:
    """Give the seconds of the first read, and of those after it."""
    async with aiohttp.ClientSession(base) as one:
        await _get(one, "/-/healthy")
        took = [await _timed(one, target) for _ in range(WARM + 1)]
        return took[0], took[1:]


async def _timed(one: aiohttp.ClientSession, target: str) -> float:
    began = time.perf_counter()
    await _get(one, target)
    return time.perf_counter() - began


async def _get(one: aiohttp.ClientSession, target: str) -> bytes:
    async with one.get(target) as answer:
        body = await answer.read()
        assert answer.status == 200, f"{target}: {answer.status} {body[:200]!r}"
        return body


async def _edited(
    edge: EdgeProcess, consul: ConsulServer, names: int
) -> tuple[list[float], float]:
    """Edit, and wait for each edit to be seen; tell the upstream calls a second, too."""
    async with aiohttp.ClientSession(edge.http) as one:
        before, began = _calls(edge), time.perf_counter()
        seen = [await _seen(one, consul, names, turn) for turn in range(EDITS)]
        rate = (_calls(edge) - before) / (time.perf_counter() - began)
        return seen, rate


async def _seen(one: aiohttp.ClientSession, consul: ConsulServer, names: int, turn: int) -> float:
    number = turn * 37 % INSTANCES
    mark = f"{time.monotonic_ns()}"
    target = f"/api/v1/services?meta.mark={mark}&page_size=1"
    began = time.perf_counter()
    await asyncio.to_thread(catalog.edit, consul, number, NODES, names, mark)
    index = "0"
    while True:
        async with one.get(f"{target}&index={index}&wait=20s") as answer:
            found = await answer.json()
        took = time.perf_counter() - began
        if found["total"]:
            return took
        if took > PATIENCE:
            raise LoadFailedError(f"an edit among {names} names was not seen in {PATIENCE:.0f} s")
        index = str(found["index"])


def _calls(edge: EdgeProcess) -> float:
    return sample(edge.http, "consul_server_fallback_total")
