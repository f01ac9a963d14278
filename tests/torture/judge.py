"""
The judge: each operation of a history is justified, or named with the promise that it breaks.

Rule 1: a read is justified by a *write* of what it saw, and by there being no newer write that it
had to show.  What it had to show is the question that ``_known_by`` answers, for each kind of
answer that the edge can give (DESIGN.md sections 1, 4 and 5).
Rule 2: no more is demanded than Consul itself gives.  A leader just elected may not have applied
yet what the one before acknowledged, and answers default-mode reads all the same; servers that
were all dead begin with nothing.  Such times are ``Turmoil``, taken from the servers' own logs.
``?consistent`` reads know no turmoil.
Rule 3: a write that ended in an error may take effect at any time after it began, or never.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.torture.history import (
    History,
    Kind,
    Mode,
    Outcome,
    Read,
    Via,
    Write,
    said,
)
from tests.torture.subjects import Known, Subject
from tests.torture.turmoil import turmoils

LIVE_SECONDS: Final = 3.0
"""How old the proof of a live entry may be (DESIGN.md section 4)."""

LAG_SECONDS: Final = 3.0
"""Between a change and its arrival by a watch, while the heartbeat, which goes another way, is on
time.  Milliseconds in truth; this is for a machine on which several such runs share two cores."""

ROUNDING_SECONDS: Final = 1.0
"""Ages are told in whole seconds, rounded down."""

FLIGHT_SECONDS: Final = 6.0
"""How long before the first of its readers a shared fetch may have been answered: a server frozen
in the middle of it is found out after 3 s (DESIGN.md section 4), and this is a loaded machine."""

WAKE_SECONDS: Final = 8.0
"""Until a client that waits is woken by a change: the server whose watch would have told may have
fallen silent, which is seen after 3 s, and another has to be asked."""

HEALED_SECONDS: Final = 6.0
"""After the return of the servers in which the edge may still believe them lost: its heartbeat
looks for them every 2 s, and the answers of a loaded machine are late."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    rule: str
    at: float
    text: str
    scope: tuple[str, ...] = ()
    """The subjects that it is about."""
    target: str = ""
    """What was asked, if it is about a read."""

    def __str__(self) -> str:
        return f"[{self.rule}] {self.text}"


class Judge:
    """Goes through one history."""

    def __init__(self, history: History) -> None:
        """Sort out what the rules need."""
        self._history = history
        self._turmoils = turmoils(history)
        self._subjects: dict[str, Subject] = {}
        for write in sorted(history.writes, key=lambda write: write.began):
            self._subjects.setdefault(write.subject, Subject()).add(write)

    def violations(self) -> list[Violation]:
        """List every broken promise, in the order of time."""
        found = [one for rule in RULES for one in rule(self)]
        return sorted(found, key=lambda one: one.at)

    def answers_justified(self) -> Iterator[Violation]:
        """No answer shows what nobody wrote, what is not its reader's, or less than promised."""
        for read in self._history.reads:
            values = said(read.question, read.reply)
            if values is not None:
                yield from self._judge_values(read, values)

    def _judge_values(self, read: Read, values: Mapping[str, str | None]) -> Iterator[Violation]:
        known = self._known_by(read)
        for name, value in values.items():
            subject = self._subjects.get(name, Subject())
            if not self._history.may_read(read.identity, name):
                if value is not None:
                    yield _of(read, "another identity's data", f"{name} = {value!r}")
            elif not subject.was_written(value, read.ended):
                yield _of(read, "never written", f"{name} = {value!r}")
            elif not subject.could_be(value, read, known):
                newer = subject.newest_known(known)
                yield _of(read, "older than promised", f"{name} = {value!r}, but {_told(newer)}")

    def _known_by(self, read: Read) -> Known:
        known = self._known_in_peace(read)
        if read.mode is Mode.CONSISTENT:
            return known
        of_all, of_edge = known.of_all, known.of_edge
        for turmoil in self._turmoils:
            # The edge, too, may have learned it a while ago, after the write that it saw itself.
            if turmoil.excuses(known.of_all, read.ended):
                before = -math.inf if turmoil.forgets else turmoil.lost
                of_all, of_edge = min(of_all, before), min(of_edge, before)
        return Known(of_all, of_edge)

    def _known_in_peace(self, read: Read) -> Known:
        reply = read.reply
        if read.via is Via.DIRECT or read.mode is Mode.CONSISTENT:
            return Known(read.began, read.began)
        if reply.is_hit:
            proven = read.ended - reply.age - ROUNDING_SECONDS - LAG_SECONDS
            sees_own = read.mode is Mode.DEFAULT and not reply.is_stale
            return Known(proven, read.began if sees_own else proven)
        if read.mode is Mode.STALE:
            # Any server may have answered: it proves nothing (CONSUL.md 0).
            return Known(-math.inf, -math.inf)
        flown = read.began - FLIGHT_SECONDS if reply.is_collapsed else read.began
        return Known(flown, read.began)

    def marks_honest(self) -> Iterator[Violation]:
        """What is kept answers only where it may, and says truly what it is worth."""
        for read in self._through_edge():
            reply = read.reply
            if reply.is_stale and not self._is_turmoil(read.began - HEALED_SECONDS, read.ended):
                yield _of(read, "stale without an outage", "some server could answer all the time")
            is_locks = "/v1/kv/" in read.question.target and read.mode is Mode.DEFAULT
            must_pass = is_locks and not (read.question.is_kept or read.index)
            if reply.is_stale and is_locks:
                yield _of(read, "stale where locks live", "nobody asked for a stale answer")
            elif reply.is_hit and (must_pass or read.mode is Mode.CONSISTENT):
                yield _of(read, "hit where Consul must answer", "")
            if reply.is_hit and reply.detail == "live" and reply.age > LIVE_SECONDS:
                yield _of(read, "live without a proof", f"its last proof is {reply.age} s old")

    def reads_answered(self) -> Iterator[Violation]:
        """While a quorum stands, no read fails (DESIGN.md section 6)."""
        for read in self._through_edge():
            if read.reply.status in (0, 500, 502, 503, 504) and not self._is_turmoil(
                read.began, read.ended
            ):
                text = read.reply.body[:200].decode(errors="replace")
                yield _of(read, "failed without an outage", text)

    def indexes_sound(self) -> Iterator[Violation]:
        """Every 200 has an index above 0, and no client's is answered by a lower one in peace."""
        shown: dict[tuple[str, str, int], object] = {}
        for read in self._through_edge():
            values = said(read.question, read.reply)
            if values is None:
                continue
            if read.reply.index < 1:
                yield _of(read, "without an index", f"{read.reply.headers}")
            asked = read.question.target, read.identity
            shown[*asked, read.reply.index] = values
            if read.reply.index >= read.index:
                continue
            # A leader not yet at its work has other indexes; but of what else it says that differs
            # the edge asks again before it believes it, where it is what keeps it.
            learned = read.ended - LAG_SECONDS
            is_excused = any(one.excuses(learned, read.ended) for one in self._turmoils)
            is_passed = "fwd=bypass" in read.reply.headers.get("cache-status", "")
            if not is_excused or not (is_passed or values == shown.get((*asked, read.index))):
                yield _of(read, "index went back", f"{read.index} -> {read.reply.index}")

    def watchers_woken(self) -> Iterator[Violation]:
        """Nobody is held while there is news of what he watches."""
        for read in self._through_edge():
            # Of keys and names alone most writes are no news.
            is_told = read.question.kind not in (Kind.KEYS, Kind.SERVICES)
            if not (read.index and is_told and read.ended - read.began > WAKE_SECONDS):
                continue
            for name in read.question.scope:
                if not self._history.may_read(read.identity, name):
                    continue
                for write in self._subjects.get(name, Subject()).changes_since(read.began):
                    due = write.ended + WAKE_SECONDS
                    if due < read.ended and not self._is_turmoil(write.began, due):
                        yield _of(read, "woken too late", f"{name}: {_told(write)}")
                        break

    def writes_acted_on_once(self) -> Iterator[Violation]:
        """No request made two things, and none that was acknowledged made nothing."""
        for append in self._history.appends:
            count = self._history.appended.get(append.marker, 0)
            at = f"{append.began:.3f}-{append.ended:.3f} {append.marker}"
            if count > 1:
                text = f"{at} was acted on {count} times ({append.outcome.value})"
                yield Violation("done twice", append.ended, text)
            if append.outcome is Outcome.DONE and not count:
                yield Violation("lost", append.ended, f"{at} was acknowledged and is not there")

    def refusals_meant(self) -> Iterator[Violation]:
        """
        No conditional write is refused for another's sake, for there is no other.

        A conditional write that was done and then repeated is refused the second time: so this is
        how a write acted on twice shows.  It may also be an earlier one that came late.
        """
        for name, subject in self._subjects.items():
            has_unknown = False
            for write in subject.writes:
                if write.outcome is Outcome.REFUSED and not has_unknown:
                    text = f"{_told(write)} of {name}: {write.told}"
                    yield Violation("refused though alone", write.ended, text, (name,))
                if write.outcome is not Outcome.REFUSED:
                    has_unknown = write.outcome is Outcome.UNKNOWN

    def watchers_arrived(self) -> Iterator[Violation]:
        """Every watcher knows the final state."""
        for last in self._history.lasts:
            if last.seen != last.truth:
                text = (
                    f"{last.watcher} of {last.question.target} knows {last.seen}, not {last.truth}"
                )
                question = last.question
                yield Violation("left behind", math.inf, text, question.scope, question.target)

    def _is_turmoil(self, began: float, ended: float) -> bool:
        return any(one.overlaps(began, ended) for one in self._turmoils)

    def _through_edge(self) -> Iterable[Read]:
        return (read for read in self._history.reads if read.via is Via.EDGE)


RULES: Final[tuple[Callable[[Judge], Iterator[Violation]], ...]] = (
    Judge.answers_justified,
    Judge.marks_honest,
    Judge.reads_answered,
    Judge.indexes_sound,
    Judge.writes_acted_on_once,
    Judge.refusals_meant,
    Judge.watchers_woken,
    Judge.watchers_arrived,
)


def judge(history: History) -> list[Violation]:
    """Name everything in *history* that cannot be justified."""
    return Judge(history).violations()


def _of(read: Read, rule: str, text: str) -> Violation:
    question = read.question
    return Violation(rule, read.ended, f"{read}\n    {text}", question.scope, question.target)


def _told(write: Write | None) -> str:
    if write is None:
        return "nothing was written"
    return (
        f"{write.value!r} was {write.outcome.value} {write.via.value} at"
        f" {write.began:.3f}-{write.ended:.3f}"
    )
