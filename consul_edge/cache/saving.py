"""
Which answers go into the snapshot and come back from it, and when.

Rule 1: nothing goes in that could not stand in for Consul: no KV unless its prefix is opted in,
and nothing that a write has overtaken.  The same is asked again of what comes back.
Rule 2: what was dropped for want of rights is soon gone from the file, too.
Rule 3: no client waits for it, and none fares worse if it fails: looking through what is kept is
done in slices, writing in a thread.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from consul_edge import metrics
from consul_edge.cache.identity import Identities
from consul_edge.cache.line import Line
from consul_edge.cache.lines import Lines
from consul_edge.cache.rulebook import Rulebook
from consul_edge.cache.snapshot import Head, Record, Refused, read, set_aside, write
from consul_edge.core.backoff import backoff
from consul_edge.core.key import Key
from consul_edge.core.policy import Rule
from consul_edge.core.request import parse_call

log = structlog.get_logger()

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between two snapshots, which is what a killed edge loses; less in the beginning, when
that would be all there is."""

SOON: Final = 0.5
"""Seconds after something was dropped: more often follows at once."""

SPARE: Final = 20
"""How much longer than the last snapshot took the pause after it is at least."""

SLICE: Final = 50
"""Entries that are looked at before others have their turn."""


class Saving:
    """Takes over the snapshot that it finds, and writes others while the edge runs."""

    def __init__(
        self,
        path: Path | None,
        lines: Lines,
        identities: Identities,
        rules: Rulebook,
        *,
        now: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Touch nothing yet.

        Args:
            path: None if there shall be no snapshot.

            now: A monotonic clock, that of the lines.

            wall: One that goes on while nobody runs.
        """
        self._path = path
        self._lines = lines
        self._identities = identities
        self._rules = rules
        self._now = now
        self._wall = wall
        self._hurry = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._took = 0.0
        """Seconds, the last time."""
        self._written: int | None = None
        """What the file says, as one number; None: not known."""
        self._is_failing = False

    async def start(self) -> None:
        """Restore what there is, before anybody is served; then write again and again."""
        if self._path is not None:
            await self._restore(self._path)
            self._go_on(self._path)

    def adopt(self, path: Path | None) -> None:
        """Write to another file from now on, or to none; the former one stays as it is."""
        if path == self._path:
            return
        self._path = path
        self._written = None
        if self._task is not None:
            # What it is just writing it writes whole.
            self._task.cancel()
            self._task = None
        if path is not None:
            self._go_on(path)

    def _go_on(self, path: Path) -> None:
        self._task = asyncio.create_task(self._run(path), name="snapshots")

    def soon(self) -> None:
        """Have written what is left, for something was dropped that must not come back."""
        self._hurry.set()

    async def close(self) -> None:
        """Write the last one, once nothing changes any more."""
        if self._task is not None:
            self._closing.set()
            self._hurry.set()
            await self._task

    async def _run(self, path: Path) -> None:
        # One after the other, the last one too: two would write to the same file.
        for count in itertools.count(1):
            regular = backoff(count, first=FIRST_PAUSE, most=LONGEST_PAUSE)
            if await _is_set(self._hurry, within=max(regular, self._took * SPARE)):
                await _is_set(self._closing, within=max(SOON, self._took))
            is_last = self._closing.is_set()
            await self._save(path)
            if is_last:
                return

    async def _save(self, path: Path) -> None:
        """Write what is kept now, unless the file says so already."""
        try:
            await self._save_changes(path)
        except OSError as error:
            metrics.CACHE_SNAPSHOTS.labels("failed").inc()
            if not self._is_failing:
                log.warning("snapshot cannot be written", path=str(path), error=str(error))
            self._is_failing = True
        except Exception:
            # The top of a background loop: a defect must not end the saving.
            metrics.CACHE_SNAPSHOTS.labels("failed").inc()
            log.exception("snapshot cannot be made", path=str(path))

    async def _save_changes(self, path: Path) -> None:
        # What is dropped from here on may have been taken already.
        self._hurry.clear()
        began = self._now()
        head = Head(taken_at=self._wall(), secret=self._identities.secret)
        records, state = await self._take(began)
        if state == self._written:
            return
        size = await asyncio.to_thread(write, path, head, records)
        self._took = self._now() - began
        self._written = state
        metrics.CACHE_SNAPSHOTS.labels("written").inc()
        metrics.CACHE_SNAPSHOT_TIME.set(head.taken_at)
        if self._is_failing:
            log.info("snapshot is written again", path=str(path))
        self._is_failing = False
        log.debug("snapshot written", entries=len(records), size_bytes=size)

    async def _take(self, now: float) -> tuple[list[Record], int]:
        """List what is kept, what is used least first, and condense it to a number."""
        records: list[Record] = []
        state = 0
        for place, name in enumerate(self._lines.store, start=1):
            if place % SLICE == 0:
                await asyncio.sleep(0)
            line = self._lines.named(name)
            record = _record(line, now) if line is not None else None
            if line is not None and record is not None:
                records.append(record)
                state = hash((state, name, line.version, round(now - record.age, 3)))
        return records, state

    async def _restore(self, path: Path) -> None:
        try:
            head, records = await asyncio.to_thread(read, path)
        except FileNotFoundError:
            return
        except Refused as refused:
            log.warning("snapshot refused", path=str(path), reason=str(refused))
            try:
                await asyncio.to_thread(set_aside, path)
            except OSError as error:
                log.warning("refused snapshot stays", path=str(path), error=str(error))
            return
        self._identities.adopt(head.secret)
        gap = self._wall() - head.taken_at
        if gap < 0:
            # Ages are bounds from below then; none of this answers for its youth anyway.
            log.warning("the clock went back since the snapshot was taken", seconds=round(-gap))
        now = self._now()
        kept = sum(self._take_over(record, record.age + max(gap, 0.0), now) for record in records)
        log.info("snapshot restored", path=str(path), entries=kept, left_out=len(records) - kept)

    def _take_over(self, record: Record, age: float, now: float) -> bool:
        query = f"?{'&'.join(record.query)}" if record.query else ""
        call = parse_call("GET", record.path + query)
        rule = self._rules.of(call)
        if call.endpoint.name != record.endpoint or not _may_stand_in(rule, age):
            return False
        key = Key(
            endpoint=call.endpoint,
            path=record.path,
            query=record.query,
            namespace=record.namespace,
            partition=record.partition,
            identity=record.identity,
        )
        # Which token it was is for its client to say.
        line = self._lines.obtain(key, rule, "")
        line.restore(record.entry, now - age)
        # The store may be smaller than it was.
        self._lines.tidy(line)
        return line.entry is not None


def _record(line: Line, now: float) -> Record | None:
    kept = line.kept(now, touch=False)
    if kept is None or line.is_overtaken or not _may_stand_in(line.rule, kept.age):
        return None
    return Record.of(line.key, kept.entry, kept.age)


def _may_stand_in(rule: Rule, age: float) -> bool:
    """Tell whether any client could be given such an entry without asking for it stale."""
    is_known = rule.is_kept or rule.is_held
    return is_known and rule.may_outlive_consul and age <= rule.stale_if_error


async def _is_set(event: asyncio.Event, *, within: float) -> bool:
    """Wait for an event, but no longer than *within* seconds."""
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False
