"""KV without a server: locks that were lost, and tombstones that were reaped."""

from consul_edge.demo.keys import Keys
from consul_edge.demo.ledger import Ledger


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lost_lock_is_delayed_for_a_while() -> None:
    """Nobody may take it before the lock delay of its session is over."""
    clock = Clock()
    keys = Keys(Ledger(), clock)
    keys.acquire("lock", b"", 0, "session")
    keys.invalidate("session", 2, 15.0, delete=False)
    assert keys.is_delayed("lock")
    clock.now = 15.0
    assert not keys.is_delayed("lock")


def test_a_session_that_deletes_takes_its_keys_with_it() -> None:
    """Keys that it released before stay."""
    keys = Keys(Ledger(), Clock())
    keys.acquire("held", b"", 0, "session")
    keys.acquire("freed", b"", 0, "session")
    keys.release("freed", b"", 0, "session")
    keys.invalidate("session", 4, 0.0, delete=True)
    assert keys.get("held") is None
    assert keys.get("freed") is not None


def test_a_reaped_tombstone_lets_the_prefix_go_back() -> None:
    """The index of a prefix falls to that of its highest remaining key: clients must cope."""
    keys = Keys(Ledger(), Clock())
    keys.put("p/a", b"1")
    keys.put("p/b", b"2")
    keys.delete("p/b")
    assert keys.prefix_index("p/") == 3
    keys.reap()
    assert keys.prefix_index("p/") == 1


def test_a_key_is_found_under_each_of_its_prefixes() -> None:
    """Prefixes end anywhere, not only at slashes."""
    keys = Keys(Ledger(), Clock())
    for key in ("a", "ab", "abc", "b"):
        keys.put(key, b"x")
    found = [[entry.key for entry in keys.under(prefix)] for prefix in ("", "ab", "c")]
    assert found == [["a", "ab", "abc", "b"], ["ab", "abc"], []]
