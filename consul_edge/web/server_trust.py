"""
What clients are met with on the edge's own TLS listeners: the settings' certificate, as its files
are now.
"""

import ssl
from dataclasses import dataclass

from consul_edge.config.settings import ListenTls
from consul_edge.core.errors import EdgeError
from consul_edge.upstream.tls import fingerprint
from consul_edge.web.listeners import server_context


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """A context, and what it was made of."""

    context: ssl.SSLContext | None
    """None: plain HTTP."""

    settings: ListenTls

    digest: bytes
    """Of the files."""

    authorities: bytes
    """The same of those that sign for clients."""

    def asks_more_than(self, before: "ServerTrust") -> bool:
        """Tell whether somebody who was let in before might not be now."""
        if self.context is None:
            return False
        is_other = self.settings.client_ca is not None and self.authorities != before.authorities
        return before.context is None or is_other


def server_trust(tls: ListenTls, before: ServerTrust | None) -> ServerTrust:
    """
    Read the files, and make a context unless nothing is other than *before*.

    Raises:
        EdgeError: When one cannot be used.
    """
    try:
        authorities = fingerprint((tls.client_ca,))
        digest = fingerprint((tls.cert, tls.key)) + authorities
        if before is not None and (before.settings, before.digest) == (tls, digest):
            return before
        context = None if tls.cert is None else server_context(tls.cert, tls.key, tls.client_ca)
    except OSError as error:
        raise EdgeError(f"tls cannot be used: {error}") from error
    return ServerTrust(context, tls, digest, authorities)
