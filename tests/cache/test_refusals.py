"""What Consul refuses with 429 or 503, in front of the cache (CONSUL.md 0 and A.7)."""

import pytest

from consul_edge.cache.served import Passed, Served
from tests.cache.making import WEB, Edge, clock, play, settled
from tests.virtual import elapse

TOO_MANY = b"Your IP is issuing too many concurrent connections, please rate limit your calls"
ELSEWHERE = b"rate limit exceeded, try again later or against a different server"
AGENT = b"rpc rate limit exceeded"
LATER = (
    b"rate limit exceeded for operation that can only be performed by the leader, try again later"
)
UNHEALTHY = b'{"Healthy":false,"FailureTolerance":0}'

AUTOPILOT = "/v1/operator/autopilot/health"
AGENT_HEALTH = "/v1/agent/health/service/name/web"

MOVING = pytest.mark.parametrize("text", [TOO_MANY, ELSEWHERE], ids=["connections", "elsewhere"])
"""Another server might: 429 (a) and (b)."""

STAYING = pytest.mark.parametrize(
    ("status", "text"), [(429, AGENT), (503, LATER)], ids=["agent", "leader-only"]
)
"""No other server would: 429 (c), and the 503 of what only a leader can do."""


def say(edge: Edge, status: int, text: bytes, *, server: str = "") -> None:
    """Have a refusal said from now on; it has an index, as Consul's errors may."""
    edge.consul.say(WEB, text, 7, status, server=server)


def kept(edge: Edge) -> tuple[int, bytes]:
    """Give the status and the body of the entry that must be there."""
    entry = edge.line(WEB).entry
    assert entry is not None
    return entry.status, entry.body


def asked(edge: Edge) -> str:
    """List the servers that were asked, in order."""
    return "".join(one.server for one in edge.consul.of(WEB))


@MOVING
def test_one_server_sends_reads_elsewhere_the_others_answer_is_kept(text: bytes) -> None:
    """The read fails over; the server that refused stays the active one."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5, server="b")
        say(edge, 429, text, server="a")
        found = await edge.kept(WEB)
        assert (found.entry.status, found.entry.body) == (200, b"[1]")
        assert (kept(edge), asked(edge)) == ((200, b"[1]"), "ab")
        assert edge.upstream.servers.active is edge.servers[0]
        assert not edge.servers[0].is_out

    play(scene, "ab", CACHE__TTL="0s")


@MOVING
def test_all_servers_send_reads_elsewhere_what_is_kept_stands_in(text: bytes) -> None:
    """It is marked as stale, and the refusal takes its place nowhere."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        say(edge, 429, text)
        await elapse(9.0)
        found = await edge.kept(WEB)
        assert (found.result, found.entry.body) == ("stale", b"[1]")
        assert kept(edge) == (200, b"[1]")
        edge.consul.say(WEB, b"[2]", 8)
        assert (await edge.kept(WEB)).entry.body == b"[2]"

    play(scene, "ab", CACHE__TTL="0s")


@MOVING
def test_all_servers_send_reads_elsewhere_and_nothing_is_kept_the_client_is_told(
    text: bytes,
) -> None:
    """Consul's own 429, once for who asked; nothing is kept of it."""

    async def scene(edge: Edge) -> None:
        say(edge, 429, text)
        found = await edge.kept(WEB)
        assert (found.entry.status, found.entry.body) == (429, text)
        assert list(edge.cache.lines.store) == []
        edge.consul.say(WEB, b"[1]", 5)
        assert (await edge.kept(WEB)).entry.status == 200

    play(scene, "ab")


@STAYING
def test_refusal_that_no_other_server_would_lift_is_passed_on(status: int, text: bytes) -> None:
    """One request at one server; what is kept stays, for those who come after."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        await edge.kept(WEB)
        say(edge, status, text)
        found = await edge.kept(WEB)
        assert (found.entry.status, found.entry.body) == (status, text)
        assert (kept(edge), asked(edge)) == ((200, b"[1]"), "aa")
        assert not any(server.is_out for server in edge.servers)

    play(scene, "ab", CACHE__TTL="0s")


@STAYING
def test_refusal_before_anything_is_kept_is_not_kept_either(status: int, text: bytes) -> None:
    """Nor is it the answer of the next one who asks."""

    async def scene(edge: Edge) -> None:
        say(edge, status, text)
        assert (await edge.kept(WEB)).entry.status == status
        edge.consul.say(WEB, b"[1]", 5)
        found = await edge.kept(WEB)
        assert (found.result, found.entry.status) == ("miss", 200)

    play(scene, CACHE__TTL="60s")


@pytest.mark.parametrize(
    ("status", "text"),
    [(429, TOO_MANY), (429, ELSEWHERE), (429, AGENT), (503, LATER)],
    ids=["connections", "elsewhere", "agent", "leader-only"],
)
def test_watch_is_refused_it_keeps_what_it_has_and_asks_less_and_less(
    status: int, text: bytes
) -> None:
    """The entry stays and is not live; a parked client is told nothing until there is news."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"[1]", 5)
        line = await edge.watched(WEB)
        client = await edge.parks(f"{WEB}?index=5&wait=10m")
        say(edge, status, text)
        edge.consul.asked.clear()
        await elapse(60.0)
        now = line.kept(clock())
        assert now is not None
        assert (kept(edge), now.is_live, client.done()) == ((200, b"[1]"), False, False)
        assert 2 <= len(edge.consul.of(WEB)) <= 20
        edge.consul.say(WEB, b"[2]", 8)
        found = await client
        assert isinstance(found, Served)
        assert (found.entry.status, found.entry.body) == (200, b"[2]")

    play(scene, CACHE__TTL="0s")


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        (AUTOPILOT, 429, UNHEALTHY),
        (AGENT_HEALTH, 429, b"warning"),
        (AGENT_HEALTH, 503, b"critical"),
    ],
    ids=["autopilot", "agent-warning", "agent-critical"],
)
def test_status_that_is_an_answer_is_passed_on_each_time(
    target: str, status: int, text: bytes
) -> None:
    """Health said by a status: one request each, at one server, of which nothing is kept."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(target, text, status=status)
        for _ in range(5):
            found = await edge.get(target)
            assert isinstance(found, Passed)
            assert (found.answer.status, found.answer.body) == (status, text)
        assert [one.server for one in edge.consul.of(target)] == ["a"] * 5
        await settled()
        assert list(edge.cache.lines.store) == []
        assert edge.upstream.servers.active is edge.servers[0]
        assert not any(server.is_out for server in edge.servers)

    play(scene, "ab")
