"""
The kinds of values a setting can have: how each is read, and what is said when it cannot be.

A kind reads two forms: what YAML made of the file, where a number is a number and a Boolean one
of YAML's own, and text, which is all that the environment and the flags have.  Reading raises
nothing but ValueError, whose text completes "``consul.timeout: 'soon':`` ...".
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from consul_edge.core.access import parse_entry
from consul_edge.core.address import Address, Listen, parse_host, parse_listen, parse_server
from consul_edge.core.durations import parse_seconds, render_duration
from consul_edge.core.sizes import parse_size, render_size

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Secret:
    """A text that shows itself only when asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Hand the text out, for the header that carries it and for nothing else."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of value is read and shown."""

    read: Callable[[object], object]
    """Turns what YAML holds into the value, an item at a time where there may be many."""

    read_text: Callable[[str], object]
    """Turns a variable's or a flag's text into the value."""

    show: Callable[[Any], object] = str
    """Turns the value, unless it is None, into what a file would hold."""

    with_tls: "Kind | None" = None
    """What takes its place where addresses mean https; None: the same."""

    nullable: bool = False

    many: bool = False
    """Whether the value is a tuple of what is read; its text is separated by commas."""

    least: int = 0
    """Items that there must be, of many."""

    secret: bool = False

    mapping: bool = False
    """Whether the file holds the many as a mapping: ``read`` gets an Item for each key."""

    same_by: Callable[[Any], object] = lambda item: item
    """By what two of many are the same, so that one of them is one too many."""

    file: Literal["", "file", "folder", "new file"] = ""
    """What must be there, readable, under the path that is the value; a new file is one that can
    be written and need not be there."""


@dataclass(frozen=True, slots=True)
class Item:
    """One key of a setting that is a mapping, as YAML holds it."""

    key: object

    value: object

    where: str
    """File and line."""


def optional(kind: Kind) -> Kind:
    """Allow null beside what *kind* reads."""
    return replace(kind, nullable=True, with_tls=kind.with_tls and optional(kind.with_tls))


def many(kind: Kind, *, least: int = 0) -> Kind:
    """Make the kind of lists, in which nothing stands twice, of what *kind* reads."""
    other = kind.with_tls and many(kind.with_tls, least=least)
    return replace(kind, many=True, least=least, with_tls=other)


def whole(least: int) -> Kind:
    """Make the kind of whole numbers from *least* on."""
    expected = f"expected a whole number, {least} or more"

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(expected)
        return value

    def read_text(text: str) -> int:
        return read(int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None)

    return Kind(read, read_text, int)


def duration(*, zero: bool, within: tuple[float, float] | None = None) -> Kind:
    """Make the kind of durations, with or without the one of no length, or *within* two only."""

    def read(value: object) -> float:
        try:
            # What is neither text nor number has no reading either.
            seconds = parse_seconds(value if isinstance(value, str | int | float) else "")
        except ValueError:
            raise ValueError("expected a duration such as 2s or 500ms") from None
        if within is not None and not within[0] <= seconds <= within[1]:
            raise ValueError(
                "expected a duration from {} to {}".format(*map(render_duration, within))
            )
        if seconds < 0 or (seconds == 0 and not zero):
            least = "of 0s or more" if zero else "of more than 0s"
            raise ValueError(f"expected a duration {least}, such as 2s or 500ms")
        return seconds

    return Kind(read, read, render_duration)


def size(least: int) -> Kind:
    """Make the kind of sizes from *least* bytes on."""

    def read(value: object) -> int:
        try:
            count = parse_size(value if isinstance(value, str | int) else "")
        except ValueError:
            raise ValueError("expected a size such as 64KiB or 256MiB") from None
        if count < least:
            raise ValueError(f"expected a size of {render_size(least)} or more")
        return count

    return Kind(read, read, render_size)


def choice(*words: str) -> Kind:
    """Make the kind that has only these *words*."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return str(value)

    return Kind(read, read)


def _boolean(value: object) -> bool:
    if value is not True and value is not False:
        raise ValueError("expected true or false")
    return value


def _boolean_text(text: str) -> bool:
    """Read a Boolean as Go's ``strconv.ParseBool`` does; garbage is a problem, never a no."""
    if text not in _TRUE | _FALSE:
        raise ValueError("expected one of 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False")
    return text in _TRUE


def _from_text(parse: Callable[[str], object]) -> Callable[[object], object]:
    """Refuse what YAML read as something else than text before *parse* sees it."""

    def read(value: object) -> object:
        return parse(value if isinstance(value, str) else "")

    return read


def texts(parse: Callable[[str], object], show: Callable[[Any], object] = str) -> Kind:
    """Make the kind of what *parse* makes of a text, which YAML must hold as one."""
    return Kind(_from_text(parse), parse, show)


def _server_over_tls(text: str) -> Address:
    return parse_server(text, tls=True)


def _show_server(address: Address) -> str:
    return address.base if address.scheme == "https" or address.prefix else address.name


def _show_listen(listen: Listen) -> str:
    return listen.name


def _host(text: str) -> str:
    host, port = parse_host(text)
    if not host or port is not None:
        raise ValueError("expected a host name or IP address, without scheme and port")
    return host


def _server_name(text: str) -> str:
    # Consul's client takes CONSUL_TLS_SERVER_NAME with a port, too, and strips it.
    host, _ = parse_host(text)
    if not host:
        raise ValueError("expected the host name in the servers' certificates")
    return host


def _path(text: str) -> Path:
    # A lone surrogate, which YAML can write, is in no path.
    if not text or "\0" in text or not _is_encodable(text):
        raise ValueError("expected the path of a file")
    return Path(text)


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _label(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("expected a text of printable characters")
    return text


def _secret(text: str) -> Secret:
    # Such a character would end the header that carries it.
    if not text or _CONTROL.search(text):
        raise ValueError("expected text without control characters, in quotes if it is a number")
    return Secret(text)


BOOLEAN: Final = Kind(_boolean, _boolean_text, bool)
SERVER: Final = replace(
    texts(parse_server, _show_server), with_tls=texts(_server_over_tls, _show_server)
)
LISTEN: Final = texts(parse_listen, _show_listen)
HOST: Final = texts(_host)
SERVER_NAME: Final = texts(_server_name)
FILE: Final = replace(texts(_path), file="file")
NEW_FILE: Final = replace(texts(_path), file="new file")
FOLDER: Final = replace(texts(_path), file="folder")
LABEL: Final = texts(_label)
ACCESS_ENTRY: Final = texts(parse_entry)
SECRET: Final = replace(texts(_secret), secret=True)
