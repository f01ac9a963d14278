"""Who gets in where ``tls.client_ca`` asks for certificates: over TCP and by a unix socket."""

import contextlib
import datetime
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consul_edge.web.listeners import server_context
from tests.authority import Authority, Pair
from tests.edge import PORT, EdgeProcess
from tests.processes import fresh_address

REQUEST = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Guarded:
    """An edge that asks for certificates, and who signs them."""

    edge: EdgeProcess
    path: Path
    ours: Authority
    theirs: Authority

    def trusting(self, own: Pair | None = None) -> ssl.SSLContext:
        """Give a client's context that trusts the edge, and shows a certificate or none."""
        context = ssl.create_default_context(cafile=self.ours.ca_file)
        if own is not None:
            context.load_cert_chain(own.cert, own.key)
        return context

    def over_tcp(self) -> socket.socket:
        """Connect by the network."""
        return socket.create_connection((self.edge.address, PORT), 20)

    def over_unix(self) -> socket.socket:
        """Connect by the socket's file."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(self.path))
        return connection


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Give one for the whole module; no Consul is needed to be let in."""
    folder = tmp_path_factory.mktemp("ours")
    ours, theirs = Authority(folder), Authority(tmp_path_factory.mktemp("theirs"))
    pair = ours.issue("edge", "localhost")
    path = folder / "edge.sock"
    edge = EdgeProcess(
        [f"{fresh_address()}:8500"],
        {"tls": {"cert": str(pair.cert), "key": str(pair.key), "client_ca": str(ours.ca_file)}},
    )
    edge.settings["listen"] = [edge.settings["listen"], f"unix://{path}"]
    with edge:
        yield Guarded(edge, path, ours, theirs)


WAYS = pytest.mark.parametrize("way", [Guarded.over_tcp, Guarded.over_unix], ids=["tcp", "unix"])
Way = Callable[[Guarded], socket.socket]


def ask(connection: socket.socket, context: ssl.SSLContext, path: bytes = b"/-/healthy") -> bytes:
    """Send one request under TLS; give what comes until the edge hangs up, in whatever way."""
    answer = b""
    with connection, contextlib.suppress(ssl.SSLError, ConnectionResetError, BrokenPipeError):
        with context.wrap_socket(connection, server_hostname="localhost") as wrapped:
            wrapped.sendall(REQUEST % path)
            while data := wrapped.recv(65536):
                answer += data
    return answer


@WAYS
def test_client_with_a_certificate_is_served(guarded: Guarded, way: Way) -> None:
    """What our authority signed is let in, by each listener."""
    own = guarded.ours.issue("client", "client.test")
    assert ask(way(guarded), guarded.trusting(own)).startswith(b"HTTP/1.1 200 OK")


@WAYS
@pytest.mark.parametrize("path", [b"/-/healthy", b"/v1/kv/a", b"/metrics", b"/"])
def test_client_without_a_certificate_is_served_nothing(
    guarded: Guarded, way: Way, path: bytes
) -> None:
    """No route answers, health included."""
    assert ask(way(guarded), guarded.trusting(), path) == b""


@WAYS
def test_client_with_a_foreign_certificate_is_served_nothing(guarded: Guarded, way: Way) -> None:
    """Whoever signs for himself is a stranger."""
    own = guarded.theirs.issue("client", "client.test")
    assert ask(way(guarded), guarded.trusting(own)) == b""


def test_client_with_an_expired_certificate_is_served_nothing(guarded: Guarded) -> None:
    """A certificate is good until its end."""
    own = guarded.ours.issue("late", "client.test", ends=LONG_AGO)
    assert ask(guarded.over_tcp(), guarded.trusting(own)) == b""


@WAYS
def test_client_that_speaks_no_tls_is_served_nothing(guarded: Guarded, way: Way) -> None:
    """A unix socket beside it is no way around the certificates."""
    with way(guarded) as connection:
        connection.sendall(REQUEST % b"/-/healthy")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP/" not in connection.recv(65536)


def test_client_with_an_older_tls_than_1_2_is_refused(guarded: Guarded) -> None:
    """The edge does not go below TLS 1.2, whatever its client would do."""
    context = weak(guarded.trusting(guarded.ours.issue("old", "client.test")))
    assert ask(guarded.over_tcp(), context) == b""


def test_context_of_a_listener_begins_with_tls_1_2(guarded: Guarded) -> None:
    """Also where the system's own floor is lower."""
    pair = guarded.ours.issue("other", "localhost")
    context = server_context(pair.cert, pair.key, None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_refused_handshakes_leave_the_edge_serving(guarded: Guarded) -> None:
    """Strangers cost nobody else anything, and the log is not theirs to fill with tracebacks."""
    for _ in range(20):
        assert ask(guarded.over_tcp(), guarded.trusting()) == b""
    own = guarded.ours.issue("again", "client.test")
    assert ask(guarded.over_tcp(), guarded.trusting(own)).startswith(b"HTTP/1.1 200 OK")
    assert [line for line in guarded.edge.log_lines() if "Traceback" in line] == []


def weak(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have a client offer TLS 1.1 at most, and mean it."""
    with warnings.catch_warnings():
        # Python says that it is old; that is the point.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context
