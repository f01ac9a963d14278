"""Defect 13: nothing is made before there is a loop, nothing of one is left to the next."""

import asyncio
import subprocess
import sys
from typing import Final

from tests.original.ground import COUNTS, PLACES, Ground, ground, told

IMPORTS: Final = """
import asyncio, importlib, pkgutil, sys

touched = []

def audit(event, arguments):
    mode = event == "open" and isinstance(arguments[1], str) and arguments[1] or ""
    if set(mode) & set("wax+") or event.startswith(("socket.", "subprocess.", "os.system")):
        touched.append((event, *map(repr, arguments)))

import consul_edge
modules = [found.name for found in pkgutil.walk_packages(consul_edge.__path__, "consul_edge.")]
modules.remove("consul_edge.__main__")
# What libraries do when they are imported is theirs.
for name in ("aiohttp.web", "uvloop", "re2", "prometheus_async.aio.web", "aiohttp_jinja2",
             "aiohttp_sse", "structlog", "msgspec", "yaml", "aiocache"):
    importlib.import_module(name)
made = []
new_event_loop = asyncio.new_event_loop
asyncio.new_event_loop = asyncio.events.new_event_loop = lambda: made.append(1) or new_event_loop()
sys.addaudithook(audit)
sys.dont_write_bytecode = True
for name in modules:
    importlib.import_module(name)
assert len(modules) > 100, modules
print(touched, made)
"""


def test_package_is_imported_nothing_is_connected_opened_or_begun() -> None:
    """An HTTP client was made by ``asyncio.run`` at import, and was of a closed loop when used."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[] []", 0), done.stderr


def test_edge_is_run_in_a_second_loop_it_has_everything_anew() -> None:
    """Their map of nodes was empty for five minutes then."""

    async def whole() -> None:
        async with ground() as one:
            rows = await one.nodes()
            assert told(rows, "services_count") == COUNTS
            assert told(rows, "site_name") == PLACES

    for _ in range(2):
        asyncio.run(whole())


async def test_two_edges_run_beside_each_other_neither_has_the_others() -> None:
    """No cache, no source and no registry of one is the other's."""
    async with ground() as one, ground() as other:
        other.state.catalog.deregister("n1", "node@n1")
        assert await services(one) == COUNTS
        assert await services(other) == COUNTS | {"n1": 1}


async def services(one: Ground) -> dict[str, int]:
    """Give the number of services by node."""
    return told(await one.nodes(), "services_count")
