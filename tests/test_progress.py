"""The line that tells how far long work is: on a terminal alone, and never among other lines."""

import contextlib
import io
import logging
import os
import pty
import re
from collections.abc import Iterator
from typing import TextIO

from consul_edge import logs
from consul_edge.progress import PROGRESS, Progress


class Terminal(io.StringIO):
    """A stream that says that people look at it."""

    def isatty(self) -> bool:
        """Say so."""
        return True

    def screen(self) -> list[str]:
        """Give the lines as a terminal would show them."""
        lines = self.getvalue().split("\n")
        return [re.split(r"\r\x1b\[K", line)[-1] for line in lines]


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """Put a terminal in stderr's place."""
    made = Terminal()
    with contextlib.redirect_stderr(made):
        yield made
        PROGRESS.end()


def test_progress_is_written_over_on_a_terminal() -> None:
    """There is one line, and at the end none."""
    with terminal() as shown:
        PROGRESS.show("1 of 20")
        PROGRESS.show("2 of 20")
        assert shown.screen() == ["2 of 20"]
        PROGRESS.end()
        assert shown.screen() == [""]


def test_progress_into_a_pipe_is_not_written() -> None:
    """What is not looked at stays clean."""
    stream = io.StringIO()
    progress = Progress(stream)
    progress.show("1 of 20")
    progress.hide()
    progress.again()
    progress.end()
    assert stream.getvalue() == ""


def test_log_line_stands_above_the_progress() -> None:
    """Neither is broken by the other."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        with terminal() as shown:
            logs.configure(level="info", log_format="logfmt")
            PROGRESS.show("1 of 20")
            logging.getLogger("some.library").warning("careful")
            line, progress = shown.screen()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert (line[:3], line[-13:], progress) == ("ts=", "event=careful", "1 of 20")


def test_real_terminal_is_seen_as_one() -> None:
    """The kernel's own, not a test's idea of it."""
    ours, theirs = pty.openpty()
    stream: TextIO
    with os.fdopen(ours, "rb", buffering=0) as read, os.fdopen(theirs, "w") as stream:
        progress = Progress(stream)
        progress.show("1 of 20")
        assert (progress.is_seen, read.read(20)) == (True, b"\r\x1b[K1 of 20")
