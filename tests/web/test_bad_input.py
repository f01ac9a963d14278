"""What no client should send: a clear 4xx or 5xx naming the reason, and nothing forwarded."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.web import protocol
from tests.house import House, edge_over
from tests.processes import fresh_address
from tests.relay import Relay
from tests.wire import exchange

HOST = b"Host: localhost\r\n"
END = b"Connection: close\r\n\r\n"


@dataclass(frozen=True)
class Bad:
    """One thing sent, and what must come back."""

    name: str
    sent: bytes
    status: int
    reason: str


CASES = [
    Bad(
        "long-target",
        b"GET /v1/kv/" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + END,
        414,
        "the target is longer than limits.head_bytes (65536)",
    ),
    Bad(
        "long-header",
        b"GET /v1/kv/a HTTP/1.1\r\n" + HOST + b"X-Long: " + b"a" * 70_000 + b"\r\n" + END,
        431,
        "a header is longer than limits.head_bytes (65536)",
    ),
    Bad(
        "long-head",
        b"GET /v1/kv/a HTTP/1.1\r\n"
        + HOST
        + b"".join(b"X-%d: " % number + b"a" * 10_000 + b"\r\n" for number in range(7))
        + END,
        431,
        "the head is larger than limits.head_bytes (65536)",
    ),
    Bad(
        "many-headers",
        b"GET /v1/kv/a HTTP/1.1\r\n"
        + HOST
        + b"".join(b"X-%d: a\r\n" % number for number in range(200))
        + END,
        431,
        "too many headers",
    ),
    Bad("no-http", b"hello\r\n\r\n", 400, "unknown method"),
    Bad("no-version", b"GET /v1/kv/a\r\n\r\n", 400, "HTTP/0.9 is not spoken here"),
    Bad("later-version", b"GET /v1/kv/a HTTP/2.0\r\n" + HOST + END, 400, "HTTP/2.0 is not spoken"),
    Bad("spaces-in-target", b"GET /v1/kv/a b HTTP/1.1\r\n" + HOST + END, 400, "malformed"),
    Bad("unknown-method", b"FETCH /v1/kv/a HTTP/1.1\r\n" + HOST + END, 400, "unknown method"),
    Bad("raw-utf8-target", "GET /v1/kv/café HTTP/1.1\r\n".encode() + HOST + END, 400, "malformed"),
    Bad(
        "length-and-chunked",
        b"PUT /v1/kv/a HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        400,
        "malformed request",
    ),
    Bad(
        "two-lengths",
        b"PUT /v1/kv/a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        400,
        "malformed request",
    ),
    Bad(
        "bad-chunk",
        b"PUT /v1/kv/a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
        "malformed request",
    ),
    Bad(
        "connect",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n" + END,
        405,
        "CONNECT is not served here",
    ),
    Bad(
        "absolute-form-elsewhere",
        b"GET http://evil.example/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n" + END,
        421,
        "the Host 'evil.example' is not served here",
    ),
    Bad(
        "connection-names-end-to-end-header",
        b"GET /v1/kv/a HTTP/1.1\r\nX-Consul-Token: t\r\nConnection: X-Consul-Token, close\r\n"
        + HOST
        + b"\r\n",
        400,
        "the Connection header names 'X-Consul-Token', an end-to-end header",
    ),
    Bad(
        "foreign-host",
        b"GET /v1/kv/a HTTP/1.1\r\nHost: rebound.example:8510\r\n" + END,
        421,
        "the Host 'rebound.example:8510' is not served here",
    ),
    Bad("no-host", b"GET /v1/kv/a HTTP/1.1\r\n" + END, 400, "Host"),
    Bad(
        "two-hosts",
        b"GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n" + END,
        400,
        "Host",
    ),
    Bad(
        "write-from-another-site",
        b"PUT /v1/kv/a HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n"
        + HOST
        + END,
        403,
        "PUT from another site",
    ),
    Bad(
        "write-of-another-origin",
        b"DELETE /v1/kv/a HTTP/1.1\r\nOrigin: https://evil.example\r\n" + HOST + END,
        403,
        "DELETE from another site",
    ),
    Bad(
        "write-of-no-origin",
        b"PUT /v1/kv/a HTTP/1.1\r\nOrigin: http://[\r\nContent-Length: 0\r\n" + HOST + END,
        400,
        "'http://[' is no URL",
    ),
    Bad(
        "unknown-coding",
        b"PUT /v1/kv/a HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        400,
        "a Transfer-Encoding other than chunked",
    ),
    Bad(
        "large-body",
        b"PUT /v1/kv/a HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n",
        413,
        "the body is larger than limits.body_bytes (536870912)",
    ),
    Bad("path-of-nobody", b"GET /v2/kv/a HTTP/1.1\r\n" + HOST + END, 404, "expected a path under"),
    Bad("ui-switched-off", b"GET /ui/ HTTP/1.1\r\n" + HOST + END, 404, "expected a path under"),
    Bad("options-of-everything", b"OPTIONS * HTTP/1.1\r\n" + HOST + END, 404, "no such route"),
    Bad(
        "write-to-own-route", b"POST /metrics HTTP/1.1\r\n" + HOST + END, 405, "expected GET, HEAD"
    ),
]


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give an upstream that notes what it gets."""
    standin = StandIn(nodes=1, services=0)
    async with standin.running():
        yield standin


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url) as house:
        yield house


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
async def test_bad_request_is_refused_with_its_reason(
    house: House, standin: StandIn, bad: Bad
) -> None:
    """The reason is named, the connection ends in order, nothing reaches Consul."""
    answer = (await house.bytes(bad.sent)).decode("latin-1")
    head, _, body = answer.partition("\r\n\r\n")
    assert head.split(" ", 2)[1] == str(bad.status), answer[:300]
    assert body.startswith("consul-edge: ")
    assert bad.reason in body
    assert "Server: Python" not in head
    assert [seen for seen in standin.seen if seen.target != "/v1/status/leader"] == []


async def test_absolute_form_of_an_allowed_host_is_served_here(
    house: House, standin: StandIn
) -> None:
    """An absolute-form target of the edge itself is the same as its path."""
    request = b"GET http://localhost:8510/v1/kv/a%2Fb?raw HTTP/1.1\r\n" + HOST + END
    await house.bytes(request)
    assert standin.seen.of(path="/v1/kv/a%2Fb?raw")


async def test_good_request_after_a_refused_one_is_answered_on_the_same_connection(
    house: House,
) -> None:
    """A refusal that leaves no doubt about the message boundary keeps the connection."""
    refused = b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n"
    good = b"GET /-/healthy HTTP/1.1\r\n" + HOST + END
    answer = await house.bytes(refused, good)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"HTTP/1.1 200 OK" in answer


async def test_bytes_behind_a_refused_body_are_never_taken_for_a_request(
    house: House, standin: StandIn
) -> None:
    """What follows a body that was refused unread is not parsed: no request can hide there."""
    hidden = b"PUT /v1/kv/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    head = b"PUT /v1/kv/a HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999\r\n\r\n"
    answer = await house.bytes(head, hidden)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert standin.seen.of("PUT") == []


async def test_head_that_is_never_finished_is_told_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that begins a request and stops is let go, and told why."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    answer = await house.bytes(b"GET /v1/kv/a HTTP/1.1\r\nHost: local")
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_idle_connection_is_not_taken_for_a_slow_head(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two requests a connection may be idle for long."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.0)
    reader, writer = await asyncio.open_connection(house.address, 8510)
    for _ in range(3):
        writer.write(b"GET /-/healthy HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await reader.readuntil(b"healthy\n")).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_streamed_body_beyond_the_limit_is_broken_off(standin: StandIn) -> None:
    """A chunked body that turns out too large is 413, and not whole upstream."""
    async with edge_over(standin.base_url, LIMITS__BODY_BYTES="2MiB") as house:
        head = b"PUT /v1/txn HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        chunk = b"300000\r\n" + b"x" * 0x300000 + b"\r\n"
        answer = await house.bytes(head, chunk, b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"the body is larger than limits.body_bytes (2097152)" in answer
        assert [seen.complete for seen in standin.seen.of("PUT")] in ([], [False])


async def test_edge_pointed_at_itself_refuses_instead_of_looping() -> None:
    """Its own ``Via`` coming back is a loop: 508 with a text that says so, from the innermost."""
    # Through a relay the configuration cannot know that it is its own server.
    address = fresh_address()
    async with Relay(f"{address}:8510", port=8501) as relay:
        async with edge_over(relay.server, LISTEN=f"{address}:8510") as house:
            status, body = await asyncio.to_thread(_get, address)
            assert status == 508
            assert b"consul.servers leads back here" in body
            assert house.rotation.servers.active.slots.short == 0


def _get(address: str) -> tuple[int, bytes]:
    answer = exchange((address, 8510), "GET", "/v1/kv/a")
    return answer.status, answer.body


async def test_foreign_host_on_the_edges_own_routes_is_refused(house: House) -> None:
    """The Host allow-list holds on every route, not only on Consul's."""
    for path in ("/", "/metrics", "/-/healthy", "/static/page.css"):
        answer = await house.ask("GET", path, [("Host", "rebound.example")])
        assert answer.status == 421, path


async def test_allowed_hosts_names_are_served(standin: StandIn) -> None:
    """A name from ``allowed_hosts``, in any case and with any port, is no foreign one."""
    async with edge_over(standin.base_url, ALLOWED_HOSTS="consul.example") as house:
        for host in (
            "consul.example",
            "CONSUL.example:8510",
            "127.0.0.1:1",
            "[::1]",
            "localhost.",
        ):
            answer = await house.ask("GET", "/-/healthy", [("Host", host)])
            assert answer.status == 200, host
