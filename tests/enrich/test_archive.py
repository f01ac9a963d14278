"""Rendered documents: each rendered once, given to whom it is for, and kept within bounds."""

import asyncio
import gzip
import threading
import zlib
from dataclasses import replace
from typing import Final

import pytest

from consul_edge.enrich import archive as module
from consul_edge.enrich.archive import THREADS, Archive, Order
from consul_edge.enrich.patience import TakesTooLong, check
from consul_edge.enrich.zipping import Zipped
from tests.waiting import eventually
from tests.warp import skip, warped

NODES: Final = Order("nodes", "alice", "", 7, is_search=False)
LISTING: Final = Order("services", "alice", "site=rio", 7)


def unzip(zipped: Zipped, end: bytes = b"") -> bytes:
    """Read what a client reads."""
    return gzip.decompress(zipped.blocks + zipped.ending(end))


class Printer:
    """Renders, and counts how often."""

    def __init__(self, text: bytes = b"rows") -> None:
        self.text = text
        self.count = 0

    def __call__(self) -> bytes:
        self.count += 1
        return self.text


def failing() -> bytes:
    """Fail as a renderer does for what is not there."""
    raise LookupError("no such node")


async def test_same_document_asked_again_it_is_not_rendered() -> None:
    """All clients of one identity share what was rendered for the first."""
    archive, printer = Archive({"nodes": 60.0}), Printer()
    for order in (NODES, NODES, LISTING, LISTING):
        assert await archive.plain(order, printer) == b"rows"
    assert printer.count == 2


@pytest.mark.parametrize(
    "other",
    [
        replace(NODES, identity="bob"),
        replace(NODES, document="sites"),
        replace(NODES, listing="site=rio"),
        replace(NODES, index=8),
    ],
    ids=["identity", "document", "listing", "index"],
)
async def test_anything_is_other_it_is_another_document(other: Order) -> None:
    """Nothing rendered for one identity, listing or moment is given to another."""
    archive = Archive({"nodes": 60.0})
    assert await archive.plain(NODES, lambda: b"one") == b"one"
    assert await archive.plain(other, lambda: b"other") == b"other"


async def test_two_identities_ask_for_the_same_neither_waits_for_nor_replaces_the_others() -> None:
    """Also at once, and also where an index happens to be the same."""
    archive, printers = Archive({}), {name: Printer(name.encode()) for name in ("alice", "bob")}
    orders = {name: replace(LISTING, identity=name) for name in printers}
    for _ in range(2):
        found = await asyncio.gather(
            *(archive.plain(orders[name], printer) for name, printer in printers.items())
        )
        assert found == [b"alice", b"bob"]
    assert [printer.count for printer in printers.values()] == [1, 1]


async def test_rows_have_another_index_the_older_document_is_gone() -> None:
    """What nobody can ask for again takes no room."""
    archive = Archive({})
    for index in range(1, 6):
        await archive.plain(replace(LISTING, index=index), Printer())
    assert archive.stock("services").entries == 1


async def test_many_ask_at_once_it_is_rendered_once() -> None:
    """A thousand readers of a new view cost one rendering."""
    archive, printer = Archive({}), Printer()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(archive.zipped(LISTING, printer)) for _ in range(20)]
    assert printer.count == 1
    assert {unzip(task.result()) for task in asking} == {b"rows"}


async def test_first_of_those_who_wait_leaves_the_others_are_given_it() -> None:
    """What a client asked for is made although he hung up."""
    archive, go, printer = Archive({}), threading.Event(), Printer()

    def slow() -> bytes:
        go.wait(20)
        return printer()

    first = asyncio.create_task(archive.plain(LISTING, slow))
    second = asyncio.create_task(archive.plain(LISTING, slow))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go.set()
    assert (await second, printer.count) == (b"rows", 1)


async def test_rendering_fails_everybody_hears_it_and_nothing_is_kept() -> None:
    """The next one who asks has it tried again."""
    archive = Archive({})
    heard = await asyncio.gather(
        *(archive.plain(LISTING, failing) for _ in range(3)), return_exceptions=True
    )
    assert [type(error) for error in heard] == [LookupError] * 3
    assert await archive.plain(LISTING, Printer()) == b"rows"


async def test_more_are_to_be_rendered_than_there_are_threads_the_rest_waits() -> None:
    """Rendering leaves the executor's other threads to others."""
    archive, go = Archive({}), threading.Event()
    lock, running, most = threading.Lock(), 0, 0

    def render() -> bytes:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(20)
        with lock:
            running -= 1
        return b"rows"

    async with asyncio.TaskGroup() as group:
        for number in range(THREADS + 3):
            group.create_task(archive.plain(replace(LISTING, listing=str(number)), render))
        await eventually(lambda: running == THREADS, "all threads at work")
        go.set()
    assert most == THREADS


class Search:
    """Searches for ever, if it may."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    def __call__(self) -> bytes:
        self.begun += 1
        try:
            while True:
                check()
        finally:
            self.ended += 1


async def test_searches_have_all_their_threads_a_whole_document_is_rendered() -> None:
    """What everybody asks for waits for nobody's search."""
    archive, go = Archive({"nodes": 60.0}), threading.Event()

    def search() -> bytes:
        go.wait(20)
        return b"found"

    async with asyncio.TaskGroup() as group:
        for number in range(THREADS + 1):
            group.create_task(archive.plain(replace(LISTING, listing=str(number)), search))
        assert await archive.plain(NODES, Printer()) == b"rows"
        go.set()


async def test_search_takes_too_long_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client is told so; a document as a whole takes what it takes."""
    monkeypatch.setattr(module, "SEARCH_SECONDS", 0.0)
    archive = Archive({"nodes": 60.0})

    def render() -> bytes:
        check()
        return b"rows"

    with pytest.raises(TakesTooLong):
        await archive.plain(LISTING, render)
    assert await archive.plain(NODES, render) == b"rows"


@pytest.mark.parametrize("leaving", [1, 2])
async def test_all_who_wait_for_a_search_have_left_it_ends(leaving: int) -> None:
    """Its thread is free for what somebody waits for."""
    archive, search = Archive({}), Search()
    asking = [asyncio.create_task(archive.plain(LISTING, search)) for _ in range(2)]
    await eventually(lambda: search.begun, "begun")
    for task in asking[:leaving]:
        task.cancel()
    await asyncio.wait(asking[:leaving])
    if leaving == 1:
        assert not search.ended, "somebody waits"
        asking[1].cancel()
    await eventually(lambda: search.ended, "ended")
    await asyncio.wait(asking)
    assert search.begun == 1


async def test_searches_nobody_waits_for_stand_in_the_queue_they_never_begin() -> None:
    """Who sends a thousand and leaves has kept nobody waiting."""
    archive, searches = Archive({}), [Search() for _ in range(THREADS + 3)]
    asking = [
        asyncio.create_task(archive.plain(replace(LISTING, listing=str(number)), search))
        for number, search in enumerate(searches)
    ]
    await eventually(lambda: sum(one.begun for one in searches) == THREADS, "all threads at work")
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    assert await archive.plain(LISTING, Printer()) == b"rows"
    assert sum(one.begun for one in searches) == THREADS


async def test_search_that_was_left_is_asked_for_again_it_begins_anew() -> None:
    """Who comes later does not get the end of those before."""
    archive, search = Archive({}), Search()
    first = asyncio.create_task(archive.plain(LISTING, search))
    await eventually(lambda: search.begun, "begun")
    first.cancel()
    await asyncio.wait([first])
    assert await archive.plain(LISTING, Printer()) == b"rows"


async def test_whole_document_is_left_by_all_it_is_kept_all_the_same() -> None:
    """The next client asks for it, too."""
    archive, go, printer = Archive({"nodes": 60.0}), threading.Event(), Printer()

    def slow() -> bytes:
        go.wait(20)
        return printer()

    first = asyncio.create_task(archive.plain(NODES, slow))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    go.set()
    await eventually(lambda: archive.stock("nodes").entries, "kept")
    assert printer.count == 1


async def test_archive_is_closed_while_it_searches_no_thread_goes_on() -> None:
    """A process can only end when its threads have."""
    archive, search = Archive({}), Search()
    asking = asyncio.create_task(archive.plain(LISTING, search))
    await eventually(lambda: search.begun, "begun")
    await archive.close()
    await asyncio.wait([asking])
    await eventually(lambda: search.ended, "ended")


async def test_zipped_document_is_asked_for_again_it_is_not_compressed_again() -> None:
    """The compressed form is kept beside the other, whichever was asked for first."""
    archive, printer = Archive({}), Printer()
    first = await archive.zipped(LISTING, printer)
    assert await archive.zipped(LISTING, printer) is first
    assert await archive.plain(LISTING, printer) == b"rows"
    assert printer.count == 1


@pytest.mark.parametrize(("document", "seconds"), [("nodes", 60.0), ("sites", 300.0)])
def test_ttl_of_a_whole_document_is_over_it_is_rendered_again(
    document: str, seconds: float
) -> None:
    """The TTL is the backstop also for a view that says that nothing has changed."""

    async def asked() -> list[int]:
        archive, printer = Archive({"nodes": 60.0, "sites": 300.0}), Printer()
        order = replace(NODES, document=document)
        counts = []
        for step in (0.0, seconds - 1, 2.0):
            skip(step)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await archive.plain(order, printer)
            counts.append(printer.count)
        return counts

    assert warped(asked()) == [1, 1, 2]


async def test_listings_take_too_much_room_those_asked_for_least_lately_go() -> None:
    """Whatever is asked for, what is kept is bounded by its bytes."""
    archive, printer = Archive({}, max_bytes=10_000), Printer(b"x" * 1_000)
    for number in range(50):
        await archive.plain(replace(LISTING, listing=str(number)), printer)
    assert archive.stock("services").size_bytes <= 10_000
    before = printer.count
    await archive.plain(replace(LISTING, listing="49"), printer)
    assert printer.count == before
    await archive.plain(replace(LISTING, listing="0"), printer)
    assert printer.count == before + 1


async def test_document_is_larger_than_all_may_be_it_is_given_all_the_same() -> None:
    """What cannot be kept is rendered for each who asks."""
    archive, printer = Archive({}, max_bytes=100), Printer(b"x" * 1_000)
    for count in (1, 2):
        assert len(await archive.plain(LISTING, printer)) == 1_000
        assert (printer.count, archive.stock("services").entries) == (count, 0)


async def test_listings_are_many_the_whole_documents_stay() -> None:
    """Nobody drives out what everybody asks for by asking for much else."""
    archive, printer = Archive({"nodes": 60.0}, max_bytes=10_000), Printer()
    await archive.plain(NODES, printer)
    for number in range(50):
        await archive.plain(replace(NODES, listing=str(number)), Printer(b"x" * 1_000))
    await archive.plain(NODES, printer)
    assert printer.count == 1


async def test_document_is_flushed_it_alone_is_forgotten() -> None:
    """A flush tells how many there were, in whichever form."""
    archive, printer = Archive({"nodes": 60.0}), Printer()
    await archive.zipped(NODES, printer)
    await archive.plain(replace(NODES, listing="q=x"), printer)
    await archive.plain(LISTING, printer)
    assert (archive.flush("nodes"), archive.flush("nodes")) == (3, 0)
    await archive.plain(LISTING, printer)
    assert printer.count == 3
    await archive.plain(NODES, printer)
    assert printer.count == 4


async def test_stock_is_taken_it_counts_what_is_there_and_who_asked() -> None:
    """Hits and misses are those of who asked, not of the archive's own looks."""
    archive, printer = Archive({"nodes": 60.0}), Printer()
    for _ in range(3):
        await archive.zipped(NODES, printer)
    await archive.plain(NODES, printer)
    stock = archive.stock("nodes")
    assert (stock.entries, stock.hits, stock.misses) == (2, 3, 1)
    assert stock.size_bytes > len(b"rows")
    assert all(0 <= age < 60 for age in stock.ages)
    assert archive.stock("sites").entries == 0


async def test_archive_is_closed_while_it_renders_those_who_wait_are_released() -> None:
    """Shutting down does not wait for a rendering."""
    archive, go = Archive({}), threading.Event()

    def slow() -> bytes:
        go.wait(20)
        return b"rows"

    asking = asyncio.create_task(archive.plain(LISTING, slow))
    await asyncio.sleep(0)
    await archive.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go.set()


@pytest.mark.parametrize("end", [b"", b"]}", b'],"cache":{"age_seconds":1.5}}' * 100])
@pytest.mark.parametrize("begin", [b"", b"[", bytes(range(256)) * 1_000])
async def test_document_has_another_end_each_time_the_whole_is_one_gzip_file(
    begin: bytes, end: bytes
) -> None:
    """A reader that stops at the end of the first gzip member has read it all."""
    archive = Archive({})
    zipped = await archive.zipped(LISTING, lambda: begin)
    for tail in (end, b"another"):
        whole = zipped.blocks + zipped.ending(tail)
        reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
        assert reader.decompress(whole) + reader.flush() == begin + tail
        assert (reader.eof, reader.unused_data) == (True, b"")
