"""
One question of the enrichment: what was learnt of it last, and whether it is due again.

Rule 1: what was learnt stays until something else is learnt; a failure stands beside it.
Rule 2: who follows the question learns from what the watch published, and asks by itself only
where there is no watch to tell.
Rule 3: a failure is tried again, later each time, and at once when the watch tells something.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, Generic, TypeVar

from consul_edge.cache.following import Following
from consul_edge.core.backoff import backoff
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError
from consul_edge.enrich.asking import Asker, Unlearnt, decoded
from consul_edge.enrich.snapshot import Failure

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
"""Seconds before a question that failed is asked again."""

T = TypeVar("T")


class _Need(Enum):
    """What will do to learn from."""

    HEARD = "heard"
    """What is kept: the watch has just told of it."""

    LIVE = "live"
    """What is kept, if it is proven now."""

    NEW = "new"
    """Nothing but an answer to a question of now."""


class Topic(Generic[T]):
    """A question, and its answer's meaning."""

    def __init__(
        self,
        target: str,
        read: Callable[[bytes], T],
        asker: Asker,
        now: Callable[[], float],
        news: Callable[[], None],
        *,
        is_essential: bool = False,
    ) -> None:
        """
        Ask nothing yet; it is due.

        Args:
            is_essential: Whether there is nothing to show without it.

            now: A monotonic clock.

            news: Called when it has become due.
        """
        self.target = target
        self.value: T | None = None
        """None: nothing was learnt as yet."""

        self.failure: Failure | None = None
        """Why it could not be learnt when it was asked last."""

        self.error: EdgeError | None = None
        """What a client is told of that."""

        self.index = 0
        """Consul's, of the answer that was learnt from."""

        self.took = 0.0
        """Seconds that learning took last."""

        self._is_essential = is_essential
        self._read = read
        self._asker = asker
        self._now = now
        self._news = news
        self._following: Following | None = None
        self._digest = b""
        self._learnt_at = float("-inf")
        self._due_at = float("-inf")
        self._failures = 0
        self._needs = _Need.LIVE

    def follow(self) -> None:
        """Have it watched from now on."""
        if self._following is None:
            self._following = self._asker.follow(self.target, self._heard)

    def unfollow(self) -> None:
        """Ask for it only when told to."""
        if self._following is not None:
            self._following.close()
            self._following = None

    @property
    def path(self) -> str:
        """What is asked for, without its parameters."""
        return self.target.partition("?")[0]

    @property
    def due_at(self) -> float:
        """When it is to be learnt (again); infinite: not before something happens."""
        return self._due_at

    def ask_again(self) -> None:
        """Make it due, and past what is kept."""
        self._needs = _Need.NEW
        self._due_at = float("-inf")

    def ask_within(self, seconds: float) -> None:
        """Make it due after so long, if it is not before."""
        self._due_at = min(self._due_at, self._now() + seconds)

    def look(self) -> None:
        """Have it watched again, should its watch have ended."""
        if self._following is not None:
            self._following.look()

    def proof(self) -> tuple[bool, float]:
        """Tell whether it is proven all the time, and for how long it has not been."""
        now = self._now()
        kept = self._following.kept(now) if self._following is not None else None
        if kept is None or kept.entry.digest != self._digest:
            return False, now - self._learnt_at
        return kept.is_live, kept.age

    async def learn(self) -> None:
        """Learn it, from what the watch published or by asking; a failure is noted."""
        self._due_at = float("inf")
        began = self._now()
        needs, self._needs = self._needs, _Need.HEARD
        try:
            entry = await self._entry(needs)
            if self.value is None or entry.digest != self._digest:
                self.value = await decoded(self.target, entry.body, self._read)
                self._digest = entry.digest
        except Unlearnt as unlearnt:
            self.failure, self.error = unlearnt.failure, unlearnt.error
            self._failures += 1
            if unlearnt.failure.is_denial:
                # What was known before may not be shown any more.
                self.value, self._digest = None, b""
            if self._needs is _Need.HEARD:
                self._needs = needs
            pause = backoff(self._failures, first=FIRST_PAUSE, most=LONGEST_PAUSE)
            self._due_at = min(self._due_at, self._now() + pause)
        else:
            self.failure = self.error = None
            self._failures = 0
            self.index = entry.index
            self._learnt_at = began
        self.took = self._now() - began

    async def _entry(self, needs: _Need) -> Entry:
        following = self._following
        if following is None:
            return await self._asker.ask(self.target)
        kept = following.kept(self._now())
        will_do = kept is not None and not kept.is_superseded and needs is not _Need.NEW
        if kept is not None and will_do and (kept.is_live or needs is _Need.HEARD):
            following.look()
            return kept.entry
        is_essential = self._is_essential and self.value is None
        return await self._asker.fetch(self.target, following, is_essential=is_essential)

    def _heard(self) -> None:
        """Look at what the watch published."""
        entry = self._following.entry if self._following is not None else None
        if entry is None:
            # Flushed, or not to be seen any more: asking tells which.
            self._needs = _Need.NEW
        elif entry.digest == self._digest and entry.index == self.index and self.failure is None:
            return
        self._due_at = float("-inf")
        self._news()
