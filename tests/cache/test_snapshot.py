"""The snapshot's file: private, whole or refused, and never in the way of the next."""

import os
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from multidict import istr

from consul_edge.cache.snapshot import Head, Record, Refused, read, set_aside, write
from consul_edge.core.entry import Entry, make_entry
from consul_edge.core.key import parse_key
from consul_edge.core.request import parse_call

HEAD = Head(taken_at=1_700_000_000.25, secret=bytes(range(32)))

HEADERS = ((istr("Content-Type"), "application/json"), ("X-Consul-Index", "7"))


def entry(body: bytes = b'[{"Node":"a"}]') -> Entry:
    """Make an answer."""
    return make_entry(200, "OK", HEADERS, body, server="127.0.0.1:8500")


def record(target: str = "/v1/catalog/nodes", *, kept: Entry | None = None) -> Record:
    """Make a record of an answer to *target*."""
    headers = (("X-Consul-Namespace", "team"), ("X-Consul-Partition", "part"))
    key, _ = parse_key(parse_call("GET", target), headers, "0f" * 16)
    return Record.of(key, kept or entry(), 12.5)


def fields(one: Record) -> tuple[object, ...]:
    """List all that a record holds; entries are compared by identity otherwise."""
    plain = (getattr(one, name) for name in one.__struct_fields__ if name != "entry")
    return (*plain, astuple(one.entry))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a place for a snapshot, in a folder of its own."""
    return tmp_path / "snapshot"


def test_snapshot_written_is_read_as_it_was(path: Path) -> None:
    """Nothing is lost or changed on the way through the file."""
    written = [record("/v1/catalog/nodes?dc=a&filter=x%20y"), record(kept=entry(b"\x00\xff"))]
    write(path, HEAD, written)
    head, records = read(path)
    assert head == HEAD
    assert [fields(one) for one in records] == [fields(one) for one in written]


def test_snapshot_being_written_is_private_from_its_first_byte(path: Path) -> None:
    """Not even while it is written beside its place can another user open it."""
    modes: list[tuple[str, int]] = []

    def watching() -> Iterator[Record]:
        yield record(kept=entry(bytes(100_000)))
        modes.extend((one.name, one.stat().st_mode & 0o777) for one in path.parent.iterdir())

    before = os.umask(0)
    try:
        write(path, HEAD, watching())
    finally:
        os.umask(before)
    assert modes == [("snapshot.tmp", 0o600)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_write_that_fails_leaves_the_snapshot_before(path: Path) -> None:
    """A disk that is full half way costs the new snapshot, not the old one."""
    write(path, HEAD, [record()])
    before = path.read_bytes()

    def failing() -> Iterator[Record]:
        yield record(kept=entry(bytes(100_000)))
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(path, HEAD, failing())
    assert [one.name for one in path.parent.iterdir()] == ["snapshot"]
    assert path.read_bytes() == before


def test_remains_of_a_killed_writer_hinder_no_other(path: Path) -> None:
    """What lies beside the place, also a link that was planted there, is neither used nor kept."""
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text("untouched")
    path.with_name("snapshot.tmp").symlink_to(elsewhere)
    write(path, HEAD, [record()])
    assert len(read(path)[1]) == 1
    assert elsewhere.read_text() == "untouched"
    assert not path.is_symlink()


def test_answer_that_cannot_be_told_is_left_out_alone(path: Path) -> None:
    """A header that is no text costs one answer, not the snapshot."""
    odd = replace(entry(), headers=(("X-Odd", "caf\udce9"),))
    write(path, HEAD, [record(kept=odd), record("/v1/catalog/services")])
    assert [one.path for one in read(path)[1]] == ["/v1/catalog/services"]


def test_snapshot_that_is_not_there_is_told_apart(path: Path) -> None:
    """The first start of all is nothing to complain of."""
    with pytest.raises(FileNotFoundError):
        read(path)


def test_snapshot_cut_off_anywhere_is_refused(path: Path) -> None:
    """Not one byte may be missing at its end."""
    write(path, HEAD, [record()])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Refused):
            read(path)


def test_snapshot_with_one_changed_byte_is_refused(path: Path) -> None:
    """Wherever a bit has turned, nothing of it is believed."""
    write(path, HEAD, [record()])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Refused):
            read(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    {
        b"": "is no snapshot",
        b"#!/bin/sh\n": "is no snapshot",
        b"consul-edge snapshot 2\n": "of another version",
        b"consul-edge snapshot 1\n": "is cut off",
        b"consul-edge snapshot 1\n\xff\xff\xff\xff{}": "is cut off",
        b"consul-edge snapshot 1\n\x00\x00\x00\x00": "is damaged",
    }.items(),
    ids=["empty", "foreign", "version", "head", "length", "digest"],
)
def test_file_that_is_none_is_refused_with_its_reason(
    path: Path, content: bytes, reason: str
) -> None:
    """The operator is told what is wrong with it."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(Refused, match=reason):
        read(path)


def test_snapshot_with_something_behind_it_is_refused(path: Path) -> None:
    """What was appended was not written by the edge."""
    write(path, HEAD, [record()])
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(Refused, match="damaged"):
        read(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602], ids=oct)
def test_snapshot_open_to_others_is_refused(path: Path, mode: int) -> None:
    """What others can write is not believed; what they can read is no secret any more."""
    write(path, HEAD, [record()])
    path.chmod(mode)
    with pytest.raises(Refused, match="0600"):
        read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_snapshot_of_another_user_is_refused(path: Path) -> None:
    """Another user's file may say anything, however private it is."""
    write(path, HEAD, [record()])
    os.chown(path, 65534, 65534)
    with pytest.raises(Refused, match="another user"):
        read(path)


def test_pipe_in_the_place_of_a_snapshot_is_refused(path: Path) -> None:
    """The edge does not wait for whoever might write to it."""
    os.mkfifo(path, 0o600)
    with pytest.raises(Refused, match="no file"):
        read(path)


def test_folder_in_the_place_of_a_snapshot_is_refused(path: Path) -> None:
    """A mistaken path is told, too."""
    path.mkdir(mode=0o700)
    with pytest.raises(Refused, match="no file"):
        read(path)


def test_refused_snapshot_is_kept_aside(path: Path) -> None:
    """Nothing of it is lost, and its place is free."""
    path.write_bytes(b"precious")
    set_aside(path)
    assert [one.name for one in path.parent.iterdir()] == ["snapshot.bad"]
    assert path.with_name("snapshot.bad").read_bytes() == b"precious"
