"""
Reads of which no two are the same: what is not in memory yet, of an endpoint that is watched.

The upstream is nginx with a fixed answer, which holds blocking queries, so that the edge's watches
have something to wait at.  "nginx, cache" keeps each answer as the edge does; nginx and HAProxy
beside it are plain proxies, which keep nothing.
"""

from contextlib import ExitStack
from typing import Final

from tests.bench import contenders, programs
from tests.bench.comparison import ALONE, MANY, Aim, compared
from tests.bench.load import contender, in_turns
from tests.bench.plan import Plan
from tests.bench.probing import Expected
from tests.bench.report import Section

NAME: Final = "misses"

TITLE: Final = "Misses: each request asks for something else"

BODY: Final = f'[{{"Name":"{"x" * 157}"}}]'

TARGET: Final = "/v1/health/service/miss-@"

ANSWER: Final = f"{len(BODY)} bytes"

AIMS: Final = (Aim("requests/s", ANSWER, "nginx", "at least 0.5"),)


def run(plan: Plan) -> Section:
    """Measure the edge and the others over one stub."""
    with ExitStack() as stack:
        stub = stack.enter_context(contenders.holding_stub(plan, BODY))
        prepared: dict[str, contenders.Server] = {
            contenders.EDGE: contenders.edge(stub.server),
            "nginx, cache": programs.nginx(stub.server, caches=True),
            "nginx": programs.nginx(stub.server),
            "haproxy": programs.haproxy(stub.server),
        }
        running = contenders.start(plan, stack, prepared)
        field = [
            contender(name, one, TARGET, Expected(len(BODY))) for name, one in running.items()
        ]
        return compared(NAME, TITLE, {ANSWER: in_turns(plan, field, (ALONE, MANY))}, AIMS)
