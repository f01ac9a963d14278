"""
One request to a running edge, over HTTP, TLS or a unix socket: what the commands ask one with.

Rule: it goes to the one address that was meant: no proxy of the environment is asked and no
redirect followed.
Nothing but argparse is imported before it is needed: the parser of every command is made by this.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consul_edge.core.address import Address, parse_server
from consul_edge.core.errors import EdgeError

if TYPE_CHECKING:
    import socket
    import ssl

    from consul_edge.config import Settings

_OF_ALL: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - binds nothing
"""Where one is asked that listens on all interfaces."""


class CallFailed(EdgeError):
    """Raised when an edge could not be asked, or said no."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an edge is asked."""

    address: Address

    cert: Path | None = None
    """The certificate that it must show; None: any that the system trusts."""

    is_tls: bool = False

    own_cert: Path | None = None
    """What is shown to it, with the key in it or in the other file; None: nothing."""

    own_key: Path | None = None

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.address.name


def add_place(parser: argparse.ArgumentParser, *, about_socket: str = "") -> None:
    """
    Add the flags that say which edge is meant.

    Args:
        about_socket: What else is to be known of a unix socket.
    """
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        type=_url,
        help="the edge's address, such as http://10.0.0.7:8510; default: the"
        " first listener of the configuration",
    )
    where.add_argument(
        "--socket", type=_socket, metavar="PATH", help=f"its unix socket{about_socket}"
    )


def listener(settings: "Settings") -> Place:
    """Tell where an edge of *settings* is asked: at its first listener."""
    listen = settings.listen[0]
    scheme = "unix" if listen.socket else "http"
    host = _OF_ALL.get(listen.host, listen.host) if not listen.socket else ""
    address = Address(scheme, host, listen.port, socket=listen.socket)
    return Place(address, settings.tls.cert, is_tls=settings.tls.cert is not None)


def exchange(
    place: Place, method: str, target: str, headers: Mapping[str, str], *, timeout: float
) -> tuple[int, str]:
    """
    Send one request and read the whole answer.

    Args:
        target: Below the prefix that *place* may have.

        timeout: Seconds that the edge may be silent.

    Raises:
        CallFailed: When there is no answer.
    """
    import http.client

    connection = http.client.HTTPConnection(place.address.host or "localhost", place.address.port)
    try:
        connection.sock = _connect(place, timeout)
        connection.request(method, f"{place.address.prefix}{target}", None, dict(headers))
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except OSError as error:
        raise CallFailed(f"{place.name} cannot be asked: {error.strerror or error}") from error
    except http.client.HTTPException as error:
        raise CallFailed(f"{place.name} gave no answer of HTTP: {error!r}") from error
    finally:
        connection.close()


def first_line(text: str) -> str:
    """Give what a refusal says, without the name that it begins with."""
    return (text.splitlines() or [""])[0][:500].removeprefix("consul-edge: ")


def _connect(place: Place, timeout: float) -> "socket.socket":
    import socket

    address = place.address
    if address.socket:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(timeout)
        plain.connect(address.socket)
    else:
        plain = socket.create_connection((address.host, address.port), timeout)
    return _secured(plain, place) if place.is_tls else plain


def _secured(plain: "socket.socket", place: Place) -> "ssl.SSLSocket":
    import ssl

    context = ssl.create_default_context()
    if place.own_cert is not None:
        context.load_cert_chain(place.own_cert, place.own_key)
    if place.cert is None:
        return context.wrap_socket(plain, server_hostname=place.address.host)
    # It is known what the edge must show, by whatever name it is asked, whoever signed it.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secured = context.wrap_socket(plain)
    if secured.getpeercert(binary_form=True) != _first_of(place.cert):
        secured.close()
        raise CallFailed(f"{place.name} shows another certificate than that of tls.cert")
    return secured


def _first_of(cert: Path) -> bytes:
    """Read the first certificate of a file, which is the one that is shown."""
    import ssl

    text = cert.read_text()
    begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(text[begin:end])


def _url(text: str) -> Place:
    expected = "expected http(s)://host:port"
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(expected)
    try:
        address = parse_server(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{expected}: {error}") from None
    return Place(address, is_tls=address.scheme == "https")


def _socket(text: str) -> Place:
    return Place(Address("unix", "", 0, socket=text.removeprefix("unix://")))
