"""
The flags of serve, demo and the commands that check what serve would be given.

What is a setting is not judged here: as a text it goes where all settings are checked together.
Nothing but argparse is imported: the parser of every command is made by this.
"""

import argparse
from pathlib import Path


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add those of the commands that read a configuration."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file, such as /etc/consul-edge.yaml"
    )
    parser.add_argument(
        "--servers",
        metavar="LIST",
        help="Consul's servers in the order of preference, such as a:8500,https://b:8501",
    )
    _add_listen(parser)


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add those of the demo."""
    for flag, kind, default, text in (
        ("--nodes", _count, 12, "machines of the embedded cluster, such as 500"),
        ("--services", _count, 155, "service instances on them, such as 10000"),
        ("--churn", _rate, 1.0, "changes a second, such as 20, or 0 for a still picture"),
    ):
        parser.add_argument(
            flag, type=kind, default=default, metavar="N", help=f"{text} (default {default})"
        )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the same cluster each time, such as 7"
    )
    _add_listen(parser)


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS",
        help="HOST:PORT, :PORT or unix:///path, such as 127.0.0.1:8510; may be repeated",
    )
    parser.add_argument(
        "--log-level", metavar="LEVEL", help="debug, info, warning or error, such as debug"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, not {text!r}")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf"):
        raise argparse.ArgumentTypeError(f"expected changes a second, 0 or more, not {text!r}")
    return rate
