"""The admin calls: who may make them, what they do and answer, and that all are recorded."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from structlog.testing import capture_logs

from consul_edge.demo.standin import StandIn
from consul_edge.web import admin_gate
from consul_edge.web.keys import CACHE
from tests.house import House, edge_over
from tests.processes import fresh_address
from tests.scrape import sample
from tests.waiting import eventually
from tests.wire import Answer, Headers, exchange

TOKEN: Final = "0000adm1-5ec2-e75e-c25e-c2e75ec2e75e"
BEARER: Final = [("Authorization", f"Bearer {TOKEN}")]

SERVICES: Final = "/v1/catalog/services"
NODES: Final = "/v1/catalog/nodes"

FLUSH: Final = "/api/v1/admin/cache/proxy/flush"
INFO: Final = "/api/v1/admin/cache/proxy/info"

MISS: Final = "consul-edge; fwd=miss"

CALLS: Final = [("POST", FLUSH), ("GET", INFO)]

TTL: Final = {"CACHE__TTL": "10m", "ADMIN__TOKEN": TOKEN}
"""Long enough that only a flush sends a reader to Consul."""


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a running stand-in."""
    one = StandIn(nodes=2, services=3)
    async with one.running():
        yield one


@pytest.fixture
async def house(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge with an admin token."""
    async with edge_over(standin.base_url, **TTL) as edge:
        yield edge


async def fill(house: House, *targets: str) -> None:
    """Have some answers kept."""
    for target in targets:
        assert (await house.ask("GET", target)).status == 200


def kept(house: House) -> set[str]:
    """Name the targets that are kept."""
    return {line.key.target for line in house.app[CACHE].lines if line.entry is not None}


async def flush(house: House, query: str = "", headers: Headers = ()) -> Any:
    """Flush with the token; give the decoded answer."""
    answer = await house.ask("POST", f"{FLUSH}{query}", [*BEARER, *headers])
    assert answer.status == 200, answer.body
    return answer.json()


async def info(house: House, query: str = "", path: str = INFO) -> Any:
    """Ask what is kept; give the decoded answer."""
    answer = await house.ask("GET", f"{path}{query}", BEARER)
    assert answer.status == 200, answer.body
    return answer.json()


class TestFlush:
    async def test_everything_is_flushed_the_next_reads_go_to_consul(self, house: House) -> None:
        """Without key or prefix all is meant."""
        await fill(house, SERVICES, NODES)
        assert (await house.ask("GET", SERVICES)).header("X-Cache") == "HIT"
        assert (await flush(house))["flushed"] == 2
        for target in (SERVICES, NODES):
            assert (await house.ask("GET", target)).header("Cache-Status") == MISS

    @pytest.mark.parametrize(
        ("query", "left"),
        [
            (f"?key={SERVICES}", {NODES, f"{NODES}?dc=dc1&near=x"}),
            ("?key=%2Fv1%2Fcatalog%2Fservices", {NODES, f"{NODES}?dc=dc1&near=x"}),
            (f"?key={NODES}?near=x%26dc=dc1", {SERVICES, NODES}),
            (f"?prefix={NODES}", {SERVICES}),
            ("?prefix=/v1/health/", {SERVICES, NODES, f"{NODES}?dc=dc1&near=x"}),
            ("?prefix=/v1/catalog/", set()),
            ("?", set()),
        ],
    )
    async def test_key_or_prefix_is_named_only_that_is_flushed(
        self, query: str, left: set[str], house: House
    ) -> None:
        """A target may be written as it is, but for its ``&``."""
        await fill(house, SERVICES, NODES, f"{NODES}?dc=dc1&near=x")
        await flush(house, query)
        assert kept(house) == left

    async def test_flush_says_what_and_how_many(self, house: House) -> None:
        """The original's fields are there, and what it never told."""
        await fill(house, SERVICES)
        answer = await flush(house, f"?key={SERVICES}?stale")
        took = answer.pop("took_ms")
        moment = answer.pop("flushed_at")
        assert answer == {
            "success": True,
            "message": "flushed 1 answer",
            "flushed": 1,
            "keys_flushed": 1,
            "namespaces": ["proxy"],
            "key": SERVICES,
            "prefix": None,
            "instance": answer["instance"],
            "warning": "only this instance was flushed; other edges keep what they have",
        }
        assert took > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment)

    async def test_nothing_was_kept_the_flush_succeeded(self, house: House) -> None:
        """It may be said again and again."""
        for _ in range(2):
            answer = await flush(house)
            assert (answer["success"], answer["flushed"]) == (True, 0)

    async def test_all_caches_are_named_each_is_flushed(self, house: House) -> None:
        """``all`` stands for each of them, and says which those were."""
        await fill(house, SERVICES)
        answer = await house.ask("POST", "/api/v1/admin/cache/all/flush", BEARER)
        assert (answer.json()["namespaces"], answer.json()["flushed"]) == (
            ["proxy", "nodes", "services", "sites", "rules"],
            1,
        )
        assert kept(house) == set()

    async def test_text_is_asked_for_it_is_one_line(self, house: House) -> None:
        """Two such lines stand in columns."""
        accept = [*BEARER, ("Accept", "text/plain")]
        await fill(house, SERVICES)
        lines = [
            (await house.ask("POST", f"{FLUSH}{query}", accept)).body.decode()
            for query in ("", f"?prefix={NODES}")
        ]
        assert [line.count("\n") for line in lines] == [1, 1]
        assert len({line.index(" flushed ") for line in lines}) == 1
        assert "       1 flushed " in lines[0]
        assert f"{NODES}*" in lines[1]

    async def test_client_is_parked_the_flush_leaves_it_there(
        self, house: House, standin: StandIn
    ) -> None:
        """It is woken by the next change at Consul, and by nothing before."""
        index = (await house.ask("GET", SERVICES)).index
        async with parked(house, f"{SERVICES}?index={index}&wait=5m") as poll:
            assert (await flush(house))["flushed"] == 1
            assert (await house.ask("GET", SERVICES)).header("Cache-Status") == MISS
            assert (await info(house))["waiters"] == 1
            assert not poll.done()
            await register(standin, "brandnew")
            status, body = await asyncio.wait_for(poll, 20)
            assert (status, "brandnew" in json.loads(body)) == (200, True)

    async def test_flush_names_a_body_it_is_refused(self, house: House) -> None:
        """Who says in a body what is meant does not have everything flushed."""
        await fill(house, SERVICES)
        answer = await house.ask("POST", FLUSH, BEARER, b'{"key": "/v1/kv/a"}')
        assert answer.status == 400
        assert answer.body.startswith(b"consul-edge: body: expected none")
        assert kept(house) == {SERVICES}


class TestInfo:
    async def test_one_cache_is_asked_for_its_fields_stand_on_top(self, house: House) -> None:
        """A plain answer for a plain question."""
        await fill(house, SERVICES)
        told = await info(house)
        assert (told["success"], told["name"], told["entries"]) == (True, "proxy", 1)
        assert (told["max_entries"], told["max_bytes"]) == (10_000, 256 * 2**20)
        assert told["settings"]["ttl_seconds"] == 600
        assert [row["target"] for row in told["keys"]] == [SERVICES]

    async def test_all_caches_are_asked_for_each_has_its_own(self, house: House) -> None:
        """By name, for there will be others."""
        await fill(house, SERVICES)
        told = await info(house, path="/api/v1/admin/cache/all/info")
        assert set(told["namespaces"]) == {"proxy", "nodes", "services", "sites", "rules"}
        assert told["namespaces"]["proxy"]["entries"] == 1

    async def test_prefix_is_named_only_that_is_listed(self, house: House) -> None:
        """The list is narrowed as a flush would be."""
        await fill(house, SERVICES, NODES)
        told = await info(house, f"?prefix={NODES}")
        assert ([row["target"] for row in told["keys"]], told["matched"]) == ([NODES], 1)

    async def test_text_is_asked_for_it_is_a_page_for_people(self, house: House) -> None:
        """The sums, then a line for each key under its heading."""
        await fill(house, SERVICES, NODES)
        answer = await house.ask("GET", INFO, [*BEARER, ("Accept", "text/plain")])
        sums, _, table = answer.body.decode().partition("\n\n")
        assert "entries     2 of at most 10000" in sums
        assert "last flush  never" in sums
        head, *rows = table.splitlines()
        assert head.split() == ["STATE", "AGE", "INDEX", "BYTES", "WAITERS", "IDENTITY", "TARGET"]
        assert [row.split()[-1] for row in rows] == [NODES, SERVICES]
        assert {row.index("/v1/") for row in rows} == {head.index("TARGET")}

    async def test_flush_came_before_the_info_tells_it(self, house: House) -> None:
        """When, why, and how much."""
        await fill(house, SERVICES)
        await flush(house)
        last = (await info(house))["last_flush"]
        assert (last["trigger"], last["flushed"]) == ("admin", 1)

    async def test_head_is_asked_for_there_is_no_body(self, house: House) -> None:
        """As of any other resource that is read."""
        answer = await house.ask("HEAD", INFO, BEARER)
        assert (answer.status, answer.body) == (200, b"")

    async def test_no_token_and_no_body_of_consuls_is_shown(
        self, house: House, standin: StandIn
    ) -> None:
        """What is kept is described, not handed out."""
        await register(standin, "unspeakable")
        secret = "5ec2e75e-c2e7-5ec2-e75e-c25ec2e75ec2"
        assert (await house.ask("GET", f"{SERVICES}?token={secret}")).status == 200
        assert (await house.ask("GET", SERVICES, [("X-Consul-Token", secret)])).status == 200
        for accept in ("application/json", "text/plain"):
            answer = await house.ask("GET", INFO, [*BEARER, ("Accept", accept)])
            assert SERVICES.encode() in answer.body
            assert b"unspeakable" not in answer.body
            assert secret.encode() not in answer.body


class TestAuthentication:
    @pytest.mark.parametrize(("method", "target"), CALLS)
    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("Authorization", "")],
            [("Authorization", "Bearer")],
            [("Authorization", "Bearer  ")],
            [("Authorization", TOKEN)],
            [("Authorization", f"Basic {TOKEN}")],
            [("X-Consul-Token", TOKEN)],
            [*BEARER, *BEARER],
            [("X-Forwarded-For", "127.0.0.1")],
        ],
        ids=str,
    )
    async def test_token_is_missing_the_call_is_401(
        self, method: str, target: str, headers: Headers, house: House
    ) -> None:
        """For a look as for a flush, also from loopback; how to do better is said."""
        await fill(house, SERVICES)
        answer = await house.ask(method, target, headers)
        assert (answer.status, answer.header("WWW-Authenticate")) == (401, "Bearer")
        assert answer.body.startswith(b"consul-edge: admin calls need Authorization: Bearer")
        assert kept(house) == {SERVICES}

    @pytest.mark.parametrize(("method", "target"), CALLS)
    @pytest.mark.parametrize(
        "token", ["wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), f"{TOKEN} {TOKEN}", "\xe9"]
    )
    async def test_token_is_another_the_call_is_403(
        self, method: str, target: str, token: str, house: House
    ) -> None:
        """All of it must be right, and nothing is said of how far off it was."""
        await fill(house, SERVICES)
        answer = await house.ask(method, target, [("Authorization", f"Bearer {token}")])
        assert (answer.status, answer.body) == (403, b"consul-edge: this is not the admin token")
        assert kept(house) == {SERVICES}

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
    async def test_token_is_right_the_call_is_served(self, scheme: str, house: House) -> None:
        """The scheme's name has no case."""
        answer = await house.ask("GET", INFO, [("Authorization", f"{scheme} {TOKEN}")])
        assert answer.status == 200

    async def test_token_in_the_query_is_no_credential(self, house: House) -> None:
        """It would stand in logs."""
        answer = await house.ask("POST", f"{FLUSH}?token={TOKEN}")
        assert answer.status == 401

    async def test_file_of_the_token_changes_the_new_one_counts(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """A token is replaced without a restart, and the old one is worth nothing then."""
        file = tmp_path / "token"
        file.write_text("first\n")
        async with edge_over(standin.base_url, ADMIN__TOKEN_FILE=str(file)) as edge:
            assert await status_with(edge, "first") == 200
            file.write_text("another\n")

            def admits() -> bool | Awaitable[bool]:
                return is_admitted(edge, "another")

            await eventually(admits, "read again")
            assert await status_with(edge, "first") == 403

    async def test_file_of_the_token_is_empty_nobody_is_let_in(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """No token is no token, not an empty one."""
        file = tmp_path / "token"
        file.write_text("\n")
        async with edge_over(standin.base_url, ADMIN__TOKEN_FILE=str(file)) as edge:
            assert [await status_with(edge, token) for token in ("", "x")] == [401, 403]

    async def test_bearer_elsewhere_is_consuls(self) -> None:
        """Under /v1 the header is the client's token at Consul, as ever."""
        standin = StandIn(nodes=1, services=1, tokens={"client": None, "": lambda *_: False})
        async with standin.running() as url, edge_over(url, **TTL) as edge:
            bearer = [("Authorization", "Bearer client")]
            assert (await edge.ask("GET", NODES, bearer)).json() != []
            assert (await edge.ask("GET", NODES, BEARER)).body == b"ACL not found"
            assert (await edge.ask("GET", INFO, bearer)).status == 403

    async def test_loopback_is_trusted_its_callers_need_no_token(self, standin: StandIn) -> None:
        """Who says that no other proxy stands there has it easy."""
        async with edge_over(standin.base_url, ADMIN__TRUST_LOOPBACK="true") as edge:
            for method, target in CALLS:
                assert (await edge.ask(method, target)).status == 200

    @pytest.mark.parametrize(
        ("peer", "is_loopback"),
        [
            ("127.0.0.1", True),
            ("127.3.4.5", True),
            ("::1", True),
            ("10.0.0.1", False),
            ("::ffff:10.0.0.1", False),
            ("fe80::1%eth0", False),
            ("localhost", False),
            ("", False),
            (None, False),
        ],
    )
    def test_only_an_address_of_loopback_is_loopback(
        self, peer: str | None, is_loopback: bool
    ) -> None:
        """In doubt it is not."""
        assert admin_gate.is_loopback(peer) is is_loopback

    async def test_unix_socket_is_a_credential_and_tcp_beside_it_is_none(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """The socket's file is its owner's alone."""
        path, address = tmp_path / "edge.sock", fresh_address()
        listen = f"unix://{path},{address}:8510"
        async with edge_over(standin.base_url, LISTEN=listen):
            for method, target in CALLS:
                by_socket = await asyncio.to_thread(
                    exchange, (f"unix://{path}", 0), method, target
                )
                by_tcp = await asyncio.to_thread(exchange, (address, 8510), method, target)
                assert (by_socket.status, by_tcp.status) == (200, 401)


class TestRefusal:
    @pytest.mark.parametrize(("method", "target"), CALLS)
    @pytest.mark.parametrize(
        "header",
        [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
        ],
        ids=str,
    )
    async def test_page_of_another_site_calls_it_is_refused(
        self, method: str, target: str, header: tuple[str, str], standin: StandIn
    ) -> None:
        """A browser on this machine is trusted, the pages in it are not: for a look, either."""
        settings = {**TTL, "ADMIN__TRUST_LOOPBACK": "true"}
        async with edge_over(standin.base_url, **settings) as edge:
            await fill(edge, SERVICES)
            answer = await edge.ask(method, target, [header, *BEARER])
            assert answer.status == 403
            assert SERVICES.encode() not in answer.body
            assert kept(edge) == {SERVICES}

    @pytest.mark.parametrize(("method", "target"), CALLS)
    async def test_own_page_calls_it_is_served(
        self, method: str, target: str, house: House
    ) -> None:
        """The edge's own page may have a button."""
        own = [("Sec-Fetch-Site", "same-origin"), ("Origin", house.base)]
        assert (await house.ask(method, target, [*own, *BEARER])).status == 200

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
    async def test_flush_by_another_method_flushes_nothing(
        self, method: str, house: House
    ) -> None:
        """A link that is followed, or fetched ahead, has no effect."""
        await fill(house, SERVICES)
        answer = await house.ask(method, FLUSH, BEARER)
        assert (answer.status, answer.header("Allow")) == (405, "POST")
        assert kept(house) == {SERVICES}

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    async def test_info_by_another_method_is_405(self, method: str, house: House) -> None:
        """It is read, and nothing else."""
        answer = await house.ask(method, INFO, BEARER)
        assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")

    @pytest.mark.parametrize("name", ["node", "Sites", "kv", "Proxy", "%2e", "a b"])
    @pytest.mark.parametrize(("method", "action"), [("POST", "flush"), ("GET", "info")])
    async def test_cache_is_unknown_the_known_ones_are_named(
        self, name: str, method: str, action: str, house: House
    ) -> None:
        """A typing error does not look like a flush of nothing."""
        path = f"/api/v1/admin/cache/{name.replace(' ', '%20')}/{action}"
        answer = await house.ask(method, path, BEARER)
        assert answer.status == 404
        assert b"there is no cache" in answer.body
        assert answer.body.endswith(b"expected one of proxy, nodes, services, sites, rules, all")

    @pytest.mark.parametrize(("method", "target"), CALLS)
    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("?keys=/v1/kv/a", "'keys': unknown parameter: expected key or prefix"),
            ("?key=/v1/catalog/nodes?a&dc=b", "'dc': unknown parameter: expected key or prefix"),
            ("?token=5ec2e7", "'token': unknown parameter: expected key or prefix"),
            ("?key=", "key: '': expected a request target"),
            ("?key", "key: '': expected a request target"),
            ("?prefix=", "prefix: '': expected a request target"),
            ("?key=/v1/kv/a&key=/v1/kv/b", "key: '/v1/kv/b': expected only once"),
            ("?key=/v1/kv/a&%6bey=/v1/kv/b", "key: '/v1/kv/b': expected only once"),
            ("?key=/v1/kv/a&prefix=/v1/", "key and prefix: both are there: expected one of them"),
            ("?key=v1/kv/a", "key: 'v1/kv/a': expected a request target"),
            ("?prefix=kv:", "prefix: 'kv:': expected the beginning of request targets"),
            ("?key=/x%0Ay", "key: '/x%0Ay': expected a request target"),
        ],
    )
    async def test_parameter_is_wrong_nothing_is_done(
        self, method: str, target: str, query: str, says: str, house: House
    ) -> None:
        """The field, what it was, and what it should have been; a secret is not repeated."""
        await fill(house, SERVICES)
        answer = await house.ask(method, f"{target}{query}", BEARER)
        assert (answer.status, b"5ec2e7" in answer.body) == (400, False)
        assert answer.body.decode().startswith(f"consul-edge: {says}")
        assert kept(house) == {SERVICES}

    @pytest.mark.parametrize(
        "target",
        [
            "/api",
            "/api/v1/nothing",
            "/api/v1/admin",
            "/api/v1/admin/cache/proxy",
            "/api/v1/admin/cache/proxy/clear",
            f"{FLUSH}/",
            f"/{FLUSH}",
            "/v1/..%2fapi/v1/admin/cache/proxy/flush",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    async def test_path_beside_the_calls_leads_nowhere(
        self, method: str, target: str, house: House, standin: StandIn
    ) -> None:
        """What is no call flushes nothing, and nothing of it reaches Consul but its own API."""
        await fill(house, SERVICES)
        asked = len(standin.seen.of(path="/api"))
        answer = await house.ask(method, target, BEARER)
        assert answer.status in (404, 301)
        assert len(standin.seen.of(path="/api")) == asked == 0
        assert kept(house) == {SERVICES}

    @pytest.mark.parametrize(
        ("method", "target", "headers", "status"),
        [
            ("POST", FLUSH, BEARER, 200),
            ("GET", INFO, BEARER, 200),
            ("GET", INFO, [], 401),
            ("GET", INFO, [("Authorization", "Bearer x")], 403),
            ("POST", f"{FLUSH}?x", BEARER, 400),
            ("GET", FLUSH, BEARER, 405),
            ("GET", "/api/v1/admin/cache/x/info", BEARER, 404),
        ],
    )
    async def test_answer_of_a_call_is_never_stored(
        self, method: str, target: str, headers: Headers, status: int, house: House
    ) -> None:
        """Nobody on the way keeps what is the operator's."""
        answer = await house.ask(method, target, headers)
        assert (answer.status, answer.header("Cache-Control")) == (status, "no-store")


class TestRecord:
    @pytest.mark.parametrize(
        ("method", "target", "headers", "expected"),
        [
            (
                "POST",
                f"{FLUSH}?key={SERVICES}",
                BEARER,
                {"action": "flush", "key": SERVICES, "flushed": 1, "outcome": "done"},
            ),
            (
                "POST",
                f"{FLUSH}?prefix={NODES}?dc=x",
                BEARER,
                {"action": "flush", "prefix": f"{NODES}?dc=***", "flushed": 0, "outcome": "done"},
            ),
            ("GET", INFO, BEARER, {"action": "info", "status": 200, "outcome": "done"}),
            ("POST", FLUSH, [], {"action": "flush", "status": 401, "outcome": "unauthenticated"}),
            (
                "GET",
                f"{INFO}?key={NODES}%0Ax=1",
                [("Authorization", "Bearer wrong")],
                {"action": "info", "key": f"{NODES}%0Ax=1", "status": 403, "outcome": "denied"},
            ),
            ("GET", FLUSH, BEARER, {"action": "flush", "status": 405, "outcome": "refused"}),
            (
                "POST",
                f"{FLUSH}?key=x",
                BEARER,
                {"action": "flush", "key": "x", "status": 400, "outcome": "refused"},
            ),
            (
                "POST",
                "/api/v1/admin/cache/none/flush",
                BEARER,
                {"action": "flush", "cache": "none", "status": 404, "outcome": "refused"},
            ),
            (
                "POST",
                FLUSH,
                [*BEARER, ("Origin", "http://evil.example")],
                {"action": "flush", "status": 403, "outcome": "refused"},
            ),
            (
                "GET",
                INFO,
                [*BEARER, ("Host", "evil.example")],
                {"action": "info", "status": 421, "outcome": "refused"},
            ),
            (
                "POST",
                "/api/v1/admin/cache/proxy/clear",
                BEARER,
                {"action": "other", "status": 404, "outcome": "refused"},
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_call_is_made_it_is_logged_and_counted_once(
        self,
        method: str,
        target: str,
        headers: Headers,
        expected: dict[str, object],
        house: House,
    ) -> None:
        """Who, what, on what, how much and what came of it; a refused one as well."""
        await fill(house, SERVICES)
        labels = {name: str(expected[name]) for name in ("action", "outcome")}
        before = await count_of(house, **labels)
        with capture_logs() as logged:
            await house.ask(method, target, headers)
        (line,) = [line for line in logged if line["event"] == "admin call"]
        assert expected.items() <= line.items()
        assert (line["peer"], line["method"]) == ("127.0.0.1", method)
        assert await count_of(house, **labels) == before + 1

    async def test_calls_are_logged_without_any_token(self, house: House) -> None:
        """Neither the right one nor a guess, nor one that stands in a key."""
        secret = "5ec2e75e-c2e7-5ec2-e75e-c25ec2e75ec2"
        guess = [("Authorization", f"Bearer {secret}")]
        with capture_logs() as logged:
            for headers in (BEARER, guess, []):
                for query in (f"?key={SERVICES}?token={secret}", f"?token={secret}", f"?{secret}"):
                    await house.ask("POST", f"{FLUSH}{query}", headers)
        assert len(logged) == 9
        assert secret not in repr(logged)
        assert TOKEN not in repr(logged)

    async def test_long_words_of_a_stranger_are_cut(self, house: House) -> None:
        """Who has no token does not fill the log."""
        with capture_logs() as logged:
            await house.ask("POST", f"/api/v1/admin/cache/{'n' * 9000}/flush?key={'k' * 9000}")
        assert len(repr(logged)) < 1000

    async def test_unix_socket_calls_the_peer_says_so(
        self, standin: StandIn, tmp_path: Path
    ) -> None:
        """It has no address."""
        path = tmp_path / "edge.sock"
        async with edge_over(standin.base_url, LISTEN=f"unix://{path}"):
            with capture_logs() as logged:
                await asyncio.to_thread(exchange, (f"unix://{path}", 0), "GET", INFO)
        assert [line["peer"] for line in logged if line["event"] == "admin call"] == [
            "unix socket"
        ]


@contextlib.asynccontextmanager
async def parked(house: House, target: str) -> AsyncIterator["asyncio.Task[tuple[int, str]]"]:
    """Park a blocking query."""

    async def ask() -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with house.client.get(f"{house.base}{target}", timeout=timeout) as response:
            return response.status, await response.text()

    poll = asyncio.create_task(ask())
    try:
        await eventually(lambda: waiters(house), "parked")
        yield poll
    finally:
        poll.cancel()


async def register(standin: StandIn, name: str) -> None:
    """Have Consul itself know a further service."""
    body = {"Node": "direct", "Address": "10.9.9.9", "Service": {"Service": name}}
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{standin.base_url}/v1/catalog/register", json=body) as response,
    ):
        assert response.status == 200


async def status_with(house: House, token: str) -> int:
    """Try a token."""
    answer: Answer = await house.ask("GET", INFO, [("Authorization", f"Bearer {token}")])
    return answer.status


async def is_admitted(house: House, token: str) -> bool:
    """Tell whether a token lets in."""
    return await status_with(house, token) == 200


def waiters(house: House) -> int:
    """Count the parked clients."""
    return sum(len(line.waiters) for line in house.app[CACHE].lines)


async def count_of(house: House, **labels: str) -> float:
    """Read the count of admin calls."""
    name = "consul_edge_admin_requests_total"
    return await asyncio.to_thread(lambda: sample(house.base, name, **labels))
