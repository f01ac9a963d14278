"""
All lines, found by their key and by what a write touches.

Rule 1: a line exists while there is anything to know: an entry, a flight, a watch or a waiter, or
that it is to be kept watched.
Rule 2: a write bumps the generation of whatever it may touch, before and after: single lines for
KV, whole endpoints else, for one registration must not cost a step for each of 10,000 lines.  What
was fetched in another generation is never kept, but to stand in for what is older still.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import assert_never

from consul_edge.cache.line import Line, Store, Touched
from consul_edge.core.effects import (
    Classes,
    Effect,
    KvEntry,
    KvTree,
    touches,
    touches_endpoint,
)
from consul_edge.core.endpoints import ENDPOINTS, Endpoint
from consul_edge.core.key import Key
from consul_edge.core.policy import Rule

_LONG_KEY = 512
"""Characters of a KV key beyond which it is compared with each line rather than taken apart."""


class Lines:
    """All lines, found by their key and by what a write touches."""

    def __init__(self, store: Callable[["Lines"], Store]) -> None:
        """
        Begin without any.

        Args:
            store: Makes the store, which asks ``is_needed`` and tells ``evicted``.
        """
        self.store = store(self)
        self._by_key: dict[Key, Line] = {}
        self._by_name: dict[str, Line] = {}
        self._kv: dict[str, set[Line]] = {}
        """By decoded KV key or prefix."""
        self._endpoints: dict[Endpoint, Touched] = {}
        self._writing: list[KvEntry | KvTree] = []
        """Effects of the KV writes under way, for lines that are new meanwhile."""

    def __iter__(self) -> Iterator[Line]:
        return iter(tuple(self._by_key.values()))

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, key: Key, token: str = "") -> Line | None:
        """
        Give the line of *key* if there is one.

        Args:
            token: That which the key's identity stands for, if it is known: what was restored
                waits for it, and nothing is asked for such a line before.
        """
        line = self._by_key.get(key)
        if line is not None and line.is_orphan:
            line.token = token
        return line

    def named(self, name: str) -> Line | None:
        """Give the line of an entry in the store."""
        return self._by_name.get(name)

    def obtain(self, key: Key, rule: Rule, token: str) -> Line:
        """Give the line of *key*, a new one if need be."""
        line = self.find(key, token)
        if line is None:
            line = self._make(key, rule, token)
            line.own.writes = sum(touches(effect, key) for effect in self._writing)
            self._by_key[key] = self._by_name[line.name] = line
            if key.kv_path is not None:
                self._kv.setdefault(key.kv_path, set()).add(line)
        return line

    def apart(self, key: Key, rule: Rule, token: str) -> Line:
        """Make a line that nobody finds: to ask for, and not to keep."""
        return self._make(key, rule, token)

    def tidy(self, line: Line) -> None:
        """Forget a line about which there is nothing to know."""
        if line.is_idle and self._by_key.get(line.key) is line:
            del self._by_key[line.key]
            del self._by_name[line.name]
            path = line.key.kv_path
            if path is not None:
                self._kv[path].discard(line)
                if not self._kv[path]:
                    del self._kv[path]

    def is_needed(self, name: str) -> bool:
        """Whether an entry must not be evicted: somebody waits for what follows it."""
        line = self._by_name.get(name)
        return line is not None and (bool(line.waiters) or line.is_kept_watched)

    def evicted(self, name: str) -> None:
        """Note that an entry is gone."""
        line = self._by_name.get(name)
        if line is not None:
            self.tidy(line)

    @contextmanager
    def writing(self, effects: Sequence[Effect]) -> Iterator[None]:
        """Bump what a write may touch before it begins and after it ended, however it did."""
        of_kv = [effect for effect in effects if not isinstance(effect, Classes)]
        begun = self._touched(effects)
        self._writing += of_kv
        for touched, times in begun.items():
            touched.generation += 1
            touched.writes += times
        try:
            yield
        finally:
            for effect in of_kv:
                self._writing.remove(effect)
            # Lines that are new since then counted its effects when they began.
            ended = self._touched(effects)
            for touched, times in (begun | ended).items():
                touched.generation += 1
                touched.writes -= times

    def _make(self, key: Key, rule: Rule, token: str) -> Line:
        endpoint = self._endpoints.setdefault(key.endpoint, Touched())
        return Line(key, rule, key.name, token, self.store, endpoint)

    def _paths_above(self, key: str) -> Iterable[str]:
        """
        List the KV paths of lines that *key* begins with, its own among them.

        A key has few beginnings, unless it is as long as only somebody who means harm makes it.
        """
        if len(key) > _LONG_KEY:
            return [path for path in self._kv if key.startswith(path)]
        beginnings = (key[:end] for end in range(len(key) + 1))
        return [path for path in beginnings if path in self._kv]

    def _touched(self, effects: Sequence[Effect]) -> dict[Touched, int]:
        """Say what *effects* touch, and how many of them each."""
        found: dict[Touched, int] = {}
        for effect in effects:
            for touched in set(self._touched_by(effect)):
                found[touched] = found.get(touched, 0) + 1
        return found

    def _touched_by(self, effect: Effect) -> Iterable[Touched]:
        match effect:
            case Classes():
                # Also of endpoints without a line as yet: theirs may begin meanwhile.
                return [
                    self._endpoints.setdefault(row, Touched())
                    for row in ENDPOINTS
                    if touches_endpoint(effect, row)
                ]
            case KvEntry(key=key):
                near = chain(*(self._kv[path] for path in self._paths_above(key)))
                return [line.own for line in near if touches(effect, line.key)]
            case KvTree():
                every = chain(*self._kv.values())
                return [line.own for line in every if touches(effect, line.key)]
            case _:
                assert_never(effect)
