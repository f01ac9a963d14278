"""What a bench found: tables and figures, as text for people and as JSON for comparing runs."""

import math
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from consul_edge import __version__
from tests.bench.plan import Plan
from tests.peers import PEERS, peer

Cell = str | int | float

ROOT: Final = Path(__file__).parent.parent.parent

LIBRARIES: Final = ("aiohttp", "uvloop")

PROGRAMS: Final = ("consul", "nginx", "haproxy", "varnishd", "wrk")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a scenario: the median of its rounds."""

    name: str
    unit: str
    rounds: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.rounds)

    @property
    def text(self) -> str:
        """
        The median, and between what the rounds were.

        >>> Figure("added", "us", (3.0, 1.0, 2.0)).text
        '2.00 us  (1.00 to 3.00)'
        """
        least, most = min(self.rounds), max(self.rounds)
        return f"{number(self.value)} {self.unit}  ({number(least)} to {number(most)})"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; the first column names what a row is about."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def render(self) -> str:
        """Align it."""
        lines = [self.header, *(tuple(map(number, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )

    def as_markdown(self) -> str:
        """
        Write it for a page, numbers to the right.

        >>> print(Table(("who", "n"), (("edge", 1234),)).as_markdown())
        | who | n |
        |:--|--:|
        | edge | 1,234 |
        """
        texts = [
            place for place, cells in enumerate(zip(*self.rows, strict=True)) if _are_texts(cells)
        ]
        rule = "|".join(":--" if place in texts else "--:" for place in range(len(self.header)))
        lines = [self.header, *(tuple(map(number, row)) for row in self.rows)]
        head, *rows = ("| " + " | ".join(line) + " |" for line in lines)
        return "\n".join((head, f"|{rule}|", *rows))


@dataclass(frozen=True, slots=True)
class Section:
    """What one scenario found."""

    name: str
    title: str
    table: Table
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know before believing the rest."""

    def render(self) -> str:
        """Write it as a page's section."""
        width = max((len(figure.name) for figure in self.figures), default=0)
        figures = "\n".join(f"{one.name.ljust(width)}  {one.text}" for one in self.figures)
        parts = (self.table.render(), figures, "\n".join(self.notes))
        return "\n\n".join([self.title, *(_indented(part) for part in parts if part)]) + "\n"

    def as_markdown(self) -> str:
        """Write it below a heading of a page."""
        figures = [f"- {figure.name}: **{figure.text}**" for figure in self.figures]
        notes = [f"- {note}" for note in self.notes]
        return "\n\n".join(
            part
            for part in (self.table.as_markdown(), "\n".join(figures), "\n".join(notes))
            if part
        )

    def as_json(self) -> dict[str, Any]:
        """Give all of it, each round included."""
        rows = [dict(zip(self.table.header, row, strict=True)) for row in self.table.rows]
        figures = [asdict(figure) | {"value": figure.value} for figure in self.figures]
        head = {"name": self.name, "title": self.title}
        return head | {"rows": rows, "figures": figures, "notes": list(self.notes)}


def at_share(ascending: Sequence[float], share: float) -> float:
    """
    Give what *share* of some values are within.

    >>> [at_share((1.0, 2.0, 3.0, 4.0), share) for share in (0.5, 0.99, 1)]
    [2.0, 4.0, 4.0]
    """
    return ascending[max(1, math.ceil(share * len(ascending))) - 1]


def number(value: Cell) -> str:
    """
    Write a number with three digits that say something.

    >>> [number(value) for value in (0.1234, 1.234, 12.34, 1234.5, 32, "edge")]
    ['0.123', '1.23', '12.3', '1,234', '32', 'edge']
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    places = next((places for least, places in _PLACES if size >= least), 3)
    return f"{value:,.{places}f}"


_PLACES: Final = ((100, 0), (10, 1), (1, 2))


def _are_texts(cells: Sequence[Cell]) -> bool:
    return all(isinstance(cell, str) for cell in cells)


def machine(plan: Plan) -> dict[str, Any]:
    """Describe where, with what and how it was measured."""
    return {
        "consul-edge": " at ".join(filter(None, (__version__, _commit()))),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        **{name: program_version(name) for name in PROGRAMS},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "server_core": plan.server_core,
        "load_core": plan.load_core,
        "busy_before": round(os.getloadavg()[0], 2),
        "rounds": plan.rounds,
        "seconds": plan.seconds,
    }


def render(facts: dict[str, Any], sections: Sequence[Section]) -> str:
    """Write the whole report."""
    lines = "\n".join(circumstances(facts))
    return "\n".join([lines, "", *(section.render() for section in sections)])


def circumstances(facts: dict[str, Any]) -> list[str]:
    """Say in a few lines what was measured where, and how."""
    lines = [
        "consul-edge {consul-edge}, Python {python}, aiohttp {aiohttp}, uvloop {uvloop}",
        "{consul}; {nginx}; {haproxy}; {varnishd}; {wrk}",
        "{system}, {processor}, {cores} cores; busy before: {busy_before}",
        "server under test on core {server_core}; its upstream and the load on core {load_core}",
        "{rounds} rounds of {seconds} s each: medians, and the least and the most of the rounds",
    ]
    if facts["server_core"] == facts["load_core"]:
        lines.append("THERE IS ONLY ONE CORE: server and load take it from each other")
    return [line.format_map(facts) for line in lines]


def program_version(name: str) -> str:
    """Ask a program what it is; the first line that says so."""
    wanted = PEERS[name]
    done = subprocess.run(
        [peer(name), *wanted.proof], capture_output=True, text=True, timeout=60, check=False
    )
    said = (line for line in (done.stdout + done.stderr).splitlines() if wanted.says in line)
    told = next(said, name)
    for rest in (" [", " Copyright", " revision", " 20", " https:"):
        told = told.partition(rest)[0]
    return told.replace("varnishd (", "").strip()


def _commit() -> str:
    """Name what is checked out, and whether it was changed since; nothing without git."""
    command = ("git", "describe", "--always", "--dirty", "--exclude=*")
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
