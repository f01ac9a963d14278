"""
How many idle connections to Consul are kept.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

GRACE: Final = 1.0
"""Seconds that idle connections may be more than are kept."""


class KeepsFew(aiohttp.BaseConnector):
    """
    Closes idle connections beyond a number.

    Not at once: under load all of a moment's connections come back together, and are needed again
    in the next; who closed some each time would spend as much on connecting as on asking.
    """

    keepalive_connections = 20
    _ended: Callable[[], None] | None = None
    _trimming: asyncio.TimerHandle | None = None

    def retire(self, ended: Callable[[], None]) -> None:
        """Keep nothing any more, and call *ended*, once, when nothing is in use."""
        self.keepalive_connections = 0
        self._ended = ended
        self._look()

    def _look(self) -> None:
        if self._ended is not None and not self._acquired:
            ended, self._ended = self._ended, None
            # Not now: what was the last in use is still being put away.
            self._loop.call_soon(ended)

    def _release_acquired(self, key: ConnectionKey, proto: ResponseHandler) -> None:
        super()._release_acquired(key, proto)
        self._look()

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        none_kept = self.keepalive_connections == 0
        super()._release(key, protocol, should_close=should_close or none_kept)
        if self._trimming is None and self._excess() > 0:
            self._trimming = self._loop.call_later(GRACE, self._trim)

    def _excess(self) -> int:
        return sum(map(len, self._conns.values())) - self.keepalive_connections

    def _trim(self) -> None:
        self._trimming = None
        excess = self._excess()
        for key, idle in tuple(self._conns.items()):
            while idle and excess > 0:
                protocol, _ = idle.popleft()
                protocol.close()
                excess -= 1
            if not idle:
                del self._conns[key]


class TCPConnector(KeepsFew, aiohttp.TCPConnector):
    """Over TCP."""


class UnixConnector(KeepsFew, aiohttp.UnixConnector):
    """Over a unix socket."""
