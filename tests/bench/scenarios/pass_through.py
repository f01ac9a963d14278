"""A read that passes through, over an upstream that is never the limit: the proxies themselves."""

from contextlib import ExitStack
from typing import Final

from tests.bench import contenders
from tests.bench.passing import passed_on
from tests.bench.plan import Plan
from tests.bench.report import Section

NAME: Final = "pass-through"

TITLE: Final = f"Pass-through of a KV read, over a stub (nginx, {contenders.STUB_BYTES} bytes)"


def run(plan: Plan) -> Section:
    """Measure the proxies over one stub."""
    with ExitStack() as stack:
        with plan.on_load_core():
            stub = stack.enter_context(contenders.stub())
        return passed_on(plan, NAME, TITLE, stub, contenders.STUB_BYTES)
