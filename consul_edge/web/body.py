"""
Taking a client's body: whole if it is small, as a stream if it is not.

Small bodies are forwarded with their length whatever they came with: ``session/create`` ignores a
chunked body (CONSUL.md 0), so going through the edge is better than going direct.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from consul_edge.core.errors import BadRequest, LimitReached
from consul_edge.upstream.answer import WHOLE_BYTES

SILENCE = 60.0
"""Seconds that a client may pause in the middle of its body."""


async def take_body(
    request: web.Request, most: int
) -> tuple[bytes | None, AsyncIterator[bytes] | None]:
    """
    Read a body of up to 1 MiB, or begin to stream a larger one.

    Args:
        most: ``limits.body_bytes``.

    Returns:
        The body and None; or None and its stream; or twice None if there is no body.

    Raises:
        LimitReached: 413 when it is larger than *most*.

        BadRequest: When it is not what its headers say.
    """
    if not request.can_read_body:
        return None, None
    length = request.content_length
    if length is not None and length > most:
        raise _too_large(most)
    begin = bytearray()
    while not request.content.at_eof():
        begin += await _next(request)
        if len(begin) > WHOLE_BYTES:
            return None, _rest(request, bytes(begin), most)
    return bytes(begin), None


async def _rest(request: web.Request, begin: bytes, most: int) -> AsyncIterator[bytes]:
    size = len(begin)
    yield begin
    while not request.content.at_eof():
        chunk = await _next(request)
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        yield chunk


async def _next(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(SILENCE):
            return await request.content.readany()
    except TimeoutError:
        raise BadRequest(f"the body stopped for {SILENCE:.0f}s before its end") from None
    except web.RequestPayloadError as error:
        raise BadRequest(f"the body is not what its headers say: {error}") from error


def _too_large(most: int) -> LimitReached:
    return LimitReached(
        413, "limits.body_bytes", f"the body is larger than limits.body_bytes ({most})"
    )
