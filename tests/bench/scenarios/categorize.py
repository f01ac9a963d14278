"""
Categorization by itself: what one row costs, however many rules there are.

Rules are pairs of a name and a module of their own, as the packaged ones are; each row is asked
of all of them.  Distinct rows have each another name, so that no decision is remembered; known
ones come again and again, as instances of one service do.  "Rules x rows a millisecond" is what a
loop over the rules would have to try, rule by rule, to be as fast.  The packaged rules and one
evil pattern (``^(a+)+$``, on names made for it) stand beside.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final

from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.packaged import packaged_rules
from consul_edge.enrich.rules import Rules, parse_rules
from tests.bench.plan import Plan
from tests.bench.report import Figure, Section, Table

NAME: Final = "categorize"

RULES: Final = 500
ROWS: Final = 5_000
"""Of each turn."""

KNOWN: Final = 500
"""Rows that are all there is, again and again."""

AIM: Final = 5_000
"""Rules-times-rows a millisecond."""

TITLE: Final = f"Categorization: {ROWS:,} rows by {RULES} rules"

HEADER: Final = ("rows", "rules", "us a row", "rules x rows a ms")

Row = tuple[str, str, str]


def run(plan: Plan) -> Section:
    """Measure in this process, on the core of servers."""
    own, evil, packaged = parse_rules(_document()), _evil(), packaged_rules()
    cases: dict[str, tuple[Rules, Callable[[int], Sequence[Row]]]] = {
        "distinct": (own, lambda turn: [_row(turn * ROWS + number) for number in range(ROWS)]),
        "known": (own, lambda _: [_row(number % KNOWN) for number in range(ROWS)]),
        "distinct, packaged rules": (
            packaged,
            lambda turn: [_row(turn * ROWS + number) for number in range(ROWS)],
        ),
        "made for an evil pattern": (
            evil,
            lambda turn: [
                (f"{'a' * 200}{turn * ROWS + number}", "", "") for number in range(ROWS)
            ],
        ),
    }
    took: dict[str, list[float]] = {name: [] for name in cases}
    with plan.on_server_core():
        engines = {name: Categorizer(rules) for name, (rules, _) in cases.items()}
        for turn in range(plan.rounds + 1):
            for name, (_, rows) in cases.items():
                seconds = _timed(engines[name], rows(turn))
                if turn:  # the first is to warm up
                    took[name].append(seconds)
    counts = {name: len(rules.rules) for name, (rules, _) in cases.items()}
    table = tuple(
        (
            name,
            counts[name],
            1e6 * median(took[name]) / ROWS,
            median(_rates(counts[name], took[name])),
        )
        for name in cases
    )
    figures = tuple(
        Figure(f"rules x rows a millisecond, {name} rows{aim}", "", _rates(RULES, took[name]))
        for name, aim in (("distinct", f" (aim: at least {AIM:,})"), ("known", ""))
    )
    return Section(NAME, TITLE, Table(HEADER, table), figures)


def _rates(rules: int, seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(rules * ROWS / (1000 * one) for one in seconds)


def _timed(engine: Categorizer, rows: Sequence[Row]) -> float:
    began = time.perf_counter()
    for service, module, path in rows:
        engine.categorize(service, module, path)
    return time.perf_counter() - began


def _row(number: int) -> Row:
    """Make a row whose name some rule matches, one without a module in three."""
    rule = number * 7 % RULES
    module = "" if number % 3 == 0 else f"module_{rule}"
    return f"job_{rule}_exporter-{number}", module, "/probe" if module else ""


def _document() -> dict[str, Any]:
    rules = [
        {
            "id": f"rule_{number}",
            "priority": 1 + number % 100,
            "category": f"category-{number % 8}",
            "display_name": f"Rule {number}",
            "exporter_type": "blackbox",
            "conditions": {
                "job_name_pattern": f"^job_{number}_(exporter|probe)[-_.]?[0-9]*$",
                "metrics_path": "/probe",
                "module_pattern": f"^module_{number}$",
            },
        }
        for number in range(RULES)
    ]
    return {"rules": rules}


def _evil() -> Rules:
    document = _document()
    document["rules"][0]["conditions"] = {"job_name_pattern": "^(a+)+$"}
    return parse_rules(document)
