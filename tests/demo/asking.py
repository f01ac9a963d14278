"""How the tests of the stand-in talk to it."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from consul_edge.demo.standin import StandIn
from tests.waiting import eventually


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def index(self) -> int:
        """``X-Consul-Index``."""
        return int(self.headers["x-consul-index"])

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)


class Asker:
    """Asks one stand-in."""

    def __init__(self, session: aiohttp.ClientSession, standin: StandIn) -> None:
        self._session = session
        self._standin = standin

    async def __call__(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Said:
        """Send METHOD /v1/PATH, and read the whole answer."""
        request = self._session.request(
            method,
            f"/v1/{path}",
            data=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            allow_redirects=False,
        )
        async with request as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Said(answer.status, names, await answer.read())

    async def get(self, path: str, **headers: str) -> Said:
        """Read."""
        return await self("GET", path, None, **headers)

    async def put(self, path: str, body: bytes | dict[str, Any] = b"") -> Said:
        """Write."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self("PUT", path, data)

    async def park(self, path: str, index: int, wait: str = "60s") -> asyncio.Task[Said]:
        """Start a blocking query, and return when it is parked."""
        joined = "&" if "?" in path else "?"
        before = self._standin.parked
        task = asyncio.create_task(self.get(f"{path}{joined}index={index}&wait={wait}"))
        await eventually(lambda: self._standin.parked > before, "the poll parked")
        return task
