"""
How far long work is: the last line of a terminal, written over again and again.

Rule 1: only where stderr is a terminal: into a file or a pipe nothing of it goes.
Rule 2: whoever writes to the same terminal hides the line before, and shows it again behind.
"""

import sys
from typing import Final, TextIO

_CLEAR: Final = "\r\x1b[K"
"""Back to the line's begin, and empty it."""


class Progress:
    """One line; there is one terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """
        Show nothing yet.

        Args:
            stream: Where to; None: whatever stderr is when something is shown.
        """
        self._given = stream
        self._text = ""

    @property
    def is_seen(self) -> bool:
        """Whether anybody would see it."""
        return self._stream.isatty()

    def show(self, text: str) -> None:
        """Replace what was shown."""
        if self.is_seen:
            self._text = text
            self._write(f"{_CLEAR}{text}")

    def hide(self) -> None:
        """Make room for other lines, until :meth:`again`."""
        if self._text:
            self._write(_CLEAR)

    def again(self) -> None:
        """Show what was shown before the other lines."""
        if self._text:
            self._write(self._text)

    def end(self) -> None:
        """Show nothing any more."""
        self.hide()
        self._text = ""

    @property
    def _stream(self) -> TextIO:
        return self._given or sys.stderr

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


PROGRESS: Final = Progress()
"""That of this process."""
