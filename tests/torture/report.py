"""
What a failed run says of itself: every violation, and what happened around it.

Rule 1: times and the machine make a violation, and a replay may not: the report must do without.
Rule 2: a write through the edge touches whole endpoints, so those under way then are shown, too,
whatever they write.
"""

from collections import Counter
from typing import Final

from tests.torture.history import History, Read, Via, Write
from tests.torture.judge import Violation, judge

MOST_SHOWN: Final = 12
"""Violations."""

MOST_EXPLAINED: Final = 3

EVENTS: Final = 20
"""Before each of those."""


def verdict(history: History, replay: str) -> str:
    """Say what is wrong, and how to see it again; nothing if all is well."""
    violations = judge(history)
    if not violations:
        return ""
    counts = Counter(one.rule for one in violations)
    lines = [
        f"{len(violations)} operations cannot be justified: {dict(counts)}",
        f"replay: {replay}",
        *("fault: " + fault for fault in history.faults),
        *(f"elected: {one.at:.3f} {one.server}" for one in history.elections),
        *map(str, violations[:MOST_SHOWN]),
    ]
    for violation in violations[:MOST_EXPLAINED]:
        lines.append(f"around {violation.at:.3f} [{violation.rule}] {violation.target}:")
        lines += [f"    {event}" for event in events_around(history, violation)]
    return "\n".join(lines)


def events_around(history: History, violation: Violation) -> list[Read | Write]:
    """List the last that anybody asked or wrote, and what was under way then."""
    at, scope = violation.at, violation.scope

    def is_about(event: Read | Write) -> bool:
        if event.began > at:
            return False
        if isinstance(event, Write):
            is_under_way = event.via is Via.EDGE and event.ended >= at
            return is_under_way or event.subject in scope
        if violation.target:
            return event.question.target == violation.target
        return not set(scope).isdisjoint(event.question.scope)

    events: list[Read | Write] = [*history.reads, *history.writes]
    return sorted(filter(is_about, events), key=lambda event: event.ended)[-EVENTS:]
