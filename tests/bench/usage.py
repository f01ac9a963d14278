"""What processes use: seconds of processor time, bytes of memory, read from ``/proc``."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Add up what a process and its children have used so far; what has ended counts nothing."""
    return sum(_own_seconds(one) for one in family(pid))


def family(pid: int) -> Iterator[int]:
    """Give a process and its children, theirs included; nobody if it has ended."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = thread.read_text().split()
        except OSError:  # the thread has ended meanwhile
            continue
        for child in children:
            yield from family(int(child))


def _own_seconds(pid: int) -> float:
    try:
        # The name, which comes first, may hold spaces and brackets.
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) * _TICK


def rss_bytes(pid: int) -> int:
    """Tell the resident memory of a process; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
