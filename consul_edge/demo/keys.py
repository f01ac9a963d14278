"""
KV with Consul's index rules.

A key answers with its own index, a prefix with the highest among its keys and tombstones, and
whatever is missing with the index of the whole table.  A write that changes nothing moves no
index.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator

import msgspec

from consul_edge.demo.ledger import KVS, TOMBSTONES, Ledger
from consul_edge.demo.records import Entry


class Keys:
    """The keys of one state."""

    def __init__(self, ledger: Ledger, now: Callable[[], float]) -> None:
        """Keep KV under *ledger*; *now* measures lock delays."""
        self._ledger = ledger
        self._now = now
        self._entries: dict[str, Entry] = {}
        self._sorted: list[str] = []
        self._tombstones: dict[str, int] = {}
        self._held: dict[str, set[str]] = {}
        self._delays: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """Look a key up."""
        return self._entries.get(key)

    def under(self, prefix: str) -> list[Entry]:
        """List the entries whose keys begin with *prefix*, in order."""
        return [self._entries[key] for key in self.names_under(prefix)]

    def any_under(self, prefix: str) -> bool:
        """Tell whether any key begins with *prefix*."""
        return next(self.names_under(prefix), None) is not None

    def names_under(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with *prefix*, in order."""
        for position in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            if not self._sorted[position].startswith(prefix):
                break
            yield self._sorted[position]

    def table_index(self) -> int:
        """Give the index that a missing key answers with."""
        return max(1, self._ledger.highest(KVS, TOMBSTONES))

    def prefix_index(self, prefix: str) -> int:
        """Give the index that a prefix answers with."""
        if not prefix:
            return self.table_index()
        highest = max((entry.modify_index for entry in self.under(prefix)), default=0)
        for key, index in self._tombstones.items():
            if index > highest and key.startswith(prefix):
                highest = index
        return highest or self.table_index()

    def put(self, key: str, value: bytes, flags: int = 0, cas: int | None = None) -> bool:
        """
        Write a key.

        Args:
            key: Already decoded.

            value: Stored as it is.

            flags: Opaque to Consul.

            cas: Write only if this is the key's index, 0 meaning that it must not exist.

        Returns:
            Whether the write was allowed; also True if it changed nothing.
        """
        index = self._ledger.next()
        old = self._entries.get(key)
        if cas is not None and cas != (old.modify_index if old else 0):
            return False
        # A plain write keeps the lock and forgets how often it was taken: so does 1.8.7.
        self._write(Entry(key, value, flags, 0, old.session if old else ""), index)
        return True

    def is_delayed(self, key: str) -> bool:
        """Tell whether a lock was lost so lately that nobody may take it."""
        return self._delays.get(key, 0.0) > self._now()

    def acquire(self, key: str, value: bytes, flags: int, session: str) -> bool:
        """Write a key and lock it; False if another session holds it."""
        index = self._ledger.next()
        old = self._entries.get(key)
        if old is not None and old.session not in {"", session}:
            return False
        taken = (old.lock_index if old else 0) + (0 if old and old.session else 1)
        self._write(Entry(key, value, flags, taken, session), index)
        return True

    def release(self, key: str, value: bytes, flags: int, session: str) -> bool:
        """Write a key and unlock it; False if *session* does not hold it."""
        index = self._ledger.next()
        old = self._entries.get(key)
        if old is None or old.session != session:
            return False
        self._write(Entry(key, value, flags, old.lock_index), index)
        return True

    def delete(self, key: str, cas: int | None = None) -> bool:
        """Remove a key; False only if *cas* is not its index."""
        index = self._ledger.next()
        old = self._entries.get(key)
        if old is None:
            return True
        if cas is not None and cas != old.modify_index:
            return False
        self._remove(key, index)
        self._bury(key, index)
        return True

    def delete_under(self, prefix: str) -> None:
        """Remove all keys that begin with *prefix*; one tombstone stands for all of them."""
        index = self._ledger.next()
        names = list(self.names_under(prefix))
        if not names:
            return
        for name in names:
            del self._entries[name]
        start = bisect_left(self._sorted, prefix)
        del self._sorted[start : start + len(names)]
        for name in names:
            self._notify(name)
        if prefix:
            self._bury(prefix, index)
        self._ledger.stamp(KVS, index)

    def invalidate(self, session: str, index: int, delay: float, *, delete: bool) -> None:
        """Let go of every lock of a *session* that is gone, as its behaviour says."""
        for key in sorted(self._held.pop(session, ())):
            old = self._entries.get(key)
            if old is None or old.session != session:
                continue
            if delete:
                self._remove(key, index)
                self._bury(key, index)
            else:
                self._write(msgspec.structs.replace(old, session=""), index)
            if delay > 0:
                self._delays[key] = self._now() + delay

    def reap(self) -> None:
        """Forget the tombstones, as Consul does after a quarter of an hour."""
        self._tombstones.clear()

    def renumber(self, index: int) -> None:
        """Bring every index down to at most *index*, as restoring a snapshot may."""
        self._tombstones.clear()
        for key, entry in self._entries.items():
            self._entries[key] = msgspec.structs.replace(
                entry,
                create_index=min(entry.create_index, index),
                modify_index=min(entry.modify_index, index),
            )

    def _write(self, entry: Entry, index: int) -> None:
        old = self._entries.get(entry.key)
        created = old.create_index if old else index
        if old is None:
            insort(self._sorted, entry.key)
        else:
            same = msgspec.structs.replace(
                entry, create_index=old.create_index, modify_index=old.modify_index
            )
            if same == old:
                return
        self._entries[entry.key] = msgspec.structs.replace(
            entry, create_index=created, modify_index=index
        )
        if entry.session:
            self._held.setdefault(entry.session, set()).add(entry.key)
        self._ledger.stamp(KVS, index)
        self._notify(entry.key)

    def _remove(self, key: str, index: int) -> None:
        del self._entries[key]
        del self._sorted[bisect_left(self._sorted, key)]
        self._ledger.stamp(KVS, index)
        self._notify(key)

    def _bury(self, key: str, index: int) -> None:
        self._tombstones[key] = index
        self._ledger.stamp(TOMBSTONES, index)

    def _notify(self, key: str) -> None:
        """Wake those who wait for the key or for one of its prefixes."""
        self._ledger.notify(("key", key))
        for end in range(len(key) + 1):
            self._ledger.notify(("prefix", key[:end]))
