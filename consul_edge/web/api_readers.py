"""
Who reads the enriched API, and readers that wait: blocking queries with the edge's own index.

Rule 1: a document's index is that of its rows.  Whoever waits for another one is not woken by
what his document does not show, and an equal index means an equal document.
Rule 2: any other index is answered at once, be it lower or higher: it is another edge's, or that
of an earlier process.
Rule 3: who waits counts among the blocking queries of its client.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from consul_edge import metrics
from consul_edge.enrich.parameters import Poll
from consul_edge.enrich.standing import Standing
from consul_edge.enrich.view import View
from consul_edge.upstream.credentials import Credentials
from consul_edge.web.given import Given
from consul_edge.web.keys import UNDER_WAY
from consul_edge.web.parked import Parked


class Views(Protocol):
    """What each token sees; see ``enrich.views``."""

    async def view(self, token: str, client: str = "") -> View:
        """Give what it sees now."""

    async def other_than(self, token: str, index: int, wait: float, client: str = "") -> View:
        """Give the same with another index than *index*, or what there is after *wait* seconds."""

    def standing(self, token: str) -> Standing:
        """Tell how it stands."""


class Readers:
    """Gives views to clients."""

    def __init__(self, views: Views, credentials: Credentials, parked: Parked) -> None:
        """Give what *views* has, in the name of each client's own token."""
        self.views = views
        self.parked = parked
        self.given = Given()
        self._credentials = credentials
        self.now = asyncio.get_running_loop().time

    def token(self, request: web.Request) -> str:
        """Find the token in force for a request."""
        return self._credentials.token_in(request.headers.items())

    async def view(
        self,
        request: web.Request,
        token: str,
        poll: Poll | None,
        index_of: Callable[[View], int],
    ) -> View:
        """
        Give what a client sees, once that is something else than it knows already.

        Args:
            token: In whose name.

            poll: What it knows, and how long it waits; None: it does not.

            index_of: Finds the index of what it asks for.

        Raises:
            EdgeError: When nothing can be shown, or the client has too many waiting.
        """
        client = request.remote or ""
        view = await self.views.view(token, client)
        if poll is None or index_of(view) != poll.index:
            return view
        with (
            self.parked.one_of(request.remote),
            request.app[UNDER_WAY].aside(request.remote),
            metrics.BLOCKING_CLIENTS.track_inprogress(),
        ):
            return await self._other(token, client, view, poll, index_of)

    async def _other(
        self,
        token: str,
        client: str,
        view: View,
        poll: Poll,
        index_of: Callable[[View], int],
    ) -> View:
        until = self.now() + poll.wait
        while index_of(view) == poll.index and self.now() < until:
            before = view
            wait = until - self.now()
            view = await self.views.other_than(token, before.index, wait, client)
            if view.index == before.index:
                # The time is over, or the edge shuts down.
                break
        return view
