"""The asynchronous interface of the store, and the traps of the library below it."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiocache import SimpleMemoryCache
from aiocache.base import API

from consul_edge.cache.store import MemoryStore
from tests.cache.test_store import Answer, Scene, Store, at_once
from tests.virtual import elapse, in_virtual_time

TRAP_IS_GONE = "aiocache has changed: see whether the store still needs its own way"

Play = Callable[[Store], Awaitable[None]]


def make(*, max_entries: int = 10, max_bytes: int = 1000) -> Store:
    """Make a roomy store."""
    return Store(max_entries=max_entries, max_bytes=max_bytes)


def timers() -> int:
    """Count what the running loop would still call at some time."""
    scheduled: list[asyncio.TimerHandle] = vars(asyncio.get_running_loop())["_scheduled"]
    return sum(not timer.cancelled() for timer in scheduled)


async def test_value_set_is_found_by_both_interfaces() -> None:
    """Both work on the same entries."""
    store, answer = make(), Answer()
    assert await store.set("a", answer, namespace="nodes")
    assert await store.get("a", namespace="nodes") is answer
    assert store.peek("nodes:a") is answer


async def test_several_values_set_are_read_together() -> None:
    """Misses stand in their places."""
    store, first, second = make(), Answer(), Answer()
    assert await store.multi_set([("a", first), ("b", second)], namespace="nodes")
    assert await store.multi_get(["b", "x", "a"], namespace="nodes") == [second, None, first]


async def test_miss_read_with_a_default_gives_the_default() -> None:
    """As everywhere in aiocache."""
    fallback = Answer()
    assert await make().get("a", default=fallback) is fallback


async def test_value_added_under_a_taken_name_is_refused() -> None:
    """The first one stays."""
    store, answer = make(), Answer()
    assert await store.add("a", answer)
    with pytest.raises(ValueError, match="'a' is kept already"):
        await store.add("a", Answer())
    assert store.peek("a") is answer


async def test_value_deleted_is_gone_with_its_size() -> None:
    """The number of deleted names is told."""
    store = make()
    await store.set("a", Answer())
    assert [await store.delete("a"), await store.delete("a")] == [1, 0]
    assert (await store.exists("a"), store.size_bytes) == (False, 0)


async def test_value_set_against_another_token_is_left_alone() -> None:
    """What aiocache's optimistic lock relies on."""
    store, first, second = make(), Answer(), Answer()
    await store.set("a", first)
    assert not await store.set("a", Answer(), _cas_token=second)
    assert store.peek("a") is first
    assert await store.set("a", second, _cas_token=first)


async def test_commands_on_a_connection_of_aiocache_reach_the_store() -> None:
    """Whoever works with several backends holds a connection; here it is the store itself."""
    store, answer = make(), Answer()
    async with store.get_connection() as connection:
        await connection.set("a", answer)
        assert await connection.get("a") is answer


@pytest.mark.parametrize("name", sorted(command.__name__ for command in API.CMDS))
def test_every_command_of_aiocache_is_taken_over(name: str) -> None:
    """None is left behind the layer that the environment switches off, also no future one."""
    assert name in vars(MemoryStore)
    assert "AIOCACHE_DISABLE" not in vars(MemoryStore)[name].__code__.co_consts


def test_no_inherited_command_works_past_the_bounds() -> None:
    """Whatever aiocache's memory backend does to its dict by itself is done anew here."""
    inherited = {
        name
        for name, member in vars(SimpleMemoryCache.__base__).items()
        if inspect.iscoroutinefunction(member) and name not in vars(MemoryStore)
    }
    assert inherited == {"_gets", "_exists"}, "both only read"


# Unbounded memory.


async def test_more_entries_set_than_allowed_are_evicted() -> None:
    """What comes in through set, add and multi_set is bounded as well."""
    store = make(max_entries=3, max_bytes=25)
    await store.multi_set([(str(number), Answer()) for number in range(5)])
    await store.set("set", Answer())
    await store.add("add", Answer())
    assert (list(store), store.size_bytes) == (["set", "add"], 20)


async def test_aiocache_given_many_entries_still_keeps_all() -> None:
    """The released version knows no bound."""
    theirs = SimpleMemoryCache()
    await theirs.multi_set([(str(number), number) for number in range(1000)])
    assert await theirs.exists("0"), TRAP_IS_GONE


async def test_values_read_by_commands_are_the_last_to_go() -> None:
    """The asynchronous reads count as uses, too."""
    store = make(max_entries=3)
    await store.multi_set([(name, Answer()) for name in "abc"])
    await store.get("b")
    await store.multi_get(["a"])
    assert list(store) == ["c", "b", "a"]


async def test_value_too_large_to_be_kept_is_never_reported_as_kept() -> None:
    """Commands that can say False do so; those that only know True raise."""
    store, large = make(max_bytes=100), Answer(101)
    assert not await store.set("a", large)
    with pytest.raises(ValueError, match="'a' was not kept"):
        await store.add("a", large)
    with pytest.raises(ValueError, match="'b' is larger"):
        await store.multi_set([("a", Answer()), ("b", large)])
    assert len(store) == 0


# A TTL of 0.


@pytest.mark.parametrize("ttl", [0, 0.0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "command",
    [
        lambda store, ttl: store.set("a", Answer(), ttl=ttl),
        lambda store, ttl: store.add("b", Answer(), ttl=ttl),
        lambda store, ttl: store.multi_set([("a", Answer())], ttl=ttl),
        lambda store, ttl: store.expire("a", ttl),
    ],
    ids=["set", "add", "multi_set", "expire"],
)
async def test_ttl_that_is_no_time_is_refused(command: Any, ttl: float) -> None:
    """For ever in memory and an error in Redis: here an error that names it, and no change."""
    store, answer = make(), Answer()
    store.keep("a", answer)
    with pytest.raises(ValueError, match=f"ttl={ttl}: expected seconds above 0"):
        await command(store, ttl)
    assert ({*store}, store.peek("a")) == ({"a"}, answer)


def test_ttl_of_zero_in_aiocache_still_means_for_ever() -> None:
    """The trap that is refused here."""

    async def play() -> None:
        theirs = SimpleMemoryCache()
        await theirs.set("a", 1, ttl=0)
        await elapse(3600)
        assert await theirs.exists("a"), TRAP_IS_GONE

    in_virtual_time(play)


# Timers.


def test_entry_with_a_ttl_is_collected_when_it_ends() -> None:
    """An expiry frees the bytes and is no eviction; without a TTL nothing expires."""

    async def play() -> None:
        scene = Scene()
        await scene.store.set("a", Answer(), ttl=5)
        await scene.store.set("b", Answer())
        await elapse(4.9)
        assert "a" in scene.store
        await elapse(0.2)
        assert (list(scene.store), scene.store.size_bytes, scene.evicted) == (["b"], 10, [])
        assert (timers(), len(scene.store._handlers)) == (0, 0)

    in_virtual_time(play)


def test_entry_needed_when_its_ttl_ends_is_collected_a_ttl_later() -> None:
    """Collecting garbage takes nothing from parked clients."""

    async def play() -> None:
        scene = Scene()
        scene.needed = {"a"}
        await scene.store.set("a", Answer(), ttl=5)
        await elapse(6)
        assert "a" in scene.store
        scene.needed.clear()
        await elapse(5)
        assert ("a" in scene.store, timers()) == (False, 0)

    in_virtual_time(play)


def test_entry_given_another_ttl_lives_by_that_one() -> None:
    """The older timer is gone; None takes the TTL off."""

    async def play() -> None:
        store = make()
        await store.set("a", Answer(), ttl=5)
        await store.set("b", Answer(), ttl=5)
        assert await store.expire("a", 20)
        assert await store.expire("b", None)
        assert not await store.expire("x", 20)
        await elapse(19)
        assert list(store) == ["a", "b"]
        await elapse(2)
        assert list(store) == ["b"]

    in_virtual_time(play)


async def _keep(store: Store) -> None:
    store.keep("a", Answer())


async def _set(store: Store) -> None:
    await store.set("a", Answer())


async def _keep_too_large(store: Store) -> None:
    store.keep("a", Answer(1001))


async def _drop(store: Store) -> None:
    store.drop("a")


async def _delete(store: Store) -> None:
    await store.delete("a")


async def _drop_where(store: Store) -> None:
    store.drop_where("a".__eq__)


async def _evict(store: Store) -> None:
    store.keep("b", Answer(995))


async def _clear(store: Store) -> None:
    await store.clear()


async def _close(store: Store) -> None:
    await store.close()


@pytest.mark.parametrize(
    "leave", [_keep, _set, _keep_too_large, _drop, _delete, _drop_where, _evict, _clear, _close]
)
def test_entry_gone_before_its_ttl_ended_leaves_no_timer(leave: Play) -> None:
    """However it goes, the loop does not hear of it again."""

    async def play() -> None:
        store = make()
        await store.set("a", Answer(), ttl=60)
        assert timers() == 1
        await leave(store)
        assert (timers(), len(store._handlers)) == (0, 0)

    in_virtual_time(play)


def test_namespace_cleared_before_its_ttls_ended_leaves_no_timer() -> None:
    """Only the timers of other namespaces run on."""

    async def play() -> None:
        store = make()
        await store.multi_set([("a", Answer()), ("b", Answer())], ttl=60, namespace="nodes")
        await store.set("a", Answer(), ttl=60, namespace="sites")
        await store.clear(namespace="nodes")
        assert timers() == 1

    in_virtual_time(play)


def test_entry_set_after_bare_clear_lives_its_whole_ttl() -> None:
    """No timer of an entry that was flushed deletes its successor."""

    async def play() -> None:
        store = make()
        await store.set("a", Answer(), ttl=5)
        await store.clear()
        await store.set("a", Answer(), ttl=60)
        await elapse(50)
        assert "a" in store

    in_virtual_time(play)


def test_entry_set_after_bare_clear_of_aiocache_still_goes_early() -> None:
    """The trap that is closed here: the flushed entry's timer deletes the new one."""

    async def play() -> None:
        theirs = SimpleMemoryCache()
        await theirs.set("a", 1, ttl=5)
        await theirs.clear()
        await theirs.set("a", 2, ttl=60)
        await elapse(50)
        assert not await theirs.exists("a"), TRAP_IS_GONE

    in_virtual_time(play)


async def test_store_left_as_a_context_is_empty() -> None:
    """Its end frees everything."""
    async with make() as store:
        store.keep("a", Answer())
    assert (len(store), store.size_bytes) == (0, 0)


# None, and what has no size.


@pytest.mark.parametrize("command", ["set", "add"])
@pytest.mark.parametrize("value", [None, b"bytes", 7], ids=["none", "bytes", "number"])
async def test_value_without_a_size_set_is_refused(command: str, value: object) -> None:
    """Nobody could tell None from a miss, and nobody could bound the others."""
    store = make()
    with pytest.raises(TypeError, match=r"None cannot|size_bytes"):
        await getattr(store, command)("b", value)
    assert len(store) == 0


async def test_values_of_which_one_is_refused_are_all_left_out() -> None:
    """A multi_set that fails has changed nothing."""
    store, answer = make(), Answer()
    store.keep("a", answer)
    with pytest.raises(TypeError, match="None cannot"):
        await store.multi_set([("a", Answer()), ("b", None)])
    assert ({*store}, store.peek("a")) == ({"a"}, answer)


def test_none_deleted_from_aiocache_still_leaves_its_timer() -> None:
    """One more reason to let no None in."""

    async def play() -> None:
        theirs = SimpleMemoryCache()
        await theirs.set("a", None, ttl=60)
        assert await theirs.delete("a") == 0, TRAP_IS_GONE
        assert timers() == 1, TRAP_IS_GONE

    in_virtual_time(play)


@pytest.mark.parametrize(
    "command",
    [
        lambda store: store.increment("a"),
        lambda store: store.raw("clear"),
        lambda store: store._redlock_release("a", "b"),
    ],
    ids=["increment", "raw", "redlock"],
)
async def test_command_that_means_nothing_for_sized_values_is_refused(command: Any) -> None:
    """It says so, and works not even half."""
    store = make()
    store.keep("a", Answer())
    with pytest.raises(TypeError, match="only values with a size"):
        await command(store)
    assert list(store) == ["a"]


# The time-out.


def test_no_command_waits_or_makes_a_task() -> None:
    """A dict answers at once: no time-out of 5 s around it, which costs several times the get."""
    store, answer = make(), Answer()
    assert store.timeout is None
    assert at_once(store.set("a", answer))
    assert at_once(store.get("a")) is answer
    assert SimpleMemoryCache().timeout == 5, TRAP_IS_GONE


# The environment.


async def test_aiocache_disabled_by_the_environment_disables_nothing_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable meant for another program turns no cache off."""
    monkeypatch.setenv("AIOCACHE_DISABLE", "1")
    store, answer = make(), Answer()
    await store.set("a", answer)
    await store.add("b", answer)
    await store.multi_set([("c", answer)])
    assert await store.get("a") is answer
    assert await store.multi_get(["a", "b", "c"]) == [answer, answer, answer]
    assert await store.exists("a")
    assert await store.expire("a", 60)
    assert await store.delete("a") == 1
    with pytest.raises(TypeError):
        await store.increment("b")
    with pytest.raises(TypeError):
        await store.raw("get", "b")
    await store.clear()
    assert len(store) == 0


async def test_aiocache_disabled_by_the_environment_still_forgets_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trap that is closed here: it says that it has set, and has not."""
    monkeypatch.setenv("AIOCACHE_DISABLE", "1")
    theirs = SimpleMemoryCache()
    assert await theirs.set("a", 1), TRAP_IS_GONE
    monkeypatch.delenv("AIOCACHE_DISABLE")
    assert not await theirs.exists("a"), TRAP_IS_GONE


def test_aiocache_disabled_before_it_is_imported_disables_nothing_here() -> None:
    """It does not matter when the variable is read."""
    program = """
import asyncio
from consul_edge.cache.store import MemoryStore

class Answer:
    size_bytes = 10

async def main():
    store = MemoryStore(max_entries=1, max_bytes=10)
    await store.set("a", Answer())
    print(await store.exists("a"), type(await store.get("a")).__name__)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "AIOCACHE_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True Answer\n"


# Namespaces.


@pytest.mark.parametrize("namespace", ["nodes", "nodes:"])
async def test_namespace_cleared_takes_no_other_that_begins_alike(namespace: str) -> None:
    """A namespace ends with its colon, said or not."""
    store = make()
    for space in ("nodes", "nodes:", "nodes2", "sites"):
        await store.set("a", Answer(), namespace=space)
    await store.clear(namespace=namespace)
    assert list(store) == ["nodes2:a", "sites:a"]


async def test_namespace_cleared_in_aiocache_still_takes_those_that_begin_alike() -> None:
    """The trap that is closed here: namespaces are plain prefixes."""
    theirs = SimpleMemoryCache()
    await theirs.set("a", 1, namespace="nodes2:")
    await theirs.clear(namespace="nodes")
    assert not await theirs.exists("a", namespace="nodes2:"), TRAP_IS_GONE


@pytest.mark.parametrize("namespace", ["", ":", "a:b", "a::"])
async def test_namespace_that_is_no_word_is_refused(namespace: str) -> None:
    """An empty one would clear everything, and one with colons could be two different ones."""
    store = make()
    store.keep("a", Answer())
    with pytest.raises(ValueError, match="namespace='"):
        await store.clear(namespace=namespace)
    with pytest.raises(ValueError, match="namespace='"):
        await store.set("c", Answer(), namespace=namespace)
    assert list(store) == ["a"]
