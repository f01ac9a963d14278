"""
Defects 2, 5 and 11 on real Consuls: a leader that is frozen, nodes that come and go, an edit.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from tests.consul import ConsulAgent, ConsulCluster, ConsulServer
from tests.house import edge_over
from tests.original.ground import NODES, SERVICES, Ground, sites_document, told

pytestmark = pytest.mark.real

HERE: Final = "real"
"""What all names of nodes and services of these tests begin with."""

ADDRESSES: Final = {f"{HERE}-1": "10.55.0.1", f"{HERE}-2": "10.55.0.2"}


async def register(consul: ConsulServer, node: str, service: str, address: str = "") -> None:
    """Register an instance, past the edge."""
    body: dict[str, Any] = {
        "Node": node,
        "Address": address or ADDRESSES[node],
        "Service": {"ID": f"{service}@{node}", "Service": service, "Meta": {"module": "icmp"}},
    }
    await asyncio.to_thread(consul.put, "/v1/catalog/register", body)


@asynccontextmanager
async def edge(*servers: ConsulServer, **settings: str) -> AsyncIterator[Ground]:
    """Run an edge over real servers, the first of which is the main one."""
    keys = {"SITES__KV_KEY": f"{HERE}/sites", "RULES__KV_KEY": f"{HERE}/rules"}
    async with edge_over(*(one.server for one in servers), **keys, **settings) as house:
        yield Ground(house, ())


async def test_leader_is_frozen_and_the_first_server_the_cold_answer_is_whole(
    consul_cluster: ConsulCluster,
) -> None:
    """Defect 2 as it happened: 20 s, and then no site for five minutes."""
    leader = await asyncio.to_thread(consul_cluster.leader)
    for node in ADDRESSES:
        await register(leader, node, f"{HERE}-probe")
        await register(leader, node, f"{HERE}-other")
    sites = sites_document(Palmas=ADDRESSES[f"{HERE}-1"], Rio=leader.address)
    await asyncio.to_thread(leader.put, f"/v1/kv/{HERE}/sites", sites)
    consul_cluster.pause(leader)
    await asyncio.to_thread(consul_cluster.wait_for_leader, other_than=leader)
    others = [one for one in consul_cluster.servers if one is not leader]
    async with edge(leader, *others) as one:
        found = await one.json(NODES)
        rows = {row["node"]: row for row in found["data"]}
        assert set(rows) == {*ADDRESSES, *(each.name for each in consul_cluster.servers)}
        assert set(told(rows, "services_status").values()) == {"ok"}
        counts = {name: 2 if name in ADDRESSES else 0 for name in rows}
        assert told(rows, "services_count") == counts
        assert rows[f"{HERE}-1"]["site_name"] == "Palmas"
        assert rows[leader.name]["site_name"] == "Rio"
        assert found["main_server"] == leader.address
        assert found["active_server"] in {each.server for each in others}
        # What bounds the time: attempts at it were under way at once, and none came after them.
        name = "consul_server_fallback_total"
        assert await one.sample(name, server=leader.server, status="timeout") <= 5 + 2
    consul_cluster.resume(leader)


@pytest.fixture
async def real(consul_agent: ConsulAgent) -> AsyncIterator[Ground]:
    """Give an edge over the shared agent, with two nodes and one service."""
    for node in ADDRESSES:
        await register(consul_agent, node, f"{HERE}-probe")
    async with edge(consul_agent) as one:
        yield one
    for node in (*ADDRESSES, f"{HERE}-3"):
        await asyncio.to_thread(consul_agent.put, "/v1/catalog/deregister", {"Node": node})
    for key in ("sites", "rules"):
        await asyncio.to_thread(consul_agent.request, "DELETE", f"/v1/kv/{HERE}/{key}")


def here(found: Any) -> set[str]:
    """Name the nodes of these tests."""
    return {row["node"] for row in found["data"] if row["node"].startswith(f"{HERE}-")}


async def test_one_node_comes_for_another_who_waits_is_told(
    real: Ground, consul_agent: ConsulAgent
) -> None:
    """Defect 5: their number is the same."""
    assert here(await real.json(NODES)) == set(ADDRESSES)
    await register(consul_agent, f"{HERE}-3", f"{HERE}-probe", "10.55.0.3")
    await asyncio.to_thread(consul_agent.put, "/v1/catalog/deregister", {"Node": f"{HERE}-2"})
    await real.other(NODES, lambda found: here(found) == {f"{HERE}-1", f"{HERE}-3"})


async def test_rule_is_edited_rows_show_it(real: Ground, consul_agent: ConsulAgent) -> None:
    """Defect 11: no restart, no flush."""
    target = f"{SERVICES}?Service={HERE}-probe"
    before = {row["category"] for row in (await real.json(target))["data"]}
    rule = {"id": "mine", "category": "mine", "conditions": {"job_name_pattern": f"^{HERE}"}}
    body = json.dumps({"rules": [rule]})
    await asyncio.to_thread(consul_agent.put, f"/v1/kv/{HERE}/rules", body)
    found = await real.other(
        target, lambda found: {row["category"] for row in found["data"]} == {"mine"}
    )
    assert before == {"network-probes"}
    assert {row["matched_rule"] for row in found["data"]} == {"mine"}


async def test_service_is_named_as_no_path_is_everything_is_read(
    real: Ground, consul_agent: ConsulAgent
) -> None:
    """Defect 1's other side: what can be read is not in doubt, however it is called."""
    await register(consul_agent, f"{HERE}-1", f"{HERE}/á %2F?#@")
    found = await real.other(f"{SERVICES}?Node={HERE}-1", lambda found: found["total"] == 2)
    assert found["problems"] == []
