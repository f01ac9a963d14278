"""
The data set: a small company's monitoring, or a large one's, the same for the same seed.

Nodes are the Consul servers first, then machines with an agent, then external ones without.  The
count of services is that of instances other than ``consul`` itself.  About 5% of their checks warn
and 3% are critical; from eight nodes on, one agent is dead.
"""

import random
import uuid
from collections.abc import Iterator
from typing import Final

import msgspec

from consul_edge.demo.members import ALIVE, FAILED, Member
from consul_edge.demo.records import CRITICAL, PASSING, SERF_HEALTH, WARNING, Check, Node, Service
from consul_edge.demo.state import State
from consul_edge.demo.vocabulary import (
    COMPANIES,
    ENVIRONMENTS,
    KINDS,
    OUTPUTS,
    REGIONS,
    SITES,
    SYSTEMS,
    Kind,
)

SITES_KEY: Final = "skills/eye/metadata/sites"

SERVERS: Final = 3
_FEW: Final = 8
"""Below this many nodes all are alive and have an agent."""

_EXTERNAL_EVERY: Final = 6
_INSTANCES_PER_NAME: Final = 400
"""In a large data set, more names come with more instances."""


class Item(msgspec.Struct, frozen=True):
    """One registration: a node with at most one service, and checks."""

    node: Node
    service: Service | None = None
    checks: list[Check] = []


class DataSet:
    """Generates what a stand-in starts with."""

    def __init__(self, nodes: int = 12, services: int = 155, seed: int | None = None) -> None:
        """
        Describe a data set.

        Args:
            nodes: At least one, which is a server; three of them are servers.

            services: Instances, spread over the nodes.

            seed: None means the same as 0: the data set is always reproducible.
        """
        if nodes < 1 or services < 0:
            raise ValueError(f"expected at least one node and no negative services, not "
                             f"{nodes} and {services}")  # fmt: skip
        self._random = random.Random(seed or 0)  # noqa: S311 - made to be repeated
        self._services = services
        self.nodes = [self._node(number, nodes) for number in range(nodes)]
        self.members = [
            self._member(number) for number in range(nodes) if not self._is_external(number)
        ]
        self._kinds = self._all_kinds()

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _node(self, number: int, count: int) -> Node:
        site = SITES[number % len(SITES)]
        self._count = count
        self._servers = min(SERVERS, count)
        address = f"10.{number % len(SITES) + 1}.{number // 250 % 250}.{number % 250 + 1}"
        meta = {
            "dc": site.datacenter,
            "env": "prod" if number < self._servers else self._random.choice(ENVIRONMENTS),
            "os": "linux" if number < self._servers else self._random.choice(SYSTEMS),
            "site": site.code,
        }
        if self._is_external(number):
            name = "nó-externo-águia" if number == count - 1 else f"ext-{site.code}-{number:02d}"
            meta |= {"external-node": "true", "external-probe": "true"}
            return Node(name, address, "dc1", meta=dict(sorted(meta.items())))
        role = "consul" if number < self._servers else "host"
        return Node(
            f"{site.code}-{role}-{number + 1:02d}",
            address,
            "dc1",
            self._uuid(),
            dict.fromkeys(("lan", "lan_ipv4", "wan", "wan_ipv4"), address),
            {"consul-network-segment": "", **dict(sorted(meta.items()))},
        )

    def _is_external(self, number: int) -> bool:
        if self._count < _FEW or number < self._servers:
            return False
        return number == self._count - 1 or number % _EXTERNAL_EVERY == _EXTERNAL_EVERY - 1

    def _is_dead(self, number: int) -> bool:
        return self._count >= _FEW and number == self._servers + 1

    def _member(self, number: int) -> Member:
        node = self.nodes[number]
        return Member(
            node.name,
            node.address,
            node.id,
            node.datacenter,
            server=number < self._servers,
            bootstrap=self._servers == 1,
            status=FAILED if self._is_dead(number) else ALIVE,
        )

    def _all_kinds(self) -> list[Kind]:
        extra = self._services // _INSTANCES_PER_NAME
        kinds = [kind for kind in KINDS for _ in range(kind.share)]
        for number in range(extra):
            tags = ("web", f"team-{number % 12}")
            kind = Kind(f"app-{number:04d}", 1, 8000 + number % 1000, "", tags, "http", "apps")
            kinds.extend([kind] * max(1, len(KINDS) // 8))
        return kinds

    def items(self) -> Iterator[Item]:
        """Give all registrations: every node once, then the services."""
        for number, node in enumerate(self.nodes):
            yield self._node_item(number, node)
        alarms = self._alarms()
        for number in range(self._services):
            yield self._service_item(number, alarms[number])

    def _node_item(self, number: int, node: Node) -> Item:
        if self._is_external(number):
            return Item(node)
        dead = self._is_dead(number)
        check = Check(
            node.name,
            SERF_HEALTH,
            "Serf Health Status",
            CRITICAL if dead else PASSING,
            output="Agent not live or unreachable" if dead else "Agent alive and reachable",
        )
        if number >= self._servers:
            return Item(node, None, [check])
        meta = {
            "non_voter": "false",
            "raft_version": "3",
            "serf_protocol_current": "2",
            "serf_protocol_max": "5",
            "serf_protocol_min": "1",
            "version": "1.8.7",
        }
        return Item(node, Service(node.name, "consul", "consul", meta=meta, port=8300), [check])

    def _alarms(self) -> list[str]:
        """Give each instance's status, the shares being exact."""
        count = self._services
        warning, critical = round(count * 0.05), round(count * 0.03)
        alarms = [WARNING] * warning + [CRITICAL] * critical
        alarms += [PASSING] * (count - len(alarms))
        self._random.shuffle(alarms)
        return alarms

    def _service_item(self, number: int, status: str) -> Item:
        kind = self._kinds[number % len(self._kinds)]
        node = self.nodes[self._random.randrange(len(self.nodes))]
        service = self._instance(kind, node, number)
        output = OUTPUTS[kind.check][status].format(
            address=service.address or node.address, port=kind.port, rtt=number % 40 + 1
        )
        check = Check(
            node.name,
            f"service:{service.id}",
            f"Service '{kind.name}' check",
            status,
            output=output,
            service_id=service.id,
            service_name=kind.name,
            service_tags=service.tags,
            type=kind.check,
        )
        return Item(node, service, [check])

    def _instance(self, kind: Kind, node: Node, number: int) -> Service:
        company = COMPANIES[self._random.randrange(len(COMPANIES))]
        env = ENVIRONMENTS[self._random.randrange(len(ENVIRONMENTS))]
        site = SITES[self._random.randrange(len(SITES))]
        name = f"{kind.group[:3].upper()}-{site.code.upper()}-{number:05d}"
        host = f"172.16.{number // 250 % 250}.{number % 250 + 1}"
        instance = host if kind.module == "icmp" else f"{host}:{kind.port}"
        if kind.module == "http_2xx":
            instance = f"https://{name.lower()}.example.com/"
        meta = {
            "company": company,
            "env": env,
            "grupo_monitoramento": kind.group,
            "instance": instance,
            "name": name,
            "project": f"{kind.group}-{env}",
            "region": REGIONS[number % len(REGIONS)],
            "site": site.code,
            "tipo_monitoramento": "probe" if kind.module else "exporter",
        }
        if kind.module:
            meta["module"] = kind.module
        if kind.name == "unknown_custom_job":
            meta["metrics_path"] = "/custom metrics?format=<text>"
        return Service(
            node.name,
            # The original's convention; it has slashes, blanks and an at sign.
            f"{kind.module or kind.name}/{company}/{kind.group}/{env}@{name}",
            kind.name,
            tags=kind.tags,
            address="" if number % 5 == 0 else host,
            meta=dict(sorted(meta.items())),
            port=kind.port,
        )

    def keys(self) -> dict[str, bytes]:
        """Give what KV holds, by key."""
        fields = [
            {"name": name, "display_name": name.title(), "field_type": "string", "required": True}
            for name in ("company", "site", "env", "name", "instance")
        ]
        return {
            SITES_KEY: msgspec.json.encode(self.sites_document()),
            "skills/eye/metadata/fields": msgspec.json.encode({"fields": fields}),
            "skills/eye/settings/theme": b"dark",
            "skills/eye/settings/empty": b"",
            "skills/eye/settings/título": "Olá <b>mundo</b>".encode(),
            "apps/billing-api/config/feature-flags": b'{"new_invoices": true}',
            "apps/billing-api/config/icon": bytes(range(256)),
            "apps/nodejs_app/config/log level": b"info",
            "apps/nodejs_app/leader": b"",
        }

    def sites_document(self) -> dict[str, object]:
        """Give the sites as the original stores them, each with the address of its first node."""
        sites = [
            {
                "code": site.code,
                "name": site.name,
                "is_default": number == 0,
                "color": site.color,
                "cluster": site.cluster,
                "datacenter": site.datacenter,
                "environment": site.environment,
                "site": site.code,
                "prometheus_instance": self.nodes[number].address,
                "prometheus_host": self.nodes[number].address,
                "prometheus_port": 9090,
                "ssh_port": 22,
            }
            for number, site in enumerate(SITES[: len(self.nodes)])
        ]
        return {
            "data": {
                "sites": sites,
                "naming": {"strategy": "option2", "suffix_enabled": True},
                "default_site": SITES[0].code,
                "total_sites": len(sites),
            },
            "meta": {"version": "1.0.0", "updated_by": "demo"},
        }

    def load(self, state: State) -> None:
        """Register everything in *state*."""
        state.members = list(self.members)
        for item in self.items():
            if item.service is not None and item.service.name != "consul":
                state.catalog.register(None, item.service, item.checks, item.node.name)
            else:
                state.catalog.register(item.node, item.service, item.checks)
        for key, value in self.keys().items():
            state.keys.put(key, value, flags=42 if key.endswith("icon") else 0)
