"""
The secret of the admin calls: a configured one, or one that is made for this process.

A made token stands in a file of a folder that is new and nobody else's, in the system's place for
temporary files: not in the user's runtime folder, which a service has none of, and which vanishes
when the user logs out.
"""

import asyncio
import fcntl
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from consul_edge.config import Secret, Settings
from consul_edge.upstream.secret_file import secret, secret_instead

log = structlog.get_logger()

_TOKEN_BYTES = 32


class AdminToken:
    """Knows the token of the admin calls."""

    def __init__(self, token: Secret | None, file: Path | None, now: Callable[[], float]) -> None:
        """
        Take the two settings; nothing is made before ``make``.

        Args:
            now: A monotonic clock.
        """
        self._now = now
        self._is_configured = token is not None or file is not None
        self._current = secret(token, file, now)
        self._file: Path | None = None
        self._folder: int | None = None

    async def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Read the file that other settings name.

        Returns:
            What takes the token of *settings* from then on, and makes one if they have none.

        Raises:
            EdgeError: When it cannot be read.
        """
        admin = settings.admin
        source = await asyncio.to_thread(
            secret_instead, self._current, admin.token, admin.token_file, self._now
        )

        def adopt() -> None:
            was_made = not self._is_configured
            self._is_configured = admin.token is not None or admin.token_file is not None
            if self._is_configured:
                self.remove()
                self._current = source
            elif not was_made:
                self._current = source
                self.make()

        return adopt

    def is_it(self, given: str) -> bool:
        """Compare in a time that tells nothing of the token; without one nothing is it."""
        token = self._current()
        raw = (text.encode("utf-8", "surrogateescape") for text in (given, token))
        return hmac.compare_digest(*raw) and token != ""

    def make(self) -> None:
        """Make a token if none is configured, and say where it is."""
        if self._is_configured:
            return
        try:
            self._write(secrets.token_urlsafe(_TOKEN_BYTES))
        except OSError as error:
            self.remove()
            log.warning(
                "no admin token could be made; set admin.token_file to have one", error=str(error)
            )
        else:
            log.info("admin token made", file=str(self._file))

    def remove(self) -> None:
        """Remove what was made."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
                self._file.parent.rmdir()
        if self._folder is not None:
            os.close(self._folder)
        self._file = self._folder = None

    def _write(self, token: str) -> None:
        # Both are made anew or not at all: there is no link of anybody's to follow.
        folder = Path(tempfile.mkdtemp(prefix="consul-edge-"))
        self._file = folder / "admin-token"
        # Who cleans up old temporary files (systemd-tmpfiles) passes by what is locked.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._folder, fcntl.LOCK_SH)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(self._file, flags, 0o600), "w") as file:
            file.write(f"{token}\n")
        self._current = lambda: token
