import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.address import (
    Address,
    Listen,
    is_same_place,
    parse_host,
    parse_listen,
    parse_server,
)

LONG_PATH = "/run/" + "x" * 200

SERVERS = {
    "host": Address("http", "host", 8500),
    "Host.Example.": Address("http", "host.example.", 8500),
    "_consul.x": Address("http", "_consul.x", 8500),
    "host:80": Address("http", "host", 80),
    "127.0.0.1:8501": Address("http", "127.0.0.1", 8501),
    "::1": Address("http", "::1", 8500),
    "0:0::1": Address("http", "::1", 8500),
    "[::1]": Address("http", "::1", 8500),
    "[::1]:8501": Address("http", "::1", 8501),
    "[fe80::1%eth0]:8501": Address("http", "fe80::1%eth0", 8501),
    "http://host": Address("http", "host", 80),
    "http://host:8500": Address("http", "host", 8500),
    "http://host:8500/": Address("http", "host", 8500),
    "http://host:8500/a/b": Address("http", "host", 8500, "/a/b"),
    "http://host:8500/a/b/": Address("http", "host", 8500, "/a/b"),
    "http://host/a%2Fb": Address("http", "host", 80, "/a%2Fb"),
    "https://host": Address("https", "host", 443),
    "HTTPS://host:8501/x": Address("https", "host", 8501, "/x"),
    "https://[::1]/x": Address("https", "::1", 443, "/x"),
    "http://[fe80::1%25eth0]:1": Address("http", "fe80::1%eth0", 1),
    "tcp://host:8500": Address("http", "host", 8500),
    "unix:///run/consul.sock": Address("unix", "", 0, socket="/run/consul.sock"),
    "unix:///run/a@b?c#d,e": Address("unix", "", 0, socket="/run/a@b?c#d,e"),
    "unix://consul.sock": Address("unix", "", 0, socket="consul.sock"),
}

REFUSED_SERVERS = {
    "": "without blanks",
    " host": "without blanks",
    "host\n": "without blanks",
    "ho st:1": "without blanks",
    "http://host/a b": "without blanks",
    "ftp://host": "schemes",
    "://host": "schemes",
    "http://": "a host",
    "http:///x": "a host",
    ":8500": "a host",
    "host:": "port",
    "host:0": "port",
    "host:65536": "port",
    "host:http": "port",
    "host:-1": "port",
    "host:٨٥": "ASCII",
    "http://host:": "port",
    "host:1:2": "one port",
    "http://::1": "one port",
    "[::1": "one port",
    "[host]:1": "between the brackets",
    "[127.0.0.1]:1": "between the brackets",
    "[::1%]]:1": "between the brackets",
    "[::1]x:1": "one port",
    "-host": "host name",
    "a..b": "host name",
    "a" * 64: "host name",
    "a,b": "host name",
    "8500": "four numbers",
    "127.1": "four numbers",
    "256.0.0.1": "four numbers",
    "1.2.3.4.5": "four numbers",
    "host/prefix": "http://",
    "host:8500/prefix": "http://",
    "http://user:word@host": "consul.auth",
    "http://us/er:word@host": "consul.auth",
    "user@host:8500": "consul.auth",
    "http://host?token=word": "query",
    "http://host/x?": "query",
    "host?x": "query",
    "http://host/#x": "query",
    "http://hôst": "ASCII",
    "http://host/ü": "ASCII",
    "unix://": "socket",
    "unix:///": "socket",
    "unix:///run/": "socket",
    "unix://@abstract": "socket",
    f"unix://{LONG_PATH}": "107 bytes",
}

LISTENS = {
    "127.0.0.1:8510": Listen("127.0.0.1", 8510),
    "localhost:8510": Listen("localhost", 8510),
    ":8510": Listen("", 8510),
    ":0": Listen("", 0),
    "0.0.0.0:1": Listen("0.0.0.0", 1),
    "[::]:8510": Listen("::", 8510),
    "[::1]:8510": Listen("::1", 8510),
    "unix:///run/edge.sock": Listen("", 0, "/run/edge.sock"),
}

REFUSED_LISTENS = (
    "",
    "8510",
    "localhost",
    "::1",
    "[::1]",
    "::1:8510",
    "*:8510",
    "host:",
    "host:99999",
    "host:80 ",
    "http://host:80",
    "host:80/x",
    "u@host:80",
    "unix://",
    "unix://edge.sock",
    "unix://@edge",
    f"unix://{LONG_PATH}",
)


@pytest.mark.parametrize(("text", "address"), SERVERS.items(), ids=SERVERS)
def test_server_in_a_known_form_is_read(text: str, address: Address) -> None:
    """Each form that Consul's client takes is taken apart as it does."""
    assert address == parse_server(text)


@pytest.mark.parametrize(("text", "reason"), REFUSED_SERVERS.items(), ids=repr)
def test_broken_server_is_refused_with_what_was_expected(text: str, reason: str) -> None:
    """The error says what would have been right, for each way to be wrong."""
    with pytest.raises(ValueError, match=rf"^expected .*{re.escape(reason)}"):
        parse_server(text)


@pytest.mark.parametrize("text", [text for text in REFUSED_SERVERS if "word" in text])
def test_password_in_a_refused_server_is_not_repeated(text: str) -> None:
    """What a secret may stand in is not part of the error's text."""
    with pytest.raises(ValueError, match="expected") as caught:
        parse_server(text)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("host", "https://host:8500"),
        ("host:80", "https://host:80"),
        ("http://host", "https://host:443"),
        ("http://host:8500/x", "https://host:8500/x"),
        ("https://host:8501", "https://host:8501"),
        ("tcp://host:8501", "https://host:8501"),
        ("::1", "https://[::1]:8500"),
    ],
)
def test_server_with_tls_asked_for_is_https(text: str, base: str) -> None:
    """TLS that was asked for apart from the address is never given up for it, as in Go."""
    assert base == parse_server(text, tls=True).base


def test_socket_with_tls_asked_for_is_refused() -> None:
    """TLS is not silently dropped on a unix socket."""
    with pytest.raises(ValueError, match="TLS"):
        parse_server("unix:///run/consul.sock", tls=True)


@pytest.mark.parametrize(
    ("text", "name", "base"),
    [
        ("127.0.0.1", "127.0.0.1:8500", "http://127.0.0.1:8500"),
        ("[::1]:1", "[::1]:1", "http://[::1]:1"),
        ("fe80::1%eth0", "[fe80::1%eth0]:8500", "http://[fe80::1%25eth0]:8500"),
        ("https://consul.example/x/", "consul.example:443", "https://consul.example:443/x"),
        ("unix:///run/consul.sock", "unix:///run/consul.sock", "http://localhost"),
    ],
)
def test_server_has_a_name_and_a_base(text: str, name: str, base: str) -> None:
    """The name is for people and labels, the base for URLs."""
    address = parse_server(text)
    assert (name, base) == (address.name, address.base)


@pytest.mark.parametrize(
    ("text", "is_name"),
    [("consul", True), ("10.0.0.1", False), ("::1", False), ("unix:///run/c.sock", False)],
)
def test_host_is_a_name_unless_it_is_an_address(text: str, is_name: bool) -> None:
    """Only names are resolved."""
    assert is_name is parse_server(text).is_name


@given(st.from_regex(r"(unix|https?|tcp)?(://)?[\[\]a-z0-9.:%@/?# -]{0,30}") | st.text())
def test_any_server_is_read_or_value_error(text: str) -> None:
    """No text makes the parser fail in another way, or gives what is not read back."""
    address = None
    with contextlib.suppress(ValueError):
        address = parse_server(text)
    if address is not None:
        assert address == parse_server(address.name if address.socket else address.base)


@given(st.ip_addresses().map(str) | st.from_regex(r"\A[a-z]{1,9}\Z"), st.integers(1, 65535))
def test_server_is_read_back_from_its_name(host: str, port: int) -> None:
    """Every host and port survives being written and read."""
    address = Address("http", host, port)
    assert address == parse_server(address.name) == parse_server(address.base)


@pytest.mark.parametrize(("text", "listen"), LISTENS.items(), ids=LISTENS)
def test_listen_in_a_known_form_is_read(text: str, listen: Listen) -> None:
    """Each form of a listener is taken apart."""
    assert listen == parse_listen(text)


@pytest.mark.parametrize("text", REFUSED_LISTENS, ids=repr)
def test_broken_listen_is_refused_with_what_was_expected(text: str) -> None:
    """A listener needs host and port, or a whole path."""
    with pytest.raises(ValueError, match=r"^expected "):
        parse_listen(text)


@given(st.from_regex(r"(unix://)?[\[\]a-z0-9.:%@/ -]{0,30}") | st.text())
def test_any_listen_is_read_or_value_error(text: str) -> None:
    """No text makes the parser fail in another way, or gives what is not read back."""
    listen = None
    with contextlib.suppress(ValueError):
        listen = parse_listen(text)
    if listen is not None:
        assert listen == parse_listen(listen.name)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Name:1", ("name", 1)),
        ("name", ("name", None)),
        ("::1", ("::1", None)),
        ("[::1]:1", ("::1", 1)),
        ("", ("", None)),
    ],
)
def test_host_is_taken_apart(text: str, parts: tuple[str, int | None]) -> None:
    """A host comes without brackets and in lower case, its port None where there is none."""
    assert parts == parse_host(text)


@pytest.mark.parametrize(
    ("listen", "server", "same"),
    [
        ("127.0.0.1:8510", "127.0.0.1:8510", True),
        ("127.0.0.1:8510", "https://127.0.0.1:8510/x", True),
        ("127.0.0.1:8510", "127.0.0.1:8500", False),
        ("127.0.0.1:8510", "127.0.0.2:8510", False),
        ("127.0.0.1:8510", "localhost:8510", True),
        ("127.0.0.1:8510", "0.0.0.0:8510", True),
        ("localhost:8510", "127.0.0.1:8510", True),
        ("localhost:8510", "[::1]:8510", True),
        ("localhost:8510", "localhost:8510", True),
        ("127.0.0.2:8510", "localhost:8510", False),
        (":8510", "127.0.0.1:8510", True),
        (":8510", "127.0.0.9:8510", True),
        (":8510", "localhost:8510", True),
        (":8510", "[::1]:8510", True),
        (":8510", "10.0.0.1:8510", False),
        (":8510", "consul:8510", False),
        ("0.0.0.0:8510", "127.0.0.1:8510", True),
        ("[::]:8510", "localhost:8510", True),
        ("[::]:8510", "[::1]:8500", False),
        ("10.0.0.1:8510", "10.0.0.1:8510", True),
        ("edge:8510", "edge:8510", True),
        ("unix:///run/a", "unix:///run/a", True),
        ("unix:///run/a", "unix:///run/b", False),
        ("unix:///run/a", "127.0.0.1:8510", False),
        (":8510", "unix:///run/a", False),
    ],
    ids=str,
)
def test_server_at_a_listener_is_recognized(listen: str, server: str, same: bool) -> None:
    """An edge pointed at itself is seen through wildcards and loopback names."""
    assert same is is_same_place(parse_listen(listen), parse_server(server))
