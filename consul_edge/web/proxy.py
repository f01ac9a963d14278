"""
The proxy for Consul's own API: status, headers and body are Consul's (promise 1).
"""

from aiohttp import hdrs, web
from multidict import CIMultiDict

from consul_edge.cache.cache import Cache
from consul_edge.cache.plan import Plan
from consul_edge.cache.served import Served
from consul_edge.config import Settings
from consul_edge.core.endpoints import OTHER, UI, decode_path
from consul_edge.core.errors import BadRequest, Refused, ServerFailed
from consul_edge.core.headers import Pairs, request_headers, response_headers, via
from consul_edge.core.policy import cache_status
from consul_edge.core.readings import clean, climbs, readings
from consul_edge.core.request import Call, origin_form, parse_call, redacted
from consul_edge.upstream.answer import Answer
from consul_edge.upstream.courier import Question
from consul_edge.upstream.upstream import Upstream
from consul_edge.web.body import take_body
from consul_edge.web.hits import Delivery, Hits
from consul_edge.web.keys import UNDER_WAY, UNTYPED
from consul_edge.web.parked import Parked
from consul_edge.web.protocol import EdgeProtocol
from consul_edge.web.rendering import Rendering
from consul_edge.web.streaming import abort, write_part

CALL = web.RequestKey("call", Call)
"""What the request was, for metrics and the access log."""


class Proxy:
    """Forwards requests to Consul, and its answers back."""

    def __init__(
        self,
        upstream: Upstream,
        cache: Cache,
        parked: Parked,
        rendering: Rendering,
        *,
        instance: str,
        ui: bool,
        agent_reads: str,
        body_bytes: int,
    ) -> None:
        """
        Serve ``/v1/`` and perhaps ``/ui/``.

        Args:
            parked: Counts the blocking queries that each client has waiting.

            instance: What this edge calls itself in ``Via``.

            ui: Whether Consul's own page is passed on.

            agent_reads: ``deny`` refuses reads that mean one agent.
        """
        self._upstream = upstream
        self._cache = cache
        self._hits = Hits(rendering)
        self._credentials = upstream.credentials
        self._via = via(instance)
        self._ui = ui
        self._denies_agent_reads = agent_reads == "deny"
        self._body_bytes = body_bytes
        self._parked = parked
        self._endless: set[Answer] = set()

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._ui = settings.ui_proxy
        self._denies_agent_reads = settings.consul.agent_reads == "deny"
        self._body_bytes = settings.limits.body_bytes

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward one request."""
        target = origin_form(request.raw_path)
        call = parse_call(request.method, target)
        request[CALL] = call
        self._check(call)
        headers = request_headers(request.headers.items())
        if call.method == "GET" and not request.can_read_body:
            return await self._read(request, call, headers)
        body, stream = await take_body(request, self._body_bytes)
        if call.is_read:
            if stream is not None:
                raise BadRequest(
                    f"a {call.method} with a body of this size means nothing to Consul"
                )
            answer = await self._upstream.read(self._question(request, call, headers, body))
            is_cacheable = self._cache.is_kept(call)
            return await self._reply(
                request, call, answer, ("fwd=bypass",), is_cacheable=is_cacheable
            )
        if stream is not None and request.content_length is not None:
            headers.append(("Content-Length", str(request.content_length)))
        question = self._question(request, call, headers, body)
        answer = await self._cache.write(
            call, headers, body, lambda during: self._upstream.write(question, stream, during)
        )
        return await self._reply(request, call, answer, ("fwd=method",))

    async def _read(self, request: web.Request, call: Call, headers: Pairs) -> web.StreamResponse:
        async def forward() -> Answer:
            return await self._upstream.read(self._question(request, call, headers, None))

        plan = self._cache.plan(call, headers)
        until = _take_up(request, plan)
        delivery = None
        if call.poll is None:
            found = await self._cache.read(plan, forward)
        else:
            delivery = Delivery(self._hits, request)
            under_way = request.app[UNDER_WAY]
            with self._parked.one_of(request.remote), under_way.aside(request.remote):
                found = await self._cache.read(plan, forward, delivery, until)
        if isinstance(found, Served):
            if delivery is not None:
                if delivery.response is not None:
                    return delivery.response
                delivery.judge()
            return await self._hits.respond(request, found)
        detail = (f"detail={found.reason}",) if found.reason else ()
        status = ("fwd=bypass", *detail)
        return await self._reply(
            request, call, found.answer, status, is_cacheable=found.is_cacheable
        )

    def _question(
        self, request: web.Request, call: Call, headers: Pairs, body: bytes | None
    ) -> Question:
        """Forward a request in its client's own words."""
        headers = [*headers, ("Via", self._via)]
        self._credentials.complete(headers, has_token_parameter=call.has_token_parameter)
        if call.endpoint.treatment.value in ("pass", "local") and request.remote:
            headers.append(("X-Forwarded-For", request.remote))
        return Question(call, headers, body)

    def drain(self) -> None:
        """End the streams that would go on for ever."""
        for answer in tuple(self._endless):
            answer.close()

    def _check(self, call: Call) -> None:
        if not self._is_served(call):
            path = redacted(call.target.partition("?")[0])
            raise Refused(404, f"{path[:200]!r} is not served here: expected a path under /v1/")
        endpoint = call.endpoint
        if self._denies_agent_reads and endpoint.path.startswith("/v1/agent/") and call.is_read:
            raise Refused(403, "reads of /v1/agent/ are denied here (consul.agent_reads: deny)")

    def _is_served(self, call: Call) -> bool:
        if call.endpoint is UI:
            return self._ui
        if call.endpoint is not OTHER:
            return True
        # "//v1/kv/a" and "/./v1/kv/a" are Consul's to redirect.  What leads out of its place may
        # be, behind a path prefix or another proxy, a place that is not Consul's.
        path = call.target.partition("?")[0]
        paths = readings(path) or (path, decode_path(path))
        return all(f"{clean(one)}/".startswith("/v1/") and not climbs(one) for one in paths)

    async def _reply(
        self,
        request: web.Request,
        call: Call,
        answer: Answer,
        status: tuple[str, ...],
        *,
        is_cacheable: bool = False,
    ) -> web.StreamResponse:
        headers = CIMultiDict(response_headers(answer.headers.items()))
        if is_cacheable:
            # Consul's own speak of its agent's cache; a hit of that is none of this one.
            headers.popall("Age", None)
            headers.popall("X-Cache", None)
            if request.method == "GET":
                headers["X-Cache"] = "MISS"
        headers["X-Consul-Edge-Server"] = answer.server.name
        headers["Cache-Status"] = cache_status(status)
        if answer.is_open:
            return await self._stream(request, call, answer, headers)
        if request.method == "HEAD" and answer.length is not None:
            headers["Content-Length"] = str(answer.length)
        response = web.Response(
            status=answer.status, reason=answer.reason, headers=headers, body=answer.body
        )
        response[UNTYPED] = hdrs.CONTENT_TYPE not in headers
        return response

    async def _stream(
        self, request: web.Request, call: Call, answer: Answer, headers: "CIMultiDict[str]"
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        response[UNTYPED] = hdrs.CONTENT_TYPE not in headers
        if answer.length is not None:
            response.content_length = answer.length
        if call.endpoint.endless:
            self._endless.add(answer)
        try:
            await response.prepare(request)
            if answer.body:
                await write_part(response, answer.body)
            async for chunk in answer.chunks():
                await write_part(response, chunk)
        except TimeoutError:
            # The client stopped reading: it holds a connection to Consul that others need.
            abort(request)
        except ServerFailed:
            if not (call.endpoint.endless and self._upstream.rotation.is_draining):
                # Half an answer must not look like a whole one.
                abort(request)
                raise
        finally:
            self._endless.discard(answer)
            answer.close()
        return response


def _take_up(request: web.Request, plan: Plan) -> float | None:
    """Tell the connection's fast path what a read means; give when its wait is over, if known."""
    protocol = request.protocol
    return protocol.take_up(request, plan) if isinstance(protocol, EdgeProtocol) else None
