"""
Contenders under the same load, as one table: what each did, and how it stands to the edge.

Rule 1: a ratio is of one round; its median over the rounds is told.
Rule 2: a contender with a burst that counts for nothing has no figures under that load, and its
reason is told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.bench.contenders import EDGE
from tests.bench.load import Burst, Bursts
from tests.bench.report import Cell, Figure, Section, Table

ALONE: Final = 1
"""Connections: what a single caller feels."""

MANY: Final = 32
"""Connections: what the server can do."""

CROWDED: Final = 256
"""Connections: what is left of that when there are more than anybody needs."""

HEADER: Final = (
    *("answer", "connections", "contender", "requests/s", "p50 us", "p99 us"),
    *("CPU %", "CPU us each", "requests/s, edge : it", "p99, edge : it"),
)

Loads = dict[str, Bursts]
"""Bursts by what the answers are."""

_Of = Callable[[Burst], float]

_MEASURES: Final[dict[str, _Of]] = {
    "requests/s": lambda burst: burst.rate,
    "p99": lambda burst: burst.p99,
}


@dataclass(frozen=True, slots=True)
class Aim:
    """What the edge is to reach: a figure of its own beside the table."""

    measure: str
    """``requests/s`` or ``p99``."""
    answer: str
    other: str
    text: str
    """``at least 1.5``."""
    connections: int = MANY


def compared(
    name: str,
    title: str,
    loads: Loads,
    aims: Iterable[Aim] = (),
    *,
    notes: Iterable[str] = (),
    more: Sequence[Figure] = (),
) -> Section:
    """Tell what was measured, and what was aimed at."""
    rows: list[tuple[Cell, ...]] = []
    told = list(notes)
    for answer, bursts in loads.items():
        for connections in sorted({places for _, places in bursts}):
            edge = bursts.get((EDGE, connections), [])
            for (contender, places), rounds in bursts.items():
                if places == connections:
                    head = (answer, connections, contender)
                    rows.append((*head, *_cells(edge, rounds, contender)))
                    told += _reasons(head, rounds)
    figures = [figure for aim in aims if (figure := _figure(aim, loads))]
    return Section(name, title, Table(HEADER, tuple(rows)), (*figures, *more), tuple(told))


def _cells(edge: Sequence[Burst], rounds: Sequence[Burst], contender: str) -> tuple[Cell, ...]:
    if _reason(rounds):
        return ("INVALID", *("-" for _ in HEADER[4:]))
    ratios: tuple[Cell, ...] = ("-", "-")
    if contender != EDGE and edge and not _reason(edge):
        ratios = tuple(median(_ratios(of, edge, rounds)) for of in _MEASURES.values())
    return (
        median(burst.rate for burst in rounds),
        median(burst.p50 for burst in rounds),
        median(burst.p99 for burst in rounds),
        round(100 * median(burst.cpu for burst in rounds)),
        median(1e6 * burst.cpu / burst.rate for burst in rounds),
        *ratios,
    )


def _reason(rounds: Sequence[Burst]) -> str:
    return next((burst.trouble for burst in rounds if burst.trouble), "")


def _reasons(head: tuple[Cell, ...], rounds: Sequence[Burst]) -> list[str]:
    why = _reason(rounds)
    answer, connections, contender = head
    return [f"INVALID: {contender}, {answer}, {connections} connections: {why}"] if why else []


def _ratios(of: _Of, ones: Sequence[Burst], others: Sequence[Burst]) -> tuple[float, ...]:
    # wrk's percentiles are whole microseconds, so none of a real burst is 0.
    return tuple(of(one) / of(other) for one, other in zip(ones, others, strict=True))


def _figure(aim: Aim, loads: Loads) -> Figure | None:
    bursts = loads.get(aim.answer, {})
    edge, other = (bursts.get((name, aim.connections), []) for name in (EDGE, aim.other))
    if not edge or not other or _reason(edge) or _reason(other):
        return None
    name = f"{aim.measure}, edge : {aim.other}, {aim.answer}, {aim.connections} connections"
    ratios = _ratios(_MEASURES[aim.measure], edge, other)
    return Figure(f"{name} (aim: {aim.text})", "x", ratios)


def added(bursts: Bursts, names: Iterable[str], direct: str) -> list[Figure]:
    """Tell what each proxy adds to what a single caller of *direct* waits."""
    without = _good(bursts, direct)
    return [
        Figure(
            f"added p50 at 1 connection, {name}",
            "us",
            tuple(one.p50 - other.p50 for one, other in zip(rounds, without, strict=True)),
        )
        for name in names
        if without and (rounds := _good(bursts, name))
    ]


def _good(bursts: Bursts, name: str) -> Sequence[Burst]:
    """Give those of a single caller, if all of them count."""
    rounds = bursts.get((name, ALONE), [])
    return [] if _reason(rounds) else rounds
