"""Where an answer ends, and what is in it."""

import pytest

from tests.bench import answers

SIZED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: 42\r\n"
    b"Content-Length: 11\r\n\r\n[1,\r\n\r\n2 ] "
)

CHUNKED = (
    b"HTTP/1.1 503 Service Unavailable\r\nx-consul-index: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\nA;name=value\r\n, 10 bytes\r\n0\r\n\r\n"
)

EMPTY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, EMPTY], ids=["sized", "chunked", "empty"])
def test_answer_that_lacks_its_last_byte_is_not_whole(answer: bytes) -> None:
    """The end is found at the last byte, wherever the network cuts."""
    assert answers.is_whole(answer)
    assert not any(answers.is_whole(answer[:end]) for end in range(len(answer)))


def test_body_in_chunks_loses_its_framing() -> None:
    """What was sent is put together; a body with a length is taken as it is."""
    assert answers.body(CHUNKED) == b"hello, 10 bytes"
    assert answers.body(SIZED) == b"[1,\r\n\r\n2 ] "
    assert answers.body(EMPTY) == b""


def test_head_of_any_case_tells_status_and_index() -> None:
    """A proxy may write names its own way; without an index it is 0."""
    assert (answers.status(SIZED), answers.index(SIZED)) == (200, 42)
    assert (answers.status(CHUNKED), answers.index(CHUNKED)) == (503, 7)
    assert (answers.status(EMPTY), answers.index(EMPTY)) == (200, 0)


def test_bytes_that_are_no_http_have_no_status() -> None:
    """What is not understood is told as status 0, never as a success."""
    assert answers.status(b"") == 0
    assert answers.status(b"SSH-2.0-200 OK\r\n") == 0


def test_write_in_utf_8_tells_its_length_in_bytes() -> None:
    """A server reads all of the body and no more."""
    request = answers.put("a:1", "/v1/kv/x", "é")

    assert b"\r\nContent-Length: 2\r\n" in request
    assert request.endswith("\r\n\r\né".encode())
