"""
A client that does not take in what was written to it: it is cut off when nothing moves for long.
"""

import asyncio
from typing import Final

from consul_edge.web.streaming import STALL


class Stall:
    """Watches one, from when its transport is full until it has room again."""

    __slots__ = ("_loop", "_timer", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        """Begin to look."""
        self._loop: Final = loop
        self._transport: Final = transport
        self._timer: asyncio.TimerHandle
        self._look_later()

    def cancel(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look_later(self) -> None:
        left = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(STALL, self._look_for_progress, left)

    def _look_for_progress(self, left_bytes: int) -> None:
        if self._transport.get_write_buffer_size() >= left_bytes:
            self._transport.abort()
        else:
            self._look_later()
