"""
Keeps a snapshot of the cluster current for one identity.

Rule 1: cold, it costs one call for each service name and a few for the tables; then nothing but
what watches tell: a change asks again for that name alone.
Rule 2: more names than the allowance of watches has room for are not watched: the tables are, and
whenever one of their indexes moves, all names are read again.  That is never done twice at once,
and as seldom as the watches of tables tell news (``watch.refresh_interval``).  Without room even
for the tables, they are read every ``TABLES_INTERVAL``.
Rule 3: what fails costs what was asked and nothing else: a name keeps the instances that were
known, and the nodes that have them are in doubt.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog

from consul_edge.enrich.allowance import Allowance
from consul_edge.enrich.asking import Asker
from consul_edge.enrich.derived import Derived, by_node, named
from consul_edge.enrich.instances import Instances
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.shapes import (
    MemberShape,
    NodeShape,
    read_checks,
    read_members,
    read_names,
    read_nodes,
)
from consul_edge.enrich.snapshot import Failure, Snapshot
from consul_edge.enrich.topic import Topic

log = structlog.get_logger()

NODES: Final = "/v1/catalog/nodes"
NAMES: Final = "/v1/catalog/services"
MEMBERS: Final = "/v1/agent/members"

NODE_CHECKS: Final = "/v1/health/state/any?filter=" + quote('ServiceID == ""', safe="")
"""Only the nodes' own; its index moves with every check (CONSUL.md A.1.1)."""

MEMBERS_INTERVAL: Final = 10.0
"""Seconds between two readings of the members, of which nothing tells changes."""

TABLES_INTERVAL: Final = 2.0
"""Seconds between two readings of tables that are not watched."""

TABLES: Final = 3
"""Watches that an identity has whatever its names are."""

SOON: Final = 0.25
"""Seconds that a change waits for others that were told with it."""

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
        self._allowance = allowance
        self.asker = asker
        self._now = now
        self._news = news
        self._nodes = Topic(NODES, read_nodes, asker, now, news, is_essential=True)
        self._names = Topic(NAMES, read_names, asker, now, news, is_essential=True)
        self._checks = Topic(NODE_CHECKS, read_checks, asker, now, news)
        self._members = Topic(MEMBERS, read_members, asker, now, news)
        self._tables: tuple[Topic[Any], ...] = (self._nodes, self._names, self._checks)
        self._instances = Instances(asker, now, news)
        self._watched = 0
        """Watches that the allowance granted."""
        self._reading_members: asyncio.Task[None] | None = None
        self._sweeping_at: Sequence[int] = ()
        self._swept_at: Sequence[int] = ()
        """The tables' indexes at which all names were read last, and are being read."""
        self._sweep_began_at = self._whole_at = now()
        """When the last reading of all names began, and the last one that came to its end."""
        self._is_cold = True
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
        tables = min(topic.due_at for topic in (*self._tables, self._members))
        return min(tables, self._instances.due_at)

    def proof(self) -> tuple[bool, float]:
        """Tell whether all is proven all the time, and for how long the worst of it is not."""
        now = self._now()
        # Of what was never learnt the snapshot itself tells.
        proofs = [topic.proof() for topic in self._tables if topic.value is not None]
        is_live = len(proofs) == len(self._tables) and self._instances.is_settled
        if self.is_watching_names:
            proofs += self._instances.proofs()
        elif not is_live or self._indexes != self._swept_at:
            is_live = False
            proofs.append((False, now - self._whole_at))
        is_due = any(topic.due_at <= now for topic in self._tables)
        is_live = is_live and not is_due and all(live for live, _ in proofs)
        return is_live, max((age for _, age in proofs), default=0.0)

    async def catch_up(self) -> Snapshot:
        """
        Learn whatever is due; what takes longer than others is learnt meanwhile.

        Raises:
            EdgeError: When there is nothing to make a snapshot of, or nothing may be seen (any
                more).
        """
        await self._learn_tables()
        for table in (self._nodes, self._names):
            if table.error is not None and table.value is None:
                raise table.error
        self._choose(sorted(self._names.value or {}, key=natural_key))
        await self._learn_instances()
        nodes = self._nodes_by_name.of(self._nodes.value)
        in_doubt = self._instances.doubts(nodes)
        self._report(in_doubt)
        return Snapshot(
            nodes=nodes,
            members=self._members_by_name.of(self._members.value),
            node_checks=self._checks_by_node.of(self._checks.value),
            services=self._instances.known(),
            stale=self._instances.stale(),
            missing=self._instances.missing(),
            nodes_in_doubt=in_doubt,
            problems=tuple(
                topic.failure
                for topic in (*self._tables, self._members)
                if topic.failure is not None
            ),
        )

    def ask_again(self) -> None:
        """Have everything asked for anew."""
        for topic in (*self._tables, self._members):
            topic.ask_again()
        self._instances.ask_again()
        self._is_cold = True
        self._news()

    def close(self) -> None:
        """Follow nothing any more; the watches end with their rounds."""
        for topic in self._tables:
            topic.unfollow()
        self._instances.close()
        if self._reading_members is not None:
            self._reading_members.cancel()

    def give_back(self) -> None:
        """Give the watches back that have ended since it was closed."""
        self._allowance.resize(self._watched, 0)
        self._watched = 0

    @property
    def _indexes(self) -> Sequence[int]:
        return [table.index for table in self._tables]

    async def _learn_tables(self) -> None:
        if not self._watched and self._allowance.resize(0, TABLES):
            self._watched = TABLES
        now = self._now()
        for table in self._tables:
            if self._watched:
                table.follow()
                table.look()
            else:
                table.unfollow()
        due = [table for table in self._tables if table.due_at <= now]
        if self._nodes in due or self._checks in due:
            # Only what is well: what has failed has its own time to be asked again.
            self._members.ask_within(0.0 if self._members.failure is None else MEMBERS_INTERVAL)
        if self._members.due_at <= now and self._reading_members is None:
            self._reading_members = asyncio.create_task(self._read_members(), name="members")
        await asyncio.gather(*(topic.learn() for topic in due))
        if not self._watched:
            for table in self._tables:
                table.ask_within(TABLES_INTERVAL)
        if self._reading_members is not None:
            await asyncio.wait(
                (self._reading_members,), timeout=self.asker.patience if self._is_cold else SOON
            )

    async def _read_members(self) -> None:
        try:
            await self._members.learn()
            self._members.ask_within(MEMBERS_INTERVAL)
        finally:
            self._reading_members = None
        self._news()

    def _choose(self, names: Sequence[str]) -> None:
        """Have exactly these names, watched if there is room for all of them."""
        for wanted in (TABLES + len(names), TABLES, 0):
            if self._allowance.resize(self._watched, wanted):
                self._watched = wanted
                break
        self._instances.choose(names, watched=self.is_watching_names)

    async def _learn_instances(self) -> None:
        indexes = self._indexes
        if not self.is_watching_names and indexes != self._sweeping_at:
            self._instances.ask_again()
            self._sweep_began_at = self._now()
        self._sweeping_at = indexes
        patience = self.asker.patience if self._is_cold else SOON
        await self._instances.learn(patience, self._nodes_by_name.of(self._nodes.value))
        self._is_cold = False
        if self._instances.is_settled:
            self._swept_at, self._whole_at = indexes, self._sweep_began_at

    def _report(self, in_doubt: Mapping[str, Failure]) -> None:
        """Log the nodes that are newly in doubt, and those that are no longer."""
        nodes = self._nodes_by_name.of(self._nodes.value)
        new = [node for node in in_doubt if node not in self._in_doubt]
        for node in new[:LOGGED]:
            address = nodes[node].address if node in nodes else ""
            log.warning(
                "services of a node not known", node=node, ip=address, reason=str(in_doubt[node])
            )
        if len(new) > LOGGED:
            log.warning("services of further nodes not known", count=len(new) - LOGGED)
        well = [node for node in self._in_doubt if node not in in_doubt]
        if well:
            log.info(
                "services of nodes known again", count=len(well), nodes=",".join(well[:LOGGED])
            )
        self._in_doubt = in_doubt
