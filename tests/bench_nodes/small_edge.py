"""An edge of a few routes, whose answers take as long as the test says, by a clock of its own."""

import asyncio
from collections import Counter
from typing import Final

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"

METRICS: Final = """\
# TYPE consul_edge_build_info gauge
consul_edge_build_info{python="3.11.2",version="7.8.9"} 1.0
"""


class SmallEdge:
    """What it keeps is one answer; time passes only while it answers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.nodes = 12
        self.hit_seconds = 0.002
        self.miss_seconds = 0.1
        self.flush_seconds = 5.0
        self.admin_token = TOKEN
        self.refusal = 0
        """The status for a wrong admin token, if it is to be another one."""
        self.faults: dict[tuple[str, int], int | str] = {}
        """What becomes of the n-th request, from 1, of a method: a status, or what is done."""
        self.always: int | str | None = None
        """What becomes of all for nodes."""
        self.asked: list[str] = []
        self.tokens: Counter[tuple[str, str | None]] = Counter()
        self.connections: set[object] = set()
        self.metrics = METRICS
        self.is_kept = False
        self.keeps_nothing = False
        """Whether flushes find nothing."""
        self._nth: Counter[str] = Counter()
        self._server: TestServer | None = None

    def clock(self) -> float:
        """Stand where ``time.perf_counter`` does."""
        return self.now

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return str(self._server.make_url("/")).rstrip("/")

    @property
    def gets(self) -> int:
        """How often it was asked for its nodes."""
        return self.asked.count("GET")

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/api/v1/nodes", self._list)
        app.router.add_post("/api/v1/admin/cache/nodes/flush", self._flush)
        self._server = TestServer(app, host="127.0.0.1")
        # Closing waits for no one: what hangs here hangs on purpose.
        await self._server.start_server(shutdown_timeout=0.01)

    async def close(self) -> None:
        """End."""
        assert self._server is not None
        await self._server.close()

    async def _metrics(self, request: web.Request) -> web.Response:
        self._note(request, "METRICS")
        return web.Response(text=self.metrics)

    async def _list(self, request: web.Request) -> web.Response:
        self._note(request, "GET")
        self.tokens["GET", request.headers.get("X-Consul-Token")] += 1
        if "Authorization" in request.headers:
            self.tokens["GET", request.headers["Authorization"]] += 1
        refusal = await self._fault(request, "GET")
        self.now += self.hit_seconds if self.is_kept else self.miss_seconds
        if refusal is not None:
            return refusal
        self.is_kept = True
        return web.json_response({"success": True, "data": [], "total": self.nodes})

    async def _flush(self, request: web.Request) -> web.Response:
        self._note(request, "POST")
        given = request.headers.get("Authorization", "")
        self.tokens["POST", given] += 1
        if "X-Consul-Token" in request.headers:
            self.tokens["POST", request.headers["X-Consul-Token"]] += 1
        if self.admin_token and given != f"Bearer {self.admin_token}":
            status = self.refusal or (403 if given else 401)
            return web.Response(status=status, text="consul-edge: this is not the admin token")
        refusal = await self._fault(request, "POST")
        self.now += self.flush_seconds
        if refusal is not None:
            return refusal
        flushed, self.is_kept = int(self.is_kept and not self.keeps_nothing), False
        return web.json_response({"success": True, "keys_flushed": flushed})

    def _note(self, request: web.Request, what: str) -> None:
        self.asked.append(what)
        self.connections.add(request.transport)

    async def _fault(self, request: web.Request, method: str) -> web.Response | None:
        self._nth[method] += 1
        fault = self.faults.get((method, self._nth[method]))
        if fault is None and method == "GET":
            fault = self.always
        if isinstance(fault, int):
            return web.Response(status=fault, text="no", headers={"Location": "/"})
        if fault == "garbage":
            return web.Response(text="<html>")
        if fault == "failure":
            return web.json_response({"success": False, "total": 0})
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
        return None
