"""
Keeps a snapshot of the cluster current for one identity.

Rule 1: cold, it costs one call for each service name and a few for the tables; then nothing but
what watches tell: a change asks again for that name alone.
Rule 2: more names than the allowance of watches has room for are not watched: the tables are, and
whenever one of their indexes moves, all names are read again.  That is never done twice at once,
and as seldom as the watches of tables tell news (``watch.refresh_interval``).
Rule 3: what fails costs what was asked and nothing else: a name keeps the instances that were
known, and the nodes that have them are in doubt.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog

from consul_edge import metrics
from consul_edge.enrich.allowance import Allowance
from consul_edge.enrich.asking import Asker, Unlearnt, decoded
from consul_edge.enrich.derived import Derived, by_node, named
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.shapes import (
    HealthShape,
    MemberShape,
    NodeShape,
    read_checks,
    read_health,
    read_members,
    read_names,
    read_nodes,
)
from consul_edge.enrich.snapshot import Failure, Kind, Snapshot
from consul_edge.enrich.topic import Topic

log = structlog.get_logger()

NODES: Final = "/v1/catalog/nodes"
NAMES: Final = "/v1/catalog/services"
MEMBERS: Final = "/v1/agent/members"

NODE_CHECKS: Final = "/v1/health/state/any?filter=" + quote('ServiceID == ""', safe="")
"""Only the nodes' own; its index moves with every check (CONSUL.md A.1.1)."""

MEMBERS_INTERVAL: Final = 10.0
"""Seconds between two readings of the members, of which nothing tells changes."""

TABLES: Final = 3
"""Watches that an identity has whatever its names are."""

LOGGED: Final = 20
"""Nodes in doubt that are named in the log at once."""


class Gathering:
    """One identity's snapshot, and what it takes to keep it."""

    def __init__(
        self,
        asker: Asker,
        allowance: Allowance,
        now: Callable[[], float],
        news: Callable[[], None],
    ) -> None:
        """
        Ask nothing yet.

        Args:
            now: A monotonic clock.

            news: Called when ``catch_up`` has something to do.
        """
        self._asker = asker
        self._allowance = allowance
        self._now = now
        self._news = news
        self._nodes = Topic(NODES, read_nodes, asker, now, news, is_essential=True)
        self._names = Topic(NAMES, read_names, asker, now, news, is_essential=True)
        self._checks = Topic(NODE_CHECKS, read_checks, asker, now, news)
        self._members = Topic(MEMBERS, read_members, asker, now, news)
        self._tables: tuple[Topic[Any], ...] = (self._nodes, self._names, self._checks)
        self._services: dict[str, Topic[tuple[HealthShape, ...] | None]] = {}
        self._whereabouts: dict[str, frozenset[str]] = {}
        """Nodes of the names of which nothing else is known."""
        self._watched = 0
        """Watches that the allowance granted."""
        self._swept_at: Sequence[int] = ()
        """The tables' indexes at which all names were read last."""
        self._nodes_by_name = Derived[dict[str, NodeShape]](named)
        self._members_by_name = Derived[dict[str, MemberShape]](named)
        self._checks_by_node = Derived(by_node)
        self._in_doubt: Mapping[str, Failure] = {}

    @property
    def is_watching_names(self) -> bool:
        """Whether each name has a watch of its own."""
        return self._watched > TABLES

    @property
    def due_at(self) -> float:
        """When ``catch_up`` has something to do, should no news come before."""
        return min(
            topic.due_at for topic in (*self._tables, self._members, *self._services.values())
        )

    def proof(self) -> tuple[bool, float]:
        """Tell whether all is proven all the time, and for how long the worst of it is not."""
        watched = [*self._tables, *(self._services.values() if self.is_watching_names else ())]
        # Of what was never learnt the snapshot itself tells.
        proofs = [topic.proof() for topic in watched if topic.value is not None]
        now = self._now()
        is_due = any(topic.due_at <= now for topic in (*self._tables, *self._services.values()))
        is_live = not is_due and all(live for live, _ in proofs) and len(proofs) == len(watched)
        return is_live, max((age for _, age in proofs), default=0.0)

    async def catch_up(self) -> Snapshot:
        """
        Learn whatever is due.

        Raises:
            EdgeError: When there is nothing to make a snapshot of, or nothing may be seen (any
                more).
        """
        await self._learn_tables()
        for table in (self._nodes, self._names):
            failure, error = table.failure, table.error
            if error is not None and (
                table.value is None or (failure is not None and failure.is_denial)
            ):
                raise error
        self._choose(sorted(self._names.value or {}, key=natural_key))
        await self._learn_services()
        in_doubt = self._find_doubts()
        self._report(in_doubt)
        return Snapshot(
            nodes=self._nodes_by_name.of(self._nodes.value),
            members=self._members_by_name.of(self._members.value),
            node_checks=self._checks_by_node.of(self._checks.value),
            services={
                name: topic.value or ()
                for name, topic in self._services.items()
                if topic.value is not None or topic.failure is None
            },
            stale=self._failures(known=True),
            missing=self._failures(known=False),
            nodes_in_doubt=in_doubt,
            problems=tuple(
                topic.failure
                for topic in (*self._tables, self._members)
                if topic.failure is not None
            ),
        )

    def ask_again(self) -> None:
        """Have everything asked for anew."""
        for topic in (*self._tables, self._members, *self._services.values()):
            topic.ask_again()
        self._news()

    def close(self) -> None:
        """Follow nothing any more."""
        for topic in (*self._tables, *self._services.values()):
            topic.unfollow()
        self._allowance.resize(self._watched, 0)
        self._watched = 0

    async def _learn_tables(self) -> None:
        now = self._now()
        for table in self._tables:
            table.follow()
            table.look()
        due = [table for table in self._tables if table.due_at <= now]
        if self._members.due_at <= now or self._nodes in due or self._checks in due:
            due.append(self._members)
        await asyncio.gather(*(topic.learn() for topic in due))
        if self._members in due:
            self._members.ask_within(MEMBERS_INTERVAL)

    def _choose(self, names: Sequence[str]) -> None:
        """Have exactly these names, watched if there is room for all of them."""
        for name in self._services.keys() - set(names):
            self._services.pop(name).unfollow()
            self._whereabouts.pop(name, None)
        known = self._services
        self._services = {name: known.get(name) or self._topic(name) for name in names}
        wanted = TABLES + len(names)
        if not self._allowance.resize(self._watched, wanted):
            wanted = TABLES
            self._allowance.resize(self._watched, wanted)
        self._watched = wanted
        for topic in self._services.values():
            if self.is_watching_names:
                topic.follow()
                topic.look()
            else:
                topic.unfollow()

    async def _learn_services(self) -> None:
        indexes = [table.index for table in self._tables]
        if not self.is_watching_names and indexes != self._swept_at:
            for topic in self._services.values():
                topic.ask_again()
        now = self._now()
        due = {name: topic for name, topic in self._services.items() if topic.due_at <= now}
        await asyncio.gather(*(topic.learn() for topic in due.values()))
        self._swept_at = indexes
        lost = [name for name, topic in due.items() if topic.failure and topic.value is None]
        await asyncio.gather(*map(self._locate, lost))
        self._measure(due)

    async def _locate(self, name: str) -> None:
        """Find out which nodes have a service of whose instances nothing is known."""
        target = f"/v1/catalog/service/{quote(name, safe='')}"
        try:
            entry = await self._asker.ask(target)
            nodes = await decoded(target, entry.body, read_nodes)
        except Unlearnt:
            return
        self._whereabouts[name] = frozenset(node.name for node in nodes or ())

    def _topic(self, name: str) -> Topic[tuple[HealthShape, ...] | None]:
        target = f"/v1/health/service/{quote(name, safe='')}"
        return Topic(target, read_health, self._asker, self._now, self._news)

    def _failures(self, *, known: bool) -> dict[str, Failure]:
        return {
            name: topic.failure
            for name, topic in self._services.items()
            if topic.failure is not None and (topic.value is not None) is known
        }

    def _nodes_of(self, name: str) -> Iterable[str]:
        """Name the nodes that have instances of a service, all of them if that is not known."""
        instances = self._services[name].value
        if instances is not None:
            return {instance.node.name for instance in instances}
        return self._whereabouts.get(name, [node.name for node in self._nodes.value or ()])

    def _find_doubts(self) -> dict[str, Failure]:
        in_doubt: dict[str, Failure] = {}
        for name, topic in self._services.items():
            if topic.failure is not None:
                for node in self._nodes_of(name):
                    in_doubt.setdefault(node, topic.failure)
        return in_doubt

    def _measure(self, learnt: Mapping[str, Topic[tuple[HealthShape, ...] | None]]) -> None:
        """Count for each node how long what was asked about it has taken, and what failed."""
        took: dict[str, float] = {}
        failed: dict[str, Kind] = {}
        for name, topic in learnt.items():
            for node in self._nodes_of(name):
                took[node] = max(took.get(node, 0.0), topic.took)
                if topic.failure is not None:
                    failed[node] = topic.failure.kind
        for node, seconds in took.items():
            metrics.node_enriched(node, seconds, ok=node not in failed)
        for node, kind in failed.items():
            metrics.node_failed(node, kind)

    def _report(self, in_doubt: Mapping[str, Failure]) -> None:
        """Log the nodes that are newly in doubt."""
        nodes = self._nodes_by_name.of(self._nodes.value)
        new = [node for node in in_doubt if node not in self._in_doubt]
        for node in new[:LOGGED]:
            address = nodes[node].address if node in nodes else ""
            log.warning(
                "services of a node not known", node=node, ip=address, reason=str(in_doubt[node])
            )
        if len(new) > LOGGED:
            log.warning("services of further nodes not known", count=len(new) - LOGGED)
        self._in_doubt = in_doubt
