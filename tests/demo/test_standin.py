"""The server around the state: headers, tokens, what it was asked, and the newer Consul."""

import aiohttp
import pytest

from consul_edge.demo.standin import StandIn
from tests.demo.asking import Asker


async def test_no_header_betrays_aiohttp(ask: Asker) -> None:
    """Names are those of Consul; a missing key has no type."""
    missing = await ask.get("kv/none")
    assert set(missing.headers) == {
        "x-consul-index",
        "x-consul-knownleader",
        "x-consul-lastcontact",
        "vary",
        "content-length",
        "date",
    }


async def test_a_client_that_accepts_gzip_gets_it_from_one_byte(standin: StandIn) -> None:
    """Also for the smallest body."""
    async with (
        aiohttp.ClientSession(standin.base_url) as session,
        session.get("/v1/status/leader", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.json() == "10.1.0.1:8300"


async def test_writes_are_counted_with_what_arrived(ask: Asker, standin: StandIn) -> None:
    """Method, raw target, headers and body of each request are kept."""
    await ask("PUT", "kv/a%2Fb?flags=1", b"body", X_Consul_Token="t")
    await ask.get("kv/a/b")
    [seen] = standin.seen.of("PUT", "/v1/kv/")
    assert (seen.target, seen.body, seen.body_length, seen.complete) == (
        "/v1/kv/a%2Fb?flags=1",
        b"body",
        4,
        True,
    )
    assert seen.headers["X-Consul-Token"] == "t"
    assert standin.seen.methods == {"PUT": 1, "GET": 1}


async def test_a_value_too_large_is_refused_unread(ask: Asker, standin: StandIn) -> None:
    """The length alone decides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consul_edge.demo.routes_kv.LARGEST_VALUE", 3)
        patch.setattr("consul_edge.demo.standin.LARGEST_VALUE", 3)
        answer = await ask.put("kv/a", b"1234")
    assert answer.status == 413
    assert not standin.seen[0].complete


async def test_newer_headers_are_added_on_request() -> None:
    """The policy on everything, the backend where Consul tells it; streaming knows no leader."""
    async with (
        StandIn(newer=True).running() as base_url,
        aiohttp.ClientSession(base_url) as session,
    ):
        heads = []
        for path in ("kv/none", "catalog/nodes", "health/service/icmp?index=1"):
            async with session.get(f"/v1/{path}") as answer:
                heads.append(answer.headers)
    assert {head["X-Consul-Default-Acl-Policy"] for head in heads} == {"allow"}
    assert [head.get("X-Consul-Query-Backend") for head in heads] == [
        None,
        "blocking-query",
        "streaming",
    ]
    assert heads[2]["X-Consul-Knownleader"] == "false"


async def test_tokens_decide_what_is_seen() -> None:
    """Unknown ones are 403, listings are emptied at the same index, keys are denied."""

    def nodes_only(_method: str, path: str) -> bool:
        return path == "/v1/catalog/nodes"

    def nothing(_method: str, _path: str) -> bool:
        return False

    tokens = {"root": None, "nodes": nodes_only, "": nothing}
    async with (
        StandIn(tokens=tokens).running() as base_url,
        aiohttp.ClientSession(base_url) as session,
    ):

        async def ask(path: str, token: str) -> tuple[int, str]:
            headers = {"X-Consul-Token": token} if token else {}
            async with session.get(f"/v1/{path}", headers=headers) as answer:
                return answer.status, await answer.text()

        assert await ask("catalog/nodes", "unknown") == (403, "ACL not found")
        assert await ask("catalog/nodes?token=unknown", "root") == (403, "ACL not found")
        assert await ask("catalog/nodes", "") == (200, "[]")
        assert await ask("catalog/services", "nodes") == (200, "{}")
        assert await ask("kv/apps/nodejs_app/leader", "nodes") == (403, "Permission denied")
        assert await ask("catalog/nodes", "nodes") == await ask("catalog/nodes", "root")


async def test_servers_of_one_state_agree_on_the_leader(standin: StandIn) -> None:
    """The second server names the first as leader and itself as itself."""
    first = StandIn()
    second = StandIn(state=first.state, server=1)
    async with (
        first.running(),
        second.running() as base_url,
        aiohttp.ClientSession(base_url) as session,
    ):
        async with session.get("/v1/status/leader") as answer:
            assert await answer.json() == "10.1.0.1:8300"
        async with session.get("/v1/agent/self") as answer:
            assert (await answer.json())["Config"]["NodeName"] == first.state.members[1].name


async def test_a_compressed_value_is_stored_as_it_was_sent(ask: Asker) -> None:
    """Consul does not look into bodies."""
    await ask("PUT", "kv/a", b"\x1f\x8bzip", Content_Encoding="gzip")
    assert (await ask.get("kv/a?raw")).body == b"\x1f\x8bzip"


@pytest.mark.parametrize("path", ["txn", "acl/tokens", "query", "snapshot", "event/list"])
async def test_what_is_left_out_is_404(path: str, ask: Asker) -> None:
    """The routes say what they are; everything else does not exist."""
    assert (await ask.get(path)).status == 404
