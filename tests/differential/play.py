"""Send the rows of a scene to both sides and collect every difference."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.differential.compare import Place, differences, misstatements
from tests.differential.deliberate import DELIBERATE
from tests.differential.rows import Row, Scene
from tests.waiting import wait_until
from tests.wire import Answer, Headers, Wire, exchange

Address = tuple[str, int]

PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")

ROUNDS: Final = 3
"""How often one Consul may move under a comparison before that counts as a difference."""

REPEATS: Final = 3
"""Reads through the edge: the first may be a miss, the later ones hits; all must agree."""


@dataclass(slots=True)
class Side:
    """One way to a Consul."""

    where: Address
    """Where requests go."""

    consul: str
    """The address of the Consul behind, as its documents show it."""

    kept: dict[str, str] = field(default_factory=dict)
    """What rows of the running scene asked to keep."""

    @property
    def server(self) -> str:
        """What the edge calls the Consul, if this side is its own address."""
        return f"{self.where[0]}:{self.where[1]}"

    def ask(self, row: Row) -> Answer:
        """Send *row* with what was kept filled in, until it is what the row waits for."""
        if row.until is None:
            return self._ask(row)
        last: list[Answer] = []

        def once() -> bool:
            last[:] = [self._ask(row)]
            assert row.until is not None
            return row.until(last[0])

        wait_until(once, f"{row} as expected; {self.where}")
        return last[0]

    def _ask(self, row: Row) -> Answer:
        headers = [(name, self._filled(value)) for name, value in row.headers]
        body = self._filled(row.body.decode("latin-1")).encode("latin-1")
        target = self._filled(row.target)
        started = time.monotonic()
        if row.endless:
            answer = self._first_of(row.method, target, headers)
        else:
            answer = exchange(self.where, row.method, target, headers, body, chunked=row.chunked)
        took = time.monotonic() - started
        # A deliberate difference says itself what holds at the edge, which may be its haste.
        least = 0.0 if row.deliberate and answer.header("Cache-Status") else row.at_least
        assert least <= took <= row.at_most, f"{row}: took {took:.2f} s at {self.where}"
        return answer

    def _first_of(self, method: str, target: str, headers: Headers) -> Answer:
        """Read the head and the first part of a log, giving the Consul something to log."""
        with Wire(*self.where) as wire:
            wire.send(method, target, headers)

            def nudged() -> bool:
                exchange(self.where, "GET", "/v1/status/leader")
                return wire.readable()

            wait_until(nudged, f"the first byte of {target}")
            status, reason, answered = wire.read_head()
            # Perhaps that was all that came: from now on nothing that is logged is missed.
            exchange(self.where, "GET", "/v1/status/leader")
            return Answer(status, reason, answered, wire.read_chunk())

    def keep(self, row: Row, answer: Answer) -> None:
        """Remember what *row* asks to."""
        for name, source in row.keep:
            value = answer.header(source)
            if value is None:
                document = answer.json()
                value = (document[0] if isinstance(document, list) else document)[source]
            self.kept[name] = str(value)

    def _filled(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda match: self.kept[match[1]], text)


@dataclass(slots=True)
class Stage:
    """Where a scene plays."""

    direct: Side
    """A real Consul."""

    other: Side
    """What claims to answer as one, over a second one that was prepared alike."""

    behind: Side | None = None
    """That second Consul, reached directly; None if there is none and so no edge either."""

    hits: int = 0
    """Answers that the edge gave from its cache, and that were judged."""


def play(scene: Scene, stage: Stage) -> list[str]:
    """Play *scene* on a fresh *stage* and return what differed, one line each."""
    found = []
    for row in scene.rows:
        try:
            lines = play_row(row, stage)
        except (AssertionError, OSError, ValueError, LookupError) as error:
            lines = [f"{type(error).__name__}: {error}"]
        found += [f"{row}: {line}" for line in lines]
    return found


def play_row(row: Row, stage: Stage) -> list[str]:
    """Play one row."""
    sides = [stage.direct, stage.other]
    if stage.behind is not None and row.at_least:
        stage.behind.kept = stage.other.kept
        sides.append(stage.behind)
    with ThreadPoolExecutor(len(sides)) as pool:
        direct, other, *held = pool.map(partial(Side.ask, row=row), sides)
    stage.direct.keep(row, direct)
    stage.other.keep(row, other)
    if direct.status != row.status:
        return [f"the row says {row.status}, Consul {direct.status} {direct.content[:200]!r}"]
    if row.deliberate:
        holds = DELIBERATE[row.deliberate].holds(direct, other)
        return [] if holds else [f"not the deliberate difference: {direct} {other}"]
    left, right = (Place(side.consul, twin=True) for side in (stage.direct, stage.other))
    found = differences(row, direct, other, left, right)
    same: list[str] = []
    if stage.behind is not None:
        found += misstatements(other, stage.behind.server)
    if held:
        place = Place(stage.other.consul, twin=False)
        same = differences(row, held[0], other, place, place)
    elif stage.behind is not None and row.reads:
        stage.behind.kept = stage.other.kept
        same = _play_on_one(row, stage, stage.behind)
    return found + [f"same Consul: {line}" for line in same]


def _play_on_one(row: Row, stage: Stage, direct: Side) -> list[str]:
    """Compare answers of one Consul to the byte, as long as it stands still meanwhile."""
    place = Place(direct.consul, twin=False)
    found: list[str] = []
    for _ in range(ROUNDS):
        before = direct.ask(row)
        answers = [stage.other.ask(row) for _ in range(REPEATS)]
        after = direct.ask(row)
        found = [
            line
            for answer in answers
            for line in (
                *differences(row, before, answer, place, place),
                *misstatements(answer, direct.server),
            )
        ]
        stage.hits += sum("; hit" in str(answer.header("Cache-Status")) for answer in answers)
        if not found or not differences(row, before, after, place, place):
            break
    return list(dict.fromkeys(found))
