"""Defect 16: whoever changes nothing has servers to ask, and an admin surface that is closed."""

import asyncio
from typing import Final

import pytest

from consul_edge.config import load
from tests.original.ground import ADMIN_TOKEN, BEARER, ground

CALLS: Final = [
    ("POST", "nodes/flush"),
    ("POST", "all/flush"),
    ("GET", "nodes/info"),
]


def test_nothing_is_configured_there_is_a_server() -> None:
    """CONSUL_SERVERS was empty, and so there was nobody to fall back to."""
    servers = load(file=None, env={}, flags={}).settings.consul.servers
    assert [server.name for server in servers] == ["127.0.0.1:8500"]


def test_servers_are_written_as_in_the_original_they_are_understood() -> None:
    """``host`` and ``host:port``, in the variable that is called as theirs was."""
    env = {"CONSUL_SERVERS": "172.16.1.26:8500, 172.16.200.14"}
    servers = load(file=None, env=env, flags={}).settings.consul.servers
    assert [server.name for server in servers] == ["172.16.1.26:8500", "172.16.200.14:8500"]


@pytest.mark.parametrize(("method", "call"), CALLS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([("Authorization", "Bearer wrong")], 403),
        ([("X-Consul-Token", ADMIN_TOKEN)], 401),
        ([BEARER], 200),
    ],
)
async def test_admin_call_is_made_the_token_decides(
    method: str, call: str, headers: list[tuple[str, str]], status: int
) -> None:
    """Theirs took everybody's; and to be on the same machine is no token either."""
    async with ground() as one:
        answer = await one.get(f"/api/v1/admin/cache/{call}", *headers, method=method)
        assert answer.status == status


async def test_flush_is_refused_nothing_is_flushed() -> None:
    """Who may not flush changes nothing by trying."""
    async with ground() as one:
        await one.nodes()
        refused = "/api/v1/admin/cache/nodes/flush"
        await asyncio.gather(*(one.get(refused, method="POST") for _ in range(3)))
        info = await one.json("/api/v1/admin/cache/nodes/info", BEARER)
        assert info["entries"] == 1
