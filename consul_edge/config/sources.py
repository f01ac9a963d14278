"""
Where values come from: the environment and the flags here, the file in ``yaml_file``.

Rule 1: nothing is read here that was not passed in; ``os.environ`` is the caller's.
Rule 2: an empty variable counts as absent, as in Consul's own client.
Rule 3: a name of ours goes before a name of Consul's or of the seed for the same setting, and a
setting's regular name before its alias.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from consul_edge.config.schema import PREFIX, SETTINGS, mask
from consul_edge.core.errors import Problem


class Rank(IntEnum):
    """Which source goes before which."""

    DEFAULT = 0
    FILE = 1
    FOREIGN = 2
    """A variable named by Consul or by the seed."""
    VARIABLE = 3
    """A variable named ``CONSUL_EDGE_*``."""
    FLAG = 4


@dataclass(frozen=True, slots=True)
class Given:
    """One value for one setting, as it was found."""

    path: str

    value: object

    where: str
    """Flag, variable, or file and line."""

    rank: Rank

    @property
    def is_text(self) -> bool:
        """Whether numbers and Booleans come as text: everywhere but in the file."""
        return self.rank > Rank.FILE


FOREIGN: Final[Mapping[str, tuple[str, ...]]] = {
    "consul.servers": ("CONSUL_SERVERS", "CONSUL_HTTP_ADDR"),
    "consul.main_server": ("MAIN_SERVER",),
    "consul.timeout": ("CONSUL_CATALOG_TIMEOUT",),
    "consul.max_retries": ("CONSUL_MAX_RETRIES",),
    "consul.retry_delay": ("CONSUL_RETRY_DELAY",),
    "consul.semaphore_limit": ("CONSUL_SEMAPHORE_LIMIT",),
    "consul.token": ("CONSUL_HTTP_TOKEN",),
    "consul.token_file": ("CONSUL_HTTP_TOKEN_FILE",),
    "consul.auth": ("CONSUL_HTTP_AUTH",),
    "consul.tls.enabled": ("CONSUL_HTTP_SSL",),
    "consul.tls.ca_file": ("CONSUL_CACERT",),
    "consul.tls.ca_path": ("CONSUL_CAPATH",),
    "consul.tls.cert": ("CONSUL_CLIENT_CERT",),
    "consul.tls.key": ("CONSUL_CLIENT_KEY",),
    "consul.tls.server_name": ("CONSUL_TLS_SERVER_NAME",),
    "consul.tls.verify": ("CONSUL_HTTP_SSL_VERIFY",),
    "sites.ttl": ("SITES_CACHE_TTL",),
}
"""Names that others gave; of several for one setting the first that is there counts."""

FLAGS: Final[Mapping[str, str]] = {
    "listen": "--listen",
    "consul.servers": "--servers",
    "log.level": "--log-level",
}

ALIASES: Final[Mapping[str, str]] = {
    "CONSUL_EDGE_ADMIN_TOKEN": "admin.token",
    "CONSUL_EDGE_ADMIN_TOKEN_FILE": "admin.token_file",
}
"""Second names of ours, for what many a deployment sets."""

_OWN: Final = {**ALIASES, **{setting.variable: path for path, setting in SETTINGS.items()}}

# Kubernetes puts these into every pod beside a Service called consul-edge.
_KUBERNETES: Final = re.compile(
    r"CONSUL_EDGE_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?"
    r"|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def read_environment(env: Mapping[str, str]) -> tuple[list[Given], list[Problem]]:
    """Find what the environment says; a ``CONSUL_EDGE_*`` that means nothing is a problem."""
    given = [
        Given(path, env[name], name, Rank.FOREIGN)
        for path, names in FOREIGN.items()
        for name in [name for name in names if env.get(name)][:1]
    ]
    # Of one rank the last counts: the aliases stand first.
    given += [
        Given(path, env[name], name, Rank.VARIABLE) for name, path in _OWN.items() if env.get(name)
    ]
    problems = []
    for name, value in sorted(env.items()):
        known = name in _OWN or not name.startswith(PREFIX) or _KUBERNETES.fullmatch(name)
        if value and not known:
            path = name.removeprefix(PREFIX).lower().replace("__", ".")
            near = difflib.get_close_matches(path, SETTINGS, n=1)
            hint = f"; did you mean {SETTINGS[near[0]].variable}?" if near else ""
            problems.append(Problem(name, path, mask(path, value), f"unknown variable{hint}"))
    return given, problems


def read_flags(flags: Mapping[str, object]) -> list[Given]:
    """Take the flags that were given, by the path of what they set; None stands for absent."""
    return [
        Given(path, value, FLAGS[path], Rank.FLAG)
        for path, value in flags.items()
        if value is not None
    ]
