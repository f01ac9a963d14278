"""
What happens to every request before and after its handler: the checks, the counting, and the one
place where an error becomes an answer.
"""

import time
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.typedefs import Handler
from prometheus_client import Counter

from consul_edge import metrics
from consul_edge.core.access import is_for_everybody
from consul_edge.core.errors import BadRequest, EdgeError, LimitReached, Refused
from consul_edge.core.headers import via
from consul_edge.core.request import redacted, without_user
from consul_edge.web import api_errors, audit
from consul_edge.web.keys import ACCESS, GENERATION, HOSTS, INSTANCE, UNDER_WAY, UNTYPED
from consul_edge.web.proxy import CALL

log = structlog.get_logger()

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH"})
"""Methods that have a label of their own."""

VERSIONS = frozenset({(1, 0), (1, 1)})

PASSING = frozenset({429, 503})
"""The statuses of bounds that are met for a moment."""

RETRY_AFTER = "1"
"""Seconds after which to come again."""

PLAIN_METHODS = frozenset({"GET", "HEAD"})


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check a request, have it handled, count it; an ``EdgeError`` becomes its status and text."""
    began = time.perf_counter()
    _in_progress.begin()
    client = None if is_for_everybody(request.path) else request.remote
    try:
        check(request)
        response = await _counted(request, handler, client)
    except EdgeError as error:
        response = render_error(error)
        if audit.is_admin(request):
            # The admin calls' own handlers record, and raise nothing: this came before them.
            audit.record(request, response.status, "refused")
        response = _for_client(request, response)
    except web.HTTPException as error:
        response = _for_client(request, render_route_error(error))
    finally:
        _in_progress.end()
    count(request, response.status, time.perf_counter() - began)
    return response


async def _counted(
    request: web.Request, handler: Handler, client: str | None
) -> web.StreamResponse:
    """Have a request handled as one of those that its client has under way."""
    under_way, access = request.app[UNDER_WAY], request.app[ACCESS]
    under_way.enter(client)
    policy = access.policy
    try:
        response = await handler(request)
    finally:
        under_way.leave(client)
    if access.policy is not policy and request.method in PLAIN_METHODS and not response.prepared:
        # It may have waited for minutes.  Of a write it is told what became of it.
        access.check(request.method, request.raw_path)
    return response


def check(request: web.Request) -> None:
    """
    Refuse what no handler should see.

    Raises:
        EdgeError: 400, 403, 421, 431 or 508, with the reason.
    """
    if request.version not in VERSIONS:
        major, minor = request.version
        raise BadRequest(f"HTTP/{major}.{minor} is not spoken here: expected HTTP/1.0 or HTTP/1.1")
    if request.method == hdrs.METH_CONNECT:
        raise Refused(405, "CONNECT is not served here: this is no forward proxy")
    most = request.app[GENERATION].settings.limits.head_bytes
    if head_bytes(request) > most:
        limit = "limits.head_bytes"
        raise LimitReached(431, limit, f"the head is larger than {limit} ({most})")
    headers = request.headers
    check_host(request)
    if headers.get(hdrs.TRANSFER_ENCODING, "chunked").strip().lower() != "chunked":
        raise BadRequest("a Transfer-Encoding other than chunked is not understood here")
    if hdrs.VIA in headers:
        own = via(request.app[INSTANCE])
        if any(own in value for value in headers.getall(hdrs.VIA)):
            raise Refused(508, "this request was here before: consul.servers leads back here")
    if request.method not in PLAIN_METHODS:
        check_site(request)
    request.app[ACCESS].check(request.method, request.raw_path)


def head_bytes(request: web.Request) -> int:
    """Count the bytes of a request's head, without the first line's method and version."""
    size = len(request.raw_path)
    for name, value in request.raw_headers:
        size += len(name) + len(value) + 4
    return size


def check_host(request: web.Request) -> None:
    """Refuse a foreign or ambiguous Host; a unix socket's clients cannot be rebound."""
    hosts = request.headers.getall(hdrs.HOST, ())
    if len(hosts) > 1:
        raise BadRequest("there is more than one Host header")
    if not hosts and request.version >= (1, 1):
        raise BadRequest("HTTP/1.1 demands a Host header")
    if not isinstance(request.transport and request.transport.get_extra_info("peername"), tuple):
        return
    allowed = request.app[HOSTS]
    for host in hosts:
        allowed.check(host)
    if not request.raw_path.startswith(("/", "*")):
        allowed.check(_authority(request.raw_path))


def check_site(request: web.Request) -> None:
    """Refuse what a page of another site made a browser send (Fetch Metadata; Origin)."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site not in ("none", "same-origin"):
        raise Refused(
            403, f"a {request.method} from another site is refused (Sec-Fetch-Site: {site[:20]})"
        )
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and _authority(origin) != request.headers.get(hdrs.HOST):
        origin = without_user(origin)[:200]
        raise Refused(403, f"a {request.method} from another site is refused (Origin: {origin})")


def _authority(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        raise BadRequest(f"{redacted(url)[:100]!r} is no URL") from None


def render_error(error: EdgeError) -> web.Response:
    """Render an error as Consul renders its own: plain text, one line."""
    if isinstance(error, LimitReached):
        metrics.LIMITS_REACHED.labels(error.limit).inc()
    response = web.Response(status=error.status, text=f"consul-edge: {error}")
    if isinstance(error, LimitReached) and error.status in PASSING:
        response.headers[hdrs.RETRY_AFTER] = RETRY_AFTER
    if error.status in (400, 413, 431):
        # What is left of the request cannot be told from the next one, or is not worth reading.
        response.force_close()
    return response


def render_route_error(error: web.HTTPException) -> web.Response:
    """Render what the router refuses, in the edge's own words."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        text = f"consul-edge: {error.method} is not served here: expected {allowed}"
        return web.Response(status=405, text=text, headers={hdrs.ALLOW: allowed})
    if error.status == 404:
        return web.Response(status=404, text="consul-edge: there is no such route")
    return web.Response(status=error.status, text=error.text, headers=error.headers)


def _for_client(request: web.Request, error: web.Response) -> web.Response:
    return api_errors.as_json(error) if api_errors.is_api(request) else error


def count(request: web.Request, status: int, seconds: float) -> None:
    """Count an answered request."""
    call = request.get(CALL)
    is_api = api_errors.is_api(request)
    method = request.method if request.method in METHODS else "OTHER"
    endpoint = "api" if is_api else call.endpoint.name if call is not None else "edge"
    key = (endpoint, method, status)
    counter = _counters.get(key)
    if counter is None:
        counter = metrics.HTTP_REQUESTS.labels(endpoint, method, str(status))
        _counters[key] = counter
    counter.inc()
    if is_api:
        if "index" not in request.query and not request.path.endswith("/events"):
            _durations["api"].observe(seconds)
    elif call is not None and call.poll is None and not call.endpoint.stream:
        kind = call.endpoint.treatment.value if call.is_read else "write"
        _durations[kind].observe(seconds)


_counters: dict[tuple[str, str, int], Counter] = {}
"""Looked-up children: a label look-up costs more than the counting."""


class _InProgress:
    """Counts without the lock that a gauge takes: only the event loop counts here."""

    def __init__(self) -> None:
        self.number = 0
        metrics.HTTP_IN_PROGRESS.set_function(lambda: self.number)

    def begin(self) -> None:
        self.number += 1

    def end(self) -> None:
        self.number -= 1


_in_progress = _InProgress()

_durations = {
    treatment: metrics.HTTP_REQUEST_DURATION.labels(treatment)
    for treatment in ("watch", "ttl", "pass", "local", "write", "api")
}


async def tidy(_request: web.Request, response: web.StreamResponse) -> None:
    """Take away the headers that aiohttp adds and Consul did not send."""
    if response.headers.get(hdrs.SERVER) == SERVER_SOFTWARE:
        del response.headers[hdrs.SERVER]
    if response.get(UNTYPED):
        response.headers.popall(hdrs.CONTENT_TYPE, None)
