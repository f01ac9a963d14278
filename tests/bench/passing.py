"""Plain proxies over one upstream, and that upstream itself: what passing on costs."""

from contextlib import ExitStack
from typing import Final, Protocol

from tests.bench import contenders, programs
from tests.bench.comparison import ALONE, MANY, Aim, added, compared
from tests.bench.load import Running, contender, in_turns
from tests.bench.plan import Plan
from tests.bench.probing import Expected
from tests.bench.report import Section

DIRECT: Final = "direct"

TARGET: Final = f"/v1/kv/{contenders.KEY}"

ANSWER: Final = "KV entry"

LEAST: Final = (Aim("requests/s", ANSWER, "nginx", "at least 0.5"),)


class Upstream(Running, Protocol):
    """What is passed on to."""

    @property
    def server(self) -> str:
        """Its address, ``host:port``."""


def passed_on(plan: Plan, name: str, title: str, upstream: Upstream, body_bytes: int) -> Section:
    """Measure the edge, nginx and HAProxy over *upstream*, which runs on the load's core."""
    with ExitStack() as stack:
        prepared: dict[str, contenders.Server] = {
            contenders.EDGE: contenders.edge(upstream.server),
            "nginx": programs.nginx(upstream.server),
            "haproxy": programs.haproxy(upstream.server),
        }
        proxies = contenders.start(plan, stack, prepared)
        field = [
            contender(name, running, TARGET, Expected(body_bytes))
            for name, running in {**proxies, DIRECT: upstream}.items()
        ]
        bursts = in_turns(plan, field, (ALONE, MANY))
    more = added(bursts, proxies, DIRECT)
    return compared(name, title, {ANSWER: bursts}, LEAST, more=more)
