"""
The enriched API: a document is read from the parameters, waited for, and given.

Rule 1: nothing here asks Consul anything: a document is made of the view of the caller's token.
Rule 2: rules are everybody's: who asks where a service would belong needs no rights.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import hdrs, web

from consul_edge.core.errors import BadRequest, Refused
from consul_edge.core.request import redacted
from consul_edge.enrich.archive import Order
from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.parameters import MAX_LENGTH
from consul_edge.enrich.rendering import encoded
from consul_edge.enrich.rules import Rules
from consul_edge.web.api_answer import JSON, Answers, Document, has_tag, head, write
from consul_edge.web.api_documents import Wanted
from consul_edge.web.api_readers import Readers
from consul_edge.web.api_request import Parameters, named, parameters

Read = Callable[[Parameters], Wanted]
"""Finds out which document somebody means."""

ReadOfNode = Callable[[Parameters, str], Wanted]


class RuleBook(Protocol):
    """Which rules are in force; see ``enrich.rule_source``."""

    async def read(self) -> Rules:
        """Give them, the first time after waiting for them."""

    @property
    def categorizer(self) -> Categorizer:
        """What decides by them."""


class Api:
    """Serves the documents."""

    def __init__(
        self,
        readers: Readers,
        answers: Answers,
        rules: RuleBook,
        identity_of: Callable[[str], str],
    ) -> None:
        """
        Serve what *readers* may see.

        Args:
            identity_of: Names a token's identity: who shares it shares documents.
        """
        self._readers = readers
        self._answers = answers
        self._rules = rules
        self._identity_of = identity_of

    async def give(self, read: Read, request: web.Request) -> web.StreamResponse:
        """Answer a request for the document that *read* makes out."""
        return await self._give(read(parameters(request)), request)

    async def give_of_node(self, read: ReadOfNode, request: web.Request) -> web.StreamResponse:
        """Answer the same for a document of the node that the path names."""
        return await self._give(read(parameters(request), request.match_info["node"]), request)

    async def categorize(self, request: web.Request) -> web.StreamResponse:
        """Explain where a service would belong."""
        given = named(parameters(request), "service", "module", "metrics_path")
        for name, value in given.items():
            if len(value) > MAX_LENGTH:
                raise BadRequest(f"{name}: expected at most {MAX_LENGTH:,} characters")
        service = given.get("service", "")
        if not service:
            raise BadRequest("service: expected the name of a service")
        module, path = given.get("module") or None, given.get("metrics_path") or None
        await self._rules.read()
        explanation = self._rules.categorizer.explain(service, module, path)
        asked = {"service": service, "module": module, "metrics_path": path}
        body = encoded({"success": True, **asked, **msgspec.structs.asdict(explanation)})
        tag = hashlib.blake2b(body, digest_size=8).hexdigest()
        headers = head(tag)
        if has_tag(request, tag):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = JSON
        return await write(request, headers, (body,))

    async def _give(self, wanted: Wanted, request: web.Request) -> web.StreamResponse:
        began = self._readers.now()
        token = self._readers.token(request)
        view = await self._readers.view(request, token, wanted.poll, wanted.index_of)
        standing = self._readers.views.standing(token)
        identity = self._identity_of(token)
        index = wanted.index_of(view)
        self._readers.given.keep(identity, index, view)
        end = wanted.end
        document = Document(
            Order(
                wanted.document,
                identity,
                wanted.listing,
                index,
                is_search=wanted.is_search,
            ),
            partial(wanted.render, view),
            end(view, index, standing, self._readers.now() - began) if end else b"",
            wanted.content_type,
            wanted.headers,
        )
        return await self._answers.give(request, document, standing)


async def nowhere(request: web.Request) -> web.StreamResponse:
    """Refuse what is no route of the API."""
    raise Refused(404, f"there is no such route: {redacted(request.path)[:200]!r}")
