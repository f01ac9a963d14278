"""
Listening sockets that the service manager made and hands over: systemd's socket activation.

Rule 1: what is handed over is served, whatever the configuration says of listeners.
Rule 2: a configured listener of the same address is that socket, and is not bound again; others
are bound beside it.  Without a configured one, what is handed over is all.

See Also:
    sd_listen_fds(3): https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
"""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from consul_edge.config import Loaded, Settings
from consul_edge.config.load import DEFAULT
from consul_edge.core.address import Listen
from consul_edge.core.errors import EdgeError

FIRST: Final = 3
"""The number of the first descriptor that is handed over."""

_ALL: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - is compared with, binds nothing

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


@dataclass(frozen=True, slots=True)
class Handed:
    """One socket."""

    socket: socket.socket

    name: str
    """``FileDescriptorName=`` of its unit, which is the unit's own name unless set."""

    listen: Listen
    """Its address, as a configuration would say it."""


def take(env: Mapping[str, str], *, pid: int, first: int = FIRST) -> tuple[Handed, ...]:
    """
    Take what is handed over to this process.

    Args:
        env: The environment; what speaks of another process is not for this one.

        first: Differs in tests.

    Raises:
        EdgeError: When it is something else than listening stream sockets.
    """
    if env.get("LISTEN_PID") != str(pid):
        return ()
    count, names = env.get("LISTEN_FDS", ""), env.get("LISTEN_FDNAMES", "").split(":")
    if not count.isdecimal():
        raise EdgeError(f"LISTEN_FDS is {count!r}: expected how many sockets are handed over")
    names += [""] * int(count)
    return tuple(_take(first + number, names[number]) for number in range(int(count)))


def adopted(loaded: Loaded, handed: Sequence[Handed]) -> Settings:
    """Give the settings with those listeners that there will be."""
    given = tuple(one.listen for one in handed)
    if not given:
        return loaded.settings
    is_default = loaded.sources["listen"] == DEFAULT
    own = () if is_default else loaded.settings.listen
    others = tuple(one for one in own if not any(is_same(one, there) for there in given))
    return msgspec.structs.replace(loaded.settings, listen=given + others)


def is_same(here: Listen, there: Listen) -> bool:
    """
    Tell whether two addresses cannot both be bound, as far as the texts can tell.

    >>> is_same(Listen("", 8510), Listen("::", 8510))
    True
    """
    if here == there:
        return True
    is_plain = not here.socket and not there.socket
    return is_plain and here.port == there.port and {here.host, there.host} <= _ALL


def _take(number: int, name: str) -> Handed:
    try:
        os.set_inheritable(number, False)
        taken = socket.socket(fileno=number)
        accepts = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise EdgeError(f"descriptor {number} ({name}) is no socket: {error.strerror}") from error
    if taken.family not in _FAMILIES or taken.type != socket.SOCK_STREAM or not accepts:
        taken.close()
        raise EdgeError(
            f"descriptor {number} ({name}) is no listening stream socket: expected one of"
            " ListenStream= with Accept=no"
        )
    address = taken.getsockname()
    if taken.family == socket.AF_UNIX:
        path = address.decode(errors="replace") if isinstance(address, bytes) else address
        return Handed(taken, name, Listen("", 0, path.replace("\0", "@")))
    return Handed(taken, name, Listen(address[0], address[1]))
