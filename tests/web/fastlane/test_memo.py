"""What the fast lane remembers, and for how long."""

from unittest.mock import Mock

import pytest

from consul_edge.web.fastlane import memo as module
from consul_edge.web.fastlane.memo import Book, Memo
from consul_edge.web.fastlane.spot import Spot


def a_spot(identity: str = "") -> Spot:
    """Make what stands for a spot of an identity."""
    spot = Mock(spec=Spot)
    spot.question = Mock()
    spot.question.key.identity = identity
    return spot


def known(memo: Memo, *names: bytes, identity: str = "") -> Book:
    """Give a book that knows these heads."""
    book = memo.book(("a listener", None))
    for name in names:
        memo.learn(book, name, a_spot(identity))
    return book


def test_head_is_seen_first_it_is_not_remembered_but_the_second_time() -> None:
    """What is asked once must not push out what is asked always."""
    memo = Memo()
    book = memo.book(("a listener", None))
    assert [memo.sees(book, b"head") for _ in range(3)] == [False, True, True]


def test_circumstances_differ_what_is_known_does_too() -> None:
    """Another listener or another certificate has a book of its own."""
    memo = Memo()
    books = {id(memo.book(key)) for key in (("a", None), ("b", None), ("a", b"c"))}
    assert len(books) == 3
    assert memo.book(("a", None)) is memo.book(("a", None))
    assert memo.sees(memo.book(("a", None)), b"head") is False
    assert memo.sees(memo.book(("b", None)), b"head") is False


def test_too_much_is_learnt_what_was_learnt_first_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 8, over all books together."""
    monkeypatch.setattr(module, "MOST_HEADS", 3)
    memo = Memo()
    book = known(memo, b"1", b"2", b"3", b"2", b"4")
    assert sorted(book.spots) == [b"2", b"3", b"4"]
    other = memo.book(("another", None))
    memo.learn(other, b"5", a_spot())
    assert (sorted(book.spots), len(memo)) == ([b"3", b"4"], 3)


def test_too_much_is_seen_or_too_many_come_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither sights nor certificates fill the memory."""
    monkeypatch.setattr(module, "MOST_SIGHTS", 10)
    monkeypatch.setattr(module, "MOST_BOOKS", 5)
    memo = Memo()
    for number in range(100):
        memo.sees(memo.book(("a", b"%d" % number)), b"head")
    assert (len(memo._seen) <= 10, len(memo._books) <= 5) == (True, True)


def test_identity_is_gone_its_heads_are_too() -> None:
    """Those of others stay."""
    memo = Memo()
    book = known(memo, b"1", identity="alice")
    known(memo, b"2", identity="bob")
    memo.forget("alice")
    assert (list(book.spots), len(memo)) == ([b"2"], 1)
    memo.forget("nobody")
    assert len(memo) == 1


def test_settings_are_exchanged_nothing_is_known() -> None:
    """Also by connections whose book was taken out of the shelf since."""
    memo = Memo()
    book = known(memo, b"1")
    memo.sees(book, b"1")
    memo._books.clear()
    memo.clear()
    assert (book.spots, len(memo)) == ({}, 0)
    assert memo.sees(book, b"1") is False


def test_digest_is_of_this_process_and_short() -> None:
    """Nobody can tell a token from it, or check a guess elsewhere."""
    head = b"GET /v1/kv/a HTTP/1.1\r\nX-Consul-Token: t\r\n\r\n"
    one, other = Memo(), Memo()
    assert one.digest(head) == one.digest(head) != other.digest(head)
    assert len(one.digest(head)) == module.DIGEST_BYTES
