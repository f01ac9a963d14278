"""
The file that keeps what was measured: a section for each scenario, each with its own date.

Rule 1: a run replaces the sections that it measured, and leaves the others as they were.
Rule 2: sections stand in the order of the scenarios; one that no scenario makes is dropped.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.bench.report import Section, circumstances

FILE: Final = Path(__file__).parent / "RESULTS.md"

HEAD: Final = """\
# Results of `make bench`

Written by `make bench` (`tests/bench`): what it measures is said in `tests/bench/scenarios`.
Figures of one section were measured in one run, contenders taking turns; compare them with each
other, not with those of another machine. A ratio "edge : it" is the median over the rounds, each
of one round. "CPU %" is the contender's share of its core: where it is far below 100, the load was
the limit. INVALID is what answered wrongly, or not at all.
"""

_HEADING: Final = re.compile(r"^## ([a-z0-9-]+): ", re.MULTILINE)


def entry(facts: dict[str, Any], section: Section, when: datetime) -> str:
    """Write one section, from its heading on."""
    date = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    told = "; ".join(circumstances(facts))
    return f"## {section.name}: {section.title}\n\n{date}. {told}.\n\n{section.as_markdown()}\n"


def updated(before: str, entries: Mapping[str, str], order: Sequence[str]) -> str:
    """
    Put *entries* in the place of those of the same names.

    Args:
        before: The file so far; empty if there is none.

        entries: By the names of their scenarios.

        order: The names of all scenarios.
    """
    found = list(_HEADING.finditer(before))
    starts = [match.start() for match in found]
    kept = {
        match[1]: before[match.start() : end].rstrip("\n") + "\n"
        for match, end in zip(found, [*starts[1:], len(before)], strict=False)
    }
    both = kept | dict(entries)
    return "\n".join([HEAD, *(both[name] for name in order if name in both)])


def write(entries: Mapping[str, str], order: Sequence[str], path: Path = FILE) -> None:
    """Update the file at once, so that an interrupted run loses at most what it was writing."""
    before = path.read_text() if path.exists() else ""
    path.write_text(updated(before, entries, order))
