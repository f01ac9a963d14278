"""
Which Host names are answered: a page on the Internet whose name was pointed at this machine (DNS
rebinding) must not read Consul through a browser that runs here.

Accepted are names that an attacker cannot point anywhere: loopback names and IP literals, the
names of the listeners and of the machine, and what ``allowed_hosts`` says.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from consul_edge.core.errors import Refused
from consul_edge.core.request import without_user

MOST_REMEMBERED, LONGEST_REMEMBERED = 1000, 300
"""Hosts that are accepted without another look: how many, and of how many characters."""


_HOST: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]]*?))(?::[0-9]*)?")


class Hosts:
    """The allow-list."""

    def __init__(self, names: Iterable[str]) -> None:
        """Accept *names*, in any case, beside loopback names and IP literals."""
        self._learnt: set[str] = set()
        self.adopt(names)

    def adopt(self, names: Iterable[str]) -> None:
        """Accept other names from now on, and still those that were added."""
        self._names = {_plain(name) for name in names} - {""} | {"localhost"}
        self._accepted: set[str] = set()

    def add(self, name: str) -> None:
        """Accept one more name."""
        self._learnt.add(_plain(name))

    def check(self, host: str) -> None:
        """
        Accept a Host header's value.

        Raises:
            Refused: 421 (RFC 9110 section 15.5.20) for a foreign name.
        """
        if host in self._accepted:
            return
        if not self._is_accepted(host):
            raise Refused(
                421,
                f"the Host {without_user(host)[:200]!r} is not served here: expected an IP"
                " address, a loopback name or a name from allowed_hosts",
            )
        if len(self._accepted) < MOST_REMEMBERED and len(host) <= LONGEST_REMEMBERED:
            self._accepted.add(host)

    def _is_accepted(self, host: str) -> bool:
        name = _plain(host_name(host))
        if name in self._names or name in self._learnt or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def host_name(host: str) -> str:
    """
    Cut the port, and brackets, off a Host header's value; what is malformed stays whole.

    >>> [host_name(host) for host in ("a:8510", "[::1]:8510", "127.0.0.1", "[::1]")]
    ['a', '::1', '127.0.0.1', '::1']
    """
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]) if found else host
