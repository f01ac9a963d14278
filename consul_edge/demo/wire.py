"""
What a fault does to a connection: sleeping, hanging, dripping and resetting.

A reset is a real one: with lingering off, closing the socket sends RST at once, so that the client
sees ``ECONNRESET`` whatever it had sent.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Final, NoReturn

from aiohttp import web

from consul_edge.demo.faults import Fault, Moment
from consul_edge.demo.seen import Seen

_NO_LINGER: Final = struct.pack("ii", 1, 0)

_DRIPS_PER_SECOND: Final = 20
"""How often a slow answer sends something, at most."""


def reset(transport: asyncio.Transport | None) -> None:
    """Reset a connection."""
    if transport is None or transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def drop(request: web.Request) -> NoReturn:
    """Reset the connection of a request and end its handler, of which nobody hears any more."""
    reset(request.transport)
    raise asyncio.CancelledError


async def before_reading(request: web.Request, fault: Fault, seen: Seen) -> None:
    """Do what a fault does while only the head was read, or part of the body."""
    if fault.reset is Moment.HEAD:
        drop(request)
    if fault.reset is Moment.READING:
        try:
            part = await request.content.readexactly(fault.after)
        except asyncio.IncompleteReadError as short:
            part = short.partial
        seen.receive(part, complete=False)
        drop(request)


async def before_acting(request: web.Request, fault: Fault) -> None:
    """Do what a fault does when the request was read."""
    if fault.reset is Moment.READ:
        drop(request)
    if fault.delay:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(fault.delay):
                await fault.lifted.wait()
    if fault.hang:
        await fault.lifted.wait()
    if fault.abandoned:
        drop(request)


async def send(request: web.Request, response: web.Response, fault: Fault) -> web.StreamResponse:
    """Send an answer by hand: in part, slowly, or cut off."""
    data = response.body
    assert isinstance(data, bytes)  # noqa: S101 - what render() made
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(data)
    await stream.prepare(request)
    if fault.rate is not None:
        await _drip(stream, data, fault)
    else:
        await stream.write(data[: fault.after])
        if fault.reset is Moment.ANSWERING:
            # The reset would overtake what the kernel has not sent yet; a loopback takes it all.
            await asyncio.sleep(0)
            drop(request)
        await fault.lifted.wait()
        if fault.abandoned:
            drop(request)
        await stream.write(data[fault.after :])
    await stream.write_eof()
    return stream


async def _drip(stream: web.StreamResponse, data: bytes, fault: Fault) -> None:
    rate = fault.rate or 1.0
    step = max(1, int(rate / _DRIPS_PER_SECOND))
    for start in range(0, len(data), step):
        if fault.lifted.is_set():
            await stream.write(data[start:])
            return
        await stream.write(data[start : start + step])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(step / rate):
                await fault.lifted.wait()
