"""A service manager's ear: what a process tells it, as it comes."""

import os
import socket
from contextlib import suppress
from itertools import count

_numbers = count()


class Ear:
    """Listens where ``NOTIFY_SOCKET`` says: an abstract socket is in everybody's reach."""

    def __init__(self) -> None:
        """Listen."""
        self.address = f"@consul-edge-{os.getpid()}-{next(_numbers)}"
        self.words: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address.replace("@", "\0", 1))
        self._socket.setblocking(False)

    def heard(self, word: str) -> bool:
        """Tell whether a word has come by now, or one that begins with it."""
        with suppress(BlockingIOError):
            while True:
                self.words += self._socket.recv(65536).decode().split("\n")
        return any(one.startswith(word) for one in self.words)

    def count(self, word: str) -> int:
        """Tell how often it has come."""
        self.heard(word)
        return self.words.count(word)

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()
