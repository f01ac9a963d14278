"""
``consul-edge healthcheck``: whether a running edge serves, for whoever starts and watches it.

Rule: one line, and 0 or 1; whatever went wrong, also with the configuration, is 1: of other codes
container engines know nothing.
Nothing but argparse is imported before it is needed: it is run every few seconds.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consul_edge.calling import CallFailed, add_place, exchange, first_line, listener
from consul_edge.core.durations import parse_duration
from consul_edge.core.errors import ConfigError

if TYPE_CHECKING:
    from consul_edge.config import Settings

SUMMARY: Final = "ask a running edge whether it is ready: exit 0 or 1"

EXAMPLE: Final = """ --config edge.yaml
  consul-edge healthcheck --live --socket /run/consul-edge/edge.sock
  consul-edge healthcheck --url https://10.0.0.7:8510 --max-stale 5m

ready: there is something to serve, be it stale. live: the process turns, whatever Consul does."""

READY: Final = "/-/ready"
LIVE: Final = "/-/healthy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``consul-edge healthcheck`` understands."""
    parser.add_argument(
        "--live", action="store_true", help="ask whether it lives, not whether it can serve"
    )
    parser.add_argument(
        "--max-stale",
        type=_duration,
        metavar="TIME",
        help="count it as not ready if what it serves is older, such as 30s",
    )
    add_place(parser)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the edge's own, for its address"
    )
    for flag, text in (
        ("--cert", "certificate to show, where tls.client_ca asks for one"),
        ("--key", "its key, if that is not in the same file"),
    ):
        parser.add_argument(flag, type=Path, metavar="FILE", help=text)
    parser.add_argument(
        "--timeout",
        type=_duration,
        default="3s",
        metavar="TIME",
        help="how long the edge may be silent, such as 500ms (default 3s)",
    )


def call(arguments: argparse.Namespace, load: "Callable[[], Settings]") -> str:
    """
    Ask.

    Args:
        load: Reads the configuration.

    Returns:
        What to print.

    Raises:
        CallFailed: When it is not, with the reason in one line.
    """
    place = arguments.url or arguments.socket
    if place is None:
        try:
            place = listener(load())
        except ConfigError as error:
            raise CallFailed(
                f"where to ask cannot be read, the configuration is wrong: {error.problems[0]}"
            ) from error
    if arguments.cert is not None:
        place = replace(place, own_cert=arguments.cert, own_key=arguments.key)
    target = LIVE if arguments.live else READY
    if arguments.max_stale is not None and not arguments.live:
        target += f"?max_stale={arguments.max_stale:f}s"
    status, text = exchange(place, "GET", target, {}, timeout=arguments.timeout)
    if status != 200:
        raise CallFailed(f"{place.name} answered {status}: {first_line(text)}")
    return f"{first_line(text)}\n"


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
