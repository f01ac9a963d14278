import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.errors import Refused
from consul_edge.web.hosts import MOST_REMEMBERED, Hosts, host_name

ACCEPTED = {
    "the loopback name": "localhost",
    "with a port": "localhost:8510",
    "with an empty port": "localhost:",
    "with a last dot": "localhost.",
    "with a last dot and a port": "LocalHost.:8510",
    "a name below localhost": "edge.localhost:8510",
    "loopback": "127.0.0.1:8510",
    "another loopback": "127.9.9.9",
    "an address of the machine": "192.0.2.7:8510",
    "a v6 loopback": "[::1]:8510",
    "a v6 address without a port": "[2001:db8::7]",
    "a v6 address with its zone": "[fe80::1%25eth0]:8510",
    "a v6 address that lacks its brackets": "::1:8510",
    "a configured name": "edge.example",
    "a configured name with a port": "EDGE.example:8510",
    "a configured name with a last dot": "edge.example.:8510",
}

FOREIGN = {
    "another name": "evil.example",
    "with a port": "evil.example:8510",
    "nothing": "",
    "only a port": ":8510",
    "only a dot": ".",
    "a loopback name as a part": "localhost.evil.example",
    "a name that ends like loopback": "evillocalhost",
    "an address as a part": "127.0.0.1.evil.example",
    "an address with a word": "127.0.0.1x",
    "a short address": "127.1",
    "an octal address": "0127.0.0.1",
    "a number": "2130706433",
    "a name in brackets": "[evil.example]:8510",
    "an address in brackets before a name": "[::1]evil.example",
    "an address in brackets before a name and a port": "[::1].evil.example:8510",
    "a bracket that stays open": "[::1",
    "a name below a configured one": "evil.edge.example",
    "a name that ends like a configured one": "badedge.example",
    "a configured name in front": "edge.example.evil.example",
    "a user in front": "localhost@evil.example",
    "a user that looks like a port": "localhost:8510@evil.example",
    "a path behind": "evil.example/localhost",
    "a list": "localhost,evil.example",
    "blanks": "localhost evil.example",
    "two ports": "localhost:1:2",
}


def make(*names: str) -> Hosts:
    """Make the allow-list with *names*, one by default."""
    return Hosts(names or ("Edge.Example.",))


@pytest.mark.parametrize("host", ACCEPTED.values(), ids=ACCEPTED)
def test_host_that_nobody_can_point_here_is_accepted(host: str) -> None:
    """Loopback names, IP literals and configured names, however they are written."""
    hosts = make()
    hosts.check(host)
    hosts.check(host)


@pytest.mark.parametrize("host", FOREIGN.values(), ids=FOREIGN)
def test_foreign_host_is_refused_each_time(host: str) -> None:
    """A name that anybody may have pointed at this machine is 421, also when it comes again."""
    hosts = make()
    for _ in range(2):
        with pytest.raises(Refused, match="expected an IP address") as caught:
            hosts.check(host)
        assert caught.value.status == 421


def test_refusal_of_a_long_host_is_short() -> None:
    """A hostile header is not repeated at length."""
    with pytest.raises(Refused) as caught:
        make().check("x" * 9000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["", "."])
def test_empty_name_in_the_list_accepts_nothing(name: str) -> None:
    """A machine without a name does not open the door."""
    with pytest.raises(Refused):
        make(name).check("")


def test_accepted_hosts_remembered_are_bounded() -> None:
    """Endless different names below localhost cost no endless memory, and stay accepted."""
    hosts = make()
    for number in range(MOST_REMEMBERED + 500):
        hosts.check(f"n{number}.localhost")
    assert len(hosts._accepted) == MOST_REMEMBERED
    hosts.check(f"n{MOST_REMEMBERED + 400}.localhost")
    with pytest.raises(Refused):
        hosts.check("evil.example")


def test_refused_hosts_are_not_remembered() -> None:
    """An attacker's names take no place."""
    hosts = make()
    for number in range(10):
        with pytest.raises(Refused):
            hosts.check(f"n{number}.evil.example")
    assert not hosts._accepted


@given(host=st.one_of(st.text(), st.text("[]:.%1a@ l")))
def test_any_text_as_host_is_accepted_or_refused(host: str) -> None:
    """No header makes the check raise anything but its refusal."""
    with contextlib.suppress(Refused):
        make().check(host)


@given(name=st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){1,3}", fullmatch=True), port=st.integers(0))
def test_port_never_decides_about_a_host(name: str, port: int) -> None:
    """A name is foreign or not whatever port it comes with."""
    assert name == host_name(f"{name}:{port}") == host_name(name)
