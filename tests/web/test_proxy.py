"""What the proxy adds, takes away and leaves alone; and who is asked for what."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from consul_edge.demo.standin import StandIn
from tests.house import House, edge_over
from tests.wire import Headers, exchange


def small() -> StandIn:
    """Make a stand-in that costs little."""
    return StandIn(nodes=1, services=0)


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give an upstream that notes what it gets."""
    standin = small()
    async with standin.running():
        yield standin


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge over it."""
    async with edge_over(standin.base_url) as house:
        yield house


async def headers_at(
    standin: StandIn, house: House, target: str, *sent: tuple[str, str]
) -> dict[str, str]:
    """Send a read and return the headers that arrived upstream, names in lower case."""
    await house.ask("GET", target, sent)
    return {
        name.lower(): value for name, value in standin.seen.of(path=target)[-1].headers.items()
    }


async def direct_answer(standin: StandIn, method: str, target: str) -> Headers:
    """Ask the upstream itself and return the headers of its answer."""
    host, _, port = standin.base_url.removeprefix("http://").rpartition(":")
    answer = await asyncio.to_thread(exchange, (host, int(port)), method, target)
    return answer.headers


async def test_request_headers_arrive_without_hop_by_hop_and_forwarded_ones(
    standin: StandIn, house: House
) -> None:
    """End-to-end headers pass; those of one connection, and claims about the client, do not."""
    arrived = await headers_at(
        standin,
        house,
        "/v1/catalog/nodes?consistent",
        ("X-Own", "kept"),
        ("Accept-Encoding", "gzip"),
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
    )
    assert arrived["x-own"] == "kept"
    assert arrived["accept-encoding"] == "gzip"
    assert arrived["host"] == standin.base_url.removeprefix("http://")
    assert arrived["via"].startswith("1.1 consul-edge-")
    assert set(arrived) == {"x-own", "accept-encoding", "host", "via"}


@pytest.mark.parametrize("target", ["/v1/catalog/nodes?consistent", "/v1/catalog/nodes"])
async def test_request_without_optional_headers_gets_none_added(
    standin: StandIn, house: House, target: str
) -> None:
    """Nothing is asked in the client's name that it did not ask: no Accept, no User-Agent."""
    arrived = await headers_at(standin, house, target)
    assert set(arrived) == {"host", "via"}


async def test_read_that_others_share_arrives_with_nothing_of_this_client_but_its_rights(
    standin: StandIn, house: House
) -> None:
    """What is fetched for all is asked in the words of its key: other headers stay behind."""
    arrived = await headers_at(
        standin,
        house,
        "/v1/catalog/nodes",
        ("X-Own", "left"),
        ("Accept-Encoding", "gzip"),
        ("Cache-Control", "max-age=60"),
        ("User-Agent", "curl"),
        ("X-Consul-Namespace", "team"),
        ("X-Consul-Partition", "part"),
        ("X-Consul-Token", "clients"),
    )
    rights = {"x-consul-namespace": "team", "x-consul-partition": "part"}
    assert {name: arrived.get(name) for name in rights} == rights
    assert arrived["x-consul-token"] == "clients"
    assert set(arrived) == {"host", "via", "x-consul-token", *rights}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1/catalog/nodes", None),
        ("/v1/catalog/nodes?consistent", None),
        ("/v1/catalog/datacenters", None),
        ("/v1/query/nearest/execute", "127.0.0.1"),
        ("/v1/agent/members", "127.0.0.1"),
        ("/v1/kv/a", "127.0.0.1"),
    ],
)
async def test_forwarded_for_is_told_only_where_the_answer_is_nobody_elses(
    standin: StandIn, house: House, target: str, expected: str | None
) -> None:
    """``X-Forwarded-For`` is the peer's own address, on pass and local calls alone."""
    arrived = await headers_at(standin, house, target, ("X-Forwarded-For", "1.2.3.4"))
    assert arrived.get("x-forwarded-for") == expected


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/session/list", "consul-edge; fwd=bypass"),
        ("HEAD", "/v1/catalog/nodes", "consul-edge; fwd=bypass"),
        ("PUT", "/v1/kv/a", "consul-edge; fwd=method"),
    ],
)
async def test_answer_past_the_cache_has_two_headers_of_the_edge_and_no_others(
    standin: StandIn, house: House, method: str, target: str, status: str
) -> None:
    """It says who answered and that no cache did; aiohttp's own name is not there."""
    direct = await direct_answer(standin, method, target)
    answer = await house.ask(method, target)
    assert answer.header("X-Consul-Edge-Server") == house.rotation.servers.active.name
    assert answer.header("Cache-Status") == status
    added = {name.lower() for name, _ in answer.headers} - {name.lower() for name, _ in direct}
    assert added == {"x-consul-edge-server", "cache-status"}


async def test_answer_of_the_cache_has_the_edges_own_headers_and_no_others(
    standin: StandIn,
) -> None:
    """A kept read also says ``X-Cache``, and a hit its ``Age``; all else is Consul's."""
    target = "/v1/catalog/nodes"
    direct = {name.lower() for name, _ in await direct_answer(standin, "GET", target)}
    ours = {"x-consul-edge-server", "cache-status", "x-cache"}
    async with edge_over(standin.base_url, CACHE__TTL="60s") as house:
        server = house.rotation.servers.active.name
        miss, hit = await house.ask("GET", target), await house.ask("GET", target)
    for answer in (miss, hit):
        assert answer.header("X-Consul-Edge-Server") == server
    assert miss.header("X-Cache") == "MISS"
    assert miss.header("Cache-Status") == "consul-edge; fwd=miss"
    assert {name.lower() for name, _ in miss.headers} - direct == ours
    assert hit.header("X-Cache") == "HIT"
    assert hit.header("Cache-Status") == "consul-edge; hit; detail=ttl"
    assert {name.lower() for name, _ in hit.headers} - direct == ours | {"age"}


async def test_cacheable_read_goes_past_the_cache_its_answer_says_miss_too(
    standin: StandIn, house: House
) -> None:
    """Whoever watches ``X-Cache`` sees each read of a kept endpoint."""
    target = "/v1/catalog/nodes?consistent"
    direct = {name.lower() for name, _ in await direct_answer(standin, "GET", target)}
    answer = await house.ask("GET", target)
    assert answer.header("X-Cache") == "MISS"
    assert answer.header("Cache-Status") == "consul-edge; fwd=bypass; detail=consistent"
    added = {name.lower() for name, _ in answer.headers} - direct
    assert added == {"x-consul-edge-server", "cache-status", "x-cache"}


async def test_cacheable_read_goes_past_the_cache_consuls_words_on_its_own_are_replaced(
    standin: StandIn, house: House
) -> None:
    """A hit of the agent's cache is none of the edge's."""
    target = "/v1/health/service/a?cached&near=_agent"
    await direct_answer(standin, "GET", target)
    direct = dict(await direct_answer(standin, "GET", target))
    assert (direct["X-Cache"], "Age" in direct) == ("HIT", True)
    answer = await house.ask("GET", target)
    assert (answer.header("X-Cache"), answer.header("Age")) == ("MISS", None)
    assert answer.header("Cache-Status") == "consul-edge; fwd=bypass; detail=near"


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [("GET", b"x", "MISS"), ("HEAD", b"", None)],
    ids=["get-with-body", "head"],
)
async def test_read_that_no_cache_can_answer_consuls_words_on_its_own_are_replaced(
    standin: StandIn, house: House, method: str, body: bytes, expected: str | None
) -> None:
    """Also where the method, or a body, keeps a read of a kept endpoint from the cache."""
    target = "/v1/health/service/a?cached"
    hit = {"X-Cache": "HIT", "Age": "7", "Content-Type": "application/json"}
    met = standin.faults.answer(200, b"[]" if method == "GET" else b"", hit, path=target)
    answer = await house.ask(method, target, body=body)
    assert (answer.status, met.hits) == (200, 1)
    assert (answer.header("X-Cache"), answer.header("Age")) == (expected, None)
    assert answer.header("Cache-Status") == "consul-edge; fwd=bypass"


async def test_redirect_is_passed_on_unfollowed(standin: StandIn, house: House) -> None:
    """A path that Consul redirects is the client's to follow."""
    answer = await house.ask("GET", "/v1//kv/a?raw")
    assert (answer.status, answer.header("Location")) == (301, "/v1/kv/a?raw")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/kv/a%2Fb?raw",
        "/v1/kv/x%20y?keys&separator=%2F",
        "/v1/kv/a?recurse",
        "/v1/kv/%00",
        "//v1/kv/a",
    ],
)
async def test_target_arrives_as_it_was_sent(standin: StandIn, house: House, target: str) -> None:
    """Nothing of a target is decoded, sorted or completed."""
    await house.ask("GET", target)
    assert [seen.target for seen in standin.seen.of(path=target)] == [target]


class TestLocalAgent:
    """Promise 9: node-local stays node-local."""

    @pytest.mark.parametrize(
        ("method", "target"),
        [
            ("GET", "/v1/agent/self"),
            ("GET", "/v1/agent/services"),
            ("PUT", "/v1/agent/service/register"),
            ("PUT", "/v1/agent/check/pass/service:web"),
            ("GET", "/v1/event/list"),
            ("PUT", "/v1/session/create"),
        ],
    )
    async def test_node_local_call_goes_to_the_local_agent_alone(
        self, method: str, target: str
    ) -> None:
        """Such a call reaches the configured agent, and nobody else."""
        server, agent = small(), small()
        async with server.running() as one, agent.running() as local:
            async with edge_over(one, CONSUL__LOCAL_AGENT=local) as edge:
                await edge.ask(method, target, body=b"{}" if method == "PUT" else b"")
                assert len(agent.seen.of(method, target)) == 1
                assert server.seen.of(method, target) == []

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    async def test_local_agent_is_gone_nobody_else_is_asked(self, method: str) -> None:
        """A dead local agent is a clear error, never another agent's answer."""
        server, agent = small(), small()
        async with server.running() as one, agent.running() as local:
            settings = {"CONSUL__LOCAL_AGENT": local, "CONSUL__RETRY_DELAY": "10ms"}
            async with edge_over(one, **settings) as edge:
                await agent.refuse()
                answer = await edge.ask(method, "/v1/agent/checks")
                host = local.removeprefix("http://")
                text = f"consul-edge: no Consul server answered: {host} refused"
                assert (answer.status, answer.body.decode()) == (500, text)
                assert server.seen.of(method, "/v1/agent/") == []

    @pytest.mark.parametrize("target", ["/v1/agent/members", "/v1/status/leader"])
    async def test_read_that_means_the_cluster_rotates(self, target: str) -> None:
        """What any server can tell is asked of the servers, in their order."""
        server, agent = small(), small()
        async with server.running() as one, agent.running() as local:
            async with edge_over(one, CONSUL__LOCAL_AGENT=local) as edge:
                answer = await edge.ask("GET", target)
                assert answer.header("X-Consul-Edge-Server") == one.removeprefix("http://")

    async def test_rotate_lets_every_agent_read_go_to_the_servers(self) -> None:
        """With ``agent_reads: rotate`` reads of one agent may go anywhere; writes may not."""
        server, agent = small(), small()
        async with server.running() as one, agent.running() as local:
            settings = {"CONSUL__LOCAL_AGENT": local, "CONSUL__AGENT_READS": "rotate"}
            async with edge_over(one, **settings) as edge:
                await edge.ask("GET", "/v1/agent/self")
                await edge.ask("PUT", "/v1/agent/service/register", body=b"{}")
                assert len(server.seen.of("GET", "/v1/agent/self")) == 1
                assert len(agent.seen.of("PUT", "/v1/agent/service/register")) == 1

    async def test_deny_refuses_agent_reads(self, standin: StandIn) -> None:
        """With ``agent_reads: deny`` such a read is 403 with the setting's name; writes pass."""
        async with edge_over(standin.base_url, CONSUL__AGENT_READS="deny") as edge:
            answer = await edge.ask("GET", "/v1/agent/self")
            assert answer.status == 403
            assert b"consul.agent_reads: deny" in answer.body
            assert standin.seen.of("GET", "/v1/agent/") == []
            await edge.ask("PUT", "/v1/agent/service/register", body=b"{}")
            assert len(standin.seen.of("PUT", "/v1/agent/")) == 1


class TestTokens:
    """In whose name a request arrives."""

    @pytest.mark.parametrize(
        ("target", "sent", "expected"),
        [
            ("/v1/kv/a", [], "edges-own"),
            ("/v1/kv/a", [("X-Consul-Token", "clients")], "clients"),
            ("/v1/kv/a", [("X-Consul-Token", "")], "edges-own"),
            ("/v1/kv/a?token=clients", [], None),
            ("/v1/kv/a?%74oken=clients", [], None),
        ],
    )
    async def test_client_without_a_token_borrows_the_edges_if_that_is_allowed(
        self, standin: StandIn, target: str, sent: list[tuple[str, str]], expected: str | None
    ) -> None:
        """With ``token_for_clients`` only those who bring no token get the edge's."""
        settings = {"CONSUL__TOKEN": "edges-own", "CONSUL__TOKEN_FOR_CLIENTS": "true"}
        async with edge_over(standin.base_url, **settings) as edge:
            arrived = await headers_at(standin, edge, target, *sent)
            assert arrived.get("x-consul-token") == expected

    async def test_edges_token_is_not_lent_unless_allowed(self, standin: StandIn) -> None:
        """A configured token alone gives no client any right."""
        async with edge_over(standin.base_url, CONSUL__TOKEN="edges-own") as edge:
            assert "x-consul-token" not in await headers_at(standin, edge, "/v1/kv/a")

    async def test_basic_auth_towards_consul_leaves_a_bearer_token_its_effect(
        self, standin: StandIn
    ) -> None:
        """``auth`` takes ``Authorization``; a client's Bearer token moves to X-Consul-Token."""
        async with edge_over(standin.base_url, CONSUL__AUTH="user:pass:word") as edge:
            bearer = ("Authorization", "Bearer clients")
            arrived = await headers_at(standin, edge, "/v1/kv/a", bearer)
            assert arrived["authorization"] == "Basic dXNlcjpwYXNzOndvcmQ="
            assert arrived["x-consul-token"] == "clients"


async def test_consuls_own_page_is_passed_on_if_allowed(standin: StandIn) -> None:
    """``ui_proxy`` opens ``/ui/``, and nothing else."""
    async with edge_over(standin.base_url, UI_PROXY="true") as edge:
        await edge.ask("GET", "/ui/dc1/services")
        assert standin.seen.of("GET", "/ui/dc1/services")
        assert (await edge.ask("GET", "/debug/pprof")).status == 404
