"""
``consul-edge bench nodes``: measure, write down, compare; the exit code is the gates' verdict.

Nothing but argparse is imported before it is needed: the parser of every command is made by this.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consul_edge import __version__, admin_client
from consul_edge.core.address import parse_server

if TYPE_CHECKING:
    from consul_edge.bench.gates import Gate
    from consul_edge.bench.measuring import Findings
    from consul_edge.bench.records import Run
    from consul_edge.config import Settings

SUMMARY: Final = "measure how fast a running edge answers, and compare"

EXAMPLE: Final = """ nodes --mode baseline --admin-token-file token --output results
  consul-edge bench nodes --mode compare --admin-token-file token --output results
  consul-edge bench nodes --mode report --output results

baseline writes nodes_baseline.json, compare measures again and writes nodes_compare.json beside
it, report writes nodes_benchmark_report.json of the two.

Hits and misses of GET /api/v1/nodes are measured apart, one request after the other over one
connection. A miss is asked for right after a flush of the nodes, for which the admin token is
needed: by --admin-token-file, or as CONSUL_EDGE_ADMIN_TOKEN_FILE, CONSUL_EDGE_ADMIN_TOKEN or the
--config of the edge has it. Without one there are hits only. Do not flush a busy edge.

gates: p50 < 200 ms, p95 < 500 ms, p99 < 600 ms, of misses if there are any; success >= 99%.
Percentiles are by the nearest rank: of fewer than 100 requests p99 is the slowest.
exit: 0 gates passed, 1 gates failed or no answer, 2 wrong usage or no usable baseline"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``consul-edge bench`` understands."""
    parser.add_argument("what", choices=("nodes",), help="what to ask for: GET /api/v1/nodes")
    parser.add_argument(
        "--mode", choices=("baseline", "compare", "report"), required=True, help="what to do"
    )
    parser.add_argument(
        "--url",
        type=_url,
        default="http://127.0.0.1:8510",
        help="the edge's address, such as http://10.0.0.7:8510 (default http://127.0.0.1:8510)",
    )
    for flag, least, default, text in (
        ("--iterations", 1, 20, "requests that are measured, of hits and of misses, such as 100"),
        ("--warmup", 0, 3, "requests before them that are not, such as 10"),
    ):
        parser.add_argument(
            flag,
            type=_at_least(least),
            default=default,
            metavar="N",
            help=f"{text} (default {default})",
        )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of the files, such as results; made if missing (default: this one)",
    )
    for flag, text in (
        ("--admin-token-file", "file with the edge's admin token, without which none is a miss"),
        ("--token-file", "file with a token of Consul's, to ask as its owner"),
    ):
        parser.add_argument(flag, type=_token, metavar="FILE", help=text)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the edge's own, for its admin token"
    )
    parser.add_argument("--json", action="store_true", help="show what was written, not a table")


def run(arguments: argparse.Namespace, load: "Callable[[], Settings]") -> int:
    """
    Measure or report; the exit code is its result.

    Raises:
        EdgeError: When there was no answer.
    """
    from consul_edge.bench.records import Unusable

    try:
        return _report(arguments) if arguments.mode == "report" else _measure(arguments, load)
    except Unusable as error:
        _complain(str(error))
        return 2
    except OSError as error:
        _complain(f"{error.filename or arguments.output} cannot be written: {error.strerror}")
        return 1


def _measure(arguments: argparse.Namespace, load: "Callable[[], Settings]") -> int:
    import asyncio

    from consul_edge.bench import table
    from consul_edge.bench.comparison import compare, doubts
    from consul_edge.bench.measuring import Plan, measure
    from consul_edge.bench.records import BASELINE, COMPARE, Unusable, fields_of, read_run

    # Before anything is measured: it may not be usable.
    is_compared = arguments.mode == "compare"
    baseline = read_run(arguments.output / BASELINE, "baseline") if is_compared else None
    admin_token = arguments.admin_token_file or admin_client.configured_token(load())
    if not _fits_header(admin_token):
        raise Unusable("the admin token has characters that no header can have")
    arguments.output.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        url=arguments.url,
        iterations=arguments.iterations,
        warmup=arguments.warmup,
        admin_token=admin_token,
        token=arguments.token_file or "",
    )
    findings = asyncio.run(measure(plan))
    measured = _run_of(arguments, findings)
    warnings = _doubts(measured, findings)
    document: dict[str, Any] = {}
    lines = list(table.run_lines(measured))
    if baseline is not None:
        warnings += doubts(baseline, measured)
        comparison = compare(baseline, measured)
        document = {"baseline_timestamp": baseline.timestamp, "comparison": comparison}
        lines += ["", *table.comparison_lines(comparison)]
    file = COMPARE if is_compared else BASELINE
    return _tell(arguments, file, {**fields_of(measured), **document}, measured, warnings, lines)


def _run_of(arguments: argparse.Namespace, findings: "Findings") -> "Run":
    from consul_edge.bench.figures import summarize
    from consul_edge.bench.records import FORM, Run

    misses = findings.misses
    return Run(
        form=FORM,
        mode=arguments.mode,
        url=arguments.url,
        timestamp=_now(),
        version=__version__,
        edge_version=findings.edge_version,
        nodes=findings.nodes,
        iterations=arguments.iterations,
        warmup=arguments.warmup,
        connections=findings.connections,
        hits=summarize(findings.hits.seconds, findings.hits.errors),
        misses=summarize(misses.seconds, misses.errors) if misses is not None else None,
        misses_left_out=findings.misses_left_out,
    )


def _doubts(measured: "Run", findings: "Findings") -> list[str]:
    found = []
    if measured.misses is None:
        found.append(
            f"misses are not measured: {measured.misses_left_out}; the gates are held against"
            " hits, which says less"
        )
    elif findings.misses is not None and findings.misses.empty_flushes:
        found.append(
            f"{findings.misses.empty_flushes} flushes dropped nothing: what came after them may"
            " have been hits"
        )
    if measured.connections > 1:
        found.append(f"it took {measured.connections} connections: they broke")
    return found


def _report(arguments: argparse.Namespace) -> int:
    from consul_edge.bench import table
    from consul_edge.bench.comparison import compare, doubts
    from consul_edge.bench.records import BASELINE, COMPARE, FORM, REPORT, read_run

    baseline = read_run(arguments.output / BASELINE, "baseline")
    current = read_run(arguments.output / COMPARE, "compare")
    comparison = compare(baseline, current)
    document = {
        "schema": f"{FORM} report",
        "timestamp": _now(),
        "version": __version__,
        "baseline": baseline,
        "current": current,
        "comparison": comparison,
    }
    lines = [
        *table.run_lines(baseline),
        "",
        *table.run_lines(current),
        "",
        *table.comparison_lines(comparison),
    ]
    return _tell(arguments, REPORT, document, current, doubts(baseline, current), lines)


def _tell(
    arguments: argparse.Namespace,
    file: str,
    document: dict[str, Any],
    judged: "Run",
    warnings: Sequence[str],
    lines: Iterable[str],
) -> int:
    """Write the file, show it, and judge."""
    from consul_edge.bench import records, table
    from consul_edge.bench.gates import judge

    gates = judge(judged)
    failed: list[Gate] = [gate for gate in gates if not gate.passed]
    content = records.render(
        {**document, "warnings": list(warnings), "gates": gates, "passed": not failed}
    )
    path = arguments.output / file
    records.write(path, content)
    if arguments.json:
        sys.stdout.write(content.decode())
    else:
        lines = [*lines, "", *table.gate_lines(gates), "", f"written: {path}"]
        sys.stdout.write("\n".join(lines) + "\n")
    for warning in warnings:
        _complain(f"warning: {warning}")
    for gate in failed:
        _complain(f"gate failed: {gate}")
    return 1 if failed else 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _url(text: str) -> str:
    expected = "expected http(s)://host:port"
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(expected)
    try:
        return parse_server(text).base
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{expected}: {error}") from None


def _token(text: str) -> str:
    token = admin_client.token_in(text)
    if not _fits_header(token):
        raise argparse.ArgumentTypeError(f"{text} has characters that no header can have")
    return token


def _fits_header(token: str) -> bool:
    return token.isascii() and token.isprintable()


def _at_least(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number, {least} or more, not {text!r}"
            )
        return int(text)

    return count


def _complain(text: str) -> None:
    sys.stderr.write(f"consul-edge: {text}\n")
