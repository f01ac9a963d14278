"""
``consul-edge admin``: the admin calls made by hand.

Rule: only what was not said by a flag is looked for in the configuration.
Nothing but argparse is imported before it is needed: the parser of every command is made by this.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consul_edge.calling import CallFailed, Place, add_place, exchange, first_line, listener

if TYPE_CHECKING:
    from consul_edge.config import Settings

SUMMARY: Final = "flush what a running edge keeps, or show what that is"

EXAMPLE: Final = " flush proxy --key '/v1/health/service/web?passing'"

TIMEOUT: Final = 30.0
"""Seconds that an edge may be silent."""

_HINT: Final = (
    " Give it by --token-file, or as CONSUL_EDGE_ADMIN_TOKEN_FILE, CONSUL_EDGE_ADMIN_TOKEN or the"
    " --config of the edge has it; or use its unix socket."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``consul-edge admin`` understands."""
    parser.add_argument("action", choices=("flush", "info"), help="what to do")
    parser.add_argument(
        "cache", metavar="CACHE", help="proxy, nodes, services, sites, rules, or all of them"
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--key", metavar="TARGET", help="only this one, such as '/v1/health/service/web?passing'"
    )
    keys.add_argument(
        "--prefix", metavar="TARGET", help="only what begins with this, such as /v1/health/"
    )
    add_place(parser, about_socket=", which needs no token")
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
        place = place or listener(settings)
        token = token or configured_token(settings)
    status, text = _exchange(arguments, place, token)
    if status != 200:
        hint = _HINT if status == 401 else ""
        raise CallFailed(f"{place.name} answered {status}: {first_line(text)}.{hint}")
    return text if text.endswith("\n") else f"{text}\n"


def _exchange(arguments: argparse.Namespace, place: Place, token: str) -> tuple[int, str]:
    from urllib.parse import quote

    meant = {"key": arguments.key, "prefix": arguments.prefix}
    # As an empty text it is there, and refused: not everything is meant.
    pairs = [f"{name}={quote(text)}" for name, text in meant.items() if text is not None]
    target = f"/api/v1/admin/cache/{quote(arguments.cache, safe='')}/{arguments.action}"
    if pairs:
        target += f"?{'&'.join(pairs)}"
    headers = {"Accept": "application/json" if arguments.json else "text/plain"}
    if not (token.isascii() and token.isprintable()):
        # The library's own words would show it.
        raise CallFailed("the admin token has characters that no header can have")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    method = "POST" if arguments.action == "flush" else "GET"
    return exchange(place, method, target, headers, timeout=TIMEOUT)


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
