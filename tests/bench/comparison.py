"""Proxies against each other and against no proxy: the ratios that are told."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from tests.bench.load import Burst, Contender, in_turns
from tests.bench.plan import Plan
from tests.bench.report import Figure, Section, Table

ALONE: Final = 1
"""Connections: what a single caller feels."""

MANY: Final = 32
"""Connections: what the server can do."""

HEADER: Final = ("contender", "connections", "p50 us", "p99 us", "requests/s", "errors")

Bursts = dict[tuple[str, int], list[Burst]]


def compare(
    plan: Plan, name: str, title: str, contenders: Sequence[Contender], target: str
) -> Section:
    """
    Measure *contenders* on one target and tell what the proxies among them cost.

    Args:
        contenders: The edge, nginx, and what both are in front of, in this order.
    """
    edge, nginx, direct = (contender.name for contender in contenders)
    bursts = in_turns(plan, contenders, target, (ALONE, MANY))

    def figure(
        text: str, unit: str, of: tuple[str, str], connections: int, make: _Combine
    ) -> Figure:
        pairs = zip(bursts[of[0], connections], bursts[of[1], connections], strict=True)
        return Figure(text, unit, tuple(make(one, other) for one, other in pairs))

    figures = (
        *(
            figure(f"added p50 at 1 connection, {proxy}", "us", (proxy, direct), ALONE, _added)
            for proxy in (edge, nginx)
        ),
        *(
            figure(f"p50 at 1 connection, {proxy}/direct", "x", (proxy, direct), ALONE, _longer)
            for proxy in (edge, nginx)
        ),
        *(
            figure(
                f"throughput at 32 connections, {one}/{other}", "x", (one, other), MANY, _faster
            )
            for one, other in ((edge, nginx), (edge, direct), (nginx, direct))
        ),
    )
    return Section(name, title, _table(bursts), figures)


_Combine = Callable[[Burst, Burst], float]


def _added(one: Burst, other: Burst) -> float:
    return one.p50 - other.p50


def _longer(one: Burst, other: Burst) -> float:
    return one.p50 / other.p50


def _faster(one: Burst, other: Burst) -> float:
    return one.rate / other.rate


def _table(bursts: Bursts) -> Table:
    rows = [
        (
            name,
            connections,
            median(burst.p50 for burst in rounds),
            median(burst.p99 for burst in rounds),
            median(burst.rate for burst in rounds),
            sum(burst.errors for burst in rounds),
        )
        for (name, connections), rounds in sorted(bursts.items(), key=lambda item: item[0][1])
    ]
    return Table(HEADER, tuple(rows))
