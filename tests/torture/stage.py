"""
What all actors of a run share: the client, the stage, and where what happens is written down.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import aiohttp

from tests.torture.history import History, Mode, Question, Read, Reply, Via

PATIENCE: Final = 60.0
"""Seconds that a client waits: longer than the edge's own deadlines, which are to be seen."""

DIRECT_PATIENCE: Final = 2.0
"""The same of clients of a server that may be frozen."""


class Client:
    """HTTP as a careful client speaks it: one request is sent once."""

    def __init__(self) -> None:
        """Open for business, inside a running loop."""
        self._reads = _session(is_kept=True)
        self._writes = _session(is_kept=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._reads.close()
        await self._writes.close()

    async def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        token: str = "",
        patience: float = PATIENCE,
    ) -> Reply:
        """Send a request; a failure is a reply with status 0 that says which."""
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        headers = {"X-Consul-Token": token} if token else {}
        timeout = aiohttp.ClientTimeout(total=patience)
        try:
            session = self._reads if method == "GET" else self._writes
            async with session.request(
                method, url, data=data, headers=headers, timeout=timeout
            ) as response:
                told = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, told, await response.read())
        except aiohttp.ClientConnectorError as error:
            return Reply(0, {"not-sent": "yes"}, repr(error).encode())
        except (aiohttp.ClientError, TimeoutError) as error:
            return Reply(0, {}, repr(error).encode())


@dataclass(slots=True)
class Stage:
    """What all actors of a run share."""

    seed: str
    client: Client
    edge: str
    """Its address, ``http://host:port``."""
    servers: Sequence[str]
    history: History
    token: str = ""
    """Of those who write, and of those who look directly."""
    is_quiet: bool = False
    """Whether nothing is written through the edge: then it learns of changes by its watches alone,
    and not from the writes that it sees itself."""
    curtain: asyncio.Event = field(default_factory=asyncio.Event)
    """Writers and readers end; watchers still have to see what was written last."""

    def chance(self, name: str) -> random.Random:
        """Give an actor its own dice."""
        return random.Random(f"{self.seed} {name}")

    async def read(
        self,
        reader: str,
        question: Question,
        mode: Mode,
        *,
        index: int = 0,
        wait: str = "",
        as_who: tuple[str, str] = ("", ""),
        server: str = "",
    ) -> Read:
        """
        Read and record.

        Args:
            as_who: Identity and token of the reader; nameless, it is anonymous at the edge and
                may do everything at a server.

            server: Where to ask directly; "" for the edge.
        """
        words = [] if mode is Mode.DEFAULT else [mode.value]
        words += [f"index={index}", f"wait={wait}"] if index else []
        sign = "&" if "?" in question.target else "?"
        url = (server or self.edge) + question.target + (sign + "&".join(words) if words else "")
        identity, token = as_who
        if server and not identity:
            token = self.token
        began = time.monotonic()
        reply = await self.client.ask("GET", url, token=token)
        ended = time.monotonic()
        via = Via.DIRECT if server else Via.EDGE
        read = Read(reader, question, mode, reply, began, ended, via, index, identity)
        self.history.reads.append(read)
        return read


def _session(*, is_kept: bool) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, force_close=not is_kept)
    session = aiohttp.ClientSession(connector=connector)
    # aiohttp would send a request again when a kept connection breaks.
    session._retry_connection = False
    return session
