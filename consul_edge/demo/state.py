"""
Everything that one stand-in knows, under one raft index.

It has no clock, no network and no tasks of its own: handlers and the churn change it, and the
requests that wait for a change wait in its ledger.  Several stand-ins may share one state, as the
servers of a cluster do.
"""

import time
from collections.abc import Callable

from consul_edge.demo.catalog import Catalog
from consul_edge.demo.keys import Keys
from consul_edge.demo.ledger import Ledger
from consul_edge.demo.members import Member
from consul_edge.demo.sessions import Sessions

FIRST_INDEX = 4
"""What a fresh Consul has used up on its own affairs, roughly."""


class State:
    """Nodes, services, checks, keys, sessions and members."""

    def __init__(
        self, datacenter: str = "dc1", *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Start empty; *now* measures lock delays."""
        self.datacenter = datacenter
        self.datacenters: list[str] = [datacenter]
        self.ledger = Ledger(FIRST_INDEX)
        self.catalog = Catalog(self.ledger)
        self.keys = Keys(self.ledger, now)
        self.sessions = Sessions(self.ledger, self.catalog, self.keys)
        self.members: list[Member] = []
        self.epoch = 0
        """Moves when indexes went backwards, so that nobody trusts what he kept under one."""

    @property
    def index(self) -> int:
        """The raft index of the last write."""
        return self.ledger.index

    def reset_index(self, index: int = 10) -> None:
        """
        Let all indexes go backwards to at most *index*, as restoring an old snapshot does.

        Requests that wait for a higher one go on waiting, as they do at Consul.
        """
        self.epoch += 1
        ledger = self.ledger
        ledger.index = min(ledger.index, index)
        ledger.tables = {name: min(at, index) for name, at in ledger.tables.items()}
        self.catalog.renumber(index)
        self.keys.renumber(index)
        self.sessions.renumber(index)
        ledger.notify_all()
