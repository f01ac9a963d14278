"""
Names of servers, followed as their addresses change.

Every address of a name counts as a server of its own: a headless service of three Consul servers
is one name, and the failure of one of them must not look like the failure of all.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from consul_edge.core.address import Address

log = structlog.get_logger()

INTERVAL = 15.0
"""Seconds between two looks at the names."""

PATIENCE = 2.0
"""Seconds that a resolver may take: the edge also starts while DNS is down."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """
    Find all addresses of a name, in the resolver's order.

    Raises:
        OSError: When it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Names:
    """Turns configured addresses into those to connect to, again and again."""

    def __init__(
        self,
        addresses: Sequence[Address],
        changed: Callable[[list[tuple[Address, Address]]], None],
        *,
        look_up: Resolve = resolve,
    ) -> None:
        """
        Prepare to follow *addresses*.

        Args:
            changed: Called with pairs of a configured address and one to connect to, in order,
                whenever they differ from before.

            look_up: Finds the addresses of a name.
        """
        self._addresses = addresses
        self._changed = changed
        self._look_up = look_up
        self._last: list[tuple[Address, Address]] = []
        self._known: dict[Address, list[Address]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once; then go on looking if there are names at all."""
        await self.look()
        self._go_on()

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Resolve every name; one that cannot be resolved keeps its last addresses."""
        addresses = self._addresses
        pairs = await self.resolve(addresses)
        # Meanwhile others may be followed.
        if addresses is self._addresses and pairs != self._last:
            self._last = pairs
            self._changed(pairs)

    async def resolve(self, addresses: Sequence[Address]) -> list[tuple[Address, Address]]:
        """Find what *addresses* stand for now: pairs as ``changed`` gets them."""
        found = await asyncio.gather(*(self._resolve(address) for address in addresses))
        return [
            (address, one)
            for address, several in zip(addresses, found, strict=True)
            for one in several
        ]

    def adopt(self, addresses: Sequence[Address], pairs: list[tuple[Address, Address]]) -> None:
        """Follow other *addresses* from now on, which stand for *pairs*."""
        self._addresses = tuple(addresses)
        self._known = {one: known for one, known in self._known.items() if one in addresses}
        self._last = pairs
        self._changed(pairs)
        self._go_on()

    def _go_on(self) -> None:
        """Look again and again if there are names at all."""
        has_names = any(address.is_name for address in self._addresses)
        if has_names and self._task is None:
            self._task = asyncio.create_task(self._follow(), name="names")
        elif not has_names and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _resolve(self, address: Address) -> list[Address]:
        if not address.is_name:
            return [address]
        try:
            async with asyncio.timeout(PATIENCE):
                hosts = await self._look_up(address.host, address.port)
        except (OSError, TimeoutError) as error:
            log.warning("name cannot be resolved", server=address.name, error=str(error))
            # Unresolved, it stays as it is: connecting will say so again.
            return self._known.get(address, [address])
        found = [replace(address, host=host) for host in hosts]
        known = self._known.get(address, [])
        # Resolvers rotate their answers: what stays the same keeps its place.
        self._known[address] = [
            *(one for one in known if one in found),
            *(one for one in found if one not in known),
        ]
        return self._known[address]

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.look()
            except Exception:
                # The top of a background loop: a defect must not end the following.
                log.exception("names cannot be followed")
