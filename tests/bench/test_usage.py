"""What processes use, as it is read."""

import os
import subprocess

from tests.bench.usage import cpu_seconds, family, rss_bytes
from tests.waiting import wait_until


def test_children_belong_to_their_process() -> None:
    """Some programs do their work in a second one."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        try:
            wait_until(lambda: len(list(family(shell.pid))) == 2, "a child")
            members = list(family(shell.pid))
            os.kill(members[1], 9)
        finally:
            shell.kill()

    assert members[0] == shell.pid


def test_this_process_uses_something() -> None:
    """Both are read for what runs."""
    assert cpu_seconds(os.getpid()) > 0
    assert rss_bytes(os.getpid()) > 2**20


def test_process_that_has_ended_uses_nothing() -> None:
    """A contender that died is told by its answers, not by a crash of the bench."""
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert (cpu_seconds(ended.pid), rss_bytes(ended.pid)) == (0.0, 0)
