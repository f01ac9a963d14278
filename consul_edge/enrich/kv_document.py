"""
One document in Consul's KV, kept current: what it holds, or that there is none.

Rule 1: an edit is told by the watch; the TTL is for what no watch keeps fresh, and looks at the
watch bring back one that ended.
Rule 2: a KV that fails takes nothing away: only an answer that says what the key holds, or that
there is no such key, is passed on.  Why there is none is told beside it.
Rule 3: a failure is tried again, later each time: nothing makes that sooner but an answer that
somebody else got, another token, or who asks for it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from consul_edge import metrics
from consul_edge.cache.cache import Cache
from consul_edge.cache.fetching import TooLarge, Unanswered
from consul_edge.cache.following import Following
from consul_edge.core.backoff import backoff
from consul_edge.core.entry import Entry
from consul_edge.core.errors import EdgeError
from consul_edge.core.key import kv_target
from consul_edge.enrich.asking import PATIENCE
from consul_edge.enrich.ended import Ended

log = structlog.get_logger()

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks: at the token, at the watch, at the TTL."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
"""Seconds before a load that failed is tried again."""

_SHOWN: Final = 200
"""Characters of Consul's own words that are passed on."""


class KvDocument:
    """Follows the value of one key with the edge's own token."""

    def __init__(
        self,
        key: str,
        cache: Cache,
        token: Callable[[], str],
        *,
        ttl: float,
        timeout: float,
        what: str,
        take: Callable[[bytes | None], Awaitable[None]],
        fail: Callable[[str], None],
    ) -> None:
        """
        Ask nothing yet.

        Args:
            key: Decoded.

            token: Gives the edge's own token as it is now.

            ttl: Seconds after which it is loaded again, should no watch prove it.

            timeout: Seconds of ``consul.timeout``; a load has ``PATIENCE`` times as long.

            what: What it is for, as metrics call it.

            take: Given what the key holds, or None if there is no such key, after each load and
                each change.

            fail: Told why a load failed, after each that did.
        """
        self.key = key
        self.target = kv_target(key)
        self.error: str | None = None
        """Why it could not be loaded when that was tried last."""

        self._cache = cache
        self._token = token
        self._ttl = ttl
        self._patience = PATIENCE * timeout
        self._last_success = metrics.CACHE_LAST_SUCCESS.labels(what)
        self._take = take
        self._fail = fail
        self._now = asyncio.get_running_loop().time
        self._following: Following | None = None
        self._followed_as = ""
        """The token of that."""
        self._digest = b""
        """Of what was passed on last."""
        self._proven_at = float("-inf")
        self._failures = 0
        self._failed_at = float("-inf")
        """When the last load that failed began."""
        self._retry_at = float("-inf")
        self._woken = asyncio.Event()
        self._tried = asyncio.Event()
        self._refreshing: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def age(self) -> float | None:
        """Seconds since what was passed on was proven; None: nothing was."""
        self._note_proof()
        known = self._proven_at > float("-inf")
        return max(self._now() - self._proven_at, 0.0) if known else None

    @property
    def is_live(self) -> bool:
        """Whether a watch proves what was passed on all the time."""
        return self._note_proof()

    @property
    def is_followed(self) -> bool:
        """Whether somebody has begun to read it."""
        return self._task is not None

    def bound(self, *, ttl: float, timeout: float) -> None:
        """Take other times, as at the beginning."""
        self._ttl = ttl
        self._patience = PATIENCE * timeout

    def start(self) -> None:
        """Follow it from now on, if that has not begun; nothing is waited for."""
        if self._task is None and not self._is_closed:
            self._task = asyncio.create_task(self._run(), name=f"document {self.key}")

    def hand_over(self, other: "KvDocument", ended: Ended) -> None:
        """Have *other* followed in its place; nothing of it is taken any more."""
        if self._task is not None:
            self._task.cancel()
            other.start()
        ended.take(self.close())

    async def close(self) -> None:
        """Follow it no longer."""
        self._is_closed = True
        self._tried.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._following is not None:
            self._following.close()
        _release(self._refreshing)

    async def tried(self) -> None:
        """
        Wait until the first load is over, however it ended: never for long.

        The first who waits begins it: where nobody reads the enriched API, Consul is not asked.
        """
        self.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._tried.wait()

    async def refresh(self) -> None:
        """Load it now, if anybody reads it, and wait until that is over, however it ended."""
        if self._task is not None:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._refreshing.append(waiting)
            self._woken.set()
            await asyncio.wait((waiting,))

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            waiting, self._refreshing = self._refreshing, []
            try:
                await self._turn(must_load=bool(waiting))
            except Exception:
                # The top of a background loop: a defect must not leave it as it is for ever.
                log.exception("document cannot be followed", key=self.key)
            finally:
                _release(waiting)
            self._tried.set()
            self._show()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL):
                    await self._woken.wait()

    async def _turn(self, *, must_load: bool) -> None:
        """Take what is news, and load what is due."""
        following = self._follow()
        now = self._now()
        kept = following.kept(now)
        is_good = kept is not None and not kept.is_superseded
        if kept is not None and is_good:
            following.look()
            # What was proven before a load failed is no news after it.
            is_back = self.error is not None and now - kept.age > self._failed_at
            if kept.entry.digest != self._digest or is_back:
                await self._pass_on(kept.entry, now - kept.age)
            self._note_proof()
        is_due = not is_good or now - self._proven_at >= self._ttl
        # A load that was refused is heard, too: that echo must not bring the next one.
        if must_load or (is_due and now >= self._retry_at):
            await self._load(following)

    async def _load(self, following: Following) -> None:
        began = self._now()
        try:
            async with asyncio.timeout(self._patience):
                entry = await following.fetch()
        except TimeoutError:
            reason = f"no answer within {self._patience:g} s"
        except Unanswered as unanswered:
            reason = _said(unanswered.entry)
        except TooLarge:
            reason = "it is larger than cache.max_entry_bytes"
        except EdgeError as error:
            reason = str(error)
        else:
            # Of an absence that is one Consul tells the index.
            if entry.status == 200 or (entry.status == 404 and entry.index):
                await self._pass_on(entry, began)
                return
            reason = _said(entry)
        self._note_failure(reason, began)
        if not self._digest and following.entry is not None:
            # An earlier process's, from the snapshot.
            await self._give(following.entry)

    def _note_failure(self, reason: str, began: float) -> None:
        self._failures += 1
        self._failed_at = began
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        pause = backoff(self._failures, first=FIRST_PAUSE, most=LONGEST_PAUSE, jitter=jitter)
        self._retry_at = self._now() + pause
        if reason != self.error:
            log.warning("document cannot be read", key=self.key, reason=reason)
        self.error = reason
        self._fail(reason)

    async def _pass_on(self, entry: Entry, proven_at: float) -> None:
        if self.error is not None:
            log.info("document can be read again", key=self.key)
        self.error = None
        self._failures = 0
        self._retry_at = float("-inf")
        self._proven_at = max(self._proven_at, proven_at)
        await self._give(entry)

    async def _give(self, entry: Entry) -> None:
        self._digest = entry.digest
        await self._take(entry.body if entry.status == 200 else None)

    def _follow(self) -> Following:
        """Follow it as whoever the edge is now."""
        token = self._token()
        before = self._following
        if before is None or token != self._followed_as:
            self._following = self._cache.follow(self.target, token, self._heard)
            self._followed_as = token
            self._failures = 0
            self._retry_at = float("-inf")
            if before is not None:
                before.close()
        assert self._following is not None  # noqa: S101 - for the type checker
        return self._following

    def _show(self) -> None:
        if self._proven_at > float("-inf"):
            self._last_success.set(time.time() - (self._now() - self._proven_at))

    def _note_proof(self) -> bool:
        """Note until when it is proven, and tell whether it is so all the time."""
        now = self._now()
        kept = self._following.kept(now) if self._following is not None else None
        if kept is None or kept.is_superseded or kept.entry.digest != self._digest:
            return False
        self._proven_at = max(self._proven_at, now - kept.age)
        return kept.is_live

    def _heard(self) -> None:
        """Look at what was published, or why nothing is kept any more."""
        self._woken.set()


def _release(waiting: list["asyncio.Future[None]"]) -> None:
    for one in waiting:
        if not one.done():
            one.set_result(None)


def _said(entry: Entry) -> str:
    words = entry.body[:_SHOWN].decode("utf-8", "replace").strip()
    return f"{entry.server} answered {entry.status} {words or entry.reason}".rstrip()
