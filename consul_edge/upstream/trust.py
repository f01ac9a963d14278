"""
What connections to Consul's servers are made by, as the settings and the files that they name say.
"""

import ssl
from dataclasses import dataclass

from consul_edge.config import Settings
from consul_edge.config.settings import ConsulTls
from consul_edge.core.errors import EdgeError
from consul_edge.upstream.tls import client_context, fingerprint


@dataclass(frozen=True, slots=True)
class Trust:
    """A context, and what it was made of."""

    context: ssl.SSLContext | None
    """None: no server has the scheme https."""

    settings: ConsulTls

    digest: bytes
    """Of the files."""


def trust(settings: Settings, before: Trust | None) -> Trust:
    """
    Read the files, and make a context unless nothing is other than *before*.

    Raises:
        EdgeError: When one cannot be used.
    """
    consul = settings.consul
    addresses = (*consul.servers, consul.main_server, consul.local_agent)
    tls = consul.tls
    if not any(address and address.scheme == "https" for address in addresses):
        return Trust(None, tls, b"")
    try:
        digest = fingerprint((tls.ca_file, tls.ca_path, tls.cert, tls.key))
        is_same = before is not None and (before.settings, before.digest) == (tls, digest)
        if before is not None and before.context is not None and is_same:
            return before
        context = client_context(
            ca_file=tls.ca_file,
            ca_path=tls.ca_path,
            cert=tls.cert,
            key=tls.key,
            verify=tls.verify,
        )
    except OSError as error:
        raise EdgeError(f"consul.tls cannot be used: {error}") from error
    return Trust(context, tls, digest)
