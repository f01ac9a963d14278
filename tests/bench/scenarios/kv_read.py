"""A small KV read that passes through, over a real Consul: what the edge adds to it."""

from contextlib import ExitStack
from typing import Final

from tests.bench import contenders
from tests.bench.comparison import compare
from tests.bench.plan import Plan
from tests.bench.report import Section

NAME: Final = "kv"

TITLE: Final = "Pass-through of a small KV read, over Consul"


def run(plan: Plan) -> Section:
    """Measure the edge and nginx over one Consul, and that Consul itself."""
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.consul())
        contenders.fill(consul)
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(consul.server))
            nginx = stack.enter_context(contenders.nginx(consul.server))
        return compare(plan, NAME, TITLE, (edge, nginx, consul), f"/v1/kv/{contenders.KEY}")
