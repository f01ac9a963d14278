"""
A secret in a file, read again when the file changes.

Rule 1: what was good stays until something good takes its place: a file that is gone, empty or no
text takes nothing away, and is told of once.
Rule 2: a file that is just being written is left alone for a moment: half a token is a wrong one.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from consul_edge.config import Secret
from consul_edge.core.errors import EdgeError

log = structlog.get_logger()

LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at a secret's file."""

SETTLED: Final = 0.1
"""Seconds after which a file that was written counts as whole."""

Stamp = tuple[int, int, int, int]


class FileSecret:
    """Follows one file; the file is looked at when the secret is used."""

    def __init__(self, path: Path, fallback: str, now: Callable[[], float]) -> None:
        """
        Read nothing yet.

        Args:
            fallback: What holds until the file has had a secret.

            now: A monotonic clock.
        """
        self.path = path
        self._now = now
        self._fallback = fallback
        self._text = ""
        """The last good one; "" if there was none."""
        self._stamp: Stamp | None = None
        """Of the file that was read last; None: read it in any case."""
        self._is_read = False
        self._problem = ""
        """Why it could not be read when that was tried last."""
        self._look_at = float("-inf")

    def __call__(self) -> str:
        """Return the secret as it stands in the file; the last good one while that has none."""
        now = self._now()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN
            self._look(now)
        return self._text or self._fallback

    def read(self, before: object) -> None:
        """
        Read the file now.

        Args:
            before: The source of the secret until now; if it follows the same file, what was
                good stays good here, too.

        Raises:
            EdgeError: When it cannot be read.
        """
        if isinstance(before, FileSecret) and before.path == self.path:
            self._text = before._text  # noqa: SLF001 - of its own kind
        try:
            self._read(self.path.stat())
        except (OSError, UnicodeDecodeError) as error:
            raise EdgeError(f"{self.path} cannot be read: {_reason(error)}") from error

    def _look(self, now: float) -> None:
        try:
            status = self.path.stat()
            if _stamp(status) == self._stamp:
                return
            if self._is_read and _is_being_written(status):
                self._look_at = now + SETTLED
                return
            is_first = not self._is_read
            self._read(status)
        except (OSError, UnicodeDecodeError) as error:
            self._tell(_reason(error))
            return
        if not is_first and not self._problem:
            log.info("secret file read again", path=str(self.path))

    def _read(self, status: os.stat_result) -> None:
        text = self.path.read_text(encoding="utf-8").strip()
        # Written again within the clock's tick it would look the same.
        self._stamp = None if _is_being_written(status) else _stamp(status)
        self._text = text or self._text
        self._is_read = True
        if text:
            self._problem = ""
        else:
            self._tell("it is empty")

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("secret file cannot be read", path=str(self.path), error=problem)
        self._problem = problem


def secret(text: Secret | None, file: Path | None, now: Callable[[], float]) -> Callable[[], str]:
    """
    Make the source of a secret out of its two settings.

    Args:
        now: A monotonic clock.

    Returns:
        What gives it as it is now; "" if there is none.
    """
    fallback = text.reveal() if text is not None else ""
    if file is None:
        return lambda: fallback
    return FileSecret(file, fallback, now)


def secret_instead(
    before: Callable[[], str], text: Secret | None, file: Path | None, now: Callable[[], float]
) -> Callable[[], str]:
    """
    Make the source of a secret that is to take another's place: its file is read at once.

    Raises:
        EdgeError: When that cannot be done.
    """
    made = secret(text, file, now)
    if isinstance(made, FileSecret):
        made.read(before)
    return made


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


def _is_being_written(status: os.stat_result) -> bool:
    # A clock that was set back must not keep a file from being read.
    return 0 <= time.time() - status.st_mtime < SETTLED


def _reason(error: OSError | UnicodeDecodeError) -> str:
    # Neither the bytes that are no text nor the path, which is told beside it.
    return (
        error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is no text"
    )
