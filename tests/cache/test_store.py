from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consul_edge.cache.store import LOOKS, MemoryStore


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What is kept: it has a size, and is equal to itself only."""

    size_bytes: int = 10


@dataclass
class Growing:
    """A value whose size can change while it is kept."""

    size_bytes: int


Store = MemoryStore[Answer]


class Scene:
    """A store, who needs what of it, and what it has evicted."""

    def __init__(self, *, max_entries: int = 3, max_bytes: int = 100) -> None:
        """Begin empty, with nothing needed."""
        self.needed: set[str] = set()
        self.asked = 0
        self.evicted: list[tuple[str, str]] = []
        self.store = Store(
            max_entries=max_entries,
            max_bytes=max_bytes,
            is_needed=self._is_needed,
            evicted=lambda name, reason: self.evicted.append((name, reason)),
        )

    def _is_needed(self, name: str) -> bool:
        self.asked += 1
        return name in self.needed

    def keep(self, *names: str, size_bytes: int = 10) -> list[bool]:
        """Keep one answer for each name."""
        return [self.store.keep(name, Answer(size_bytes)) for name in names]


def at_once(command: Coroutine[Any, Any, Any]) -> Any:
    """Run a command of the asynchronous interface, which must not wait for anything."""
    try:
        command.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def test_kept_value_peeked_at_is_the_same_object() -> None:
    """Nothing is copied or encoded on its way."""
    scene = Scene()
    answer = Answer()
    assert scene.store.keep("a", answer)
    assert scene.store.peek("a") is answer


def test_name_never_kept_is_a_miss() -> None:
    """A miss is None."""
    assert Scene().store.peek("a") is None


def test_value_kept_again_replaces_the_older_and_its_size() -> None:
    """Only the newer value counts, and a replacement is no eviction."""
    scene = Scene()
    scene.keep("a", size_bytes=10)
    scene.keep("a", size_bytes=30)
    assert (len(scene.store), scene.store.size_bytes, scene.evicted) == (1, 30, [])


def test_dropped_name_takes_its_size_along() -> None:
    """An explicit drop frees its bytes at once, is told apart from a miss, and evicts nothing."""
    scene = Scene()
    scene.keep("a", "b")
    assert [scene.store.drop("a"), scene.store.drop("a")] == [True, False]
    assert (list(scene.store), scene.store.size_bytes, scene.evicted) == (["b"], 10, [])


def test_drop_where_forgets_what_the_predicate_names() -> None:
    """All that match go, needed or not, and are counted."""
    scene = Scene()
    scene.needed = {"kv:a"}
    scene.keep("kv:a", "kv:b", "nodes")
    assert scene.store.drop_where(lambda name: name.startswith("kv:")) == 2
    assert (list(scene.store), scene.store.size_bytes) == (["nodes"], 10)


def test_one_entry_too_many_evicts_the_least_recently_used() -> None:
    """A peek counts as a use."""
    scene = Scene(max_entries=3)
    scene.keep("a", "b", "c")
    scene.store.peek("a")
    scene.keep("d")
    assert (list(scene.store), scene.evicted) == (["c", "a", "d"], [("b", "entries")])


def test_value_kept_again_is_the_last_to_go() -> None:
    """A replacement counts as a use."""
    scene = Scene(max_entries=3)
    scene.keep("a", "b", "c", "a", "d")
    assert scene.evicted == [("b", "entries")]


def test_looking_whether_a_name_is_there_is_no_use() -> None:
    """Whoever lists or checks names keeps none of them alive."""
    scene = Scene(max_entries=2)
    scene.keep("a", "b")
    assert "a" in scene.store
    assert at_once(scene.store.exists("a"))
    scene.keep("c")
    assert list(scene.store) == ["b", "c"]


def test_bytes_beyond_the_bound_evict_as_many_as_they_take() -> None:
    """A large answer pushes out several small ones, oldest first, and no more than it must."""
    scene = Scene(max_entries=9, max_bytes=100)
    scene.keep("a", "b", "c", "d", size_bytes=25)
    scene.keep("e", size_bytes=40)
    assert (list(scene.store), scene.store.size_bytes) == (["c", "d", "e"], 90)
    assert scene.evicted == [("a", "bytes"), ("b", "bytes")]


def test_value_larger_than_the_bound_is_not_kept_nor_its_elder() -> None:
    """It pushes nothing else out; what it would have replaced is no longer the answer."""
    scene = Scene(max_bytes=100)
    scene.keep("a", "b")
    assert scene.keep("a", size_bytes=101) == [False]
    assert (list(scene.store), scene.store.size_bytes, scene.evicted) == (["b"], 10, [])


def test_value_as_large_as_the_bound_is_kept() -> None:
    """The bound itself is within the bounds."""
    scene = Scene(max_bytes=100)
    assert scene.keep("a", size_bytes=100) == [True]


def test_value_that_grew_while_kept_frees_what_was_counted() -> None:
    """The sums hold whatever becomes of a value: its size is read once."""
    store = MemoryStore[Growing](max_entries=3, max_bytes=100)
    value = Growing(10)
    store.keep("a", value)
    value.size_bytes = 70
    store.drop("a")
    assert store.size_bytes == 0


def test_names_can_be_dropped_while_they_are_listed() -> None:
    """Iteration is over the names as they were when it began."""
    scene = Scene()
    scene.keep("a", "b", "c")
    for name in scene.store:
        scene.store.drop(name)
    assert len(scene.store) == 0


def test_needed_entry_whose_turn_has_come_is_passed_by() -> None:
    """Clients are parked on it: the next in line goes instead."""
    scene = Scene(max_entries=3)
    scene.needed = {"a"}
    scene.keep("a", "b", "c", "d", "e")
    assert scene.evicted == [("b", "entries"), ("c", "entries")]
    assert scene.store.peek("a") is not None


def test_only_needed_entries_left_exceed_the_bounds() -> None:
    """Nobody's parked answer is lost for a bound."""
    scene = Scene(max_entries=1, max_bytes=20)
    scene.needed = {"a", "b", "c"}
    assert scene.keep("a", "b", "c") == [True, True, True]
    assert (len(scene.store), scene.store.size_bytes, scene.evicted) == (3, 30, [])


def test_bounds_taken_up_by_the_needed_leave_no_room_for_others() -> None:
    """What is not needed does not come on top of it."""
    scene = Scene(max_entries=2)
    scene.needed = {"a", "b"}
    assert scene.keep("a", "b", "c") == [True, True, False]
    assert (len(scene.store), scene.evicted) == (2, [("c", "entries")])


def test_entries_needed_no_more_give_way_again() -> None:
    """Once the clients have left, the next that is kept brings the store back into its bounds."""
    scene = Scene(max_entries=2)
    scene.needed = {"a", "b", "c", "d"}
    scene.keep("a", "b", "c", "d")
    scene.needed.clear()
    scene.keep("e")
    assert (len(scene.store), "e" in scene.store) == (2, True)


def test_entry_needed_until_lately_queues_up_behind_the_idle() -> None:
    """Being parked on is a use."""
    scene = Scene(max_entries=3)
    scene.needed = {"a"}
    scene.keep("a", "b", "c", "d")
    scene.needed.clear()
    scene.keep("e", "f")
    assert scene.evicted == [("b", "entries"), ("c", "entries"), ("d", "entries")]


def test_needed_entry_replaced_while_it_stands_aside_counts_once() -> None:
    """A watch that publishes to parked clients neither loses nor doubles its entry."""
    scene = Scene(max_entries=1)
    scene.needed = {"a"}
    scene.keep("a", "b")
    scene.keep("a", size_bytes=30)
    assert (list(scene.store), scene.store.size_bytes) == (["a"], 30)


def test_many_needed_entries_make_evictions_no_dearer() -> None:
    """However many clients are parked, each eviction asks about a few names only."""
    scene = Scene(max_entries=1000, max_bytes=10**6)
    scene.needed = {f"parked{number}" for number in range(1000)}
    scene.keep(*sorted(scene.needed))
    scene.keep(*(f"first{number}" for number in range(500)))
    before = scene.asked
    scene.keep(*(f"then{number}" for number in range(500)))
    assert scene.asked - before <= 500 * 2 * (LOOKS + 1)


@pytest.mark.parametrize("needed", [set(), {"a", "b"}], ids=["queued", "aside"])
def test_failing_question_about_a_need_loses_no_entry(needed: set[str]) -> None:
    """An error of whoever is asked is his; the sums stay right."""
    scene = Scene(max_entries=2 - bool(needed))
    scene.needed = needed
    scene.keep("a", "b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.store, "_is_needed", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            scene.keep("c")
    assert sorted(scene.store) == ["a", "b", "c"]
    assert scene.store.drop_where(lambda _: True) == 3
    assert scene.store.size_bytes == 0


def test_callback_of_an_eviction_may_use_the_store() -> None:
    """Whoever hears of an eviction may drop what hung on it."""
    store = Store(max_entries=2, max_bytes=100, evicted=lambda _name, _reason: drop("b"))

    def drop(name: str) -> None:
        store.drop(name)

    for name in ("a", "b", "c"):
        store.keep(name, Answer())
    assert (list(store), store.size_bytes) == (["c"], 10)


def test_store_bounded_at_no_entries_keeps_only_what_is_needed() -> None:
    """A bound of 0 turns the keeping off, and parked clients are served all the same."""
    scene = Scene(max_entries=0)
    scene.needed = {"a"}
    assert scene.keep("a", "b") == [True, False]


@pytest.mark.parametrize("value", [None, b"bytes", Growing(-1)], ids=["none", "bytes", "negative"])
def test_value_without_a_size_is_refused(value: Any) -> None:
    """What cannot be counted is not let in, and what was there stays."""
    scene = Scene()
    scene.keep("a")
    with pytest.raises(TypeError, match=r"None cannot|size_bytes"):
        scene.store.keep("a", value)
    assert (list(scene.store), scene.store.size_bytes) == (["a"], 10)


NAMES = st.sampled_from([f"{space}:{letter}" for space in ("x", "y") for letter in "abcd"])
SIZES = st.sampled_from([0, 5, 10, 20, 51])


class AnyUse(RuleBasedStateMachine):
    """Everything that can be done to a store, against a list in order of use."""

    MAX_ENTRIES, MAX_BYTES = 4, 50

    def __init__(self) -> None:
        """Begin empty, with nothing needed."""
        super().__init__()
        self.model: dict[str, Answer] = {}
        """In order of use."""
        self.needed: set[str] = set()
        self.ever_needed: set[str] = set()
        """Of those kept: their order among the others is the store's own affair."""
        self.store = Store(
            max_entries=self.MAX_ENTRIES,
            max_bytes=self.MAX_BYTES,
            is_needed=self.needed.__contains__,
            evicted=self.evicted,
        )

    def total(self) -> int:
        """Add up all sizes."""
        return sum(answer.size_bytes for answer in self.model.values())

    def idle(self) -> list[str]:
        """List what nobody has needed since it was kept, in order of use."""
        return [name for name in self.model if name not in self.ever_needed]

    def evicted(self, name: str, reason: str) -> None:
        """Check that an eviction was due, and the right one."""
        assert name not in self.needed
        if name not in self.ever_needed:
            assert name == self.idle()[0]
        assert reason == ("entries" if len(self.model) > self.MAX_ENTRIES else "bytes")
        assert len(self.model) > self.MAX_ENTRIES or self.total() > self.MAX_BYTES
        self.forget(name)

    def forget(self, name: str) -> bool:
        """Drop a name from the model."""
        self.ever_needed.discard(name)
        return self.model.pop(name, None) is not None

    def put(self, name: str, size_bytes: int, *, by_set: bool) -> None:
        """Let something in by one of the two ways."""
        answer = Answer(size_bytes)
        self.forget(name)
        if size_bytes <= self.MAX_BYTES:
            self.model[name] = answer
            self.ever_needed |= self.needed & {name}
        if by_set:
            space, _, key = name.partition(":")
            kept = at_once(self.store.set(key, answer, namespace=space))
        else:
            kept = self.store.keep(name, answer)
        assert kept == (name in self.model)
        assert kept or size_bytes > self.MAX_BYTES or not self.idle()

    @rule(name=NAMES, size_bytes=SIZES, by_set=st.booleans())
    def keep(self, name: str, size_bytes: int, *, by_set: bool) -> None:
        """Keep or set: the bounds hold, but for what is or was needed."""
        self.put(name, size_bytes, by_set=by_set)
        if len(self.model) > self.MAX_ENTRIES or self.total() > self.MAX_BYTES:
            assert not self.idle()

    @rule(name=NAMES, by_get=st.booleans())
    def peek(self, name: str, *, by_get: bool) -> None:
        """Peek or get: what was kept, which is a use."""
        found = at_once(self.store.get(name)) if by_get else self.store.peek(name)
        assert found is self.model.get(name)
        if found is not None:
            self.model[name] = self.model.pop(name)

    @rule(name=NAMES, by_delete=st.booleans())
    def drop(self, name: str, *, by_delete: bool) -> None:
        """Drop or delete, needed or not."""
        gone = at_once(self.store.delete(name)) if by_delete else self.store.drop(name)
        assert gone == self.forget(name)

    @rule(letters=st.sets(st.sampled_from("abcd"), max_size=2))
    def drop_where(self, letters: set[str]) -> None:
        """Drop by a predicate."""
        going = [name for name in self.model if name[-1] in letters]
        assert self.store.drop_where(lambda name: name[-1] in letters) == len(going)
        for name in going:
            self.forget(name)

    @rule(space=st.sampled_from(["x", "y", None]))
    def clear(self, space: str | None) -> None:
        """Clear one namespace, or all."""
        assert at_once(self.store.clear(namespace=space))
        for name in [name for name in self.model if space in (None, name[0])]:
            self.forget(name)

    @rule(names=st.sets(NAMES))
    def park(self, names: set[str]) -> None:
        """Clients come, and others leave."""
        self.needed.clear()
        self.needed |= names
        self.ever_needed |= names & self.model.keys()

    @rule(name=NAMES)
    def all_leave(self, name: str) -> None:
        """After as many more keeps as can stand aside, the bounds hold without exception."""
        self.needed.clear()
        for _ in range(8):
            self.put(name, 10, by_set=False)
        assert len(self.model) <= self.MAX_ENTRIES
        assert self.total() <= self.MAX_BYTES

    @invariant()
    def sums_are_exact(self) -> None:
        """Names, number and bytes are those of the model."""
        assert set(self.store) == self.model.keys()
        assert len(list(self.store)) == len(self.store) == len(self.model)
        assert self.store.size_bytes == self.total()

    @invariant()
    def idle_are_in_order(self) -> None:
        """The store would evict in the order of use."""
        idle = self.idle()
        assert [name for name in self.store if name in idle] == idle


AnyUse.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


TestAnyUse = AnyUse.TestCase
