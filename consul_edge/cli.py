"""
argv to Settings to one of the commands; the only code that reads the environment or exits.

Exit 0: fine.  1: it could not run, with the reason in one line.  2: wrong usage or configuration,
with everything that is wrong.  Imports are late: ``version`` and ``check-config`` load no aiohttp.
"""

import argparse
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from consul_edge import __version__, admin_client, categorize_command
from consul_edge.core.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from consul_edge.config import Loaded, Settings

_DESCRIPTION = """\
A sidecar caching proxy in front of HashiCorp Consul: programs ask it instead of Consul, by the
same API, and it answers from what it keeps fresh, also while servers fail."""

_EXAMPLES = """\
examples:
  consul-edge demo                              a page on http://127.0.0.1:8510/, nothing needed
  consul-edge serve --servers 10.0.0.1,10.0.0.2 in front of two servers, on port 8500 each
  consul-edge check-config --config edge.yaml   name every mistake
  consul-edge COMMAND --help                    more, with an example of each option"""

_SETTINGS = """\
Every setting can stand in the file, and in the environment as CONSUL_EDGE_<SECTION>__<KEY>;
Consul's own variables (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT, ...) work, too.
Precedence: flag, environment, file, default."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command of *argv*, or of the command line, and exit."""
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """
    Run the command of *argv*.

    Returns:
        The exit code.

    Raises:
        SystemExit: When argparse has the last word: on --help, --version and wrong usage.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except ConfigError as error:
        count = len(error.problems)
        noun = "problem" if count == 1 else "problems"
        _complain(f"{count} {noun} in the configuration:\n{error}")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted")
        return 1


def _serve(arguments: argparse.Namespace) -> int:
    settings = _load(arguments).settings

    async def serving() -> None:
        from consul_edge.app import serve

        await serve(settings)

    return _run(serving())


def _demo(arguments: argparse.Namespace) -> int:
    from consul_edge.config import load

    # The demo is closed in itself: a Consul of the environment must not meet its token or TLS.
    # Its server has no address yet; the name that stands for it is never asked.
    flags = {"consul.servers": "demo.invalid", **_flags(arguments)}
    settings = load(file=None, env={}, flags=flags).settings
    return _run(_demonstrate(arguments, settings))


async def _demonstrate(arguments: argparse.Namespace, settings: "Settings") -> None:
    import msgspec

    from consul_edge.app import serve
    from consul_edge.core.address import parse_server
    from consul_edge.demo.standin import StandIn

    standin = StandIn(
        nodes=arguments.nodes,
        services=arguments.services,
        churn=arguments.churn,
        seed=arguments.seed,
    )
    async with standin.running(host="127.0.0.1", port=0) as url:
        server = parse_server(url)
        consul = msgspec.structs.replace(settings.consul, servers=(server,), local_agent=server)
        # Nobody's data is here to be guarded, and nobody is to look for a token.
        admin = msgspec.structs.replace(settings.admin, trust_loopback=True)
        await serve(msgspec.structs.replace(settings, consul=consul, admin=admin))


def _check_config(arguments: argparse.Namespace) -> int:
    _load(arguments)
    _say("the configuration is valid\n")
    return 0


def _print_config(arguments: argparse.Namespace) -> int:
    from consul_edge.config import render

    _say(render(_load(arguments)))
    return 0


def _admin(arguments: argparse.Namespace) -> int:
    from consul_edge.config import load

    try:
        _say(
            admin_client.call(
                arguments, lambda: load(file=arguments.config, env=os.environ, flags={}).settings
            )
        )
    except admin_client.CallFailed as error:
        _complain(str(error))
        return 1
    return 0


def _version(_: argparse.Namespace) -> int:
    _say(f"consul-edge {__version__}\n")
    return 0


def _load(arguments: argparse.Namespace) -> "Loaded":
    from consul_edge.config import load

    return load(file=arguments.config, env=os.environ, flags=_flags(arguments))


def _flags(arguments: argparse.Namespace) -> dict[str, object]:
    """Name what was given by the path of the setting; the keys of ``config.sources.FLAGS``."""
    given = {
        "listen": arguments.listen,
        "consul.servers": getattr(arguments, "servers", None),
        "log.level": arguments.log_level,
    }
    return {path: value for path, value in given.items() if value is not None}


def _run(serving: Coroutine[None, None, None]) -> int:
    """Run until it ends; what the machine refuses (a taken port, a bad key) ends it with 1."""
    import asyncio

    try:
        import uvloop
    except ImportError:  # not on Windows
        factory = None
    else:
        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serving)
    except OSError as error:
        # Its strerror has no "[Errno 98]" in front, but no file behind either.
        file = f": {error.filename}" if error.filename else ""
        _complain(f"{error.strerror or error}{file}")
        return 1
    except EdgeError as error:
        _complain(str(error))
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text)


def _complain(text: str) -> None:
    sys.stderr.write(f"consul-edge: {text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="consul-edge",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"consul-edge {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, act: Callable[[argparse.Namespace], int], summary: str, text: str, example: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=summary,
            description=text,
            epilog=f"example:\n  consul-edge {name}{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made.set_defaults(command=act)
        return made

    for name, act, summary, example in (
        ("serve", _serve, "run the proxy until SIGTERM", " --config edge.yaml --listen :8510"),
        (
            "check-config",
            _check_config,
            "name every mistake of a configuration; exit 2 if there is one",
            " --config edge.yaml",
        ),
        (
            "print-config",
            _print_config,
            "show every setting with its source, secrets masked",
            " --config edge.yaml | grep -v '# default'",
        ),
    ):
        _add_settings(command(name, act, summary, f"{_sentence(summary)}\n\n{_SETTINGS}", example))
    summary = "run over an embedded Consul whose services come and go"
    _add_demo(command("demo", _demo, summary, _sentence(summary), " --nodes 500 --churn 20"))
    summary, example = admin_client.SUMMARY, admin_client.EXAMPLE
    admin_client.add_arguments(command("admin", _admin, summary, _sentence(summary), example))
    summary, example = categorize_command.SUMMARY, categorize_command.EXAMPLE
    made = command("categorize", categorize_command.run, summary, _sentence(summary), example)
    categorize_command.add_arguments(made)
    summary = "show the version"
    command("version", _version, summary, _sentence(summary), "")
    return parser


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file, such as /etc/consul-edge.yaml"
    )
    parser.add_argument(
        "--servers",
        metavar="LIST",
        help="Consul's servers in the order of preference, such as a:8500,https://b:8501",
    )
    _add_listen(parser)


def _add_demo(parser: argparse.ArgumentParser) -> None:
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
