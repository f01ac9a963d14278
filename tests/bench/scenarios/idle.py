"""
What the edge uses while nothing happens: many watches at a real Consul, and nobody who reads.

It is looked at for as long as a round of a watch takes at the most, so that each has one in it.
"""

import time
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Final

from tests.bench import contenders
from tests.bench.plan import Plan
from tests.bench.report import Figure, Section, Table
from tests.bench.usage import cpu_seconds
from tests.edge import EdgeProcess
from tests.scrape import sample
from tests.waiting import wait_until

NAME: Final = "idle"

WATCHES: Final = 150

SETTINGS: Final = {"watch": {"max_per_server": WATCHES}}
"""All at one server; 110 is the default."""

SECONDS: Final = 32
"""30 s is what a round waits, and Consul adds up to a sixteenth."""

QUICK_SECONDS: Final = 5

AIM: Final = 2
"""Percent of a core."""

TITLE: Final = f"Idle: {WATCHES} watches, no requests"

HEADER: Final = ("contender", "watches", "seconds", "rounds", "CPU % of a core")


def run(plan: Plan) -> Section:
    """Let it watch, and look at what it used before and after."""
    seconds = QUICK_SECONDS if plan.is_quick else SECONDS
    with ExitStack() as stack:
        with plan.on_load_core():
            consul = stack.enter_context(contenders.one_server()).servers[0]
        with plan.on_server_core():
            edge = stack.enter_context(contenders.edge(consul.server, settings=SETTINGS))
        for number in range(WATCHES):
            contenders.register(consul, _service(number), 1, ())
        wait_until(lambda: _all_watched(edge), f"{WATCHES} watches")
        time.sleep(2)  # what the reads left behind is done by then
        rounds = sample(edge.http, "consul_edge_watch_rounds_total")
        before, began = cpu_seconds(edge.pid), time.perf_counter()
        time.sleep(seconds)
        percent = 100 * (cpu_seconds(edge.pid) - before) / (time.perf_counter() - began)
        rounds = sample(edge.http, "consul_edge_watch_rounds_total") - rounds
        watches = round(sample(edge.http, "consul_edge_blocking_upstream_queries"))
    table = Table(HEADER, ((contenders.EDGE, watches, seconds, round(rounds), percent),))
    figure = Figure(f"of a core (aim: at most {AIM})", "%", (percent,))
    return Section(NAME, TITLE, table, (figure,))


def _service(number: int) -> str:
    return f"idle-{number:03}"


def _all_watched(edge: EdgeProcess) -> bool:
    """Read each once more, and see whether all are watched."""
    connection = HTTPConnection(edge.address, edge.port, timeout=20)
    for number in range(WATCHES):
        connection.request("GET", f"/v1/health/service/{_service(number)}")
        connection.getresponse().read()
    connection.close()
    return sample(edge.http, "consul_edge_blocking_upstream_queries") >= WATCHES
