"""The gathering over a real Consul: what its indexes tell, and what they do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consul_edge.enrich.gathering import NODE_CHECKS
from consul_edge.enrich.snapshot import Snapshot
from consul_edge.web.keys import CACHE
from tests.consul import ConsulAgent
from tests.enrich.cluster import Keeper
from tests.house import House, edge_over
from tests.waiting import eventually

NODE = "gathered-node"
SERVICE = "gathered"

LIMITS = [pytest.param(200, id="watched"), pytest.param(6, id="swept")]
"""Watches that there are, half of which may be had: enough for each name, or for tables alone."""


@asynccontextmanager
async def kept(agent: ConsulAgent, limit: int) -> AsyncIterator[tuple[House, Keeper]]:
    """Keep a snapshot of *agent*'s cluster, in which one service has two instances."""
    for number in (1, 2):
        await register(agent, number)
    async with edge_over(agent.server) as house:
        await house.heard()
        keeper = Keeper(house.app[CACHE], limit=limit)
        try:
            await keeper.ready()
            await eventually(lambda: keeper.is_live, "all of it is live")
            yield house, keeper
        finally:
            await keeper.close()


async def register(agent: ConsulAgent, number: int, **service: Any) -> None:
    """Register an instance, with a check of its own and one of its node's."""
    node = f"{NODE}-{number}"
    told = {"ID": f"{SERVICE}/{number} @x", "Service": SERVICE, "Port": 80, **service}
    checks = [
        {"Node": node, "CheckID": "own", "Status": "passing", "ServiceID": told["ID"]},
        {"Node": node, "CheckID": "serfHealth", "Status": "passing"},
    ]
    body = {"Node": node, "Address": f"10.9.0.{number}", "Service": told, "Checks": checks}
    reply = await asyncio.to_thread(agent.put, "/v1/catalog/register", body)
    assert reply.status == 200


async def set_check(agent: ConsulAgent, number: int, check: str, status: str) -> None:
    """Change a check alone."""
    node = f"{NODE}-{number}"
    told = {"Node": node, "CheckID": check, "Status": status}
    if check == "own":
        told["ServiceID"] = f"{SERVICE}/{number} @x"
    body = {"Node": node, "Address": f"10.9.0.{number}", "SkipNodeUpdate": True, "Check": told}
    reply = await asyncio.to_thread(agent.put, "/v1/catalog/register", body)
    assert reply.status == 200


def statuses(snapshot: Snapshot, number: int) -> set[str]:
    """Give the statuses of an instance's checks, its node's among them."""
    return {
        check.status
        for one in snapshot.services[SERVICE]
        if one.node.name == f"{NODE}-{number}"
        for check in one.checks or ()
    }


@pytest.mark.parametrize("limit", LIMITS)
async def test_meta_alone_changes_and_shows(consul_agent: ConsulAgent, limit: int) -> None:
    """An edit of Meta moves no body of a table, and shows all the same."""
    async with kept(consul_agent, limit) as (_, keeper):
        await register(consul_agent, 1, Meta={"only": str(limit)})
        await eventually(
            lambda: any(
                one.service.meta == {"only": str(limit)} for one in keeper.now.services[SERVICE]
            ),
            "the new Meta",
        )


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("check", ["own", "serfHealth"])
async def test_check_alone_changes_and_shows(
    consul_agent: ConsulAgent, limit: int, check: str
) -> None:
    """A check that turns, an instance's or its node's, shows whatever is watched."""
    async with kept(consul_agent, limit) as (_, keeper):
        await set_check(consul_agent, 2, check, "critical")
        await eventually(lambda: "critical" in statuses(keeper.now, 2), f"{check} is critical")
        await set_check(consul_agent, 2, check, "passing")
        await eventually(lambda: statuses(keeper.now, 2) == {"passing"}, f"{check} passes")
        own = keeper.now.node_checks[f"{NODE}-2"]
        assert [check.id for check in own] == ["serfHealth"]


async def test_nodes_own_checks_come_without_those_of_services(
    consul_agent: ConsulAgent,
) -> None:
    """Consul filters the checks of services out by itself: the table has one row for each node."""
    await register(consul_agent, 1)
    reply = await asyncio.to_thread(consul_agent.get, NODE_CHECKS)
    assert reply
    assert {check["ServiceID"] for check in reply} == {""}


async def test_names_with_any_characters_are_asked_for(consul_agent: ConsulAgent) -> None:
    """A service whose name has to be encoded is found under it."""
    body = {
        "Node": f"{NODE}-9",
        "Address": "10.9.0.9",
        "Service": {"ID": "ü/%2F", "Service": "módulo x%2F@ü?#"},
    }
    reply = await asyncio.to_thread(consul_agent.put, "/v1/catalog/register", body)
    assert reply.status == 200
    async with kept(consul_agent, 200) as (_, keeper):
        assert [one.service.id for one in keeper.now.services["módulo x%2F@ü?#"]] == ["ü/%2F"]
    await asyncio.to_thread(consul_agent.put, "/v1/catalog/deregister", {"Node": f"{NODE}-9"})
