"""
From the start of the process until it is ready: the edge, and aiohttp alone beside it.

Ready is the edge when ``/-/ready`` says so, with a Consul server that has been heard; the other is
an application of one route.  Both are asked every other millisecond, in turns.
"""

import http.client
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench import contenders
from tests.bench.plan import Plan
from tests.bench.report import Figure, Section, Table
from tests.processes import Process, fresh_address

NAME: Final = "start"

TITLE: Final = "Start: from exec to ready"

STARTS: Final = 10

HEADER: Final = ("what", "starts", "median s", "least s", "most s")

AIM: Final = 0.8
"""Seconds."""

BARE: Final = "aiohttp.web alone"

BARE_PROGRAM: Final = """
import sys
from aiohttp import web
async def ready(request):
    return web.Response(text="ready")
app = web.Application()
app.router.add_get("/-/ready", ready)
web.run_app(app, host=sys.argv[1], port=8510, print=None)
"""

PATIENCE: Final = 30.0


def run(plan: Plan) -> Section:
    """Start each again and again, the first time to warm up."""
    took: dict[str, list[float]] = {contenders.EDGE: [], BARE: []}
    with plan.on_load_core():
        stub = contenders.stub().start()
    try:
        for number in range(1 + (3 if plan.is_quick else STARTS)):
            plan.say(f"  start {number}")
            edge, bare = _edge(plan, stub.server), _bare(plan)
            if number:
                took[contenders.EDGE].append(edge)
                took[BARE].append(bare)
    finally:
        stub.stop()
    return summary(took)


def summary(took: dict[str, list[float]]) -> Section:
    """Tell the seconds of each start."""
    rows = tuple(
        (what, len(times), median(times), min(times), max(times)) for what, times in took.items()
    )
    edge, bare = took[contenders.EDGE], took[BARE]
    figures = (
        Figure(f"edge (aim: at most {AIM})", "s", tuple(edge)),
        Figure(
            f"edge : {BARE}", "x", tuple(one / two for one, two in zip(edge, bare, strict=True))
        ),
    )
    return Section(NAME, TITLE, Table(HEADER, rows), figures)


def _edge(plan: Plan, upstream: str) -> float:
    edge = contenders.edge(upstream)
    try:
        began = time.perf_counter()
        with plan.on_server_core():
            edge.launch()
        assert edge.process is not None
        return _ready(edge.address, edge.process) - began
    finally:
        edge.stop()


def _bare(plan: Plan) -> float:
    address = fresh_address()
    with TemporaryDirectory(prefix="bench-") as folder:
        command = (sys.executable, "-c", BARE_PROGRAM, address)
        began = time.perf_counter()
        with plan.on_server_core():
            process = Process("bare", command, Path(folder) / "log")
        try:
            return _ready(address, process) - began
        finally:
            process.kill()


def _ready(address: str, process: Process) -> float:
    """Tell when it was seen to be ready."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        assert process.alive, f"it ended:\n{process.tail()}"
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(address, contenders.PORT, timeout=5)
            try:
                connection.request("GET", "/-/ready")
                if connection.getresponse().status == 200:
                    return time.perf_counter()
            finally:
                connection.close()
        time.sleep(0.002)
    raise AssertionError(f"not ready after {PATIENCE} s:\n{process.tail()}")
