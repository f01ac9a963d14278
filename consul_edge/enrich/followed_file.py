"""
A file, read again whenever it is another one.

Rule 1: it is looked at often and read seldom: one whose time, size and inode stayed is the same.
Rule 2: nothing of it happens in the event loop, for a file may lie on a slow disk.
Rule 3: what cannot be read takes nothing away; it is told.
"""

import asyncio
import os
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

LOOK_INTERVAL: Final = 0.5
"""Seconds between two looks."""

SETTLED_NS: Final = 100_000_000
"""Nanoseconds after which a further edit cannot have the same time of change."""

Stamp = tuple[int, int, int]


class FollowedFile:
    """Follows the content of one file."""

    def __init__(
        self, path: Path, take: Callable[[bytes], Awaitable[None]], *, max_bytes: int
    ) -> None:
        """
        Read nothing yet.

        Args:
            take: Given what the file holds, whenever that may be something else.

            max_bytes: Of what is read, and one more: who takes it refuses what is larger.
        """
        self.path = path
        self.error: str | None = None
        """Why it could not be read when that was tried last."""

        self._take = take
        self._max_bytes = max_bytes
        self._now = asyncio.get_running_loop().time
        self._stamp: Stamp | None = None
        self._read_at = float("-inf")
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Seconds since it was last seen to hold what was taken; infinite: it never was."""
        return self._now() - self._read_at

    def start(self) -> None:
        """Follow it from now on; nothing is waited for."""
        self._task = asyncio.create_task(self._run(), name=f"file {self.path.name}")

    async def close(self) -> None:
        """Follow it no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, *, anew: bool = False) -> None:
        """
        Take what is new.

        Args:
            anew: Read it whether or not it is another one.
        """
        async with self._looking:
            began = self._now()
            try:
                before = None if anew else self._stamp
                stamp, content = await asyncio.to_thread(_read, self.path, before, self._max_bytes)
            except OSError as error:
                self._fail(error.strerror or str(error))
                return
            if self.error is not None:
                log.info("file can be read again", path=str(self.path))
            self.error = None
            self._read_at = began
            if content is not None:
                await self._take(content)
            self._stamp = stamp

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # The top of a background loop: a defect must not end the following.
                log.exception("file cannot be followed", path=str(self.path))
            await asyncio.sleep(LOOK_INTERVAL)

    def _fail(self, reason: str) -> None:
        if reason != self.error:
            log.warning("file cannot be read", path=str(self.path), reason=reason)
        self.error = reason


def _read(path: Path, before: Stamp | None, max_bytes: int) -> tuple[Stamp | None, bytes | None]:
    """
    Read a file unless it is the same as *before*.

    Returns:
        What to know it by, None if that would not tell it from a later one; and what it holds,
        None if it is the same.
    """
    if before is not None and _stamp(path.stat()) == before:
        return before, None
    # Without waiting: it may have become a pipe that nobody writes to.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("Not a regular file")
        content = file.read(max_bytes + 1)
    is_settled = time.time_ns() - status.st_mtime_ns > SETTLED_NS
    return _stamp(status) if is_settled else None, content


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino
