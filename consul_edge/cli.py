"""
argv to Settings to one of the commands; the only code that reads the environment or exits.

Exit 0: fine.  1: it could not run, with the reason in one line.  2: wrong usage or configuration,
with everything that is wrong.  Imports are late: ``version`` and ``check-config`` load no aiohttp.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from consul_edge import (
    __version__,
    admin_client,
    categorize_command,
    completion_command,
    flags,
    healthcheck_command,
)
from consul_edge.bench import command as bench
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
  consul-edge healthcheck --config edge.yaml    whether a running edge is ready
  consul-edge COMMAND --help                    more, with an example of each option"""

_SETTINGS = """\
Every setting can stand in the file, and in the environment as CONSUL_EDGE_<SECTION>__<KEY>;
Consul's own variables (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT, ...) work, too.
Precedence: flag, environment, file, default.  SIGHUP reads file and environment's files again
while it serves: no setting needs a restart."""


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
    except EdgeError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return 1


def _serve(arguments: argparse.Namespace) -> int:
    loaded = _load(arguments)
    from consul_edge import serving

    serving.serve(loaded, os.environ, lambda: _load(arguments))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from consul_edge.config import load

    # The demo is closed in itself: a Consul of the environment must not meet its token or TLS.
    # Its server has no address yet; the name that stands for it is never asked.
    given = {"consul.servers": "demo.invalid", **_given(arguments)}
    settings = load(file=None, env={}, flags=given).settings
    from consul_edge import serving

    serving.demonstrate(
        settings,
        nodes=arguments.nodes,
        services=arguments.services,
        churn=arguments.churn,
        seed=arguments.seed,
    )
    return 0


def _check_config(arguments: argparse.Namespace) -> int:
    _load(arguments)
    _say("the configuration is valid\n")
    return 0


def _print_config(arguments: argparse.Namespace) -> int:
    from consul_edge.config import render

    _say(render(_load(arguments)))
    return 0


def _admin(arguments: argparse.Namespace) -> int:
    _say(admin_client.call(arguments, partial(_settings_of_edge, arguments)))
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    return bench.run(arguments, partial(_settings_of_edge, arguments))


def _healthcheck(arguments: argparse.Namespace) -> int:
    _say(healthcheck_command.call(arguments, partial(_settings_of_edge, arguments)))
    return 0


def _completion(arguments: argparse.Namespace) -> int:
    _say(completion_command.script(_parser(), arguments.shell))
    return 0


def _version(_: argparse.Namespace) -> int:
    _say(f"consul-edge {__version__}\n")
    return 0


def _load(arguments: argparse.Namespace) -> "Loaded":
    from consul_edge.config import load

    return load(file=arguments.config, env=os.environ, flags=_given(arguments))


def _settings_of_edge(arguments: argparse.Namespace) -> "Settings":
    """Read the settings of the edge that a command is about, if it comes to that."""
    from consul_edge.config import load

    return load(file=arguments.config, env=os.environ, flags={}).settings


def _given(arguments: argparse.Namespace) -> dict[str, object]:
    """Name what was given by the path of the setting; the keys of ``config.sources.FLAGS``."""
    given = {
        "listen": arguments.listen,
        "consul.servers": getattr(arguments, "servers", None),
        "log.level": arguments.log_level,
    }
    return {path: value for path, value in given.items() if value is not None}


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
        flags.add_settings(
            command(name, act, summary, f"{_sentence(summary)}\n\n{_SETTINGS}", example)
        )
    summary = "run over an embedded Consul whose services come and go"
    flags.add_demo(command("demo", _demo, summary, _sentence(summary), " --nodes 500 --churn 20"))
    for name, act, room in (
        ("healthcheck", _healthcheck, healthcheck_command),
        ("admin", _admin, admin_client),
        ("categorize", categorize_command.run, categorize_command),
        ("bench", _bench, bench),
        ("completion", _completion, completion_command),
    ):
        summary = room.SUMMARY
        room.add_arguments(command(name, act, summary, _sentence(summary), room.EXAMPLE))
    summary = "show the version"
    command("version", _version, summary, _sentence(summary), "")
    return parser


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."
