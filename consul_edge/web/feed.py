"""
What the streams of one identity have in common: one look a second, whoever and however many read.

Rule 1: readers are woken at most once a second.
Rule 2: a reader knows what it was told last by its index, and the feed remembers the last few
views: who is further behind has to load again.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog

from consul_edge.core.errors import EdgeError
from consul_edge.enrich.standing import Standing, State
from consul_edge.enrich.view import View
from consul_edge.web.api_readers import Views
from consul_edge.web.remembered import Remembered

log = structlog.get_logger()

PACE: Final = 1.0
"""Least seconds between two changes that are told."""

REMEMBERED: Final = 16
"""Views that a reader may be behind and still be told what has changed."""

TELL_AGE: Final = 10.0
"""Seconds after which an age that grows is told again."""


class Feed:
    """What one identity sees, followed."""

    def __init__(self, views: Views, token: str, view: View) -> None:
        """Begin with *view*, inside a running loop."""
        self.readers = 0
        self.error: EdgeError | None = None
        """Why there is nothing to follow any more."""
        self.is_over = False
        self._views = views
        self._token = token
        self._now = asyncio.get_running_loop().time
        self._remembered = Remembered[int](REMEMBERED)
        self._news = asyncio.Event()
        """Set, and replaced, when there is something to tell."""
        self.remember(view)
        self.view = view
        self.standing = views.standing(token)
        """As it was told last; another object only if there is something to tell."""
        self._task = asyncio.create_task(self._run(), name="feed")

    def remember(self, view: View) -> None:
        """Keep a view that a reader begins with, which may be ahead of this feed."""
        self._remembered.keep(view.index, view)

    def at(self, index: int) -> View | None:
        """Find the view of an index, for what can be said of its rows."""
        return self._remembered.at(index)

    async def news(self) -> None:
        """Wait until there is something else, or nothing more."""
        if not self.is_over:
            await self._news.wait()

    async def close(self) -> None:
        """Follow no longer; whoever waits finds it over."""
        self.end()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def end(self) -> None:
        """Have every reader leave."""
        self.is_over = True
        self._wake()

    async def _run(self) -> None:
        try:
            while not self.is_over:
                began = self._now()
                if await self._look():
                    began = self._now()
                    self._wake()
                await asyncio.sleep(began + PACE - self._now())
        except Exception:
            # The top of a background loop: readers who come again see whether it was for once.
            log.exception("feed failed")
            self.end()

    async def _look(self) -> bool:
        """Wait for a change for a while, and tell whether there is something to say."""
        try:
            view = await self._views.other_than(self._token, self.view.index, PACE)
        except EdgeError as error:
            if error.status < 500:
                self.error = error
                self.is_over = True
                return True
            # Nobody answers, or there is no room now: what was told is what there is.
            view = self.view
        is_other = view.index != self.view.index
        if is_other:
            self.remember(view)
            self.view = view
        standing = self._views.standing(self._token)
        if _differs(standing, self.standing):
            self.standing = standing
            is_other = True
        return is_other

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _differs(now: Standing, told: Standing) -> bool:
    """Tell whether readers should hear how the view stands; age alone is told rarely."""
    if (now.state, now.active_server) != (told.state, told.active_server):
        return True
    return now.state is not State.LIVE and abs(now.age - told.age) >= TELL_AGE
