"""
Telling the service manager how the process is: systemd's notify protocol, a datagram each time.

Rule 1: whatever fails here is told once, and never disturbs serving.
Rule 2: the watchdog is fed by the event loop and nothing else: of a loop that hangs, a thread
would still say that all is well.
Rule 3: what is said often never waits; what is said once, such as READY, may, for a second.

See Also:
    sd_notify(3): https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self

import structlog

log = structlog.get_logger()

INTERVAL: Final = 5.0
"""Seconds between two words, unless the watchdog wants to be fed more often."""

FEEDS_PER_TIMEOUT: Final = 3
"""The manual says two; a third forgives one that came late."""

EXTENSION: Final = 15.0
"""Seconds more that are asked for with each word, while it starts, reloads or drains."""

PATIENCE: Final = 1.0
"""Seconds that a word of importance may wait for room in the manager's queue."""


class Notifier:
    """Speaks to the service manager, if there is one."""

    def __init__(self, address: str = "", *, watchdog: float = 0.0) -> None:
        """
        Say nothing yet.

        Args:
            address: A path, or ``@name`` of an abstract socket; empty: nobody listens.

            watchdog: Seconds of silence after which the process is ended; 0: none.
        """
        self.watchdog = watchdog
        self.describe: Callable[[], str] = lambda: "starting"
        """Gives the status of the moment, in one line for people."""
        self._is_busy = True
        """Whether it starts, reloads or drains, which may take long."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._is_broken = False

    @classmethod
    def of(cls, env: Mapping[str, str], *, pid: int) -> Self:
        """
        Find the manager in the environment.

        Args:
            pid: This process's own; a watchdog that is meant for another is not fed.
        """
        address = env.get("NOTIFY_SOCKET", "")
        usec = env.get("WATCHDOG_USEC", "")
        is_ours = env.get("WATCHDOG_PID", str(pid)) == str(pid)
        watchdog = int(usec) / 1e6 if usec.isdecimal() and is_ours else 0.0
        if not address.startswith(("/", "@")):
            address = ""
        return cls(address, watchdog=watchdog)

    def ready(self) -> None:
        """Say that it serves, at the start and after a reload."""
        self._is_busy = False
        self._tell("READY=1", f"STATUS={self.describe()}", timeout=PATIENCE)

    def reloading(self, status: str = "reading the configuration again") -> None:
        """Say that it reloads; :meth:`ready` must follow, whatever becomes of it."""
        self._is_busy = True
        # Without the time newer managers cannot tell a late word of an earlier reload from this.
        moment = f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"
        self._tell("RELOADING=1", moment, f"STATUS={status}", timeout=PATIENCE)

    def stopping(self, status: str) -> None:
        """Say that it leaves."""
        self._is_busy = True
        self.describe = lambda: status
        self._tell("STOPPING=1", f"STATUS={status}", timeout=PATIENCE)

    @asynccontextmanager
    async def attending(self) -> AsyncIterator[None]:
        """Feed the watchdog, keep the status true and ask for time, while the context lasts."""
        task = asyncio.create_task(self._attend(), name="service manager")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _attend(self) -> None:
        if not self._address:
            return
        interval = INTERVAL
        if self.watchdog:
            interval = min(interval, self.watchdog / FEEDS_PER_TIMEOUT)
        told = ""
        while True:
            words = ["WATCHDOG=1"] if self.watchdog else []
            if self._is_busy:
                words.append(f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}")
            status = self.describe()
            if status != told:
                words.append(f"STATUS={status}")
                told = status
            if words:
                self._tell(*words)
            await asyncio.sleep(interval)

    def _tell(self, *words: str, timeout: float = 0.0) -> None:
        if not self._address:
            return
        # A line end would begin another word.
        text = "\n".join(" ".join(word.splitlines()) for word in words)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(timeout)
                sender.connect(self._address)
                sender.send(text.encode("utf-8", "replace"))
        except OSError as error:
            if not self._is_broken:
                log.warning("the service manager cannot be told", error=str(error))
            self._is_broken = True
        else:
            self._is_broken = False
