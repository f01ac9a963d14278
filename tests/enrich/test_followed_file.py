"""A file that is followed: when it is read, and when it is not."""

import asyncio
import os
from pathlib import Path
from typing import Final

import pytest

from consul_edge.enrich.followed_file import LOOK_INTERVAL, FollowedFile
from tests.waiting import eventually
from tests.warp import skip, warped

LONG_AGO: Final = (1e9, 1e9)


class Reader:
    """Follows a file, and remembers what it held."""

    def __init__(self, path: Path) -> None:
        """Follow nothing yet."""
        self.path = path
        self.taken: list[bytes] = []
        self.file = FollowedFile(path, self.take, max_bytes=10)

    async def take(self, content: bytes) -> None:
        """Remember."""
        self.taken.append(content)

    def write(self, content: bytes, *, at: tuple[float, float] | None = None) -> None:
        """Have the file hold something; *at* a time, if one is given."""
        self.path.write_bytes(content)
        if at is not None:
            os.utime(self.path, at)


@pytest.fixture
async def reader(tmp_path: Path) -> Reader:
    """Give one whose file is there."""
    made = Reader(tmp_path / "file")
    made.write(b"one", at=LONG_AGO)
    return made


async def test_file_stays_the_same_it_is_read_once(reader: Reader) -> None:
    """Looking costs a stat."""
    for _ in range(3):
        await reader.file.look()
    assert reader.taken == [b"one"]
    assert reader.file.age < 15


async def test_file_was_written_a_moment_ago_it_is_read_again(reader: Reader) -> None:
    """A second edit within the clock's tick would look the same."""
    reader.write(b"one")
    await reader.file.look()
    status = reader.path.stat()
    reader.write(b"two")
    os.utime(reader.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    await reader.file.look()
    assert reader.taken == [b"one", b"two"]


@pytest.mark.parametrize("change", ["size", "time", "inode"])
async def test_file_differs_in_one_thing_it_is_read(change: str, reader: Reader) -> None:
    """Each of them alone tells another file."""
    await reader.file.look()
    if change == "size":
        reader.write(b"three", at=LONG_AGO)
    elif change == "time":
        reader.write(b"two", at=(1.1e9, 1.1e9))
    else:
        other = reader.path.with_name("other")
        other.write_bytes(b"two")
        os.utime(other, LONG_AGO)
        other.rename(reader.path)
    await reader.file.look()
    assert len(reader.taken) == 2


async def test_file_is_endless_no_more_is_read_than_can_be_used(reader: Reader) -> None:
    """One byte too many says that it is too large."""
    reader.write(b"x" * 1000)
    await reader.file.look()
    assert reader.taken == [b"x" * 11]


async def test_taking_is_broken_off_it_is_taken_again(reader: Reader) -> None:
    """What did not arrive does not count as read."""
    calls = 0

    async def take(content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("defect")
        await reader.take(content)

    reader.file._take = take
    with pytest.raises(RuntimeError):
        await reader.file.look()
    await reader.file.look()
    assert reader.taken == [b"one"]


def test_file_is_edited_one_interval_is_enough(tmp_path: Path) -> None:
    """It is looked at twice a second, as long as it is followed."""

    async def scene() -> None:
        reader = Reader(tmp_path / "file")
        reader.write(b"one")
        reader.file.start()
        await eventually(lambda: reader.taken, "read")
        reader.write(b"three")
        skip(LOOK_INTERVAL)
        await eventually(lambda: reader.taken[-1] == b"three", "read again")
        await reader.file.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    assert LOOK_INTERVAL <= 0.5
    warped(scene())
