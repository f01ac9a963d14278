"""
Three clients of one service, and when each first sees what is written: a load to be ordered.

It is a process (``python -m tests.bench.sightings``), so that it can have a core to itself. It
takes its one order as a line of JSON on stdin and tells what was seen as a line on stdout.

Rule 1: all three look out for the same write, at the same time; the next one is sent when all
have seen it, at once or after a rest in which the edge's answers have become live again.
Rule 2: a moment is taken when the last byte of an answer is there, before anything is looked at.
Rule 3: an error, or a write that somebody never sees, is a failure and never a figure.
"""

import gc
import json
import random
import re
import select
import socket
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter, process_time
from typing import Any, Final, Self

from tests.bench import answers

WAIT: Final = "60s"

ROOM_BYTES: Final = 65536

PAUSE: Final = 0.001
"""Seconds between an answer and the reader's next question."""

PATIENCE: Final = 20.0
"""Seconds to be live, and for a write to be seen."""

LIVE: Final = b"detail=live"

NO_MARK: Final = b"\0"

_CACHE_STATUS: Final = re.compile(rb"\r\ncache-status: *([^\r]*)", re.IGNORECASE)

Address = tuple[str, int]


class SightingError(Exception):
    """Raised when there is nothing to be told; the text says why."""


class Witness:
    """One client on a connection of its own, which asks the same again and again."""

    def __init__(self, name: str, address: Address, target: str, *, polls: bool) -> None:
        """Connect; *polls*: with a blocking query, else after a pause."""
        self.name = name
        self.at = 0.0
        """When it first saw the mark; 0 while it has not."""
        self.seen_by = ""
        """The ``Cache-Status`` of that answer."""
        self.due = 0.0
        """When it asks next; infinity while it waits for an answer."""
        self.asked = 0
        self.last = b""
        """Its last whole answer."""
        self._host = "{}:{}".format(*address)
        self._target = target
        self._polls = polls
        self._answer = b""
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_live(self) -> bool:
        """Whether its last answer was proven by a watch that is pending."""
        return LIVE in self.last[: self.last.find(answers.END_OF_HEAD)]

    def ask(self) -> None:
        """Send its question."""
        index = answers.index(self.last) if self._polls else 0
        request = answers.get(self._host, self._target)
        if index:
            request = answers.poll(self._host, self._target, index, WAIT)
        self.due = float("inf")
        self.asked += 1
        self.socket.sendall(request)

    def look(self, mark: bytes) -> None:
        """Take what has come; if that is a whole answer, look for the mark and go on."""
        data = self.socket.recv(ROOM_BYTES)
        now = perf_counter()
        self._answer += data
        if not data:
            raise SightingError(f"{self.name}: the connection was closed")
        if not answers.is_whole(self._answer):
            return
        answer, self._answer = self._answer, b""
        if answers.status(answer) != 200:
            said = answers.body(answer).decode(errors="replace").strip()[:200]
            raise SightingError(f"{self.name}: {answers.status(answer)} {said}")
        self.last = answer
        # A chunk may end within the mark, hence the second, slower look.
        if not self.at and (mark in answer or mark in answers.body(answer)):
            self.at = now
            found = _CACHE_STATUS.search(answer)
            self.seen_by = found[1].decode() if found else ""
        self.due = now if self._polls else now + PAUSE


class Witnesses:
    """All of them, and the writer."""

    def __init__(self, consul: Address, edge: Address, target: str) -> None:
        """Connect; *target* is what is read at both."""
        self.direct = Witness("direct", consul, target, polls=True)
        self.read = Witness("read", edge, target, polls=False)
        self.poll = Witness("poll", edge, target, polls=True)
        self._all = {one.socket.fileno(): one for one in (self.direct, self.read, self.poll)}
        self._epoll = select.epoll()
        for place in self._all:
            self._epoll.register(place, select.EPOLLIN)
        self._host = "{}:{}".format(*consul)
        self._writer = socket.create_connection(consul, PATIENCE)
        self._writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._mark = NO_MARK

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        for one in (*(witness.socket for witness in self._all.values()), self._writer):
            one.close()
        self._epoll.close()

    def rest(self, seconds: float) -> None:
        """Go on reading and polling for *seconds*, and until the edge's answers are live."""
        end = perf_counter() + seconds
        self._serve(lambda: perf_counter() >= end and self.read.is_live, "live answers")

    def write(self, target: str, body: str, mark: str) -> dict[str, float]:
        """Write *body* with *mark* in it; give the seconds until each has seen it."""
        self._mark = mark.encode()
        for one in self._all.values():
            one.at = 0.0
        request = answers.put(self._host, target, body)
        sent = perf_counter()
        self._writer.sendall(request)
        self._serve(lambda: all(one.at for one in self._all.values()), f"{mark} with everyone")
        reply = b""
        while not answers.is_whole(reply):
            reply += self._writer.recv(ROOM_BYTES)
        if answers.status(reply) != 200:
            raise SightingError(f"the write: {answers.status(reply)} {answers.body(reply)!r}")
        return {one.name: one.at - sent for one in self._all.values()}

    def _serve(self, is_done: Callable[[], bool], what: str) -> None:
        deadline = perf_counter() + PATIENCE
        while not is_done():
            now = perf_counter()
            if now > deadline:
                raise SightingError(f"after {PATIENCE:.0f} s still not: {what}")
            for one in self._all.values():
                if one.due <= now:
                    one.ask()
            left = min(one.due for one in self._all.values()) - now
            for place, _ in self._epoll.poll(min(max(left, 0.0), PAUSE)):
                self._all[place].look(self._mark)


def witnessed(
    consul: Address,
    edge: Address,
    target: str,
    register: str,
    writes: Sequence[tuple[str, str]],
    rest: tuple[float, float] | None,
) -> dict[str, Any]:
    """
    Send *writes*, one after the other, and tell when each was seen by whom.

    Args:
        register: Where to write, at Consul.

        writes: Each one's body, and the mark in it.

        rest: Least and most seconds between a write that all have seen and the next one: by
            chance, lest that beat in time with anything.  None: the next one goes out at once.
    """
    chance = random.Random(0)
    seconds: list[dict[str, float]] = []
    seen_by: Counter[str] = Counter()
    with Witnesses(consul, edge, target) as witnesses:
        witnesses.rest(1.0)
        busy, began = process_time(), perf_counter()
        for body, mark in writes:
            if rest is not None:
                witnesses.rest(chance.uniform(*rest))
            seconds.append(witnesses.write(register, body, mark))
            seen_by[witnesses.read.seen_by] += 1
        busy = (process_time() - busy) / max(perf_counter() - began, PAUSE)
    return {
        "seconds": seconds,
        "seen_by": dict(seen_by.most_common()),
        "reads": witnesses.read.asked,
        "bytes": len(answers.body(witnesses.read.last)),
        "busy": busy,
    }


def main() -> None:
    """Do what is ordered."""
    gc.disable()  # it would stop the clock for everyone, and nothing here is cyclic
    order = json.loads(sys.stdin.readline())
    for side in ("consul", "edge"):
        order[side] = tuple(order[side])
    try:
        told = witnessed(**order)
    except (OSError, SightingError) as error:
        told = {"failure": str(error)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
