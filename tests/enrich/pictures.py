"""Snapshots, and the views of them, made in few words or drawn."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.columns import NODES, SERVICES, Schema
from consul_edge.enrich.parameters import Accepted, Format, Listing, read_listing
from consul_edge.enrich.rules import Rules
from consul_edge.enrich.shapes import (
    CheckShape,
    HealthShape,
    MemberShape,
    NodeShape,
    ServiceShape,
)
from consul_edge.enrich.sites import Sites, parse_sites
from consul_edge.enrich.snapshot import Failure, Kind, Snapshot
from consul_edge.enrich.view import View, compose
from tests.enrich.documents import rule, rules_of

UNMAPPED = "Nao mapeado"

RULES = rules_of(
    rule(
        "ping",
        "^icmp",
        module="^icmp$",
        path="/probe",
        exporter_type="blackbox",
        display_name="Ping",
    ),
    rule("web", "^web", category="other"),
)

FAILURE = Failure("/v1/health/service/web", Kind.TIMEOUT, "no answer within 2.8 s")


def node(name: str = "n1", address: str = "10.0.0.1", **fields: Any) -> NodeShape:
    """Make a node of the catalog."""
    return NodeShape(name, address, **{"datacenter": "dc1"} | fields)


def member(name: str = "n1", status: int = 1, role: str = "node", **fields: Any) -> MemberShape:
    """Make a member of the gossip pool."""
    return MemberShape(
        name, **{"address": "10.0.0.1", "tags": {"role": role}} | fields, status=status
    )


def check(status: str = "passing", name: str = "c", of: str = "", at: str = "n1") -> CheckShape:
    """Make a check of the instance *of*; without it, of the node."""
    return CheckShape(at, name, status, of)


def serf(at: str = "n1", status: str = "passing") -> CheckShape:
    """Make the check that Consul has of each agent."""
    return check(status, "serfHealth", at=at)


def instance(
    service: str = "web",
    at: NodeShape | None = None,
    *checks: CheckShape,
    **fields: Any,
) -> HealthShape:
    """Make an instance, which is called as its service."""
    return HealthShape(
        at or node(), ServiceShape(**{"id": service, "name": service} | fields), checks
    )


def own(status: str, of: str = "web", at: str = "n1") -> CheckShape:
    """Make a check of an instance."""
    return check(status, f"service:{of}", of, at)


def shot(
    *instances: HealthShape,
    nodes: Iterable[NodeShape] = (),
    members: Iterable[MemberShape] = (),
    checks: Iterable[CheckShape] = (),
    **fields: Any,
) -> Snapshot:
    """Make a snapshot, to which the instances bring their nodes."""
    services: dict[str, tuple[HealthShape, ...]] = {}
    for one in instances:
        services[one.service.name] = (*services.get(one.service.name, ()), one)
    by_node: dict[str, tuple[CheckShape, ...]] = {}
    for one_check in checks:
        by_node[one_check.node] = (*by_node.get(one_check.node, ()), one_check)
    return Snapshot(
        nodes={one.name: one for one in (*(one.node for one in instances), *nodes)},
        members={one.name: one for one in members},
        node_checks=by_node,
        services=dict(sorted(services.items())),
        **fields,
    )


def sites(*rows: tuple[str, str] | Mapping[str, Any]) -> Sites:
    """Make sites, each of its name and its address; the code is the name in small letters."""
    documents = [
        row
        if isinstance(row, Mapping)
        else {"code": row[0].lower(), "name": row[0], "prometheus_instance": row[1]}
        for row in rows
    ]
    return parse_sites(msgspec.json.encode(documents))


class Scene:
    """Views in a row, with the counter of one edge."""

    def __init__(self) -> None:
        """Begin at 1."""
        self._count = itertools.count(1)

    def view(
        self,
        before: View | None,
        snapshot: Snapshot,
        places: Sites | None = None,
        rules: Rules = RULES,
        unmapped: str = UNMAPPED,
    ) -> View:
        """Make the view that follows *before*."""
        return compose(
            before,
            snapshot,
            places if places is not None else Sites(),
            rules,
            Categorizer(rules),
            unmapped=unmapped,
            next_index=lambda: next(self._count),
        )


def view_of(*instances: HealthShape, places: Sites | None = None, **fields: Any) -> View:
    """Make a first view."""
    return Scene().view(None, shot(*instances, **fields), places)


def listing(schema: Schema = SERVICES, /, **given: str) -> Listing:
    """Read what somebody asks for."""
    accepted = Accepted(schema, tuple(Format), meta_filters=schema is not NODES)
    return read_listing(given.items(), accepted)


Step = tuple[Snapshot, Sites, Rules, bool]

_names = st.sampled_from(["n1", "n2", "n10", "Ünï"])
_services = st.sampled_from(["web", "icmp", "db", "consul"])
_addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "fe80::1", "", "no address"])
_statuses = st.sampled_from(["passing", "warning", "critical", "odd"])


@st.composite
def _snapshots(draw: st.DrawFn) -> Snapshot:
    catalog = {
        name: node(name, draw(_addresses), meta=draw(st.sampled_from([None, {"rack": "7"}])))
        for name in draw(st.lists(_names, unique=True))
    }
    instances = []
    for service in draw(st.lists(_services, unique=True)):
        for name in draw(st.lists(_names, unique=True)):
            of = f"{service}-{name}"
            checks = [serf(name, draw(_statuses)), own(draw(_statuses), of, name)]
            instances.append(
                instance(
                    service,
                    catalog.get(name, node(name)),
                    *checks[draw(st.integers(0, 2)) :],
                    id=of,
                    tags=draw(st.sampled_from([None, ("a",)])),
                )
            )
    made = shot(
        *instances,
        members=[
            member(name, draw(st.sampled_from([1, 4])), draw(st.sampled_from(["consul", "node"])))
            for name in draw(st.lists(_names, unique=True))
        ],
        checks=[serf(name, draw(_statuses)) for name in draw(st.lists(_names, unique=True))],
        nodes_in_doubt=dict.fromkeys(draw(st.lists(_names, max_size=1)), FAILURE),
        stale=draw(st.sampled_from([{}, {"web": FAILURE}])),
        problems=draw(st.sampled_from([(), (FAILURE,)])),
    )
    return replace(made, nodes=catalog)


def sharing(before: Snapshot, now: Snapshot) -> Snapshot:
    """Take from *before* what is the same *now*, as those do who gather snapshots."""
    fields: dict[str, Any] = {}
    for name in ("nodes", "members", "node_checks", "services", "nodes_in_doubt"):
        old, new = getattr(before, name), getattr(now, name)
        shared = {key: old[key] if old.get(key) == part else part for key, part in new.items()}
        fields[name] = old if shared == old and list(shared) == list(old) else shared
    return replace(now, **fields)


drawn_sites = st.sampled_from(
    [
        sites(),
        sites(("Rio", "10.0.0.1")),
        sites(("Rio", "10.0.0.2"), ("Dtc", "fe80::1")),
        sites(("Rio", "10.9.9.9"), ("Rio", "10.0.0.1")),
    ]
)


@st.composite
def _steps(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 4))):
        snapshot = draw(_snapshots())
        if steps:
            kept = draw(st.lists(st.sampled_from(Snapshot.__struct_fields__), unique=True))
            snapshot = replace(snapshot, **{name: getattr(steps[-1][0], name) for name in kept})
        rules = draw(st.sampled_from([RULES, rules_of(rule("one", "^d"))]))
        steps.append((snapshot, draw(drawn_sites), rules, draw(st.booleans())))
    return steps


drawn_steps = _steps()
"""What is so, one after the other; and whether what stays the same is read again all the same."""
