"""Which heads may be known by their bytes."""

import pytest

from consul_edge.web.fastlane.heads import LONGEST_BYTES, examine

PLAIN = b"GET /v1/catalog/nodes HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"\r\n",
        PLAIN + b"User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
        PLAIN + b"accept: */*\r\nConnection: keep-alive\r\n\r\n",
        PLAIN + b"Connection:Keep-Alive \r\n\r\n",
        PLAIN.replace(b"nodes", b"service/web?tag=a&dc=b") + b"Cache-Control: max-age=3\r\n\r\n",
        PLAIN + b"User-Agent: \xe4\xf6\xfc\r\n\r\n",
    ],
)
def test_whole_get_with_listed_headers_may_be_known(data: bytes) -> None:
    """What Go's client, curl and the usual libraries send."""
    head = examine(data)
    assert head is not None
    assert not head.has_token


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"X-Consul-Token: t\r\n\r\n",
        PLAIN + b"AUTHORIZATION: Bearer t\r\n\r\n",
        PLAIN.replace(b"nodes", b"nodes?token=t") + b"\r\n",
        PLAIN.replace(b"nodes", b"nodes?Token=t") + b"\r\n",
        PLAIN.replace(b"nodes", b"token/t") + b"\r\n",
    ],
)
def test_token_may_be_in_it_that_is_said(data: bytes) -> None:
    """Rather once too often: what is said so is never kept as it is."""
    head = examine(data)
    assert head is not None
    assert head.has_token


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET",
        PLAIN,
        PLAIN + b"\r\n" + b"x",
        PLAIN + b"\r\n" + PLAIN + b"\r\n",
        b"\r\n" + PLAIN + b"\r\n",
        PLAIN.replace(b"\r\n", b"\n") + b"\n",
        PLAIN.replace(b"GET", b"HEAD") + b"\r\n",
        PLAIN.replace(b"GET", b"PUT") + b"\r\n",
        PLAIN.replace(b"GET", b"get") + b"\r\n",
        PLAIN.replace(b"1.1", b"1.0") + b"\r\n",
        PLAIN.replace(b"/v1/", b"http://a/v1/") + b"\r\n",
        PLAIN.replace(b"/v1/", b"//v1/") + b"\r\n",
        PLAIN.replace(b"/v1/catalog/nodes", b"/api/v1/nodes") + b"\r\n",
        PLAIN.replace(b"nodes", b"no des") + b"\r\n",
        PLAIN.replace(b"nodes", b"n\xc3\xb6des") + b"\r\n",
        PLAIN.replace(b"Host", b"User-Agent") + b"\r\n",
        PLAIN + b"Host: b\r\n\r\n",
        PLAIN + b"Content-Length: 0\r\n\r\n",
        PLAIN + b"content-length : 5\r\n\r\n",
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n",
        PLAIN + b"Expect: 100-continue\r\n\r\n",
        PLAIN + b"Upgrade: websocket\r\n\r\n",
        PLAIN + b"Connection: close\r\n\r\n",
        PLAIN + b"Connection: keep-alive, X-Consul-Token\r\n\r\n",
        PLAIN + b"Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n",
        PLAIN + b"Forwarded: for=b\r\n\r\n",
        PLAIN + b"X-Forwarded-For: b\r\n\r\n",
        PLAIN + b"Via: 1.1 b\r\n\r\n",
        PLAIN + b"If-None-Match: b\r\n\r\n",
        PLAIN + b"Range: bytes=0-1\r\n\r\n",
        PLAIN + b"X-Request-Id: 1\r\n\r\n",
        PLAIN + b" folded\r\n\r\n",
        PLAIN + b"Accept: a\0b\r\n\r\n",
        PLAIN + b"Accept: a\rb\r\n\r\n",
        PLAIN + b": nameless\r\n\r\n",
        PLAIN + b"User-Agent: " + b"a" * LONGEST_BYTES + b"\r\n\r\n",
    ],
)
def test_anything_else_is_aiohttps(data: bytes) -> None:
    """Bodies, pipelines, pieces, other methods and forms, and each header that is not listed."""
    assert examine(data) is None
