"""
gzip of a document whose last words change: the long part is compressed once, the end each time.

A gzip file is a stream of blocks with a checksum behind it.  Blocks can be cut at byte borders,
and the checksum can be carried on: so what was compressed once takes another end for the price of
that end, and is one file to every client.  (Two files one after the other are one in RFC 1952,
but browsers read the first only.)
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

LEVEL: Final = 4
"""Done once for each document, which is sent perhaps a thousand times."""

_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no name, no time, of no system."""

_RAW: Final = -zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Zipped:
    """A beginning that is compressed."""

    blocks: bytes
    """With the head, up to a byte border."""

    checksum: int
    length: int
    """Of what was compressed, in bytes."""

    def __len__(self) -> int:
        return len(self.blocks)

    def ending(self, rest: bytes) -> bytes:
        """Give what is behind the blocks if *rest* is the end of the document."""
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW)
        blocks = packer.compress(rest) + packer.flush()
        checksum = zlib.crc32(rest, self.checksum)
        return blocks + struct.pack("<II", checksum, self.length + len(rest) & 0xFFFF_FFFF)


def zip_up(content: bytes) -> Zipped:
    """
    Compress the beginning of a document.

    >>> import gzip
    >>> zipped = zip_up(b"[1, 2, 3")
    >>> gzip.decompress(zipped.blocks + zipped.ending(b", 4]"))
    b'[1, 2, 3, 4]'
    """
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW)
    blocks = packer.compress(content) + packer.flush(zlib.Z_SYNC_FLUSH)
    return Zipped(_HEAD + blocks, zlib.crc32(content), len(content))
