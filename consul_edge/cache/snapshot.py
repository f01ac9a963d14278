"""
The file that carries kept answers over a restart.

Rule 1: nobody but the edge's own user can read it, from its first byte on: it holds what tokens
have seen, and the secret of their identities.  Tokens are not in it.
Rule 2: it is whole or refused: written beside its place and moved there, and checked to its last
byte before anything in it is believed.
Rule 3: what is refused is kept aside as ``.bad``, for whoever wants to know why.
Rule 4: everything here blocks, and is done in a thread.

It is a line that names its form; the head and the records, each behind its length in four bytes;
a length of nothing; the digest of all that.  So neither writing nor reading holds it twice.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from consul_edge.core.entry import Entry
from consul_edge.core.key import Key

FORM: Final = b"consul-edge snapshot "
VERSION: Final = b"1\n"
"""Another one is refused: a cache that was lost is fetched again, one that was misread is not."""

MODE: Final = 0o600

_LENGTH_BYTES: Final = 4
_DIGEST_BYTES: Final = 32


class Refused(Exception):
    """Raised when a snapshot is not to be believed; its text says why."""


class Record(msgspec.Struct, array_like=True, frozen=True, kw_only=True, gc=False):
    """One kept answer, and for which question of whom."""

    endpoint: str
    """Its name in the table."""
    path: str
    query: tuple[str, ...]
    namespace: str
    partition: str
    identity: str
    age: float
    """Seconds since its last proof when the snapshot was taken: monotonic clocks end with their
    machine, and the difference of two of their times does not."""
    entry: Entry

    @classmethod
    def of(cls, key: Key, entry: Entry, age: float) -> "Record":
        """Make one of what is kept under *key*."""
        return cls(
            endpoint=key.endpoint.name,
            path=key.path,
            query=key.query,
            namespace=key.namespace,
            partition=key.partition,
            identity=key.identity,
            age=age,
            entry=entry,
        )


class Head(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What holds for all records."""

    taken_at: float
    """By the wall clock."""
    secret: bytes
    """That the identities were made with.  Without it no client would be known again; with it
    and a record's identity one can check a guess of a token, which only its owner can make."""


def write(path: Path, head: Head, records: Iterable[Record]) -> int:
    """
    Put a snapshot in the place of the one before.

    Returns:
        Its size in bytes.

    Raises:
        OSError: When it cannot be written; the one before is still there then.
    """
    beside = _beside(path, ".tmp")
    # One name for all of them: what a killed process left behind is not left for ever.
    with suppress(FileNotFoundError):
        beside.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, MODE), "wb") as file:
            for part in _parts(head, records):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    _sync_folder(path.parent)
    return size


def read(path: Path) -> tuple[Head, list[Record]]:
    """
    Read a snapshot.

    Raises:
        FileNotFoundError: When there is none.

        Refused: When it is not to be believed.
    """
    with _refusing(), _opened(path) as file:
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        form = file.readline(len(FORM) + 16)
        if not form.startswith(FORM):
            raise Refused("is no snapshot of consul-edge")
        if form != FORM + VERSION:
            raise Refused("is of another version of consul-edge")
        digest.update(form)
        texts = list(_texts(file, digest, os.fstat(file.fileno()).st_size))
        if file.read() != digest.digest() or not texts:
            raise Refused("is damaged")
        head = msgspec.msgpack.decode(texts[0], type=Head)
        decoder = msgspec.msgpack.Decoder(Record)
        return head, [decoder.decode(text) for text in texts[1:]]


def set_aside(path: Path) -> None:
    """
    Keep a refused snapshot out of the way of the next.

    Raises:
        OSError: When that cannot be done.
    """
    path.replace(_beside(path, ".bad"))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _parts(head: Head, records: Iterable[Record]) -> Iterator[bytes]:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    encoder = msgspec.msgpack.Encoder(enc_hook=_plain)

    def framed(value: Head | Record) -> bytes:
        text = encoder.encode(value)
        return len(text).to_bytes(_LENGTH_BYTES) + text

    def told() -> Iterator[bytes]:
        yield FORM + VERSION
        yield framed(head)
        for record in records:
            # No UTF-8 in a header, no 64 bits in an index: that one answer is fetched again.
            with suppress(UnicodeEncodeError, OverflowError):
                yield framed(record)
        yield bytes(_LENGTH_BYTES)

    for part in told():
        digest.update(part)
        yield part
    yield digest.digest()


def _plain(value: object) -> str:
    """Make text of the sort of it that names of headers are."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(type(value).__name__)


def _texts(file: BinaryIO, digest: "hashlib.blake2b", size: int) -> Iterator[bytes]:
    while True:
        raw = file.read(_LENGTH_BYTES)
        digest.update(raw)
        length = int.from_bytes(raw)
        if len(raw) == _LENGTH_BYTES and not length:
            return
        # Room is made for what is asked for, whether it is there or not.
        text = file.read(min(length, size))
        if len(raw) < _LENGTH_BYTES or len(text) < length:
            raise Refused("is cut off")
        digest.update(text)
        yield text


@contextmanager
def _refusing() -> Iterator[None]:
    """Say for each way of being unreadable that it is one."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise Refused("is none that this version can read") from error


def _opened(path: Path) -> BinaryIO:
    # What is no file, such as a pipe, must not be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _check_owner(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_owner(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is no file")
    if status.st_uid != os.geteuid():
        raise Refused("belongs to another user, who may have written it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise Refused("is open to others: its mode must be 0600")


def _sync_folder(folder: Path) -> None:
    """Have the move itself outlive a power cut, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
