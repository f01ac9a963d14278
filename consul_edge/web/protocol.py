"""
The protocol of a client's connection: aiohttp's, with the edge's own words for what cannot be
parsed.
"""

import asyncio
import re
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import (
    BadHttpMethod,
    BadStatusLine,
    HttpProcessingError,
    LineTooLong,
)

from consul_edge import metrics
from consul_edge.cache.plan import Plan
from consul_edge.web import api_errors
from consul_edge.web.request_id import request_id

if TYPE_CHECKING:
    from consul_edge.web.fastlane.connection import Connection

log = structlog.get_logger()

_QUOTE: Final = re.compile(r"\n|\bb?['\"]")


HEAD_SECONDS = 60.0
"""How long a client may take over the head of a request."""


class EdgeProtocol(web.RequestHandler):
    """Parses requests; a broken one gets a clear 4xx, and its connection is closed."""

    _head_timer: asyncio.TimerHandle | None = None

    lane: "Connection | None" = None
    """The fast lane in front, while it is open."""

    answered = 0
    """Requests whose answer was written to its end."""

    until: float | None = None
    """When the wait of the request to come is over, if it began in the lane."""

    def take_up(self, request: web.BaseRequest, plan: Plan) -> float | None:
        """
        Let the lane know what a request means.

        Returns:
            When its wait is over; None: it begins now.
        """
        if self.lane is not None:
            self.lane.learn(request, plan)
        return self.until

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write what is left of an answer, and note that it is out."""
        response, is_lost = await super().finish_response(request, resp, start_time)
        self.until = None
        if response.keep_alive and not is_lost:
            self.answered += 1
        return response, is_lost

    def close(self) -> None:
        """Close when the request under way is answered; a client parked in the lane waits on."""
        if self.lane is not None and self.lane.is_parked:
            self.lane.leave()
        else:
            super().close()

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head that was begun must be complete within ``HEAD_SECONDS``."""
        super().data_received(data)
        if self._current_request is not None or self._messages:
            self._stop_head_timer()
        elif self._head_timer is None and self.transport is not None:
            loop = asyncio.get_running_loop()
            self._head_timer = loop.call_later(HEAD_SECONDS, self._head_is_late)

    async def shutdown(
        self,
        timeout: float | None = 15.0,  # noqa: ASYNC109 - aiohttp's, which calls it so
    ) -> None:
        """
        Close when the request under way is answered, and at once if there is none.

        aiohttp asks each connection to close, and then waits for it; one that came in the very
        moment of the first is deaf to it, and would wait for a request instead.
        """
        if not self._request_in_progress:
            self.close()
        await super().shutdown(timeout)

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """Log an answer, unless nobody asked for that when it was begun."""
        if time is not None:
            super().log_access(request, response, time)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Close when who waits is answered: at once if that is nobody."""
        is_parked = self.lane is not None and self.lane.is_parked
        is_idle = not self._request_in_progress and not is_parked
        self.close()
        if is_idle and self.transport is not None:
            self.transport.close()

    def _process_keepalive(self) -> None:
        """Close a client that says nothing; aiohttp does not know of what the lane answers."""
        if self.lane is not None and not self._force_close:
            heard_at = self.lane.heard_at + self._keepalive_timeout
            self._next_keepalive_close_time = max(self._next_keepalive_close_time, heard_at)
        super()._process_keepalive()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._current_request is None and self.transport is not None:
            text = f"consul-edge: the head of the request was not there within {HEAD_SECONDS:.0f}s"
            head = f"HTTP/1.1 408 Request Timeout\r\nContent-Length: {len(text)}"
            self.transport.write(f"{head}\r\nConnection: close\r\n\r\n{text}".encode())
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's, the same as the error's own
    ) -> web.StreamResponse:
        """Render what could not be parsed (400, 414, 431) or handled (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun when it failed")
        if isinstance(exc, HttpProcessingError):
            status, text = self._explain(exc)
        else:
            name = request_id(request)
            log.error("request failed", request_id=name, exc_info=exc)
            text = f"an internal error; the log has it as request_id={name}"
        metrics.HTTP_REQUESTS.labels("edge", "OTHER", str(status)).inc()
        # Without an application nobody takes aiohttp's own Server header away.
        named = {"Server": "consul-edge"}
        response = web.Response(status=status, text=f"consul-edge: {text}", headers=named)
        response.force_close()
        return api_errors.as_json(response) if api_errors.is_api(request) else response

    def _explain(self, error: HttpProcessingError) -> tuple[int, str]:
        # What the parser quotes may be a target with a token in it: only its own words are kept.
        reason = _QUOTE.split(str(error.message), 1)[0].strip().rstrip(":")
        match error:
            case LineTooLong():
                metrics.LIMITS_REACHED.labels("limits.head_bytes").inc()
                # The two bounds differ by one so that they can be told apart.
                most = self.max_line_size
                if error.args[1] == most:
                    return 414, f"the target is longer than limits.head_bytes ({most})"
                return 431, f"a header is longer than limits.head_bytes ({most})"
            case BadHttpMethod():
                return 400, "unknown method: expected one of HTTP's"
            case BadStatusLine():
                return 400, "malformed request line: expected METHOD target HTTP/1.1"
            case _ if "Too many headers" in reason:
                return 431, "too many headers"
            case _:
                return 400, f"malformed request: {reason}"
