"""
The wiring: settings become objects, in the order of their life.

Up: secrets and TLS, servers and their names, the rotation, the routes, then the listeners.
Down: the listeners close, parked polls and endless streams are answered, handlers finish, and
only then do the connections to Consul go.
"""

import asyncio
import secrets
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from aiohttp import web

from consul_edge import logs
from consul_edge.announcing import announce
from consul_edge.cache.cache import Cache
from consul_edge.config import Settings
from consul_edge.core.errors import EdgeError
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.views import Views
from consul_edge.metrics.lag import lag_observed
from consul_edge.notify import Notifier
from consul_edge.upstream.upstream import Upstream
from consul_edge.web.access import Access
from consul_edge.web.access_log import AccessLog
from consul_edge.web.admin import Admin
from consul_edge.web.admin_caches import caches
from consul_edge.web.admin_gate import Gate
from consul_edge.web.admin_token import AdminToken
from consul_edge.web.enriched import Enriched
from consul_edge.web.fastlane.lane import Lane
from consul_edge.web.generation import Generation
from consul_edge.web.handed_over import Handed
from consul_edge.web.hosts import Hosts
from consul_edge.web.keys import (
    ACCESS,
    ARCHIVE,
    CACHE,
    GENERATION,
    HOSTS,
    INSTANCE,
    PARKED,
    RENDERING,
    RULES,
    SITES,
    UNDER_WAY,
    UPSTREAM,
    VIEWS,
)
from consul_edge.web.listeners import Listener, bind, server_context
from consul_edge.web.middlewares import guard, tidy
from consul_edge.web.parked import Parked
from consul_edge.web.protocol import EdgeProtocol
from consul_edge.web.proxy import Proxy
from consul_edge.web.rendering import Rendering
from consul_edge.web.request_id import give_back
from consul_edge.web.routes import add_routes
from consul_edge.web.status_line import status_line, warming_shown
from consul_edge.web.under_way import UnderWay

log = structlog.get_logger()

CLIENT_KEEPALIVE = 3600.0
"""Seconds that an idle client's connection is kept: longer than any client keeps it, since the one
who closes first must be the one who would use it again."""

LINGER_SECONDS = 2.0
"""How long a body that was refused is read on, so that its sender sees why before the connection
is reset."""

DRAIN_SECONDS = 15.0
"""How long requests under way may take to end when the edge shuts down; aiohttp takes it twice,
before and after it cancels them."""


def create_app(settings: Settings) -> web.Application:
    """
    Build the application, inside a running loop; it connects to nothing before it is started.

    Raises:
        EdgeError: When certificates towards Consul cannot be used.
    """
    instance = secrets.token_hex(8)
    upstream = Upstream(settings)
    cache = Cache(settings, upstream, instance=instance)

    def own_token() -> str:
        return upstream.credentials.own

    sites = SiteSource(settings, cache, own_token)
    rules = RuleSource(settings, cache, own_token)
    views = Views(cache, upstream, settings, sites, rules)
    parked = Parked(settings.limits.parked_per_client)
    enriched = Enriched(
        views,
        rules,
        upstream.credentials,
        cache.identities.of,
        parked,
        ttls={"nodes": settings.nodes.ttl, "sites": settings.sites.ttl},
        instance=instance,
    )
    rendering = Rendering()
    proxy = Proxy(
        upstream,
        cache,
        parked,
        rendering,
        instance=instance,
        ui=settings.ui_proxy,
        agent_reads=settings.consul.agent_reads,
        body_bytes=settings.limits.body_bytes,
    )
    admin = settings.admin
    admin_token = AdminToken(admin.token, admin.token_file, asyncio.get_running_loop().time)
    app = web.Application(middlewares=[guard])
    app[GENERATION] = Generation(settings)
    app[INSTANCE] = instance
    app[HOSTS] = Hosts((*settings.allowed_hosts, *own_names(settings)))
    app[ACCESS] = Access(settings)
    app[UNDER_WAY] = UnderWay(settings.limits.requests_per_client)
    app[GENERATION].heard.append(partial(_exchange_bounds, app))
    app[PARKED] = parked
    app[RENDERING] = rendering
    app[UPSTREAM] = upstream
    app[CACHE] = cache
    app[SITES] = sites
    app[RULES] = rules
    app[VIEWS] = views
    app[ARCHIVE] = enriched.archive
    gate = Gate(admin_token, trusts_loopback=admin.trust_loopback)
    known = caches(cache, settings, sites, rules, enriched.archive, views)
    add_routes(app, proxy, Admin(known, rules, gate, instance=instance), enriched)
    app.on_response_prepare.extend((tidy, give_back))

    async def upstream_life(_app: web.Application) -> AsyncIterator[None]:
        await upstream.start()
        await cache.start()
        await sites.start()
        await rules.start()
        naming = asyncio.create_task(_learn_full_name(app[HOSTS]))
        yield
        naming.cancel()
        await enriched.close()
        await views.close()
        await rules.close()
        await sites.close()
        await cache.close()
        await upstream.close()

    async def admin_life(_app: web.Application) -> AsyncIterator[None]:
        admin_token.make()
        yield
        admin_token.remove()

    async def drain(_app: web.Application) -> None:
        cache.drain()
        views.drain()
        enriched.drain()
        upstream.rotation.drain()
        proxy.drain()

    app.cleanup_ctx.extend((upstream_life, admin_life))
    app.on_shutdown.append(drain)
    return app


async def serve(settings: Settings, notifier: Notifier, handed: Sequence[Handed] = ()) -> None:
    """
    Serve until SIGTERM or SIGINT, then drain.

    Args:
        handed: Sockets that the service manager made; ``settings.listen`` names them, too.

    Raises:
        EdgeError: When a listener cannot be bound.
    """
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with notifier.attending(), lag_observed(), running(settings, handed) as app:
        notifier.describe = partial(status_line, app)
        notifier.ready()
        async with warming_shown(app):
            await stop.wait()
        log.info("draining")
        notifier.stopping("answering what is under way")
    log.info("stopped")


@asynccontextmanager
async def running(
    settings: Settings, handed: Sequence[Handed] = ()
) -> AsyncIterator[web.Application]:
    """Listen and serve while the context lasts; leaving it drains."""
    with ExitStack() as stack:
        # All are bound before anything else is done, and given back whatever fails then.
        given = [stack.enter_context(one.socket) for one in handed]
        known = {one.listen for one in handed}
        free = [listen for listen in settings.listen if listen not in known]
        bound = [stack.enter_context(one) for listen in free for one in bind(listen)]
        tls = _tls(settings)
        app = create_app(settings)
        options: dict[str, Any] = {
            "access_log_class": AccessLog,
            "access_log": log if settings.log.access else None,
            "auto_decompress": False,
            "keepalive_timeout": CLIENT_KEEPALIVE,
            "lingering_time": LINGER_SECONDS,
            # Bounds that differ by one: an error tells its bound, and so which was met.
            "max_line_size": settings.limits.head_bytes,
            "max_field_size": settings.limits.head_bytes + 1,
        }
        runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=DRAIN_SECONDS, **options
        )
        await runner.setup()
        build = _protocol(runner, options)
        lane = Lane(app, build, keepalive=CLIENT_KEEPALIVE) if settings.fastlane else None
        try:
            for one in (*given, *bound):
                factory = build if lane is None else lane.listen(str(one.getsockname()))
                is_handed = one in given
                await Listener(runner, one, factory, tls, is_handed=is_handed).start()
            announce(settings, local_agent=app[UPSTREAM].local_agent.name, instance=app[INSTANCE])
            yield app
        finally:
            if lane is not None:
                lane.drain()
            await runner.cleanup()
            if lane is not None:
                lane.close()


async def _learn_full_name(hosts: Hosts) -> None:
    """Accept the machine's full name, too, once the resolver has told it."""
    hosts.add(await asyncio.to_thread(socket.getfqdn))


def own_names(settings: Settings) -> list[str]:
    """List the names of the listeners and of this machine."""
    machine = socket.gethostname()
    names = [machine, machine.partition(".")[0]]
    return names + [listen.host for listen in settings.listen if listen.host]


def _protocol(runner: web.AppRunner, options: dict[str, Any]) -> Callable[[], EdgeProtocol]:
    assert runner.server is not None, "the runner was set up"  # noqa: S101 - for the type checker
    return partial(EdgeProtocol, runner.server, loop=asyncio.get_running_loop(), **options)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls.cert is None:
        return None
    try:
        return server_context(settings.tls.cert, settings.tls.key, settings.tls.client_ca)
    except OSError as error:
        raise EdgeError(f"tls cannot be used: {error}") from error


def _exchange_bounds(app: web.Application) -> None:
    """Let clients do what other settings say, from the next request on."""
    settings = app[GENERATION].settings
    app[ACCESS].adopt(settings)
    app[UNDER_WAY].adopt(settings.limits.requests_per_client)
