"""
The sites document to a value: which place an address belongs to.

Rule 1: what is wrong with one row is told, and takes nothing from the others.
Rule 2: rows keep the document's order, which is the order that people see nodes in.
Rule 3: of two rows with one address the first has it; a second row with a code is one more
address of that site.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from consul_edge.core.address import parse_host
from consul_edge.core.errors import EdgeError
from consul_edge.enrich.document import shown

MAX_BYTES: Final = 1 << 20
"""Of a document; a value in Consul's KV has half of it at most."""

MAX_SITES: Final = 10_000
MAX_PROBLEMS: Final = 100

_MAX_WRAPS: Final = 4
_MAX_TEXT: Final = 256
_TEXTS: Final = (
    *("name", "color", "cluster", "datacenter", "environment", "site"),
    *("prometheus_instance", "prometheus_host"),
)
_PORTS: Final = ("prometheus_port", "ssh_port")


class NoSites(EdgeError):
    """Raised with the reason why something is no sites document at all."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One place; fields that the document does not have are empty."""

    code: str
    name: str
    """The code, if the document has no name."""

    is_default: bool = False
    color: str = ""
    cluster: str = ""
    datacenter: str = ""
    environment: str = ""
    site: str = ""
    prometheus_instance: str = ""
    prometheus_host: str = ""
    prometheus_port: int | None = None
    ssh_port: int | None = None


class SiteProblem(msgspec.Struct, frozen=True):
    """One thing wrong with one row."""

    row: int
    """From 1, in the document's order."""

    field: str
    """Empty: the row itself."""

    value: str
    expected: str

    def __str__(self) -> str:
        """
        Say it in a line.

        >>> str(SiteProblem(2, "ssh_port", "'x'", "expected a port from 1 to 65535"))
        "site 2: ssh_port: 'x': expected a port from 1 to 65535"
        """
        of = f"{self.field}: " if self.field else ""
        return f"site {self.row}: {of}{self.value}: {self.expected}"


@dataclass(frozen=True, slots=True)
class Sites:
    """All places, and what was wrong with their document."""

    sites: tuple[Site, ...] = ()
    problems: tuple[SiteProblem, ...] = ()
    """The first hundred."""

    problems_left_out: int = 0

    by_address: Mapping[str, Site] = field(default_factory=dict)
    """By address without port, as ``bare_address`` writes it."""

    def site_of(self, address: str) -> Site | None:
        """
        Find the site of a node's address.

        Args:
            address: A host name or IP, with or without a port.
        """
        try:
            return self.by_address.get(address) or self.by_address.get(bare_address(address))
        except ValueError:
            return None

    def place_of(self, address: str, unmapped: str) -> tuple[str, str]:
        """Tell code and name of an address's site; no code and *unmapped* if it has none."""
        site = self.site_of(address)
        return (site.code, site.name) if site else ("", unmapped)


def bare_address(text: str) -> str:
    """
    Write an address so that equal ones are equal: no port, no brackets, no blanks, small letters.

    Raises:
        ValueError: When it is none.

    >>> [bare_address(text) for text in (" 10.0.0.1:9090 ", "[FE80::0:1]:80", "Rio.Example.")]
    ['10.0.0.1', 'fe80::1', 'rio.example']
    """
    host, _ = parse_host(text.strip())
    if not host:
        raise ValueError("expected an address")
    return host.removesuffix(".")


def parse_sites(content: bytes | str) -> Sites:
    """
    Read the value of the sites key, in each shape that the original stored.

    Those are a list of rows, bare or as ``sites``, within any ``data`` around it.

    Raises:
        NoSites: When it is no such document, or too large.
    """
    rows = _rows(_decoded(content))
    if len(rows) > MAX_SITES:
        raise NoSites(f"expected at most {MAX_SITES:,} sites, not {len(rows):,}")
    reading = _Reading()
    for number, row in enumerate(rows, 1):
        reading.add(number, row)
    return Sites(
        tuple(reading.sites),
        tuple(reading.problems[:MAX_PROBLEMS]),
        max(0, len(reading.problems) - MAX_PROBLEMS),
        reading.by_address,
    )


def _decoded(content: bytes | str) -> object:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if len(content) > MAX_BYTES:
        raise NoSites(f"expected at most {MAX_BYTES:,} bytes, not {len(content):,}")
    try:
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except RecursionError:
        raise NoSites("expected no such depth of nesting") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise NoSites(f"expected valid JSON: {error}") from None


def _rows(value: object) -> list[object]:
    for _ in range(_MAX_WRAPS):
        if isinstance(value, list):
            return value
        if not isinstance(value, Mapping):
            break
        if isinstance(value.get("sites"), list):
            value = value["sites"]
        elif "data" in value:
            value = value["data"]
        else:
            break
    raise NoSites(f"expected a list of sites, bare or under sites or data, not {shown(value)}")


class _Reading:
    """What has been read of a document so far."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.problems: list[SiteProblem] = []
        self.by_address: dict[str, Site] = {}
        self._codes: dict[str, int] = {}
        self._owners: dict[str, int] = {}
        self._default = 0

    def add(self, number: int, row: object) -> None:
        """Take one row, or report why not."""
        if not isinstance(row, Mapping):
            self._report(number, "", row, "expected a mapping")
            return
        site = self._site(number, row)
        if site is None:
            return
        self.sites.append(site)
        self._count(number, site)
        for name, address in self._addresses(number, site):
            owner = self._owners.setdefault(address, number)
            if owner != number:
                self._report(number, name, address, f"expected an address other than site {owner}")
                return
            self.by_address[address] = site
            return

    def _site(self, number: int, row: Mapping[str, object]) -> Site | None:
        texts = {name: self._text(number, row, name) for name in _TEXTS}
        code = self._text(number, row, "code")
        if not code:
            self._report(number, "code", row.get("code"), "expected a code")
            code = texts["name"]
        if not code:
            return None
        fields: dict[str, Any] = {
            **texts,
            "code": code,
            "name": texts["name"] or code,
            "is_default": self._flag(number, row, "is_default"),
            **{name: self._port(number, row, name) for name in _PORTS},
        }
        return Site(**fields)

    def _count(self, number: int, site: Site) -> None:
        first = self._codes.setdefault(site.code.lower(), number)
        if first != number:
            self._report(number, "code", site.code, f"expected a code other than site {first}")
        if site.is_default and self._default:
            self._report(
                number, "is_default", True, f"expected one default, and site {self._default} is it"
            )
        elif site.is_default:
            self._default = number

    def _addresses(self, number: int, site: Site) -> Iterator[tuple[str, str]]:
        """Give the address that counts, and report its absence once it is asked for more."""
        for name, text in (
            ("prometheus_instance", site.prometheus_instance),
            ("prometheus_host", site.prometheus_host),
        ):
            try:
                if text:
                    yield name, bare_address(text)
            except ValueError as error:
                self._report(number, name, text, str(error))
        self._report(
            number,
            "prometheus_instance",
            site.prometheus_instance or None,
            "expected an address here or in prometheus_host; no node can be at this site",
        )

    def _text(self, number: int, row: Mapping[str, object], name: str) -> str:
        value = row.get(name)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**18 else value
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            self._report(number, name, value, f"expected a text of up to {_MAX_TEXT} characters")
            return ""
        return value.strip()

    def _port(self, number: int, row: Mapping[str, object], name: str) -> int | None:
        value = row.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and len(value.strip()) <= 5 and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
            return value
        self._report(number, name, value, "expected a port from 1 to 65535")
        return None

    def _flag(self, number: int, row: Mapping[str, object], name: str) -> bool:
        value = row.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._report(number, name, value, "expected true or false")
        return False

    def _report(self, number: int, name: str, value: object, expected: str) -> None:
        self.problems.append(SiteProblem(number, name, shown(value), expected))
