"""Readers that never stop, and what they saw: the judges of every fault."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Self

import aiohttp

PACE = 0.02
"""Seconds between two reads of one reader."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One read."""

    at: float
    seconds: float
    status: int
    text: str
    server: str


@dataclass
class SteadyReaders:
    """Some readers of some targets, each with a connection of its own."""

    base: str
    targets: tuple[str, ...] = (
        "/v1/kv/steady?raw",
        "/v1/catalog/nodes",
        "/v1/health/state/any?consistent",
    )
    """The second is answered from what the edge keeps; the others are Consul's each time."""

    readers: int = 4
    seen: list[Seen] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._stop = asyncio.Event()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120)
        )
        self._tasks = [
            asyncio.create_task(self._read(self.targets[number % len(self.targets)]))
            for number in range(self.readers)
        ]
        return self

    async def __aexit__(self, *details: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)
        await self._session.close()

    @property
    def errors(self) -> list[Seen]:
        """Reads that were not answered as they should have been."""
        return [one for one in self.seen if one.status != 200]

    def since(self, at: float) -> list[Seen]:
        """Reads that began after a moment of ``time.monotonic``."""
        return [one for one in self.seen if one.at >= at]

    async def _read(self, target: str) -> None:
        while not self._stop.is_set():
            at = time.monotonic()
            try:
                async with self._session.get(self.base + target) as response:
                    text = await response.text()
                    server = response.headers.get("X-Consul-Edge-Server", "")
                    status = response.status
            except (aiohttp.ClientError, TimeoutError) as error:
                text, server, status = repr(error), "", 0
            self.seen.append(Seen(at, time.monotonic() - at, status, text[:200], server))
            try:
                async with asyncio.timeout(PACE):
                    await self._stop.wait()
            except TimeoutError:
                pass
