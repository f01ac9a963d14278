import asyncio
import errno
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses

from consul_edge.core.errors import BadRequest, ServerFailed
from consul_edge.upstream.client import Intent
from tests.upstream.making import TIMES, ask, client_with, server_at

URL = "http://c.unit.test:8500/v1/kv/a"

KEY = ConnectionKey("c.unit.test", 8500, False, True, None, None, None)

REQUEST: Any = SimpleNamespace(real_url=URL)


def connector_error(kind: type[aiohttp.ClientConnectorError], cause: OSError) -> OSError:
    """Make one of the errors that tell why there is no connection."""
    return kind(KEY, cause)


UNSENT = {
    "connecting took too long": (aiohttp.ConnectionTimeoutError(URL), "timed out after 2s", True),
    "refused": (
        connector_error(aiohttp.ClientConnectorError, ConnectionRefusedError(111, "x")),
        "refused",
        False,
    ),
    "no route": (
        connector_error(aiohttp.ClientConnectorError, OSError(errno.EHOSTUNREACH, "No route")),
        "cannot be reached: No route",
        False,
    ),
    "no text": (
        connector_error(aiohttp.ClientConnectorError, OSError("odd")),
        "cannot be reached: odd",
        False,
    ),
    "the system gave up connecting": (
        connector_error(aiohttp.ClientConnectorError, TimeoutError(110, "Connection timed out")),
        "cannot be reached: Connection timed out",
        False,
    ),
    "no socket's file": (
        UnixClientConnectorError("/run/c.sock", KEY, FileNotFoundError(2, "No such file")),
        "cannot be reached: No such file",
        False,
    ),
    "a name unknown": (
        connector_error(aiohttp.ClientConnectorDNSError, OSError(-2, "Name not known")),
        "has a name that cannot be resolved",
        False,
    ),
    "a certificate untrusted": (
        aiohttp.ClientConnectorCertificateError(
            KEY, ssl.SSLCertVerificationError(1, "self-signed")
        ),
        "has a certificate that is not trusted: self-signed",
        False,
    ),
    "no TLS spoken": (
        connector_error(aiohttp.ClientConnectorSSLError, ssl.SSLError(1, "wrong version number")),
        "cannot be reached: wrong version number",
        False,
    ),
}

SENT = {
    "silence": (aiohttp.SocketTimeoutError("x"), "timed out after 30s", True),
    "silence under its older name": (aiohttp.ServerTimeoutError("x"), "timed out after 30s", True),
    "all of it too long": (TimeoutError(), "timed out after 9s", True),
    "hung up": (aiohttp.ServerDisconnectedError(), "closed the connection", False),
    "reset": (ConnectionResetError(104, "reset"), "closed the connection", False),
    "reset while writing": (
        aiohttp.ClientConnectionResetError("Cannot write"),
        "closed the connection",
        False,
    ),
    "a body cut off": (aiohttp.ClientPayloadError("x"), "broke off its answer", False),
    "no HTTP": (
        aiohttp.ClientResponseError(REQUEST, (), message="Bad status line"),
        "did not answer in HTTP: Bad status line",
        False,
    ),
}


@pytest.mark.parametrize(("error", "reason", "timed_out"), UNSENT.values(), ids=UNSENT)
async def test_failure_while_connecting_says_that_nothing_was_sent(
    error: Exception, reason: str, *, timed_out: bool
) -> None:
    """Only these make it safe to repeat a write."""
    with aioresponses() as consul:
        consul.get(URL, exception=error)
        async with client_with() as client:
            with pytest.raises(ServerFailed) as caught:
                await ask(client, URL.removesuffix("/v1/kv/a"), "/v1/kv/a")
    failed = caught.value
    assert (failed.server, failed.reason) == ("c.unit.test:8500", reason)
    assert (failed.sent, failed.timed_out) == (False, timed_out)


@pytest.mark.parametrize(("error", "reason", "timed_out"), SENT.values(), ids=SENT)
async def test_failure_after_connecting_says_that_something_may_have_been_sent(
    error: Exception, reason: str, *, timed_out: bool
) -> None:
    """Whatever is not known to have happened before counts as having happened after."""
    with aioresponses() as consul:
        consul.get(URL, exception=error)
        async with client_with() as client:
            with pytest.raises(ServerFailed) as caught:
                await ask(client, URL.removesuffix("/v1/kv/a"), "/v1/kv/a")
    failed = caught.value
    assert (failed.server, failed.reason) == ("c.unit.test:8500", reason)
    assert (failed.sent, failed.timed_out) == (True, timed_out)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientOSError(errno.EPIPE, f"Broken pipe at {URL}?token=root"),
        aiohttp.ClientConnectionError(f"Connector is closed: {URL}?token=root"),
        OSError(f"{URL}?token=root"),
    ],
    ids=["socket", "connection", "system"],
)
async def test_failure_nobody_foresaw_counts_as_sent_and_tells_no_token(error: Exception) -> None:
    """Its own text may hold the target, which is not shown."""
    with aioresponses() as consul:
        consul.get(URL, exception=error)
        async with client_with() as client:
            with pytest.raises(ServerFailed) as caught:
                await ask(client, URL.removesuffix("/v1/kv/a"), "/v1/kv/a")
    assert (caught.value.sent, caught.value.timed_out) == (True, False)
    assert "root" not in str(caught.value)


async def test_request_that_is_no_http_is_the_clients_mistake() -> None:
    """A value that cannot be written into a head is nobody's failure but its sender's."""
    with aioresponses() as consul:
        consul.get(URL, exception=ValueError("Newline in a header"))
        async with client_with() as client:
            with pytest.raises(BadRequest, match="cannot be forwarded: Newline"):
                await ask(client, URL.removesuffix("/v1/kv/a"), "/v1/kv/a")


async def test_caller_cancelled_is_no_failure_of_the_server() -> None:
    """Being cancelled passes through as it is."""
    with aioresponses() as consul:
        consul.get(URL, exception=asyncio.CancelledError())
        async with client_with() as client:
            with pytest.raises(asyncio.CancelledError):
                await ask(client, URL.removesuffix("/v1/kv/a"), "/v1/kv/a")


@pytest.mark.usefixtures("aioresponses_shim")
@pytest.mark.parametrize("status", [200, 301, 403, 429, 500])
async def test_answer_of_any_status_is_an_answer(status: int) -> None:
    """Consul's errors are values, never exceptions, and redirects are not followed."""
    with aioresponses() as consul:
        consul.get(URL, status=status, body=b"text", headers={"Location": "/v1/kv/b"})
        async with client_with() as client:
            server = server_at(URL.removesuffix("/v1/kv/a"))
            response = await client.send(server, Intent.READ, "GET", "/v1/kv/a", [], None, TIMES)
    assert status == response.status


async def test_aioresponses_still_needs_its_shim() -> None:
    """Fails when aioresponses makes answers by itself: then drop the shim and this test."""
    with aioresponses() as consul:
        consul.get(URL)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TypeError, match="stream_writer"):
                await session.get(URL)
