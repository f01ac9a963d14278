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
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import structlog
from aiohttp import web

from consul_edge import logs
from consul_edge.announcing import announce, warn
from consul_edge.cache.cache import Cache
from consul_edge.config import Settings
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.views import Views
from consul_edge.metrics.lag import lag_observed
from consul_edge.notify import Notifier
from consul_edge.reloading import RELOADER, Reloader
from consul_edge.upstream.upstream import Upstream
from consul_edge.web.access import Access
from consul_edge.web.admin import Admin
from consul_edge.web.admin_caches import AdminCache, caches
from consul_edge.web.admin_gate import Gate
from consul_edge.web.admin_token import AdminToken
from consul_edge.web.client_connections import KEEPALIVE, ClientConnections
from consul_edge.web.enriched import Enriched, ttls
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
from consul_edge.web.listening import Listening
from consul_edge.web.middlewares import guard, tidy
from consul_edge.web.parked import Parked
from consul_edge.web.proxy import Proxy
from consul_edge.web.reload import RELOAD
from consul_edge.web.rendering import Rendering
from consul_edge.web.request_id import give_back
from consul_edge.web.routes import add_routes
from consul_edge.web.status_line import status_line, warming_shown
from consul_edge.web.under_way import UnderWay

log = structlog.get_logger()

DRAIN_SECONDS = 15.0
"""How long requests under way may take to end when the edge shuts down; aiohttp takes it twice,
before and after it cancels them."""


Again = Callable[[], Settings]
"""Reads the configuration anew. Raises ConfigError, EdgeError."""


def create_app(settings: Settings, again: Again | None = None) -> web.Application:
    """
    Build the application, inside a running loop; it connects to nothing before it is started.

    Args:
        again: What a reload reads; None: the same.

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
        ttls=ttls(settings),
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
    app[PARKED] = parked
    app[RENDERING] = rendering
    app[UPSTREAM] = upstream
    app[CACHE] = cache
    app[SITES] = sites
    app[RULES] = rules
    app[VIEWS] = views
    app[ARCHIVE] = enriched.archive
    gate = Gate(admin_token, trusts_loopback=admin.trust_loopback)

    def known(settings: Settings) -> dict[str, AdminCache]:
        return caches(cache, settings, sites, rules, enriched.archive, views)

    calls = Admin(known(settings), rules, gate, instance=instance)
    add_routes(app, proxy, calls, enriched)
    app.on_response_prepare.extend((tidy, give_back))
    reloader = app[RELOADER] = Reloader(
        app[GENERATION],
        again or (lambda: settings),
        prepare=(upstream.prepare, admin_token.prepare, rules.prepare),
        certificates=(upstream.prepare_trust,),
        adopt=(
            lambda new: warn(new, before=app[GENERATION].settings),
            lambda new: app[HOSTS].adopt((*new.allowed_hosts, *own_names(new))),
            app[ACCESS].adopt,
            lambda new: app[UNDER_WAY].adopt(new.limits.requests_per_client),
            lambda new: parked.adopt(new.limits.parked_per_client),
            cache.adopt,
            sites.adopt,
            views.adopt,
            enriched.adopt,
            proxy.adopt,
            lambda new: gate.adopt(trusts_loopback=new.admin.trust_loopback),
            lambda new: calls.adopt(known(new)),
        ),
    )
    app[RELOAD] = reloader.reload
    app[ACCESS].heard += (proxy.drain, enriched.interrupt)

    async def upstream_life(_app: web.Application) -> AsyncIterator[None]:
        await upstream.start()
        await cache.start()
        await sites.start()
        await rules.start()
        naming = asyncio.create_task(_learn_full_name(app[HOSTS]))
        reloader.start()
        yield
        naming.cancel()
        await reloader.close()
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


async def serve(
    settings: Settings,
    notifier: Notifier,
    handed: Sequence[Handed] = (),
    again: Again | None = None,
) -> None:
    """
    Serve until SIGTERM or SIGINT, then drain; at SIGHUP read the configuration again.

    Args:
        handed: Sockets that the service manager made; ``settings.listen`` names them, too.

        again: As for ``create_app``.

    Raises:
        EdgeError: When a listener cannot be bound.
    """
    logs.configure(level=settings.log.level, log_format=settings.log.format)
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    async with notifier.attending(), lag_observed(), running(settings, handed, again) as app:
        notifier.describe = partial(status_line, app)
        notifier.ready()
        reloader = app[RELOADER]
        reloader.signs = notifier
        reloader.also(adopt=partial(_log_otherwise, app[GENERATION]))
        async with warming_shown(app), reloader.at(hup):
            await stop.wait()
        log.info("draining")
        notifier.stopping("answering what is under way")
    log.info("stopped")


@asynccontextmanager
async def running(
    settings: Settings, handed: Sequence[Handed] = (), again: Again | None = None
) -> AsyncIterator[web.Application]:
    """Listen and serve while the context lasts; leaving it drains."""
    with ExitStack() as stack:
        # All are bound before anything else is done, and given back whatever fails then.
        listening = Listening(settings, handed, stack)
        app = create_app(settings, again)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=DRAIN_SECONDS)
        await runner.setup()
        connections = ClientConnections(settings, runner)
        lane = Lane(app, connections.make, keepalive=KEEPALIVE)
        generation = app[GENERATION]

        def factory(listener: str) -> Callable[[], asyncio.Protocol]:
            fast = lane.listen(listener)
            return lambda: fast() if generation.settings.fastlane else connections.make()

        try:
            await listening.start(runner, factory, lane.leave)
            app[RELOADER].also(
                adopt=connections.adopt, prepare=listening.prepare, certificate=listening.prepare
            )
            announce(settings, local_agent=app[UPSTREAM].local_agent.name, instance=app[INSTANCE])
            yield app
        finally:
            lane.drain()
            await runner.cleanup()
            lane.close()


def _log_otherwise(generation: Generation, settings: Settings) -> None:
    before, now = generation.settings.log, settings.log
    if (before.level, before.format) != (now.level, now.format):
        logs.configure(level=now.level, log_format=now.format)


async def _learn_full_name(hosts: Hosts) -> None:
    """Accept the machine's full name, too, once the resolver has told it."""
    hosts.add(await asyncio.to_thread(socket.getfqdn))


def own_names(settings: Settings) -> list[str]:
    """List the names of the listeners and of this machine."""
    machine = socket.gethostname()
    names = [machine, machine.partition(".")[0]]
    return names + [listen.host for listen in settings.listen if listen.host]
