"""What is closed to clients: at the edge itself, over a Consul that notes what reaches it."""

import asyncio
import posixpath
from collections.abc import AsyncIterator
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from consul_edge.demo.routes import find
from consul_edge.demo.standin import StandIn
from tests.consul import ConsulAgent
from tests.core.test_access import KV_SPELLINGS, spelled
from tests.house import House, edge_over
from tests.server import ConsulServer
from tests.waiting import eventually
from tests.wire import exchange

ADMIN = [("Authorization", "Bearer letmein")]


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """Give a server that notes what it gets."""
    standin = StandIn(nodes=3, services=5)
    async with standin.running(host="127.0.0.1", port=0):
        yield standin


@pytest.fixture
async def reader(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge that only reads."""
    settings = {"ADMIN__TOKEN": "letmein", "ACCESS__READ_ONLY": "true"}
    async with edge_over(standin.base_url, **settings) as house:
        yield house


@pytest.fixture
async def closed(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge that has no KV."""
    async with edge_over(standin.base_url, ADMIN__TOKEN="letmein", ACCESS__DENY="kv") as house:
        yield house


@pytest.fixture
async def narrow(standin: StandIn) -> AsyncIterator[House]:
    """Give an edge that has nothing but the health of services."""
    settings = {"ADMIN__TOKEN": "letmein", "ACCESS__ALLOW": "health_service"}
    async with edge_over(standin.base_url, **settings) as house:
        yield house


def reached(standin: StandIn) -> list[str]:
    """List what clients had Consul asked."""
    own = ("/v1/status/leader", "/v1/catalog/services", "/v1/agent/members", "/v1/kv/skills/")
    return [seen.target for seen in standin.seen if not seen.target.startswith(own)]


def refusals(setting: str) -> float:
    """Read how often a setting let somebody not pass."""
    labels = {"setting": setting}
    return REGISTRY.get_sample_value("consul_edge_access_refused_total", labels) or 0.0


async def test_write_to_an_edge_that_only_reads_is_refused_and_not_done(
    reader: House, standin: StandIn
) -> None:
    """The client learns which setting it was, and Consul hears nothing."""
    targets = ("/v1/kv/a", "/v1/txn", "/v1/agent/service/register", "//v1/kv/a", "/v1/new/thing")
    for method, target in product(("PUT", "DELETE", "POST", "PATCH"), targets):
        refused = await reader.ask(method, target, body=b"x")
        assert refused.status == 403, (method, target)
        text = f"consul-edge: {method} is refused: only reads pass here (access.read_only)"
        assert refused.body == text.encode()
    assert reached(standin) == []


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_read_from_an_edge_that_only_reads_is_answered(reader: House, method: str) -> None:
    """Reads are what is left."""
    assert (await reader.ask(method, "/v1/catalog/nodes")).status == 200


async def test_head_reaches_consul_through_an_edge_that_only_reads(
    reader: House, standin: StandIn
) -> None:
    """HEAD is Consul's to answer, as without the edge."""
    await reader.ask("HEAD", "/v1/kv/a")
    assert reached(standin) == ["/v1/kv/a"]


async def test_method_in_a_header_is_no_way_to_write(reader: House, standin: StandIn) -> None:
    """Neither the edge nor Consul takes a method from anywhere but the request line."""
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        await reader.ask("GET", "/v1/kv/a", [(name, "PUT")], b"x")
    assert {seen.method for seen in standin.seen} == {"GET"}


async def test_cache_of_an_edge_that_only_reads_is_flushed(reader: House) -> None:
    """Forgetting what is kept writes nothing to Consul."""
    answer = await reader.ask("POST", "/api/v1/admin/cache/all/flush", ADMIN)
    assert answer.status == 200


async def test_settings_of_a_closed_edge_can_be_read_again(reader: House, narrow: House) -> None:
    """Else what was closed by mistake could be opened by nobody but who may send signals."""
    for house in (reader, narrow):
        assert (await house.ask("POST", "/-/reload", ADMIN)).status == 200
        assert (await house.ask("POST", "/-/reload")).status == 401


async def test_denied_path_reaches_consul_in_no_spelling(closed: House, standin: StandIn) -> None:
    """However it is written, it is refused here."""
    for method, target in product(("GET", "HEAD", "PUT", "DELETE", "OPTIONS"), KV_SPELLINGS):
        assert (await closed.ask(method, target)).status == 403, (method, target)
    assert reached(standin) == []


@pytest.mark.parametrize("form", ["http://{}{}", "http://localhost:8510{1}", "HTTP://[::1]{1}"])
async def test_denied_path_of_an_absolute_target_is_refused(
    closed: House, standin: StandIn, form: str
) -> None:
    """A whole URL in the request line is judged by its path."""
    target = form.format(f"{closed.address}:8510", "/v1/%6bv/a")
    assert (await closed.ask("GET", target)).status == 403
    assert reached(standin) == []


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Accel-Redirect",
    ],
)
async def test_path_in_a_header_leads_nowhere(
    closed: House, standin: StandIn, header: str
) -> None:
    """What is judged is what is asked of Consul."""
    await closed.ask("GET", "/v1/session/list", [(header, "/v1/kv/a")])
    assert reached(standin) == ["/v1/session/list"]


async def test_what_is_not_denied_is_served(closed: House) -> None:
    """A deny list closes what is on it, and nothing else."""
    for target in ("/v1/catalog/nodes", "/api/v1/nodes", "/", "/nodes", "/-/healthy", "/metrics"):
        assert (await closed.ask("GET", target)).status == 200, target


async def test_what_is_not_allowed_is_refused(narrow: House, standin: StandIn) -> None:
    """With an allow list even the edge's own documents are closed unless they are on it."""
    for target in (
        *("/v1/kv/a", "/v1/health/node/a", "/nowhere"),
        *("/v1/health/service/../../agent/self", "/v1/health/service/%zz"),
        *("/", "/nodes", "/api/v1/nodes", "/api/v1/events"),
        "/api/v1/services#/../../../v1/health/service/a",
        "/api/v1/nodes/..%2F..%2F..%2Fv1%2Fhealth%2Fservice%2Fa/services",
    ):
        answer = await narrow.ask("GET", target)
        assert answer.status == 403, target
        assert b"access.allow" in answer.body
    assert reached(standin) == []


async def test_what_is_allowed_is_served_with_health_and_metrics(narrow: House) -> None:
    """Health, metrics and admin calls are on no list."""
    targets = ("/v1/health/service/web", "/-/healthy", "/-/ready", "/metrics", "/static/page.css")
    for target in targets:
        assert (await narrow.ask("GET", target)).status == 200, target
    assert (await narrow.ask("GET", "/api/v1/admin/cache/all/info", ADMIN)).status == 200


async def test_refusal_of_the_enriched_api_is_told_in_json(narrow: House) -> None:
    """Programs that read JSON get it."""
    answer = await narrow.ask("GET", "/api/v1/nodes")
    assert answer.json() == {
        "success": False,
        "detail": "not among what is allowed here (access.allow)",
    }


async def test_refusals_are_in_the_description_of_each_document(closed: House) -> None:
    """Whoever makes a client of the description knows of both."""
    paths = (await closed.ask("GET", "/api/v1/openapi.json")).json()["paths"]
    documents = [path for path in paths if path.startswith("/api/") and "/admin/" not in path]
    assert len(documents) > 10
    for path in documents:
        assert {"403", "429"} <= paths[path]["get"]["responses"].keys(), path


async def test_refusal_is_counted_by_its_setting(closed: House) -> None:
    """Whoever runs the edge sees which list bites."""
    before = refusals("access.deny")
    await closed.ask("GET", "/v1/kv/a")
    assert refusals("access.deny") == before + 1


async def test_answer_that_is_kept_is_not_given_once_it_is_denied(
    standin: StandIn,
) -> None:
    """Other settings judge the next request, whatever is in memory and however it is known."""
    async with edge_over(standin.base_url) as house:
        target = "/v1/health/service/web"
        for _ in range(3):
            assert (await house.ask("GET", target)).status == 200
        await house.reload(ACCESS__DENY="/v1/health/")
        assert (await house.ask("GET", target)).status == 403
        await house.reload(ACCESS__DENY="")
        assert (await house.ask("GET", target)).status == 200


async def test_other_bound_holds_from_the_next_request_on(standin: StandIn) -> None:
    """A client may have as many requests under way as the settings in force say."""
    async with edge_over(standin.base_url) as house:
        await house.reload(LIMITS__REQUESTS_PER_CLIENT="1")
        fault = standin.faults.hang(path="/v1/session/list")
        reading = asyncio.create_task(house.ask("GET", "/v1/session/list"))
        await eventually(lambda: fault.hits == 1, "one is under way")
        assert (await house.ask("GET", "/v1/kv/a")).status == 429
        fault.lift()
        assert (await reading).status == 200


@pytest.mark.parametrize(
    "target", ["/v1/../../other/a", "/../v1/kv/a", "/v1/..%2F..%2Fother", "/v1/%2e%2e/other"]
)
async def test_path_that_leads_out_of_consuls_place_is_not_forwarded(
    standin: StandIn, target: str
) -> None:
    """Behind a prefix, or another proxy, it could be the path of something else."""
    async with edge_over(f"{standin.base_url}/consul") as house:
        assert (await house.ask("GET", target)).status == 404
    assert [seen for seen in standin.seen if "other" in seen.target or ".." in seen.target] == []


def routed(target: str) -> str:
    """Give the stand-in's route of a target, redirects followed."""
    path = unquote_to_bytes(target.partition("?")[0]).decode("utf-8", "surrogateescape")
    slash = "/" if path.endswith("/") else ""
    cleaned = posixpath.normpath("/" + path.lstrip("/")).rstrip("/") + slash
    found = find(cleaned) if cleaned.startswith("/v1/") else None
    return found[0].path if found else ""


headers = st.lists(
    st.tuples(
        st.sampled_from(["X-Original-URL", "X-HTTP-Method-Override", "Referer", "X-Consul-Token"]),
        st.sampled_from(["/v1/kv/a", "PUT", "GET", "//v1/kv/a"]),
    ),
    max_size=2,
)
queries = st.sampled_from(
    ["", "", "?recurse", "?index=1&wait=1ms", "?stale", "?cached", "?/v1/kv"]
)
methods = st.sampled_from(["GET", "GET", "HEAD", "OPTIONS", "PUT", "DELETE"])


@pytest.mark.parametrize("deny", ["kv", "/v1/kv/"])
async def test_no_request_leads_to_what_is_denied(standin: StandIn, deny: str) -> None:
    """Whatever a client sends, nothing reaches Consul that it would take for KV."""
    async with edge_over(standin.base_url, ACCESS__DENY=deny) as house:
        where = (house.address, 8510)

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(method=methods, raw=spelled(), query=queries, extra=headers)
        def probe(method: str, raw: str, query: str, extra: list[tuple[str, str]]) -> None:
            exchange(where, method, raw + query, extra)

        await asyncio.to_thread(probe)
    taken = [seen.target for seen in standin.seen if routed(seen.target) == "/v1/kv/"]
    assert [target for target in taken if not target.startswith("/v1/kv/skills/")] == []
    assert reached(standin)


@pytest.mark.real
def test_spelling_that_consul_takes_for_a_denied_entry_is_refused(
    consul_agent: ConsulAgent,
) -> None:
    """What a real Consul answers with the entry, or with the way to it, the edge refuses."""
    where = (consul_agent.address, 8500)
    exchange(where, "PUT", "/v1/kv/secret/of-access", body=b"planted")
    served = set()
    tails = ("secret/of-access?raw", "secret/of-access", "secret%2Fof-access?raw")
    for target in spellings(tails):
        answer = exchange(where, "GET", target)
        location = answer.header("Location") or ""
        if b"planted" in answer.body or "secret/of-access" in location:
            served.add(target)
    assert len(served) > 20
    asyncio.run(all_refused(consul_agent, served))


def spellings(tails: tuple[str, ...]) -> list[str]:
    """Write ways to an entry."""
    heads = (
        *("/v1/kv/", "/v1/%6bv/", "/%76%31/kv/", "/v1/kv%2F", "/v1%2Fkv%2F", "//v1/kv/"),
        *("/v1//kv/", "/v1/kv//", "/./v1/kv/", "/v1/./kv/", "/v1/%2e/kv/", "/v1/agent/../kv/"),
        *("/v1/agent/%2e%2e/kv/", "/v1/agent/..%2Fkv/", "/v1/kv/x/../", "/../v1/kv/"),
        *("/v1/kv/./", "/v1/kv/..//kv/", "/V1/kv/", "/v1/KV/", "/v1/%256bv/", "/v1/kv;x/"),
    )
    return [head + tail for head in heads for tail in tails]


async def all_refused(server: ConsulServer, targets: set[str]) -> None:
    """Ask an edge that has them denied."""
    for deny in ("kv", "/v1/kv/secret/"):
        async with edge_over(server.server, ACCESS__DENY=deny) as house:
            for target in targets:
                answer = await house.ask("GET", target)
                assert answer.status == 403, target
                assert b"planted" not in answer.body
