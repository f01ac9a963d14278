"""
The page's address: read leniently, told exactly, and written for every link.

Rule 1: names and values are the API's (``q``, ``sort``, ``order``, any column), and the page's
own: ``columns``, ``dense``, ``row``, ``lang``, ``page``, ``all``.
Rule 2: a parameter that means nothing is told by name above the rows and left out; the others
hold.  Rows that an error has chosen are shown to nobody without that word.
Rule 3: links carry what was understood and nothing else; so a token in an address ends there.
"""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote, urlencode

from msgspec import Struct
from msgspec.structs import replace

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.document import shown
from consul_edge.enrich.parameters import Accepted, Listing, read_listing
from consul_edge.enrich.table import Key
from consul_edge.web.page_columns import Layout, Shown
from consul_edge.web.words import WORDS

ROWS: Final = 50
"""Rows of one page."""

MOST_ROWS: Final = 2_000
"""Of a page with ``all=1``."""

OWN: Final = frozenset({"columns", "dense", "row", "lang", "all"})
_REFUSED: Final = ("format", "index", "wait", "facets", "page_size")

Pairs = list[tuple[str, str]]


class Own(Struct, frozen=True, kw_only=True):
    """What only the page's address has."""

    columns: tuple[Shown, ...]
    row: tuple[str, str, str] | None = None
    """Datacenter, node and id (of a node: its address) of the row that is open."""

    is_dense: bool = False
    is_all: bool = False
    lang: str | None = None


class Address(Struct, frozen=True, kw_only=True):
    """An address of the page, understood."""

    layout: Layout
    given: tuple[tuple[str, str], ...]
    """The parameters that hold."""

    problems: tuple[str, ...]
    listing: Listing
    number: int
    """Of the page of rows, from 1."""

    own: Own

    def link(self, path: str | None = None, **changes: str | None) -> str:
        """
        Write this address with some parameters set to something else, or dropped.

        Whatever changes, rows are read from the first page on again, and none is open.
        """
        dropped = {"page", *changes} | ({"row"} if "lang" not in changes else set())
        pairs = [pair for pair in self.given if pair[0] not in dropped]
        pairs += [(name, value) for name, value in changes.items() if value is not None]
        return f"{path or self.layout.path}{'?' if pairs else ''}{urlencode(pairs)}"

    def opened(self, row: str) -> str:
        """Write this address with a row open, on the same page of rows."""
        pairs = [pair for pair in self.given if pair[0] != "row"]
        return f"{self.layout.path}?{urlencode([*pairs, ('row', row)])}"

    @property
    def reset(self) -> str:
        """This address with all rows."""
        rows = {"q", "page", "row", *self.listing.applied}
        return self.link(**dict.fromkeys(rows))

    @property
    def query(self) -> str:
        """What is searched for."""
        return dict(self.given).get("q", "")

    def other_view(self, layout: Layout) -> str:
        """Write the address of the other table; what is asked of one means little there."""
        kept = {name: value for name, value in self.given if name in ("dense", "lang")}
        return f"{layout.path}{'?' if kept else ''}{urlencode(kept)}"

    def api(self, what: str, **changes: str) -> str:
        """Write where the API has the same rows."""
        plain = [
            pair for pair in self.given if pair[0] not in OWN | {"page"} and pair[0] not in changes
        ]
        if what == "sd":
            plain = [pair for pair in plain if pair[0] not in ("sort", "order")]
        pairs = [*plain, *changes.items()]
        return f"/api/v1/{what}{'?' if pairs else ''}{urlencode(pairs)}"

    def values(self, name: str) -> tuple[str, ...]:
        """Give the values that the filter *name* has."""
        return self.listing.applied.get(name, ())

    def toggled(self, name: str, value: str) -> str:
        """Write this address with one more value of a filter, or without it if it has it."""
        before = self.values(name)
        after = [one for one in before if one.lower() != value.lower()]
        if len(after) == len(before):
            after.append(value)
        return self.link(**{name: spelled_values(after) if after else None})

    def sorted_by(self, column: str) -> str:
        """
        Write this address sorted by one column, the one that was first being the second then.

        Sorted by it already, it is turned round.
        """
        keys = [(key.column.name.lower(), key.descending) for key in self.keys]
        first, is_descending = keys[0]
        if first == column:
            keys[0] = column, not is_descending
        else:
            keys = [(column, False), *(key for key in keys[:1] if key[0] != column)]
        return self.link(
            sort=",".join(name for name, _ in keys),
            order=",".join("desc" if descending else "asc" for _, descending in keys),
        )

    @property
    def keys(self) -> tuple[Key, ...]:
        """What rows are sorted by, chosen or not."""
        return self.listing.keys or self.layout.keys


def read_address(pairs: Iterable[tuple[str, str]], layout: Layout) -> Address:
    """Read decoded parameters; what is wrong with them is in the address's ``problems``."""
    pairs = list(pairs)
    accepted = Accepted(layout.schema, further=OWN)
    problems: dict[str, None] = {}
    kept: Pairs = []
    groups: dict[str, Pairs] = {}
    for name, value in pairs:
        groups.setdefault("sort" if name in ("sort", "order") else name, []).append((name, value))
    own = Own(columns=tuple(column for column in layout.columns if column.is_usual))
    for name, group in groups.items():
        try:
            own = _read_own(name, group, layout, own)
            read_listing(group, accepted)
        except BadRequest as error:
            problems[str(error)] = None
        else:
            kept += [pair for pair in group if pair[1]]
    try:
        listing = read_listing(kept, accepted)
    except BadRequest as error:  # each is right, but together they are too many
        problems[str(error)] = None
        kept, listing = [], read_listing([], accepted)
    return Address(
        layout=layout,
        given=tuple(kept),
        problems=tuple(problems),
        listing=listing,
        number=listing.page.number if listing.page else 1,
        own=own,
    )


def simpler(address: Address, problem: str) -> Address:
    """Leave out the search, or all filters if there is none, and tell why."""
    dropped = {"q"} if address.query else {*address.listing.applied}
    kept = [pair for pair in address.given if pair[0] not in dropped]
    plain = read_address(kept, address.layout)
    return replace(plain, problems=(*address.problems, problem))


def spelled_values(values: Iterable[str]) -> str:
    """
    Write the values of a filter so that they are read back as they are.

    >>> spelled_values(["rio", "dtc"]), spelled_values(["Beta, Inc", ""])
    ('rio,dtc', '"Beta, Inc",""')
    """
    return ",".join(map(_quoted, values))


def _quoted(value: str) -> str:
    is_plain = value and value.lower() != "all" and value == value.strip()
    if is_plain and "," not in value and '"' not in value:
        return value
    return '"' + value.replace('"', '""') + '"'


def spelled_row(key: tuple[str, str, str]) -> str:
    """
    Write which row is open.

    >>> spelled_row(("dc1", "n1", "icmp/acme@a"))
    'dc1/n1/icmp%2Facme@a'
    """
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in key)


def _read_own(name: str, group: Pairs, layout: Layout, own: Own) -> Own:
    """
    Read a parameter of the page's own, or let it pass.

    Raises:
        BadRequest: With its name, its value and what is expected; or just its name: a token.
    """
    if name.lower() == "token":
        raise BadRequest("token: not taken here: an address stays in histories and logs")
    if name in _REFUSED:
        raise BadRequest(f"{name}: no such parameter of the page; the API under /api/v1/ has it")
    if name not in OWN or not group[-1][1]:
        return own
    if len(group) > 1:
        raise BadRequest(f"{name}: {shown(group[-1][1])}: expected it once")
    return replace(own, **_own_fields(name, group[0][1], layout))


def _own_fields(name: str, value: str, layout: Layout) -> dict[str, Any]:
    match name:
        case "dense" | "all":
            _choose(name, value, ("0", "1"))
            return {f"is_{name}": value == "1"}
        case "lang":
            _choose(name, value, tuple(WORDS))
            return {"lang": value}
        case "row":
            parts = tuple(map(unquote, value.split("/")))
            if len(parts) != 3:
                raise BadRequest(f"row: {shown(value)}: expected datacenter/node/id")
            return {"row": parts}
    names = list(filter(None, value.split(",")))
    for one in names:
        _choose(name, one, tuple(column.name for column in layout.columns))
    return {"columns": tuple(column for column in layout.columns if column.name in names)}


def _choose(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadRequest(f"{name}: {shown(value)}: expected one of {', '.join(known)}")
