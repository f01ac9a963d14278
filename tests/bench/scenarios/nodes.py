"""The enriched nodes of a middling cluster, again and again: what a page or a script reads."""

from contextlib import ExitStack
from typing import Final

from tests.bench import catalog, contenders
from tests.bench.comparison import ALONE, MANY, compared
from tests.bench.load import contender, in_turns
from tests.bench.plan import Plan
from tests.bench.report import Section

NAME: Final = "nodes"

NODES: Final = 300
INSTANCES: Final = 1500
NAMES: Final = 6

TITLE: Final = f"Enriched nodes, warm: {NODES} nodes with {INSTANCES:,} instances"

TARGETS: Final = {
    "all nodes": "/api/v1/nodes",
    "a page of 50": "/api/v1/nodes?page=2&page_size=50&sort=services_count&order=desc",
}


def run(plan: Plan) -> Section:
    """Measure the edge alone: nobody else has these answers."""
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.one_server()).servers[0]
        catalog.register(consul, nodes=NODES, instances=INSTANCES, names=NAMES)
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(consul.server))
        loads = {
            answer: in_turns(plan, [contender(contenders.EDGE, edge, target)], (ALONE, MANY))
            for answer, target in TARGETS.items()
        }
    return compared(NAME, TITLE, loads)
