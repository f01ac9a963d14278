"""
Addresses: of Consul's servers, as its Go client reads ``CONSUL_HTTP_ADDR``, and of listeners.

Where the Go client would go on with an address that cannot work (``host:port:port``), or with
one that drops something (a query, a password), it is refused here with what was expected.  The
texts of the errors never repeat the address: a password may be in it.

See Also:
    ``NewClient`` in https://github.com/hashicorp/consul/blob/main/api/api.go
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

CONSUL_PORT: Final = 8500
"""Where Consul speaks HTTP unless told otherwise."""

_SCHEME_PORTS: Final = {"http": 80, "https": 443, "tcp": 80}
"""What Go's net/http takes when a URL names no port; ``tcp`` is ``http`` under an older name."""

_SOCKET_PATH_BYTES: Final = 107
"""Longest path that fits into Linux's ``sockaddr_un`` with its terminating zero."""

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ZONE: Final = re.compile(r"[A-Za-z0-9._-]+")
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")

_SERVER: Final = "host, host:port, http(s)://host:port/prefix, unix:///path or [v6]:port"
_PORT: Final = "expected a port from 1 to 65535 behind the colon"
_LISTEN: Final = "HOST:PORT, :PORT, [v6]:PORT or unix:///path"


@dataclass(frozen=True, slots=True)
class Address:
    """Where one Consul server or agent is asked."""

    scheme: str
    """``http``, ``https`` or ``unix``, which speaks plain HTTP over a socket's file."""

    host: str
    """Name in lower case, or IP literal without brackets; empty for unix."""

    port: int
    """0 for unix."""

    prefix: str = ""
    """Path that a reverse proxy in front of Consul strips again: ``/consul``, or empty."""

    socket: str = ""
    """Path of the socket's file; empty unless unix."""

    @property
    def name(self) -> str:
        """
        What logs, metrics and headers show: no scheme, no prefix.

        >>> [parse_server(text).name for text in ("a", "https://[::1]/p", "unix:///run/c.sock")]
        ['a:8500', '[::1]:443', 'unix:///run/c.sock']
        """
        return f"unix://{self.socket}" if self.socket else _join(self.host, self.port)

    @property
    def base(self) -> str:
        """
        What a request's target is appended to.

        >>> [parse_server(text).base for text in ("https://a/p/", "unix:///run/c.sock")]
        ['https://a:443/p', 'http://localhost']
        """
        if self.socket:
            return "http://localhost"
        # A zone's percent sign is encoded in a URL (RFC 6874).
        return f"{self.scheme}://{_join(self.host.replace('%', '%25'), self.port)}{self.prefix}"

    @property
    def is_name(self) -> bool:
        """Whether the host must be resolved, and may stand for several addresses."""
        return bool(self.host) and _ip(self.host) is None


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the edge itself listens."""

    host: str
    """Name or IP literal without brackets; empty for all interfaces, and for unix."""

    port: int
    """0 for unix, and for any free port."""

    socket: str = ""
    """Path of the socket's file; empty unless unix."""

    @property
    def name(self) -> str:
        """
        The form that ``parse_listen`` reads.

        >>> [parse_listen(text).name for text in (":8510", "[::1]:80", "unix:///run/edge.sock")]
        [':8510', '[::1]:80', 'unix:///run/edge.sock']
        """
        return f"unix://{self.socket}" if self.socket else _join(self.host, self.port)


def parse_server(text: str, *, tls: bool = False) -> Address:
    """
    Read the address of a Consul server.

    Args:
        text: Any form that Consul's Go client takes, or a bare IPv6 literal.  Without a port,
            ``host`` means 8500 and a URL means its scheme's own, as in Go.

        tls: Whether TLS was asked for apart from the address (``CONSUL_HTTP_SSL``): every
            address is then asked by https, also ``http://``, as the Go client never goes back.

    Raises:
        ValueError: With what was expected instead.

    >>> parse_server("http://10.0.0.7:8501/consul/", tls=True).base
    'https://10.0.0.7:8501/consul'
    """
    if not text or _BLANK.search(text):
        raise ValueError(f"expected {_SERVER}, without blanks")
    scheme, separator, rest = text.partition("://")
    if not separator:
        _refuse_extras(text)
        if "/" in text:
            raise ValueError("expected http:// or https:// in front of an address with a path")
        host, port = parse_host(text, bare_v6=True)
        default = CONSUL_PORT
    elif scheme.lower() == "unix":
        if tls:
            raise ValueError("expected no consul.tls.enabled beside it: TLS needs host:port")
        return Address("unix", "", 0, socket=_socket(rest))
    elif scheme.lower() not in _SCHEME_PORTS:
        raise ValueError("expected one of the schemes http://, https:// and unix://")
    else:
        _refuse_extras(rest)
        tls = tls or scheme.lower() == "https"
        default = _SCHEME_PORTS["https" if tls else scheme.lower()]
        host, port = parse_host(rest.partition("/")[0], bare_v6=False)
    if not host:
        raise ValueError(f"expected a host: {_SERVER}")
    if port == 0:
        raise ValueError(_PORT)
    prefix = rest.partition("/")[2].strip("/")
    return Address(
        "https" if tls else "http",
        host,
        default if port is None else port,
        f"/{prefix}" if prefix else "",
    )


def _refuse_extras(address: str) -> None:
    if "@" in address:
        raise ValueError("expected no user and password here: they belong to consul.auth")
    if "?" in address or "#" in address:
        raise ValueError("expected an address without a query or fragment")
    if not address.isascii():
        raise ValueError("expected ASCII: xn-- names, and percent-encoding in a prefix")


def parse_listen(text: str) -> Listen:
    """
    Read where to listen.

    Args:
        text: ``HOST:PORT``, ``[v6]:PORT``, ``:PORT`` for all interfaces, or ``unix:///path``.
            Port 0 takes any that is free.

    Raises:
        ValueError: With what was expected instead.

    >>> parse_listen("127.0.0.1:8510")
    Listen(host='127.0.0.1', port=8510, socket='')
    """
    if text.startswith("unix://"):
        path = _socket(text.removeprefix("unix://"))
        if not path.startswith("/"):
            raise ValueError("expected an absolute path: unix:///path")
        return Listen("", 0, path)
    if not text or _BLANK.search(text) or "/" in text or "@" in text:
        raise ValueError(f"expected {_LISTEN}")
    host, port = parse_host(text, bare_v6=False)
    if port is None:
        raise ValueError(f"expected a host and a port: {_LISTEN}")
    return Listen(host, port)


def is_same_place(listen: Listen, server: Address) -> bool:
    """
    Tell whether asking *server* would ask the listener itself, as far as the texts can tell.

    A wildcard listener is met through every loopback address; a wildcard as a destination means
    loopback.  The machine's other addresses are not known here.

    >>> is_same_place(parse_listen(":8500"), parse_server("localhost"))
    True
    """
    if listen.socket or server.socket:
        return listen.socket == server.socket
    if listen.port != server.port:
        return False
    here, there = _loopbacks(listen.host), _loopbacks(server.host)
    anywhere = "*" in here | there
    return listen.host == server.host or bool(here and there if anywhere else here & there)


def _loopbacks(host: str) -> frozenset[str]:
    """Name the loopback addresses that *host* can stand for, ``*`` being each of them."""
    ip = _ip(host)
    if host == "" or (ip is not None and ip.is_unspecified):
        return frozenset({"*"})
    if host == "localhost":
        return frozenset({"127.0.0.1", "::1"})
    return frozenset({host}) if ip is not None and ip.is_loopback else frozenset()


def _socket(path: str) -> str:
    if not path or path.startswith("@") or path.endswith("/") or _BLANK.search(path):
        raise ValueError("expected the path of a socket's file: unix:///path")
    if len(path.encode("utf-8", "surrogateescape")) > _SOCKET_PATH_BYTES:
        raise ValueError(f"expected a socket's path of at most {_SOCKET_PATH_BYTES} bytes")
    return path


def parse_host(authority: str, *, bare_v6: bool = True) -> tuple[str, int | None]:
    """
    Take apart a host and its port.

    Args:
        authority: ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``.

        bare_v6: Whether ``::1`` is an address, rather than a name with a strange port.

    Returns:
        The host without brackets, in lower case, perhaps empty; and the port, None if none is
        given.

    Raises:
        ValueError: With what was expected instead.

    >>> [parse_host(text) for text in ("Consul.example:8501", "::1", "[::1]:0")]
    [('consul.example', 8501), ('::1', None), ('::1', 0)]
    """
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return _host(authority), None
    if bare_v6 and _v6(authority):
        return _v6(authority), None
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(_PORT)
    return _host(host), int(port)


def _host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        literal = _v6(host[1:-1].replace("%25", "%"))
        if not literal:
            raise ValueError("expected an IPv6 address between the brackets")
        return literal
    if ":" in host:
        raise ValueError("expected one port; an IPv6 address with a port needs brackets")
    if not host or _ip(host) is not None:
        return host
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("expected a host name or an IP address")
    # The resolver would take 127.1 or 010.0.0.1 for addresses that nobody meant.
    if labels[-1].isdecimal():
        raise ValueError("expected a host name, or an IPv4 address of four numbers up to 255")
    return host.lower()


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _v6(text: str) -> str:
    """Write an IPv6 literal in its shortest form; empty for anything else."""
    ip = _ip(text)
    if not isinstance(ip, ipaddress.IPv6Address) or not _ZONE.fullmatch(ip.scope_id or "0"):
        return ""
    return str(ip)
