"""``python -m tests.bench``: measures, prints one report, and asserts nothing."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import report
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
    except (LoadFailedError, OSError, AssertionError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _complain("interrupted")
    finally:
        end_all()


def _bench(arguments: argparse.Namespace) -> int:
    for program in report.PROGRAMS:
        try:
            peer(program)
        except PeerMissingError as missing:
            return _complain(f"{program} is needed: {missing}")
    server_core, load_core = cores()
    quick: bool = arguments.quick
    plan = Plan(
        rounds=arguments.rounds or (2 if quick else 5),
        seconds=arguments.seconds or (1 if quick else 4),
        server_core=server_core,
        load_core=load_core,
        clients=arguments.clients,
    )
    facts = report.machine(plan)
    sections = []
    for name in arguments.scenarios or ALL:
        plan.say(ALL[name].TITLE)
        sections.append(ALL[name].run(plan))
    sys.stdout.write(f"\n{report.render(facts, sections)}")
    if arguments.json is not None:
        document = {"machine": facts, "sections": [section.as_json() for section in sections]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


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
    parser.add_argument("--rounds", type=_count, metavar="N", help="turns of each contender (5)")
    parser.add_argument("--seconds", type=_count, metavar="N", help="of each turn (4)")
    parser.add_argument(
        "--clients", type=_count, metavar="N", default=1000, help="of the fan-out (1000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
