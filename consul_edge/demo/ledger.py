"""
One raft index, the indexes of the tables, and who waits for what.

Rule 1: every write takes the next index, whether or not it changes anything.
Rule 2: what changed is stamped with that index and named as a topic; those who wait for the topic
wake, and nobody else does any work.
Rule 3: nothing here polls or sleeps.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, TypeAlias

Topic: TypeAlias = tuple[str, str]
"""A kind of thing and its name; a whole table has the kind ``table``."""

NODES: Final = "nodes"
SERVICES: Final = "services"
CHECKS: Final = "checks"
KVS: Final = "kvs"
TOMBSTONES: Final = "tombstones"
SESSIONS: Final = "sessions"
EXTINCTION: Final = "service_last_extinction"
"""Says when the last instance of some service went away; missing services answer with it."""


def table(name: str) -> Topic:
    """Name the topic of a whole table."""
    return ("table", name)


class Ledger:
    """The indexes of one state, and the requests that wait for them to move."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.tables: dict[str, int] = {}
        self.waiting: dict[Topic, set[asyncio.Future[None]]] = {}

    def next(self) -> int:
        """Take the index of a write."""
        self.index += 1
        return self.index

    def highest(self, *tables: str) -> int:
        """Give the highest index of some tables; 0 if none was ever written."""
        return max([self.tables.get(name, 0) for name in tables])

    def stamp(self, name: str, index: int) -> None:
        """Note that a table changed at *index*, and wake those who wait for it."""
        self.tables[name] = index
        self.notify(("table", name))

    def notify(self, topic: Topic) -> None:
        """Wake those who wait for *topic*."""
        if self.waiting:
            for future in self.waiting.pop(topic, ()):
                if not future.done():
                    future.set_result(None)

    def notify_all(self) -> None:
        """Wake everybody, to look again."""
        for topic in list(self.waiting):
            self.notify(topic)

    def enrol(self, future: asyncio.Future[None], topics: Iterable[Topic]) -> None:
        """Let *future* be done as soon as one of *topics* changes."""
        for topic in topics:
            self.waiting.setdefault(topic, set()).add(future)

    def dismiss(self, future: asyncio.Future[None], topics: Iterable[Topic]) -> None:
        """Forget *future*, so that one who left costs nothing."""
        for topic in topics:
            waiting = self.waiting.get(topic)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self.waiting[topic]
