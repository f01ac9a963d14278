"""The enriched API as HTTP: conditional requests, compression, HEAD, blocking, what is kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

import pytest
from msgspec.structs import replace

from consul_edge.core.errors import Refused
from consul_edge.enrich.standing import State
from consul_edge.web.api_answer import VARY
from consul_edge.web.routes import DOCUMENTS, NODE_DOCUMENTS
from tests.waiting import eventually
from tests.warp import skip, warped
from tests.web.stage import Instance, Stage, stage
from tests.wire import Answer

MANY: Final = tuple(
    Instance(f"id-{number}", node=f"n{number % 3 + 1}", meta={"company": "Acme"})
    for number in range(200)
)

PATHS: Final = [
    *(path for path in DOCUMENTS if "data" not in path),
    "/api/v1/monitoring/data?category=all",
    "/api/v1/services?format=columns",
    "/api/v1/services?format=csv",
    *(path.replace("{node}", "n1") for path in NODE_DOCUMENTS),
]

WITHOUT_INDEX: Final = ["/api/v1/sd", "/api/v1/services?format=csv"]
"""They wait, too, but tell no index: nobody knows which to wait for."""

GZIP: Final = [("Accept-Encoding", "gzip")]


@pytest.fixture
async def api() -> AsyncIterator[Stage]:
    """Give the API over two hundred instances."""
    async with stage() as one:
        one.views.show(*MANY)
        yield one


def tag(answer: Answer) -> str:
    """Give the ETag of an answer."""
    found = answer.header("ETag")
    assert found is not None
    return found


class TestHeaders:
    @pytest.mark.parametrize("path", [*PATHS, "/api/v1/categorize?service=a"])
    async def test_document_is_given_nobody_in_between_may_keep_it(
        self, path: str, api: Stage
    ) -> None:
        """It depends on who asks, and is asked for anew each time."""
        answer = await api.ask(path)
        assert answer.status == 200
        assert answer.header("Cache-Control") == "private, no-cache"
        assert answer.header("Vary") == VARY == "X-Consul-Token, Authorization, Accept-Encoding"
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert tag(answer).startswith('W/"')
        assert int(answer.header("Content-Length") or 0) == len(answer.body)

    @pytest.mark.parametrize("path", [*PATHS, "/api/v1/categorize?service=a"])
    @pytest.mark.parametrize("accept", [[], GZIP], ids=["plain", "gzip"])
    async def test_head_is_asked_for_it_is_that_of_the_get(
        self, path: str, accept: list[tuple[str, str]], api: Stage
    ) -> None:
        """Without the body, whose length it tells."""
        get = await api.ask(path, accept)
        head = await api.ask(path, accept, method="HEAD")
        mine, its = (
            {name: value for name, value in answer.headers if name != "Date"}
            for answer in (head, get)
        )
        assert (mine, head.status, head.body) == (its, 200, b"")


class TestConditional:
    @pytest.mark.parametrize("path", [*PATHS, "/api/v1/categorize?service=a"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_client_has_it_already_it_is_a_304(
        self, path: str, method: str, api: Stage
    ) -> None:
        """Without a body, and with all that a cache must learn anew."""
        first = await api.ask(path)
        again = await api.ask(path, [("If-None-Match", tag(first))], method=method)
        assert (again.status, again.body, tag(again)) == (304, b"", tag(first))
        assert again.header("Cache-Control") == "private, no-cache"
        assert again.header("Vary") == VARY
        assert again.header("Content-Length") in (None, "0")

    @pytest.mark.parametrize(
        "value", ["*", '"x", {tag}', "{strong}", '"a,b",{tag} , "c"', "W/{strong}"]
    )
    async def test_tag_is_one_of_several_or_strong_it_is_a_304(
        self, value: str, api: Stage
    ) -> None:
        """The comparison is the weak one, and a list is a list."""
        weak = tag(await api.ask("/api/v1/nodes"))
        given = value.format(tag=weak, strong=weak.removeprefix("W/"))
        answer = await api.ask("/api/v1/nodes", [("If-None-Match", given)])
        assert answer.status == 304

    async def test_tags_stand_in_two_headers_both_count(self, api: Stage) -> None:
        """Several headers are one list."""
        weak = tag(await api.ask("/api/v1/nodes"))
        headers = [("If-None-Match", '"x"'), ("If-None-Match", weak)]
        assert (await api.ask("/api/v1/nodes", headers)).status == 304

    @pytest.mark.parametrize("value", ['"x"', "x", "", 'W/"', "{bare}"])
    async def test_tag_is_another_it_is_given(self, value: str, api: Stage) -> None:
        """What is no tag is none."""
        bare = tag(await api.ask("/api/v1/nodes")).removeprefix('W/"').removesuffix('"')
        headers = [("If-None-Match", value.format(bare=bare))]
        assert (await api.ask("/api/v1/nodes", headers)).status == 200

    async def test_only_the_age_is_another_the_tag_is_the_same(self, api: Stage) -> None:
        """Time that passes changes nothing of what a client has."""
        first = tag(await api.ask("/api/v1/nodes"))
        api.views.stand(State.LIVE, 2.5)
        assert tag(await api.ask("/api/v1/nodes")) == first

    async def test_anything_else_is_another_the_tag_is_another(self, api: Stage) -> None:
        """Rows, listing, document, token, server, and how sure it all is."""
        tags = [tag(await api.ask(path)) for path in PATHS if not path.endswith("/")]
        api.views.show(*MANY, token="alice")
        tags.append(tag(await api.ask("/api/v1/nodes", [("X-Consul-Token", "alice")])))
        tags.append(tag(await api.ask("/api/v1/services?company=acme")))
        api.views.stand(State.LIVE, 0.0, "10.0.0.9:8500")
        tags.append(tag(await api.ask("/api/v1/nodes")))
        api.views.stand(State.STALE)
        tags.append(tag(await api.ask("/api/v1/nodes")))
        api.views.show(*MANY, Instance("one-more"))
        tags.append(tag(await api.ask("/api/v1/nodes")))
        assert len(set(tags)) == len(tags)

    async def test_services_changed_and_no_node_did_the_nodes_are_as_they_were(
        self, api: Stage
    ) -> None:
        """A tag, like an index, is that of the rows that a document shows."""
        sites = await api.ask("/api/v1/sites")
        services = await api.ask("/api/v1/services")
        changed = (Instance("id-0", meta={"company": "Beta"}), *MANY[1:])
        api.views.show(*changed)
        assert tag(await api.ask("/api/v1/sites")) == tag(sites)
        assert tag(await api.ask("/api/v1/services")) != tag(services)


class TestGzip:
    @pytest.mark.parametrize("path", PATHS)
    async def test_client_takes_gzip_it_reads_the_same(self, path: str, api: Stage) -> None:
        """Compressed or not, it is the same document, its end included."""
        plain, zipped = await api.ask(path), await api.ask(path, GZIP)
        assert plain.header("Content-Encoding") is None
        if len(plain.body) >= 1400:
            assert zipped.header("Content-Encoding") == "gzip"
            assert len(zipped.body) < len(plain.body)
        assert _timeless(zipped.content) == _timeless(plain.body)
        assert int(zipped.header("Content-Length") or 0) == len(zipped.body)

    @pytest.mark.parametrize(
        ("accepted", "is_zipped"),
        [
            ("gzip", True),
            ("gzip;q=0", False),
            ("gzip; q=0.0, *", False),
            ("*;q=0.5", True),
            ("identity", False),
            ("br, deflate", False),
            ("deflate, GZIP;q=0.1", True),
            ("*;q=0", False),
            ("", False),
        ],
    )
    async def test_codings_have_weights_they_are_respected(
        self, accepted: str, is_zipped: bool, api: Stage
    ) -> None:
        """A weight of nothing means no."""
        answer = await api.ask("/api/v1/services", [("Accept-Encoding", accepted)])
        assert (answer.header("Content-Encoding") == "gzip") is is_zipped
        assert json.loads(answer.content)["total"] == 200

    async def test_document_is_small_it_is_not_compressed(self, api: Stage) -> None:
        """It fits a packet as it is."""
        answer = await api.ask("/api/v1/services?company=Nobody", GZIP)
        assert answer.header("Content-Encoding") is None

    async def test_document_is_large_it_arrives_whole(self, api: Stage) -> None:
        """More than is written at once, plain and compressed."""
        meta = {"nota": "".join(chr(33 + number * 7919 % 90) for number in range(30_000))}
        api.views.show(*(Instance(f"id-{number}", meta=meta) for number in range(100)))
        for headers in ([], GZIP):
            answer = await api.ask("/api/v1/services", headers)
            found = json.loads(answer.content)
            assert (found["total"], len(found["data"])) == (100, 100)
            assert found["cache"]["state"] == "live"
        assert len(answer.content) > 2**20

    async def test_client_decompresses_by_itself_it_reads_all_of_it(self, api: Stage) -> None:
        """To a client that knows one member of a file only, the end is in that."""
        async with api.client.get("/api/v1/services") as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert (await response.json())["cache"]["state"] == "live"


class TestKept:
    async def test_document_is_asked_for_again_it_is_not_rendered_again(self, api: Stage) -> None:
        """Whoever asks, and however the parameters are ordered."""
        for target in (
            "/api/v1/services?company=Acme&sort=ID",
            "/api/v1/services?sort=ID&company=Acme",
            "/api/v1/services?sort=ID&company=Acme&index=1&wait=1s",
        ):
            await api.ask(target)
        stock = api.archive.stock("services")
        assert (stock.entries, stock.hits, stock.misses) == (1, 2, 1)

    async def test_nodes_are_flushed_the_next_one_renders_them(self, api: Stage) -> None:
        """The documents of single nodes among them, and nothing else."""
        await api.ask("/api/v1/nodes")
        await api.ask("/api/v1/nodes/n1/services")
        await api.ask("/api/v1/services")
        assert (api.archive.flush("nodes"), api.archive.flush("sites")) == (2, 0)
        await api.ask("/api/v1/nodes")
        assert api.archive.stock("nodes").misses == 3


class TestBlocking:
    async def test_index_is_another_it_is_answered_at_once(self, api: Stage) -> None:
        """Lower or higher: it is none of this document."""
        index = (await api.json("/api/v1/nodes"))["index"]
        for other in (1, index - 1, index + 1, 2**63):
            assert (await api.json(f"/api/v1/nodes?index={other}"))["index"] == index

    @pytest.mark.parametrize("path", [path for path in PATHS if path not in WITHOUT_INDEX])
    async def test_index_is_the_documents_it_waits_for_another(
        self, path: str, api: Stage
    ) -> None:
        """It is woken by the change, with its new index."""
        sign = "&" if "?" in path else "?"
        index = (await api.json(path))["index"]
        asking = asyncio.create_task(api.json(f"{path}{sign}index={index}&wait=5m"))
        await eventually(lambda: api.views.waiting, "parked")
        rules = api.views.rules
        api.views.rules = replace(rules, categories=rules.categories[:3])
        api.views.show(*MANY, Instance("more", node="n1"), nodes={"n1": "10.0.0.2", **_NODES})
        assert (await asking)["index"] > index

    async def test_something_else_changes_it_is_not_woken(self, api: Stage) -> None:
        """Who waits for sites hears nothing of a service's Meta."""
        index = (await api.json("/api/v1/sites"))["index"]
        with api.wire() as wire:
            wire.send("GET", f"/api/v1/sites?index={index}&wait=5m")
            await eventually(lambda: api.views.waiting, "parked")
            api.views.show(Instance("id-0", meta={"company": "Beta"}), *MANY[1:])
            looked = len(api.views.asked)
            await eventually(lambda: api.views.waiting, "parked again")
            assert not await asyncio.to_thread(wire.readable)
            assert len(api.views.asked) >= looked
            api.views.drain()
            answer = await asyncio.to_thread(wire.read)
        assert answer.json()["index"] == index

    def test_time_is_over_it_is_answered_with_the_same(self) -> None:
        """After as long as the client said, or five minutes."""

        async def ask(query: str, seconds: float) -> None:
            async with stage() as one:
                one.views.show(*MANY)
                index = (await one.json("/api/v1/nodes"))["index"]
                asking = asyncio.create_task(one.json(f"/api/v1/nodes?index={index}{query}"))
                await eventually(lambda: one.views.waiting, "parked")
                skip(seconds - 1)
                await asyncio.sleep(0)
                assert not asking.done()
                skip(2)
                assert (await asking)["index"] == index

        warped(ask("&wait=10s", 10))
        warped(ask("", 300))

    async def test_client_has_the_tag_too_its_poll_is_a_304_only_in_the_end(
        self, api: Stage
    ) -> None:
        """An equal tag does not cut a poll short."""
        first = await api.ask("/api/v1/nodes")
        target = f"/api/v1/nodes?index={first.json()['index']}&wait=5m"
        headers = [("If-None-Match", tag(first))]
        asking = asyncio.create_task(api.ask(target, headers))
        await eventually(lambda: api.views.waiting, "parked")
        api.views.drain()
        assert (await asking).status == 304

    async def test_edge_shuts_down_who_waits_is_answered_with_what_there_is(self) -> None:
        """And nobody is kept waiting from then on."""
        async with stage() as one:
            one.views.show(*MANY)
            index = (await one.json("/api/v1/nodes"))["index"]
            target = f"/api/v1/nodes?index={index}&wait=10m"
            asking = asyncio.create_task(one.json(target))
            await eventually(lambda: one.views.waiting, "parked")
            one.views.drain()
            assert (await asking)["index"] == index
            assert (await one.json(target))["index"] == index

    async def test_rights_end_while_it_waits_it_is_refused(self, api: Stage) -> None:
        """It is told so, as whoever asks anew."""
        index = (await api.json("/api/v1/nodes"))["index"]
        asking = asyncio.create_task(api.ask(f"/api/v1/nodes?index={index}&wait=5m"))
        await eventually(lambda: api.views.waiting, "parked")
        api.views.fail(Refused(403, "Permission denied"))
        assert (await asking).status == 403

    async def test_client_has_too_many_waiting_the_next_is_refused(self) -> None:
        """Those that are answered at once are none."""
        async with stage(parked=2) as one:
            one.views.show(*MANY)
            index = (await one.json("/api/v1/nodes"))["index"]
            target = f"/api/v1/nodes?index={index}&wait=5m"
            asking = [asyncio.create_task(one.ask(target)) for _ in range(2)]
            await eventually(lambda: one.views.waiting == 2, "parked")
            refused = await one.ask(target)
            assert refused.status == 503
            assert "limits.parked_per_client (2)" in refused.json()["detail"]
            assert (await one.ask("/api/v1/nodes")).status == 200
            assert (await one.ask("/api/v1/nodes?index=1")).status == 200
            one.views.show(*MANY, Instance("more"))
            assert [answer.status for answer in await asyncio.gather(*asking)] == [200, 200]


_NODES: Final = {"n2": "10.0.0.1", "n3": "10.0.0.3"}


def _timeless(body: bytes) -> bytes:
    """Leave out how long an answer took."""
    start, sign, rest = body.partition(b'"total_time_ms":')
    return start + sign + rest.lstrip(b"0123456789")
