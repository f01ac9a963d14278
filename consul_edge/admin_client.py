"""
``consul-edge admin``: the admin calls made by hand, over HTTP, TLS or a unix socket.

Rule 1: the token goes to the one address that was meant: no proxy of the environment is asked and
no redirect followed.
Rule 2: only what was not said by a flag is looked for in the configuration.
Nothing but argparse is imported before it is needed: the parser of every command is made by this.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consul_edge.core.address import Address, parse_server
from consul_edge.core.errors import EdgeError

if TYPE_CHECKING:
    import socket
    import ssl

    from consul_edge.config import Settings

SUMMARY: Final = "flush what a running edge keeps, or show what that is"

EXAMPLE: Final = " flush proxy --key '/v1/health/service/web?passing'"

TIMEOUT: Final = 30.0
"""Seconds that an edge may be silent."""

_HINT: Final = (
    " Give it by --token-file, or as CONSUL_EDGE_ADMIN_TOKEN_FILE, CONSUL_EDGE_ADMIN_TOKEN or the"
    " --config of the edge has it; or use its unix socket."
)

_OF_ALL: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - binds nothing
"""Where one is asked that listens on all interfaces."""


class CallFailed(EdgeError):
    """Raised when an edge could not be asked, or said no."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an edge is asked."""

    address: Address

    cert: Path | None = None
    """The certificate that it must show; None: any that the system trusts."""

    is_tls: bool = False

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.address.name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``consul-edge admin`` understands."""
    parser.add_argument("action", choices=("flush", "info"), help="what to do")
    parser.add_argument("cache", metavar="CACHE", help="proxy, sites, rules, or all of them")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--key", metavar="TARGET", help="only this one, such as '/v1/health/service/web?passing'"
    )
    keys.add_argument(
        "--prefix", metavar="TARGET", help="only what begins with this, such as /v1/health/"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        type=_url,
        help="the edge's address, such as http://10.0.0.7:8510; default: the"
        " first listener of the configuration",
    )
    where.add_argument(
        "--socket", type=_socket, metavar="PATH", help="its unix socket, which needs no token"
    )
    parser.add_argument(
        "--token-file",
        type=token_in,
        dest="token",
        metavar="FILE",
        help="file with the admin token, such as the one that the edge's log names",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the edge's own, for its address and token"
    )
    parser.add_argument("--json", action="store_true", help="show the answer as it came")


def call(arguments: argparse.Namespace, load: "Callable[[], Settings]") -> str:
    """
    Make one call.

    Args:
        load: Reads the configuration.

    Returns:
        What to print.

    Raises:
        CallFailed: With the reason, in one line.
    """
    place = arguments.url or arguments.socket
    token: str = arguments.token or ""
    if place is None or (not token and not arguments.socket):
        settings = load()
        place = place or _listener(settings)
        token = token or configured_token(settings)
    try:
        status, text = _exchange(arguments, place, token)
    except OSError as error:
        raise CallFailed(f"{place.name} cannot be asked: {error.strerror or error}") from error
    if status != 200:
        reason = (text.splitlines() or [""])[0][:500].removeprefix("consul-edge: ")
        hint = _HINT if status == 401 else ""
        raise CallFailed(f"{place.name} answered {status}: {reason}.{hint}")
    return text if text.endswith("\n") else f"{text}\n"


def _exchange(arguments: argparse.Namespace, place: _Place, token: str) -> tuple[int, str]:
    import http.client
    from urllib.parse import quote

    meant = {"key": arguments.key, "prefix": arguments.prefix}
    # As an empty text it is there, and refused: not everything is meant.
    pairs = [f"{name}={quote(text)}" for name, text in meant.items() if text is not None]
    path = f"/api/v1/admin/cache/{quote(arguments.cache, safe='')}/{arguments.action}"
    target = f"{place.address.prefix}{path}" + (f"?{'&'.join(pairs)}" if pairs else "")
    headers = {"Accept": "application/json" if arguments.json else "text/plain"}
    if not (token.isascii() and token.isprintable()):
        # The library's own words would show it.
        raise CallFailed("the admin token has characters that no header can have")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(place.address.host or "localhost", place.address.port)
    try:
        connection.sock = _connect(place)
        connection.request("POST" if arguments.action == "flush" else "GET", target, None, headers)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise CallFailed(f"{place.name} gave no answer of HTTP: {error!r}") from error
    finally:
        connection.close()


def _connect(place: _Place) -> "socket.socket":
    import socket

    address = place.address
    if address.socket:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(TIMEOUT)
        plain.connect(address.socket)
    else:
        plain = socket.create_connection((address.host, address.port), TIMEOUT)
    return _secured(plain, place) if place.is_tls else plain


def _secured(plain: "socket.socket", place: _Place) -> "ssl.SSLSocket":
    import ssl

    context = ssl.create_default_context()
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


def _listener(settings: "Settings") -> _Place:
    listen = settings.listen[0]
    scheme = "unix" if listen.socket else "http"
    host = _OF_ALL.get(listen.host, listen.host) if not listen.socket else ""
    address = Address(scheme, host, listen.port, socket=listen.socket)
    return _Place(address, settings.tls.cert, is_tls=settings.tls.cert is not None)


def configured_token(settings: "Settings") -> str:
    """
    Find the admin token that an edge of *settings* asks for; empty if they name none.

    Raises:
        CallFailed: When the file that holds it cannot be read.
    """
    admin = settings.admin
    try:
        text = _read(admin.token_file) if admin.token_file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CallFailed(f"admin.token_file cannot be read: {error}") from error
    return text or (admin.token.reveal() if admin.token is not None else "")


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


def token_in(text: str) -> str:
    """Read the token of the file *text*; a type of argparse's."""
    try:
        token = _read(Path(text))
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"cannot be read: {error}") from None
    if not token:
        raise argparse.ArgumentTypeError(f"{text} is empty: expected a token in it")
    return token


def _url(text: str) -> _Place:
    expected = "expected http(s)://host:port"
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(expected)
    try:
        address = parse_server(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{expected}: {error}") from None
    return _Place(address, is_tls=address.scheme == "https")


def _socket(text: str) -> _Place:
    return _Place(Address("unix", "", 0, socket=text.removeprefix("unix://")))
