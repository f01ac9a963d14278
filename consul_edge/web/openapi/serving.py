"""
``/api/v1/openapi.json``: what there is to ask, for whoever asks.

Rule: it is made when somebody asks for it first, and is then the same until the edge ends.
"""

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from functools import cache

import msgspec
from aiohttp import hdrs, web

from consul_edge.web.api_answer import JSON, has_tag, head, takes_gzip, write
from consul_edge.web.api_request import named, parameters
from consul_edge.web.openapi.document import compose


@dataclass(frozen=True, slots=True)
class _Rendered:
    body: bytes
    zipped: bytes
    tag: str


@cache
def _rendered() -> _Rendered:
    body = msgspec.json.encode(compose())
    tag = hashlib.blake2b(body, digest_size=8).hexdigest()
    return _Rendered(body, gzip.compress(body, mtime=0), tag)


async def describe(request: web.Request) -> web.StreamResponse:
    """Give the document."""
    named(parameters(request))
    rendered = await asyncio.to_thread(_rendered)
    headers = head(rendered.tag)
    if has_tag(request, rendered.tag):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = JSON
    if not takes_gzip(request):
        return await write(request, headers, (rendered.body,))
    headers[hdrs.CONTENT_ENCODING] = "gzip"
    return await write(request, headers, (rendered.zipped,))
