"""
The heads that are known, by the circumstances under which they were answered.

Rule 1: a head is remembered at its second sight: what is asked once costs a number.
Rule 2: it is known under the same circumstances only: the same listener, the same certificate of
the client, the same settings.  When the settings are exchanged all is forgotten.
Rule 3: all books together are bounded; the head that was learnt first goes first.
Rule 4: of a head with a token nothing is kept but a digest under a secret of this process.
"""

import hashlib
import secrets
from collections import deque
from typing import Final

from consul_edge.web.fastlane.spot import Spot

MOST_HEADS: Final = 4096

MOST_SIGHTS: Final = 16_384
"""Heads seen once that are remembered to have been."""

MOST_BOOKS: Final = 256

DIGEST_BYTES: Final = 16

Circumstances = tuple[object, ...]


class Book:
    """What is known under the same circumstances."""

    __slots__ = ("spots",)

    def __init__(self) -> None:
        """Begin empty."""
        self.spots: dict[bytes, Spot] = {}
        """By the bytes of the head, or by its digest if a token may be in it."""


class Memo:
    """All books."""

    def __init__(self) -> None:
        """Begin with a new secret."""
        self._secret = secrets.token_bytes(32)
        self._books: dict[Circumstances, Book] = {}
        self._order: deque[tuple[Book, bytes]] = deque()
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self._order)

    def book(self, circumstances: Circumstances) -> Book:
        """Give the book for connections under these circumstances."""
        book = self._books.get(circumstances)
        if book is None:
            if len(self._books) >= MOST_BOOKS:
                # A connection keeps the book that it was given, which then is its own.
                self._books.pop(next(iter(self._books)))
            book = self._books[circumstances] = Book()
        return book

    def digest(self, head: bytes) -> bytes:
        """Give what a head with a token is known by; it is shorter than any head."""
        return hashlib.blake2b(head, key=self._secret, digest_size=DIGEST_BYTES).digest()

    def sees(self, book: Book, name: bytes) -> bool:
        """Note that a head was seen, and tell whether it was seen before."""
        sight = hash((id(book), name))
        if sight in self._seen:
            return True
        if len(self._seen) >= MOST_SIGHTS:
            self._seen.clear()
        self._seen.add(sight)
        return False

    def learn(self, book: Book, name: bytes, spot: Spot) -> None:
        """Remember what a head asks for."""
        if name not in book.spots:
            if len(self._order) >= MOST_HEADS:
                oldest, known = self._order.popleft()
                oldest.spots.pop(known, None)
            self._order.append((book, name))
        book.spots[name] = spot

    def forget(self, identity: str) -> None:
        """Forget the heads of a token that there is no more."""
        order, self._order = self._order, deque()
        for book, name in order:
            if book.spots[name].question.key.identity == identity:
                del book.spots[name]
            else:
                self._order.append((book, name))

    def clear(self) -> None:
        """Forget all heads: they were judged by other settings."""
        for book in self._books.values():
            book.spots.clear()
        for book, _ in self._order:
            book.spots.clear()
        self._order.clear()
        self._seen.clear()
