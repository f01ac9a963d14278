"""
Many clients that wait for one change, each with a connection of its own: a load to be ordered.

It is a process (``python -m tests.bench.watchers``), so that it can have a core to itself. It
takes one order a line on stdin and tells what came of it as a line on stdout, both JSON:
``open``, then ``park`` and ``change`` in turn. It ends when stdin does.

Rule 1: from the change to the last answer it only reads and looks at the clock. Answers are judged
afterwards. Polling by hand takes 10 us an answer, where uvloop and a bare protocol take 14.
Rule 2: a client that got an error, or nothing, is told as a failure and never as a figure.
Rule 3: an answer without the change is no answer: the client polls again, as a client does.
"""

import gc
import json
import os
import select
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from tests.bench import answers

WAIT: Final = "60s"

ROOM_BYTES: Final = 65536

PATIENCE: Final = 20.0
"""Seconds to connect, to come to rest, and for a change to reach everyone."""

REST: Final = 0.2
"""Seconds in which a server that has parked every client does next to nothing."""

RESTING: Final = 0.1
"""Share of :data:`REST` that counts as next to nothing: heartbeats, gossip."""

NO_MARK: Final = b"\0"

Told = dict[str, Any]


class Watcher:
    """One client."""

    __slots__ = ("answer", "at", "index", "receive", "socket", "trouble")

    def __init__(self, address: tuple[str, int]) -> None:
        """Connect."""
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.receive = self.socket.recv
        self.answer = b""
        self.at = 0.0
        """When the last byte of the change came; 0 while it has not."""
        self.index = 0
        self.trouble = ""


class Watchers:
    """All of them."""

    def __init__(self, address: tuple[str, int], target: str, clients: int) -> None:
        """Connect *clients* to *address*; *target* is what they will ask for."""
        self._host = "{}:{}".format(*address)
        self._target = target
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}
        for _ in range(clients):
            watcher = Watcher(address)
            self._watchers[watcher.socket.fileno()] = watcher
            self._epoll.register(watcher.socket, select.EPOLLIN)
        self._waiting = 0
        self._early = 0
        self._mark = NO_MARK

    def first(self) -> Told:
        """Read once, and let everyone start from that index."""
        reply = _asked(next(iter(self._watchers.values())).socket, self._get())
        if answers.status(reply) != 200:
            return {"failures": {f"the first read: {_words(reply)}": len(self._watchers)}}
        for watcher in self._watchers.values():
            watcher.index = answers.index(reply)
        return {"bytes": len(answers.body(reply)), "failures": {}}

    def park(self, pids: Sequence[int]) -> Told:
        """
        Let everyone poll, and wait until all that are polled have nothing left to do.

        Args:
            pids: The processes whose rest shows that the polls are parked: no Consul says so.
        """
        self._mark, self._early = NO_MARK, 0
        for watcher in self._watchers.values():
            watcher.at = 0.0
            self._poll(watcher)
        self._waiting = sum(not watcher.trouble for watcher in self._watchers.values())
        deadline = perf_counter() + PATIENCE
        while not self._rested(pids):
            if perf_counter() > deadline:
                return {"early": self._early, "failures": {"never at rest": len(self._watchers)}}
        return {"early": self._early, "failures": self._failures()}

    def change(self, address: tuple[str, int], target: str, body: str, mark: str) -> Told:
        """
        Write *body*, and take the time from sending that until everyone has *mark*.

        From the sending, since the first answers may overtake the acknowledgement.
        """
        request = answers.put("{}:{}".format(*address), target, body)
        self._mark, self._early = mark.encode(), 0
        with socket.create_connection(address, PATIENCE) as writer:
            busy, sent = process_time(), perf_counter()
            writer.sendall(request)
            now, deadline = sent, sent + PATIENCE
            while self._waiting and now < deadline:
                self._collect(deadline - now)
                now = perf_counter()
            busy = (process_time() - busy) / (now - sent)
            reply = _received(writer)
        if answers.status(reply) != 200:
            return {"failures": {f"the change itself: {_words(reply)}": len(self._watchers)}}
        return self._judged(sent) | {"busy": busy}

    def _rested(self, pids: Sequence[int]) -> bool:
        before, end = _cpu_seconds(pids), perf_counter() + REST
        while (left := end - perf_counter()) > 0:
            self._collect(left)
        return _cpu_seconds(pids) - before <= REST * RESTING and not wants_to_run(pids)

    def _collect(self, within: float) -> None:
        watchers, mark = self._watchers, self._mark
        for place, _ in self._epoll.poll(within, len(watchers)):
            watcher = watchers[place]
            try:
                data = watcher.receive(ROOM_BYTES)
            except OSError:
                data = b""
            now = perf_counter()
            answer = watcher.answer = watcher.answer + data if watcher.answer else data
            if not data:
                self._lose(watcher, "the connection was closed")
                self._epoll.unregister(place)
            elif answers.is_whole(answer):
                # A chunk may end within the mark, hence the second, slower look.
                if mark in answer or mark in answers.body(answer):
                    watcher.at = now
                    self._waiting -= 1
                else:
                    self._wake(watcher)

    def _wake(self, watcher: Watcher) -> None:
        """Judge an answer without the change: an error ends the client, else it polls again."""
        if answers.status(watcher.answer) != 200:
            self._lose(watcher, _words(watcher.answer))
        else:
            self._early += 1
            watcher.index = answers.index(watcher.answer)
            self._poll(watcher)

    def _lose(self, watcher: Watcher, trouble: str) -> None:
        if not watcher.trouble:
            watcher.trouble = trouble
            self._waiting -= not watcher.at

    def _poll(self, watcher: Watcher) -> None:
        watcher.answer = b""
        try:
            watcher.socket.send(answers.poll(self._host, self._target, watcher.index, WAIT))
        except OSError as error:
            self._lose(watcher, f"sending a poll: {error}")

    def _get(self) -> bytes:
        return answers.get(self._host, self._target)

    def _judged(self, sent: float) -> Told:
        for watcher in self._watchers.values():
            index = answers.index(watcher.answer)
            if not watcher.trouble:
                watcher.trouble = _verdict(watcher, index)
            watcher.index = index
        good = [watcher for watcher in self._watchers.values() if not watcher.trouble]
        return {
            "seconds": sorted(watcher.at - sent for watcher in good),
            "bytes": len(answers.body(good[0].answer)) if good else 0,
            "early": self._early,
            "failures": self._failures(),
        }

    def _failures(self) -> dict[str, int]:
        troubles = (watcher.trouble for watcher in self._watchers.values())
        return dict(Counter(filter(None, troubles)).most_common())


def _verdict(watcher: Watcher, index: int) -> str:
    """Say what is wrong with what a client has after a change; nothing if all is well."""
    if not watcher.at:
        return f"no change within {PATIENCE:.0f} s"
    if answers.status(watcher.answer) != 200:
        return _words(watcher.answer)
    return "" if index > watcher.index else "the change came without a higher index"


def _asked(asking: socket.socket, request: bytes) -> bytes:
    asking.settimeout(PATIENCE)
    asking.sendall(request)
    reply = _received(asking)
    asking.setblocking(False)
    return reply


def _received(sender: socket.socket) -> bytes:
    reply = b""
    while not answers.is_whole(reply):
        data = sender.recv(ROOM_BYTES)
        if not data:
            break
        reply += data
    return reply


def _words(answer: bytes) -> str:
    """Give an error in the words of whoever made it."""
    said = answers.body(answer).decode(errors="replace").strip()[:200]
    return f"{answers.status(answer)} {said}".strip()


def wants_to_run(pids: Sequence[int]) -> bool:
    """Tell whether one of the processes has something to do, be it without a core to do it on."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
            try:
                state = thread.read_text().rpartition(")")[2].split()[0]
            except OSError:  # the thread has ended meanwhile
                continue
            if state == "R":
                return True
    return False


def _cpu_seconds(pids: Sequence[int]) -> float:
    """Add up what processes have used so far; the name in ``stat`` may hold spaces."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Do what is ordered until there are no more orders."""
    gc.disable()  # it would stop the clock for everyone, and nothing here is cyclic
    watchers: Watchers | None = None
    for line in sys.stdin:
        order = json.loads(line)
        kind = order.pop("order")
        try:
            if "address" in order:
                order["address"] = tuple(order["address"])
            if kind == "open":
                watchers = Watchers(**order)
                told = watchers.first()
            else:
                assert watchers is not None, "open comes first"
                told = watchers.park(**order) if kind == "park" else watchers.change(**order)
        except OSError as error:
            told = {"failures": {f"{kind}: {error}": 1}}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
