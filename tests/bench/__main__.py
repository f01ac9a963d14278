"""``python -m tests.bench``: measures, prints one report, and asserts nothing."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import report, results
from tests.bench.load import LoadFailedError
from tests.bench.plan import Plan, cores
from tests.bench.scenarios import ALL
from tests.peers import PeerMissingError, peer
from tests.processes import end_all


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenarios that were asked for; 1 with the reason if one cannot be."""
    arguments = _parser().parse_args(argv)
    try:
        return _bench(arguments)
    except KeyboardInterrupt:
        return _complain("interrupted")
    finally:
        end_all()


def _bench(arguments: argparse.Namespace) -> int:
    trouble = _trouble(arguments.scenarios)
    if trouble:
        return _complain(trouble)
    plan = _plan(arguments)
    facts = report.machine(plan)
    parts = (arguments.scenarios, plan.connections, plan.only, plan.is_quick)
    # What is not the whole, or is only to see that it runs, replaces nothing unasked.
    writes = arguments.write or not any(parts)
    sections, failed = [], []
    for name in arguments.scenarios or ALL:
        try:
            section = _measured(plan, name)
        except (LoadFailedError, OSError, AssertionError) as error:
            failed.append(f"{name} was not measured: {error}")
            _complain(failed[-1])
            continue
        sections.append(section)
        if writes:
            results.write({name: results.entry(facts, section, datetime.now(UTC))}, list(ALL))
    sys.stdout.write(f"\n{report.render(facts, sections)}")
    if arguments.json is not None:
        document = {"machine": facts, "sections": [section.as_json() for section in sections]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return _complain("; ".join(failed)) if failed else 0


def _trouble(scenarios: Sequence[str]) -> str:
    """Say what is missing; nothing if all is there."""
    for name in scenarios:
        if name not in ALL:
            return f"unknown scenario {name!r}; there are {', '.join(ALL)}"
    for program in report.PROGRAMS:
        try:
            peer(program)
        except PeerMissingError as missing:
            return f"{program} is needed: {missing}"
    return ""


def _plan(arguments: argparse.Namespace) -> Plan:
    server_core, load_core = cores()
    quick: bool = arguments.quick
    return Plan(
        rounds=arguments.rounds or (1 if quick else 3),
        seconds=arguments.seconds or (1 if quick else 2),
        server_core=server_core,
        load_core=load_core,
        crowds=tuple(arguments.clients),
        connections=tuple(arguments.connections),
        only=tuple(arguments.only),
        is_quick=quick,
    )


def _measured(plan: Plan, name: str) -> report.Section:
    began = time.monotonic()
    plan.say(f"{name}: {ALL[name].TITLE}")
    section: report.Section = ALL[name].run(plan)
    plan.say(f"  took {time.monotonic() - began:.0f} s")
    return section


def _complain(text: str) -> int:
    sys.stderr.write(f"bench: {text}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    titles = "; ".join(f"{name}: {module.TITLE}" for name, module in ALL.items())
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"all of them by default. {titles}"
    )
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it runs")
    parser.add_argument("--rounds", type=_count, metavar="N", help="turns of each contender (3)")
    parser.add_argument("--seconds", type=_count, metavar="N", help="of each turn (2)")
    parser.add_argument(
        "--clients",
        type=_count,
        nargs="+",
        metavar="N",
        default=(1000, 5000),
        help="of the fan-out, one crowd after the other (1000 5000)",
    )
    parser.add_argument(
        "--connections",
        type=_count,
        nargs="+",
        metavar="N",
        default=(),
        help="of the loads by wrk, instead of the scenario's own",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=(), help="contenders to put under load"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"put the sections into {results.FILE.name}, as a whole run does",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
