"""The same read over an upstream that is never the bottleneck: the proxies themselves."""

from contextlib import ExitStack
from typing import Final

from tests.bench import contenders
from tests.bench.comparison import compare
from tests.bench.plan import Plan
from tests.bench.report import Section

NAME: Final = "stub"

TITLE: Final = (
    f"The same, over a stub (nginx with a fixed answer of {contenders.STUB_BYTES} bytes)"
)


def run(plan: Plan) -> Section:
    """Measure the edge and nginx over one stub, and that stub itself."""
    with ExitStack() as stack:
        with plan.on_load_core():
            stub = stack.enter_context(contenders.stub())
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(stub.server))
            nginx = stack.enter_context(contenders.nginx(stub.server))
        return compare(plan, NAME, TITLE, (edge, nginx, stub), f"/v1/kv/{contenders.KEY}")
