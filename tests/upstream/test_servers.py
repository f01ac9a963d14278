import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from consul_edge import metrics
from consul_edge.upstream.servers import Server, Servers
from tests.upstream.making import letters, make_server, make_servers, value_of


def make(names: str, last: str = "", active: str = "") -> tuple[Servers, dict[str, Server]]:
    """Make servers of one letter each, those of *last* as the last resort."""
    each = {name: make_server(name) for name in names + last}
    servers = Servers([each[name] for name in names], last_resort=[each[name] for name in last])
    if active:
        servers.active = each[active]
    return servers, each


def order(servers: Servers) -> str:
    """Write the order of asking."""
    return letters(*servers.candidates())


def test_servers_are_asked_in_the_configured_order() -> None:
    """The first one is active; the last resort comes behind all others."""
    servers, each = make("abc", last="m")
    assert (order(servers), servers.active) == ("abcm", each["a"])


@pytest.mark.parametrize(
    ("active", "expected"),
    {"a": "abcm", "b": "bcam", "c": "cabm", "m": "abcm"}.items(),
)
def test_active_server_is_first_and_the_others_follow_in_turn(active: str, expected: str) -> None:
    """Whoever answers stays first; behind it the configured order goes on, and begins anew."""
    servers, _ = make("abc", last="m", active=active)
    assert order(servers) == expected


@pytest.mark.parametrize("active", ["m", "n", "o"])
def test_active_last_resort_leaves_nobody_out(active: str) -> None:
    """A last resort of several addresses, one of them active, still has everyone asked."""
    servers, _ = make("ab", last="mno", active=active)
    at = "mno".index(active)
    assert order(servers) == "ab" + "mno"[at:] + "mno"[:at]


def test_active_last_resort_is_left_when_a_listed_server_answers() -> None:
    """A last resort is not where one stays: a listed server that answers is active again."""
    servers, each = make("ab", last="m", active="m")
    servers.answered(each["b"])
    assert servers.active is each["b"]


RANKS = {
    "one is out": ("a", "", "bca"),
    "two are out": ("ab", "", "cab"),
    "all are out": ("abc", "", "abc"),
    "one is leaderless": ("", "a", "bca"),
    "out is behind leaderless": ("a", "b", "cba"),
    "all are leaderless": ("", "abc", "abc"),
    "the well one is the last": ("b", "a", "cab"),
}


@pytest.mark.parametrize(("out", "leaderless", "expected"), RANKS.values(), ids=RANKS)
def test_servers_in_trouble_are_asked_last_and_never_left_out(
    out: str, leaderless: str, expected: str
) -> None:
    """Well ones first, then those without a leader, then those that are out."""
    servers, each = make("abc")
    for name in out:
        each[name].is_out = True
    for name in leaderless:
        each[name].leader = ""
    assert order(servers) == expected


def test_last_resort_that_is_well_is_asked_before_servers_in_trouble() -> None:
    """That is what a last resort is for."""
    servers, each = make("ab", last="m")
    each["a"].is_out = each["b"].is_out = True
    assert order(servers) == "mab"


@pytest.mark.parametrize("leader", [None, "10.0.0.1:8300"], ids=["not-known", "known"])
def test_answer_of_another_server_moves_nothing_while_the_active_is_well(
    leader: str | None,
) -> None:
    """One slow answer, or one that another gave first, is no reason to leave."""
    servers, each = make("ab")
    each["a"].leader = leader
    servers.answered(each["b"])
    assert servers.active is each["a"]


@pytest.mark.parametrize("trouble", ["out", "leaderless"])
def test_answer_of_another_server_makes_it_active_when_the_active_is_in_trouble(
    trouble: str,
) -> None:
    """The one that serves becomes the first, and stays it when the old one is back."""
    servers, each = make("abc")
    each["a"].is_out = trouble == "out"
    each["a"].leader = "" if trouble == "leaderless" else None
    servers.answered(each["b"])
    each["a"].is_out, each["a"].leader = False, "10.0.0.1:8300"
    servers.answered(each["a"])
    assert order(servers) == "bca"


def test_answer_of_a_server_no_longer_listed_is_ignored() -> None:
    """The local agent, or an address that its name has lost, never becomes active."""
    servers, each = make("ab")
    each["a"].is_out = True
    servers.answered(make_server("z"))
    assert servers.active is each["a"]


def test_server_lost_twice_is_announced_once() -> None:
    """Its circuit opens once: one warning, one wake-up, however many attempts failed."""
    servers, each = make("ab")
    woken: list[Server] = []
    servers.wake = woken.append
    with capture_logs() as logged:
        servers.lost(each["a"], "refused")
        servers.lost(each["a"], "refused")
    assert each["a"].is_out
    assert woken == [each["a"]]
    assert [(entry["event"], entry["reason"]) for entry in logged] == [("server lost", "refused")]


def test_server_heard_again_is_a_candidate_again() -> None:
    """A heartbeat closes the circuit and forgets the failures."""
    servers, each = make("ab")
    servers.lost(each["a"], "refused")
    each["a"].failures = 7
    servers.heard(each["a"], "10.0.0.1:8300", at=0.0)
    assert (each["a"].is_out, each["a"].failures, order(servers)) == (False, 0, "ab")


X, Y = "10.0.0.1:8300", "10.0.0.2:8300"

HEARD: dict[str, tuple[list[str | None], int]] = {
    "the first leader": ([X], 0),
    "the same leader": ([X, X, X], 0),
    "another leader": ([X, Y], 1),
    "an election": ([X, "", "", Y], 1),
    "the same leader elected again": ([X, "", X], 1),
    "none, then the first": (["", X], 1),
    "an answer that cannot be read": ([X, None, X], 0),
    "another leader behind such an answer": ([X, None, Y], 1),
    "three leaders": ([X, Y, X], 2),
    "never one": (["", None, ""], 0),
}


@pytest.mark.parametrize(("heard", "seen"), HEARD.values(), ids=HEARD)
def test_leaders_found_after_the_first_are_counted(heard: list[str | None], seen: int) -> None:
    """Each one found anew means that what was forwarded to the one before may be lost."""
    servers, each = make("a")
    for leader in heard:
        servers.heard(each["a"], leader, at=0.0)
    assert (each["a"].leaders_seen, each["a"].leader) == (seen, heard[-1])


async def test_tenure_lasts_while_the_same_leader_is_named() -> None:
    """What was proven under it stays proven, from the last heartbeat's sending on."""
    servers, each = make("a")
    servers.heard(each["a"], X, at=1.0)
    tenure = each["a"].tenure
    servers.heard(each["a"], X, at=2.0)
    servers.heard(each["a"], None, at=3.0)
    assert tenure is each["a"].tenure
    assert tenure is not None
    assert (tenure.leader, tenure.heard_at) == (X, 2.0)


ENDS: dict[str, Callable[[Servers, Server], None]] = {
    "another leader": lambda servers, server: servers.heard(server, Y, at=2.0),
    "no leader": lambda servers, server: servers.heard(server, "", at=2.0),
    "silence": lambda servers, server: servers.lost(server, "timed out"),
}


@pytest.mark.parametrize("happens", ENDS.values(), ids=ENDS)
async def test_tenure_ends_and_is_never_taken_up_again(
    happens: Callable[[Servers, Server], None],
) -> None:
    """Though the same leader comes back: meanwhile another may have been, and its writes."""
    servers, each = make("a")
    servers.heard(each["a"], X, at=1.0)
    before = each["a"].tenure
    happens(servers, each["a"])
    servers.heard(each["a"], X, at=3.0)
    assert each["a"].tenure is not before
    assert before is not None
    assert before.heard_at == 1.0


NEWS: dict[str, Callable[[Servers, Server], None]] = {
    "lost": lambda servers, server: servers.lost(server, "refused"),
    "another leader": lambda servers, server: servers.heard(server, Y, at=0.0),
    "announced": lambda servers, _: servers.announce(),
}

NO_NEWS: dict[str, Callable[[Servers, Server], None]] = {
    "the same leader": lambda servers, server: servers.heard(server, X, at=0.0),
    "no leader": lambda servers, server: servers.heard(server, "", at=0.0),
    "not readable": lambda servers, server: servers.heard(server, None, at=0.0),
    "an answer": lambda servers, server: servers.answered(server),
}


@pytest.mark.parametrize("happens", NEWS.values(), ids=NEWS)
async def test_change_of_the_situation_wakes_all_who_wait(
    happens: Callable[[Servers, Server], None],
) -> None:
    """Everyone who waits for news shares them, and waits for the next ones anew."""
    servers, each = make("a")
    servers.heard(each["a"], X, at=0.0)
    first, second = servers.news(), servers.news()
    happens(servers, each["a"])
    assert first.done()
    assert second.done()
    assert not servers.news().done()


@pytest.mark.parametrize("happens", NO_NEWS.values(), ids=NO_NEWS)
async def test_situation_that_stays_wakes_nobody(
    happens: Callable[[Servers, Server], None],
) -> None:
    """A loss of the leader gives nothing to try, so those who wait for one are left alone."""
    servers, each = make("a")
    servers.heard(each["a"], X, at=0.0)
    news = servers.news()
    happens(servers, each["a"])
    assert not news.done()


async def test_server_back_is_news_even_without_a_leader() -> None:
    """It accepts connections again: that is worth trying."""
    servers, each = make("ab")
    servers.lost(each["a"], "refused")
    news = servers.news()
    servers.heard(each["a"], "", at=0.0)
    assert news.done()


async def test_announcing_to_a_waiter_who_left_is_harmless() -> None:
    """Whoever cancelled his waiting does not break the next announcement."""
    servers, _ = make("a")
    servers.news().cancel()
    servers.announce()
    await asyncio.wait_for(asyncio.gather(_announce_soon(servers), servers.news()), 5)


async def _announce_soon(servers: Servers) -> None:
    servers.announce()


def test_addresses_replaced_keep_the_active_server() -> None:
    """A change of the other addresses is no reason to leave a server that answers."""
    servers, each = make("abc", active="b")
    servers.replace([each["c"], each["b"], *make_servers("d")])
    assert order(servers) == "bdc"


def test_active_address_gone_makes_the_first_active() -> None:
    """Without the old one, the configured order decides again."""
    servers, each = make("abc", active="b")
    servers.replace([each["c"], each["a"]], make_servers("m"))
    assert order(servers) == "cam"


def test_gauges_show_the_servers_as_they_are_when_scraped() -> None:
    """Several addresses of one name are one series: up while any is, its connections added."""
    one, other = (make_server(name, label="many.unit.test:8500") for name in "pq")
    servers = Servers([one, other])
    one.slots.lease(poll=True)
    other.slots.lease(poll=True)
    label = "many.unit.test:8500"

    up = metrics.UPSTREAM_UP.labels(label)
    assert value_of(metrics.UPSTREAM_CONNECTIONS.labels(label, "poll")) == 2
    servers.lost(one, "refused")
    assert value_of(up) == 1
    servers.lost(other, "refused")
    assert value_of(up) == 0
