"""The commands of the runbooks, run against an edge as they stand there."""

import asyncio
import os
import re
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from consul_edge.demo.standin import StandIn
from tests.e2e.faults import ADMIN_TOKEN, NODES, SITES, House
from tests.edge import EdgeProcess
from tests.peers import search_path
from tests.promql import DEPLOY

EDGE, CONSUL = "http://127.0.0.1:8510", "http://127.0.0.1:8500"

COMMANDS: Final = sorted(
    {
        line
        for page in (DEPLOY / "runbooks").glob("*.md")
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    }
)
"""Those of all pages, each once."""


def test_command_of_a_runbook_asks_the_edge_or_consul() -> None:
    """Nothing in a block for the shell changes anything: it can be pasted without a thought."""
    assert COMMANDS
    assert [line for line in COMMANDS if not re.match(r"curl -sS[^|]* '?http://127\.", line)] == []
    assert [line for line in COMMANDS if re.search(r" -X |--data| -d |POST|PUT", line)] == []


@pytest.mark.real
async def test_commands_of_runbooks_work_and_say_something(tmp_path: Path) -> None:
    """Each ends well on an edge with a Consul, and prints what its page says to look at."""
    path = search_path(tmp_path / "bin", "curl")
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    server = StandIn(nodes=3, services=6)
    async with (
        server.running() as consul,
        EdgeProcess([consul], {"admin": {"token": ADMIN_TOKEN}}) as edge,
        aiohttp.ClientSession() as client,
    ):
        house = House(edge, client, server)
        await house.ask(SITES, "PUT", json=[])
        server.faults.answer(403, "Permission denied", path="/v1/health/service/", times=1)
        for target in (NODES, NODES, "/api/v1/nodes", "/api/v1/sites"):
            await house.ask(target)

        failed = []
        for command in COMMANDS:
            here = command.replace(EDGE, edge.http).replace(CONSUL, consul)
            done = await asyncio.create_subprocess_exec(
                *("bash", "-o", "pipefail", "-c", here),
                cwd=tmp_path,
                env=os.environ | {"PATH": path},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await done.communicate()
            if done.returncode != 0 or not said.strip():
                failed.append((command, done.returncode, said))
    assert failed == []
