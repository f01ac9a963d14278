"""What a stand-in was asked: for tests that count, and that must know whether a write arrived."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

from multidict import CIMultiDictProxy

KEPT_REQUESTS: Final = 20_000
KEPT_BODY: Final = 64 * 1024
"""Longer bodies are counted, not kept."""


class Seen:
    """One request, noted when its head was read."""

    __slots__ = ("body", "body_length", "complete", "headers", "method", "target")

    def __init__(self, method: str, target: str, headers: CIMultiDictProxy[str]) -> None:
        self.method = method
        self.target = target
        """As it stood on the wire."""
        self.headers = headers
        self.body = b""
        self.body_length = 0
        self.complete = False
        """Whether all of it was received."""

    def __repr__(self) -> str:
        whole = "" if self.complete else ", cut off"
        return f"<{self.method} {self.target}, {self.body_length} bytes{whole}>"

    def receive(self, body: bytes, *, complete: bool = True) -> None:
        """Note the body, or what came of it."""
        self.body_length = len(body)
        if len(body) <= KEPT_BODY:
            self.body = body
        self.complete = complete


class Log:
    """The last requests in the order of their heads, and how many there were of each method."""

    def __init__(self) -> None:
        self._requests: deque[Seen] = deque(maxlen=KEPT_REQUESTS)
        self.methods: Counter[str] = Counter()

    def note(self, method: str, target: str, headers: CIMultiDictProxy[str]) -> Seen:
        """Add a request."""
        seen = Seen(method, target, headers)
        self._requests.append(seen)
        self.methods[method] += 1
        return seen

    def __iter__(self) -> Iterator[Seen]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, position: int) -> Seen:
        return self._requests[position]

    def of(self, method: str | None = None, path: str = "") -> list[Seen]:
        """List the requests of a method whose target begins with *path*."""
        return [
            seen
            for seen in self._requests
            if method in {None, seen.method} and seen.target.startswith(path)
        ]

    def clear(self) -> None:
        """Forget all."""
        self._requests.clear()
        self.methods.clear()
