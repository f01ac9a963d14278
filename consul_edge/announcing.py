"""
What is told when the edge begins to serve: one line of what matters, and one for each risk.

Rule 1: a setting that weakens a promise or opens a door gets a line at the level of warnings, by
the name of the setting, each time it takes effect.
Rule 2: a risk that every installation has is no line: what all see nobody reads.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from consul_edge import __version__
from consul_edge.config import Settings
from consul_edge.core.access import API, PAGE, Policy
from consul_edge.core.address import Address

log = structlog.get_logger()

Facts = Mapping[str, str]
"""What a line tells beside its text."""


@dataclass(frozen=True, slots=True)
class Risk:
    """One setting, or one that is missing, and what may come of it."""

    text: str
    """With the setting's name."""

    facts: Callable[[Settings], Facts | None]
    """What there is to tell; None where the risk is not taken."""


def announce(settings: Settings, *, local_agent: str, instance: str) -> None:
    """Tell that the edge serves by *settings*, and what is risky about them."""
    log.info(
        "serving",
        version=__version__,
        listen=",".join(listen.name for listen in settings.listen),
        servers=",".join(server.name for server in settings.consul.servers),
        local_agent=local_agent,
        cache=settings.cache.mode,
        acl=_acl(settings),
        tls=_tls(settings),
        access=_access(settings),
        instance=instance,
    )
    warn(settings)


def warn(settings: Settings, *, before: Settings | None = None) -> None:
    """Tell what is risky about *settings*, but for what was so *before*."""
    for risk in RISKS:
        facts = risk.facts(settings)
        if facts is not None and (before is None or facts != risk.facts(before)):
            log.warning(risk.text, **facts)


def _acl(settings: Settings) -> str:
    if not _has_token(settings):
        return "no token of its own"
    return "own token, for clients too" if settings.consul.token_for_clients else "own token"


def _tls(settings: Settings) -> str:
    if settings.tls.cert is None:
        return "off"
    return "on, with client certificates" if settings.tls.client_ca is not None else "on"


def _access(settings: Settings) -> str:
    access = settings.access
    words = ["read-only"] * access.read_only + ["lists"] * bool(access.allow or access.deny)
    return ", ".join(words) or "open"


def _when(is_taken: Callable[[Settings], bool]) -> Callable[[Settings], Facts | None]:
    return lambda settings: {} if is_taken(settings) else None


def _no_local_agent(settings: Settings) -> Facts | None:
    consul = settings.consul
    return {"local_agent": consul.servers[0].name} if consul.local_agent is None else None


def _stale_kv(settings: Settings) -> Facts | None:
    prefixes = settings.cache.stale_kv
    return {"prefixes": ",".join(prefixes)} if prefixes else None


def _plain_listeners(settings: Settings) -> Facts | None:
    if settings.tls.cert is not None:
        return None
    open_ones = [
        listen.name
        for listen in settings.listen
        if not listen.socket and not _is_loopback(listen.host)
    ]
    return {"listen": ",".join(open_ones)} if open_ones else None


def _plain_servers(settings: Settings) -> Facts | None:
    consul = settings.consul
    if not (_has_token(settings) or consul.auth or consul.auth_file):
        return None
    plain = dict.fromkeys(server.name for server in _asked(settings) if _is_plain(server))
    return {"servers": ",".join(plain)} if plain else None


def _unchecked(settings: Settings) -> Facts | None:
    if settings.consul.tls.verify:
        return None
    names = dict.fromkeys(server.name for server in _asked(settings) if server.scheme == "https")
    return {"servers": ",".join(names)}


def _half_closed(settings: Settings) -> Facts | None:
    """Find what is closed of Consul and still shown by the edge's own documents."""
    access = settings.access
    policy = Policy(allow=access.allow, deny=access.deny)
    shown = [
        name
        for name, path in ((API, "/api/v1/nodes"), (PAGE, "/nodes"))
        if policy.why_not("GET", path) is None
    ]
    closed = [path for path in _SHOWN if policy.why_not("GET", path) is not None]
    return {"closed": ",".join(closed), "deny_too": ",".join(shown)} if closed and shown else None


_SHOWN: Final = (
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/health/service/x",
    "/v1/agent/members",
)
"""What the enriched API and the page are made of."""


def _asked(settings: Settings) -> Iterator[Address]:
    consul = settings.consul
    yield from consul.servers
    yield from (one for one in (consul.main_server, consul.local_agent) if one is not None)


def _has_token(settings: Settings) -> bool:
    return settings.consul.token is not None or settings.consul.token_file is not None


def _is_plain(server: Address) -> bool:
    return server.scheme == "http" and not _is_loopback(server.host)


def _is_loopback(host: str) -> bool:
    """Tell whether a host is this machine alone; "" is all interfaces, another name may be any."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


RISKS: Final = (
    Risk(
        "node-local calls and session/create go to the first server; set consul.local_agent",
        _no_local_agent,
    ),
    Risk(
        "clients without a token borrow the edge's (consul.token_for_clients)",
        _when(lambda settings: settings.consul.token_for_clients),
    ),
    Risk(
        "admin calls from this machine need no token, so no other proxy may stand here"
        " (admin.trust_loopback)",
        _when(lambda settings: settings.admin.trust_loopback),
    ),
    Risk(
        "KV may be answered stale: no locks may live below these (cache.stale_kv)",
        _stale_kv,
    ),
    Risk(
        "certificates of Consul's servers are not checked (consul.tls.verify)",
        _unchecked,
    ),
    Risk(
        "tokens of clients and of admin calls come in unencrypted from other machines (tls.cert)",
        _plain_listeners,
    ),
    Risk(
        "the edge's own token or password goes out unencrypted to other machines"
        " (consul.servers, consul.tls)",
        _plain_servers,
    ),
    Risk(
        "what access closes is still told under other names; deny these, too (access.deny)",
        _half_closed,
    ),
)
"""In the order in which they are told."""
