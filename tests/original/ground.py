"""
A small cluster as the original's users have it, an edge over it, and how a test looks at both.

Three nodes: ``n1`` and ``n2`` are servers at sites, ``n3`` a client at none.  Three probes of two
companies, one exporter, and one name that is on ``n2`` alone, so that a fault can meet just that.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from consul_edge.demo.members import ALIVE, Member
from consul_edge.demo.records import PASSING, SERF_HEALTH, Check, Node, Service
from consul_edge.demo.standin import StandIn
from consul_edge.demo.state import State
from tests.house import House, edge_over
from tests.scrape import sample
from tests.waiting import eventually
from tests.wire import Answer

SITES_KEY: Final = "skills/eye/metadata/sites"
RULES_KEY: Final = "skills/eye/monitoring-types/categorization/rules"

NODES: Final = "/api/v1/nodes"
SERVICES: Final = "/api/v1/services"
DATA: Final = "/api/v1/monitoring/data"
SUMMARY: Final = "/api/v1/monitoring/summary"

ADMIN_TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"
BEARER: Final = ("Authorization", f"Bearer {ADMIN_TOKEN}")

ALONE: Final = "only_on_n2"
"""The service that no other node has."""

COUNTS: Final = {"n1": 2, "n2": 2, "n3": 1}
PLACES: Final = {"n1": "Palmas", "n2": "Rio", "n3": "Nao mapeado"}

ADDRESSES: Final = {"n1": "10.0.0.1", "n2": "10.0.0.2", "n3": "10.0.0.3"}

HEARTBEAT: Final = "/v1/status/leader"

TOLD_WITHIN: Final = 8.0
"""Seconds; less than those after which the edge looks at everything, told or not."""

Row = Mapping[str, Any]


def cluster() -> State:
    """Make what all servers of the small cluster know."""
    state = State()
    for name, address in ADDRESSES.items():
        enter(state, name, address, server=name != "n3")
    state.keys.put(SITES_KEY, sites_document())
    for company, node in (("Acme", "n1"), ("Beta", "n2"), ("Acme", "n3")):
        meta = {"module": "icmp", "company": company, "env": "prod", "name": f"router {node}"}
        put(state, node, f"icmp/{company}/core/router@{node}", meta=meta, tags=("core", node))
    put(state, "n1", "node@n1", "node_exporter", port=9100)
    put(state, "n2", "alone@n2", ALONE)
    return state


def enter(state: State, name: str, address: str, *, server: bool = False) -> None:
    """Let a node join: the gossip pool and the catalog hear of it at once."""
    state.members.append(Member(name, address, "", server=server, status=ALIVE))
    check = Check(name, SERF_HEALTH, "Serf Health Status", PASSING)
    state.catalog.register(Node(name, address, "dc1"), None, [check])


def leave(state: State, name: str) -> None:
    """Let a node go, likewise."""
    state.members = [member for member in state.members if member.name != name]
    state.catalog.deregister(name)


def put(
    state: State,
    node: str,
    instance: str,
    service: str = "blackbox_exporter",
    *,
    meta: Mapping[str, str] | None = None,
    tags: tuple[str, ...] = (),
    port: int = 0,
) -> None:
    """Register an instance."""
    told = Service(node, instance, service, tags=tags, meta=dict(meta or {}), port=port)
    state.catalog.register(None, told, [], node)


def sites_document(**addresses: str) -> bytes:
    """Write sites in the shape that the original really stored, by default those of n1 and n2."""
    found = addresses or {"Palmas": ADDRESSES["n1"], "Rio": ADDRESSES["n2"]}
    sites = [
        {
            "code": name.lower(),
            "name": name,
            "is_default": not place,
            "color": "blue",
            "prometheus_instance": address,
            "prometheus_host": address,
            "prometheus_port": 9090,
            "ssh_port": 22,
        }
        for place, (name, address) in enumerate(found.items())
    ]
    naming = {"strategy": "option2", "suffix_enabled": True}
    return json.dumps({"data": {"sites": sites, "naming": naming}, "total_sites": 2}).encode()


def rules_document(category: str, pattern: str = "^node_exporter", *more: Row) -> bytes:
    """Write rules of which the first puts names that match *pattern* into *category*."""
    rule = {"id": "mine", "category": category, "conditions": {"job_name_pattern": pattern}}
    return json.dumps({"rules": [rule, *more]}).encode()


@dataclass(frozen=True, slots=True)
class Ground:
    """An edge over one or more stand-ins of one cluster."""

    house: House
    standins: tuple[StandIn, ...]

    @property
    def state(self) -> State:
        """What the cluster knows."""
        return self.standins[0].state

    async def get(self, target: str, *headers: tuple[str, str], method: str = "GET") -> Answer:
        """Ask the edge, and take whatever comes."""
        return await self.house.ask(method, target, headers)

    async def json(self, target: str, *headers: tuple[str, str], method: str = "GET") -> Any:
        """Ask for a document that must come."""
        answer = await self.get(target, *headers, method=method)
        assert answer.status == 200, (target, answer.status, answer.body)
        return answer.json()

    async def nodes(self) -> dict[str, Row]:
        """Give the nodes by name."""
        return {row["node"]: row for row in (await self.json(NODES))["data"]}

    async def ids(self, target: str) -> list[str]:
        """Give the ids of instances in the order of the rows."""
        return [row["ID"] for row in (await self.json(target))["data"]]

    async def other(self, target: str, holds: Callable[[Any], object]) -> Any:
        """Read as a client that waits does, until the document fulfils a condition."""
        sign = "&" if "?" in target else "?"
        async with asyncio.timeout(TOLD_WITHIN):
            found = await self.json(target)
            while not holds(found):
                found = await self.json(f"{target}{sign}index={found['index']}&wait=10s")
        return found

    async def until_state(self, target: str, state: str) -> Any:
        """Read until the document says that it stands so: the clock alone moves no index."""
        found: list[Any] = []

        async def stands() -> bool:
            found.append(await self.json(target))
            return bool(found[-1]["cache"]["state"] == state)

        await comes_true(stands, state)
        return found[-1]

    async def sample(self, name: str, **labels: str) -> float:
        """Read a number of ``/metrics``."""
        return await asyncio.to_thread(sample, self.house.base, name, **labels)


@contextlib.asynccontextmanager
async def ground(
    *, servers: int = 1, state: State | None = None, **settings: str
) -> AsyncIterator[Ground]:
    """Run an edge over stand-ins that share the small cluster, each at an address of its own."""
    state = state or cluster()
    standins = tuple(StandIn(state=state, server=number) for number in range(servers))
    async with contextlib.AsyncExitStack() as stack:
        urls = [
            await stack.enter_async_context(one.running(f"127.0.0.{number}"))
            for number, one in enumerate(standins, 1)
        ]
        known = {"ADMIN__TOKEN": ADMIN_TOKEN, "CONSUL__RETRY_DELAY": "10ms"} | settings
        yield Ground(await stack.enter_async_context(edge_over(*urls, **known)), standins)


def asked(standin: StandIn, path: str = "/v1/") -> list[str]:
    """List the targets that a stand-in was asked, without heartbeats and what waits for news."""
    targets = [one.target for one in standin.seen.of("GET", path)]
    return [one for one in targets if one != HEARTBEAT and "index=" not in one]


def told(rows: Mapping[str, Row], field: str) -> dict[str, Any]:
    """Give one field of all nodes."""
    return {name: row[field] for name, row in rows.items()}


async def comes_true(look: Callable[[], Awaitable[bool]], what: str, within: float = 30.0) -> None:
    """Ask until the answer is what is waited for."""

    def again() -> bool | Awaitable[bool]:
        return look()

    await eventually(again, what, within)
