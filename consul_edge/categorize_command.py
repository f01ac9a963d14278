"""
``consul-edge categorize``: what the rules make of services, without a Consul and without an edge.

Input is what is at hand: an answer of Consul's, JSON, or lines. Rules are tried out before they
are put where an edge reads them, so what is wrong with them is told, and ends in exit code 2.
Nothing but argparse is imported before it is needed: the parser of every command is made by this.
"""

import argparse
import csv
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from consul_edge.enrich.categorize import Categorizer, Explanation
    from consul_edge.enrich.rules import Rules

SUMMARY: Final = "tell the category of services, and which rule says so"

EXAMPLE: Final = """ - --rules rules.yaml < services.csv
  echo blackbox_exporter,icmp | consul-edge categorize --explain -
  curl -s 127.0.0.1:8500/v1/agent/services | consul-edge categorize -

FILE may hold
  lines       service[,module[,metrics_path]]; empty ones and those with # in front are skipped
  JSON        [{"service": "blackbox_exporter", "module": "icmp", "metrics_path": "/probe"}]
  of Consul   /v1/agent/services, /v1/catalog/services, /v1/catalog/service/x,
              /v1/catalog/node/x, /v1/health/service/x

A line of the output holds category, rule (- if none matched), display name, and the row.
exit: 0 fine, 1 FILE cannot be read, 2 wrong usage or a rule that does not work"""

_SERVICE: Final = ("service", "Service", "ServiceName")
_META: Final = ("meta", "Meta", "ServiceMeta")


class Row(NamedTuple):
    """What rules look at."""

    service: str
    module: str = ""
    metrics_path: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``consul-edge categorize`` understands."""
    parser.add_argument("file", metavar="FILE", help="services; - reads standard input")
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="YAML or JSON; default: those of the package"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="an object a line, with all details")
    output.add_argument(
        "--explain", action="store_true", help="also tell why the rules before did not match"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the category of each service; the exit code is its result."""
    from consul_edge.enrich.categorize import Categorizer
    from consul_edge.enrich.rules import NoRules, Severity

    try:
        rules = _rules(arguments.rules)
    except (NoRules, OSError) as error:
        _complain(f"{arguments.rules}: {_reason(error)}")
        return 2
    for problem in rules.problems:
        _complain(f"{problem.severity}: {problem}")
    try:
        rows = list(read_rows(_content(arguments.file)))
    except (ValueError, OSError, RecursionError) as error:
        _complain(f"{arguments.file}: {_reason(error)}")
        return 1
    show = _json if arguments.json else _explained if arguments.explain else _table
    try:
        for line in show(Categorizer(rules), rows):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough. What is still in the buffer must not fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 2 if any(problem.severity is Severity.ERROR for problem in rules.problems) else 0


def read_rows(content: bytes) -> Iterator[Row]:
    """
    Find the services in what was given.

    Raises:
        ValueError: With the item or line that is none.
    """
    text = content.decode("utf-8-sig")
    if text.lstrip()[:1] in ("[", "{"):
        import msgspec

        yield from _items(msgspec.json.decode(text))
    else:
        yield from _lines(text)


def _lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            (found,) = csv.reader([line], skipinitialspace=True)
        except csv.Error as error:
            raise ValueError(f"line {number}: {error}") from None
        fields = [field.strip() for field in found]
        if len(fields) > len(Row._fields) or not fields[0]:
            raise ValueError(f"line {number}: expected service[,module[,metrics_path]]")
        yield Row(*fields)


def _items(value: object) -> Iterator[Row]:
    if isinstance(value, Mapping) and "Services" in value:
        value = value["Services"]
    if isinstance(value, Mapping) and not any(field in value for field in _SERVICE):
        for name, inner in value.items():
            # The values of /v1/catalog/services are tags, those of the others are services.
            yield Row(name) if isinstance(inner, list) else _item(name, inner)
        return
    for number, inner in enumerate(value if isinstance(value, list) else [value]):
        yield _item(f"item {number}", inner)


def _item(name: str, value: object) -> Row:
    while isinstance(value, Mapping):
        service = next((value[field] for field in _SERVICE if field in value), None)
        if isinstance(service, Mapping):
            value = service  # of /v1/health/service
            continue
        if not isinstance(service, str) or not service:
            break
        meta: Mapping[str, object] = next(
            (value[field] for field in _META if isinstance(value.get(field), Mapping)), {}
        )
        row = [service]
        for field in Row._fields[1:]:
            text = value.get(field, meta.get(field))
            if text is not None and not isinstance(text, str):
                raise ValueError(f"{name}: expected {field} to be a text")
            row.append(text or "")
        return Row(*row)
    raise ValueError(f"{name}: expected an object with a name under {', '.join(_SERVICE)}")


def _table(categorizer: "Categorizer", rows: Sequence[Row]) -> Iterator[str]:
    return _aligned(_cells(categorizer, row) for row in rows)


def _cells(categorizer: "Categorizer", row: Row) -> tuple[str, ...]:
    decision = categorizer.categorize(*row)
    shown = ",".join(row).rstrip(",")
    rule = decision.matched_rule or "-"
    return tuple(map(_plain, (decision.category, rule, decision.display_name, shown)))


def _aligned(lines: Iterable[tuple[str, ...]]) -> Iterator[str]:
    table = list(lines)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _explained(categorizer: "Categorizer", rows: Sequence[Row]) -> Iterator[str]:
    for row, line in zip(rows, _table(categorizer, rows), strict=True):
        yield line
        yield from _reasons(categorizer.explain(*row))


def _reasons(explanation: "Explanation") -> Iterator[str]:
    decision = explanation.decision
    if decision.matched_rule is not None:
        outcomes = f"name {decision.job_name}, metrics_path {decision.metrics_path}"
        yield f"    {decision.matched_rule}: {outcomes}, module {decision.module}"
    for miss in explanation.misses:
        yield f"    not {miss.rule}: {_plain(f'{miss.condition} {miss.expected}')}: {miss.reason}"
    if explanation.left_out:
        yield f"    nor {explanation.left_out} more"


def _json(categorizer: "Categorizer", rows: Iterable[Row]) -> Iterator[str]:
    import msgspec

    for row in rows:
        decision = categorizer.categorize(*row)
        # The names of the conditions' outcomes would hide those of the row.
        yield msgspec.json.encode({"row": row._asdict(), "decision": decision}).decode()


def _rules(file: Path | None) -> "Rules":
    from consul_edge.enrich.packaged import packaged_rules
    from consul_edge.enrich.rules import parse_rules

    return packaged_rules() if file is None else parse_rules(file.read_bytes())


def _content(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _plain(text: str) -> str:
    """Keep a name of somebody else's from moving the terminal's cursor."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _complain(text: str) -> None:
    sys.stderr.write(f"consul-edge: {_plain(text)}\n")
