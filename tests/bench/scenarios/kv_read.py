"""A small KV read that passes through, over a real Consul."""

from contextlib import ExitStack
from typing import Final

from tests.bench import contenders
from tests.bench.passing import TARGET, passed_on
from tests.bench.plan import Plan
from tests.bench.report import Section

NAME: Final = "kv"

TITLE: Final = "The same, over a real Consul"


def run(plan: Plan) -> Section:
    """Measure the proxies over one Consul."""
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.one_server()).servers[0]
        contenders.fill(consul)
        body = consul.request("GET", TARGET).body
        return passed_on(plan, NAME, TITLE, consul, len(body))
