"""
Edges over stand-ins of any size, that stay for all tests that ask for them.

Rule 1: each is held open by a task of its own: what is opened in one task is closed in it.
Rule 2: a stand-in may be changed by a test, if that puts it right again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from consul_edge.demo.dispatch import Tokens
from consul_edge.demo.standin import StandIn
from tests.house import House, edge_over
from tests.processes import fresh_address


@dataclass(frozen=True, slots=True)
class Home:
    """An edge, and what it stands before."""

    house: House
    standin: StandIn

    @property
    def base(self) -> str:
        """The edge's URL."""
        return self.house.base


class Homes:
    """Gives homes by their number of services."""

    def __init__(self) -> None:
        """Begin with none."""
        self._homes: dict[int, Home] = {}
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def of(self, services: int) -> Home:
        """Give the home with so many services, on a twentieth as many nodes or a dozen."""
        if services not in self._homes:
            ready: asyncio.Future[Home] = asyncio.get_running_loop().create_future()
            self._tasks.append(asyncio.create_task(self._hold(services, ready)))
            self._homes[services] = await ready
        return self._homes[services]

    async def close(self) -> None:
        """End all of them."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _hold(self, services: int, ready: "asyncio.Future[Home]") -> None:
        try:
            async with home(services) as found:
                ready.set_result(found)
                await self._over.wait()
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)


@asynccontextmanager
async def home(
    services: int, nodes: int | None = None, *, tokens: Tokens | None = None, **settings: str
) -> AsyncIterator[Home]:
    """Run an edge over a stand-in, for one test alone if that breaks it."""
    standin = StandIn(nodes=nodes or max(12, services // 20), services=services, tokens=tokens)
    async with (
        standin.running(fresh_address(), 8500) as base,
        edge_over(base, **settings) as house,
    ):
        yield Home(house, standin)
