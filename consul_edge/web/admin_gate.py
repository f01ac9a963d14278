"""
Who may make admin calls.

Nobody is let in for where he comes from unless that is as good as a secret: a unix socket whose
file is the owner's alone, or loopback where the operator said so.  Behind loopback another proxy
may stand.  Guesses at the token are not slowed down: it is long, each is logged and counted, and
an operator who is flooded with guesses must get in all the same.
"""

import ipaddress
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from consul_edge.core.errors import Refused
from consul_edge.web.admin_token import AdminToken

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NoToken(Refused):
    """Raised for a call that brings none."""


class WrongToken(Refused):
    """Raised for a call that brings another."""


class Gate:
    """Lets callers in, or says why not."""

    def __init__(self, token: AdminToken, *, trusts_loopback: bool) -> None:
        """Let in who brings *token*."""
        self._token = token
        self._trusts_loopback = trusts_loopback

    def adopt(self, *, trusts_loopback: bool) -> None:
        """Trust who comes from this machine, or not, from now on."""
        self._trusts_loopback = trusts_loopback

    def admit(self, request: web.Request) -> None:
        """
        Let in.

        Raises:
            NoToken: When there is none.

            WrongToken: When it is another.
        """
        if self.trusts(request):
            return
        given = bearer(request.headers.getall(hdrs.AUTHORIZATION, ()))
        if not given:
            raise NoToken(
                401,
                "admin calls need Authorization: Bearer and the token of admin.token or"
                " admin.token_file, or of the file that the log named when the edge started",
            )
        if not self._token.is_it(given):
            raise WrongToken(403, "this is not the admin token")

    def trusts(self, request: web.Request) -> bool:
        """Tell whether where a call comes from is as good as a token."""
        return _is_private(request) or (self._trusts_loopback and is_loopback(request.remote))


GATE: Final = web.AppKey("gate", Gate)


def bearer(headers: Sequence[str]) -> str:
    """
    Find the token of ``Authorization``; "" if there is none, or more than one header.

    >>> bearer(["bearer  a"]), bearer(["Basic a"]), bearer(["Bearer a", "Bearer b"])
    ('a', '', '')
    """
    if len(headers) != 1:
        return ""
    scheme, _, token = headers[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_loopback(peer: str | None) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(peer or "").is_loopback
    except ValueError:
        return False


def _is_private(request: web.Request) -> bool:
    """
    Tell whether a request came by a unix socket that is its owner's alone.

    The edge makes its own so; one that is handed over may be everybody's.
    """
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is None or connection.family != socket.AF_UNIX:
        return False
    try:
        return not stat.S_IMODE(Path(connection.getsockname()).stat().st_mode) & _OTHERS
    except (OSError, ValueError, TypeError):  # gone, or abstract: bytes with a zero in front
        return False
