"""
What goes on for one key: its entry, who fetches it, who watches it, who waits for it.

Rule 1: an entry answers while nothing was written since it was fetched: its generation is that of
its line.  Another one answers nobody but those for whom there is nothing better (promise 5).
Rule 2: a client is woken for what it does not have, and for nothing else.
Rule 3: nothing here awaits anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from consul_edge.cache.served import Served
from consul_edge.cache.store import MemoryStore
from consul_edge.core.entry import Entry
from consul_edge.core.key import ANONYMOUS, Key
from consul_edge.core.policy import Kept, Rule
from consul_edge.core.watching import wakes_by_index

if TYPE_CHECKING:
    from consul_edge.cache.flights import Flight

log = structlog.get_logger()

Store = MemoryStore[Entry]


class Proving(Protocol):
    """A watch's round, as far as it proves an entry."""

    index: int

    @property
    def heard_at(self) -> float:
        """Until when it would have told a change."""

    def is_live(self, now: float) -> bool:
        """Whether it would have told a change by *now*."""


class Waiter(Protocol):
    """A client whose blocking query is parked."""

    index: int
    """What it knows."""

    def wake(self, news: Served | None) -> None:
        """Give it what it was waiting for; None: it is to look again.  It waits no more."""


@dataclass(eq=False, slots=True)
class Touched:
    """What a write may touch as one: a KV line, or all lines of an endpoint."""

    generation: int = 0
    writes: int = 0
    """Under way through this edge."""


@dataclass(eq=False, slots=True)
class Line:
    """Everything about one key."""

    key: Key
    rule: Rule
    name: str
    """Of its entry in the store."""
    token: str = field(repr=False)
    store: Store = field(repr=False)
    endpoint: Touched
    """Shared by all lines of its endpoint."""
    own: Touched = field(default_factory=Touched)
    version: int = 0
    """Counts what was published."""
    digest: bytes = b""
    """Of what was published last, kept or dropped since: those who wait have it."""
    kept_generation: int = -1
    """Of the entry."""
    is_restored: bool = False
    """The entry is an earlier process's, and what was written since nobody knows here."""
    proved_at: float = 0.0
    """When the entry was last seen to be true, but for what a pending round proves."""
    read_at: float = float("-inf")
    guests: int = 0
    """Reads and fetches under way that hold on to it."""
    flight: "Flight | None" = None
    round: Proving | None = None
    """Pending now."""
    is_watched: bool = False
    is_warm: bool = False
    """Watched whether or not anybody reads it."""
    waiters: dict[Waiter, None] = field(default_factory=dict)
    followers: dict[object, Callable[[], None]] = field(default_factory=dict)
    """Called after whatever is published, news or not, and after a drop; they keep it watched."""
    told: dict[int, float] = field(default_factory=dict)
    """Indexes above Consul's, and when a client that came with one was told the lower one."""

    @property
    def entry(self) -> Entry | None:
        """What is kept, valid or not."""
        return self.store.peek(self.name)

    @property
    def generation(self) -> int:
        """Grows with each write that may touch it."""
        return self.own.generation + self.endpoint.generation

    @property
    def writes(self) -> int:
        """Writes under way through this edge that may touch it."""
        return self.own.writes + self.endpoint.writes

    @property
    def is_superseded(self) -> bool:
        """Whether something was written since the entry was fetched, or may have been."""
        return self.is_restored or self.is_overtaken

    @property
    def is_overtaken(self) -> bool:
        """Whether this process knows of such a write."""
        return self.writes > 0 or self.kept_generation != self.generation

    @property
    def is_orphan(self) -> bool:
        """Whether its token is not known: its client has not come back since a restart."""
        return self.key.identity != ANONYMOUS and not self.token

    @property
    def is_kept_watched(self) -> bool:
        """Whether it is to be watched though no client waits."""
        return self.is_warm or bool(self.followers)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to know about it."""
        return (
            not self.guests
            and not self.waiters
            and not self.is_watched
            and not self.is_kept_watched
            and self.name not in self.store
        )

    def kept(self, now: float, *, touch: bool = True) -> Kept | None:
        """Say what is known of the entry now; only a touched one counts as used."""
        entry = self.store.peek(self.name, touch=touch)
        if entry is None:
            return None
        proved_at, is_live, is_superseded = self.proved_at, False, self.is_superseded
        pending = self.round
        # A round that waits from a lower index on would answer at once: it proves as much.
        if pending is not None and not is_superseded and pending.index <= entry.index:
            proved_at = max(proved_at, pending.heard_at)
            is_live = pending.is_live(now)
        return Kept(
            entry,
            is_live=is_live,
            is_watched=self.is_watched,
            age=max(now - proved_at, 0.0),
            is_superseded=is_superseded,
        )

    def publish(self, entry: Entry, proved_at: float) -> Entry:
        """
        Make *entry* what is answered from now on, and wake whom it is news for.

        Returns:
            The entry with the indexes that it covers.
        """
        before = self.entry
        entry = entry.following(before, wakes=wakes_by_index(self.key.endpoint, entry))
        if before is None or before.index != entry.index:
            self.told.clear()
        self.store.keep(self.name, entry)
        self.version += 1
        self.kept_generation = self.generation
        self.is_restored = False
        self.proved_at = proved_at
        # Rights narrow at the same index: whoever waits then has a body that is no more.
        is_other = self.digest not in (b"", entry.digest)
        self.digest = entry.digest
        if is_other or before is None or before.index != entry.index:
            news = Served(entry, "held")
            for waiter in [one for one in self.waiters if is_other or not entry.covers(one.index)]:
                self._release(waiter, news)
        self._tell_followers()
        return entry

    def restore(self, entry: Entry, proved_at: float) -> None:
        """
        Take over what an earlier process kept.

        It stands in while no server answers, and until the first answer that is published.  How
        young it is counts for nothing before that: an own write may have followed the snapshot.
        """
        self.publish(entry, proved_at)
        self.is_restored = True

    def stand_by(self, entry: Entry, true_at: float) -> None:
        """
        Have *entry*, which something written since may have overtaken, stand in from now on.

        What it replaces is older, and was overtaken, too; it answers nobody while a server does.

        Args:
            true_at: When it was asked for.
        """
        wakes = wakes_by_index(self.key.endpoint, entry)
        self.store.keep(self.name, entry.following(self.entry, wakes=wakes))
        self.version += 1
        # Not the digest: those who wait have what was published, unless they were shown this.
        self.proved_at = true_at

    def show(self, entry: Entry) -> None:
        """Hand *entry*, which is not to be kept, to those for whom it is newer than what they
        have: somebody's write is under way, and they need not wait for its end.
        """
        wakes = wakes_by_index(self.key.endpoint, entry)
        entry = entry.following(self.entry, wakes=wakes)
        news = Served(entry, "held")
        for waiter in list(self.waiters):
            if waiter.index < entry.index and not entry.covers(waiter.index):
                self._release(waiter, news)

    def release_all(self) -> None:
        """Have everyone who waits look again."""
        for waiter in list(self.waiters):
            self._release(waiter, None)

    def drop(self) -> None:
        """Forget the entry, and that anything fetched so far may be kept."""
        self.store.drop(self.name)
        self.own.generation += 1
        self._tell_followers()

    def _tell_followers(self) -> None:
        for heard in tuple(self.followers.values()):
            try:
                heard()
            except Exception:
                # A defect of one who follows must not take the answer from those who read.
                log.exception("follower failed")

    def _release(self, waiter: Waiter, news: Served | None) -> None:
        del self.waiters[waiter]
        try:
            waiter.wake(news)
        except Exception:
            # A defect with one client must not take the news from the others.
            log.exception("delivery failed")
