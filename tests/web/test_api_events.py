"""Server-sent events: what is told, how often, to whom, and when a stream ends."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import pytest
from structlog.testing import capture_logs

from consul_edge.core.errors import NoServer, Refused
from consul_edge.enrich.changes import render_changes
from consul_edge.enrich.standing import State
from consul_edge.enrich.view import View
from consul_edge.web import events, feed, given
from tests.waiting import eventually
from tests.warp import skip, warped
from tests.web.stage import Instance, Stage, stage

TARGET: Final = "/api/v1/events"

FEW: Final = (Instance("a"), Instance("b", node="n2"))


@dataclass(frozen=True)
class Event:
    """One event as a reader gets it."""

    name: str
    data: Any
    id: str | None


class Stream:
    """A reader of events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Read the body of *response*."""
        self.response = response
        self.comments = 0
        self.retry = ""

    async def next(self) -> Event | None:
        """Read the next event; None: the stream has ended."""
        fields: dict[str, str] = {}
        while True:
            line = (await self.response.content.readline()).decode()
            if not line:
                assert not fields, "the stream ended within an event"
                return None
            name, _, value = line.strip("\r\n").partition(": ")
            if not name and value:
                self.comments += 1
            elif name == "retry":
                self.retry = value
            elif name:
                fields[name] = value
            elif fields:
                return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))

    async def take(self, name: str) -> Event:
        """Read the next event, which is called *name*."""
        event = await self.next()
        assert event is not None, f"the stream has ended where {name} was to come"
        assert event.name == name, event
        return event


@contextlib.asynccontextmanager
async def stream(api: Stage, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open a stream."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.client.get(f"{TARGET}{query}", headers=sent) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


@pytest.fixture
async def api() -> AsyncIterator[Stage]:
    """Give the API over two instances."""
    async with stage() as one:
        one.views.show(*FEW)
        yield one


async def turns(count: int = 50) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


class TestWhatIsTold:
    async def test_stream_is_opened_it_says_where_it_begins(self, api: Stage) -> None:
        """A reader learns all indexes, who tells it, and how sure that is."""
        view = api.views.show(*FEW)
        async with stream(api) as reader:
            hello = await reader.take("hello")
            headers = reader.response.headers
        assert hello.id == str(view.index)
        assert hello.data == {
            "index": view.index,
            "services_index": view.services_index,
            "nodes_index": view.nodes_index,
            "sites_index": view.sites_index,
            "rules_index": view.rules_index,
            "instance": "e1",
            "main_server": "10.0.0.1",
            "active_server": "10.0.0.1:8500",
            "cache": {"state": "live", "age_seconds": 0.25},
        }
        assert reader.retry == "2000"
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "private, no-cache"
        assert headers["X-Consul-Edge-Server"] == "10.0.0.1:8500"

    async def test_row_changes_it_is_told(self, api: Stage) -> None:
        """What is new or other, and what is gone."""
        async with stream(api) as reader:
            await reader.take("hello")
            view = api.views.show(Instance("a", status="critical"), Instance("c"))
            change = await reader.take("changes")
        assert change.id == str(view.index) == str(change.data["index"])
        changed = {row["ID"]: row["status"] for row in change.data["services"]["changed"]}
        assert changed == {"a": "critical", "c": "passing"}
        assert change.data["services"]["removed"] == [["dc1", "n2", "b"]]

    async def test_standing_changes_it_is_told_without_an_id(self, api: Stage) -> None:
        """A reader that comes again has missed nothing of the rows by it."""
        async with stream(api) as reader:
            await reader.take("hello")
            api.views.stand(State.STALE, 4.0, "10.0.0.9:8500")
            told = await reader.take("standing")
        assert told.id is None
        assert told.data == {
            "main_server": "10.0.0.1",
            "active_server": "10.0.0.9:8500",
            "cache": {"state": "stale", "age_seconds": 4.0},
        }

    def test_age_grows_it_is_told_every_ten_seconds(self) -> None:
        """While it is live its age says nothing."""

        async def work() -> list[float]:
            async with stage() as one:
                one.views.show(*FEW)
                async with stream(one) as reader:
                    await reader.take("hello")
                    one.views.stand(State.LIVE, 2.9)
                    await turns()
                    one.views.stand(State.STALE, 1.0)
                    told = [await reader.take("standing")]
                    for age in (5.0, 10.9, 11.5):
                        one.views.stand(State.STALE, age)
                        skip(2.5)
                        await eventually(lambda: one.views.waiting, "the next look")
                        skip(2.5)
                        await turns()
                    told.append(await reader.take("standing"))
            return [event.data["cache"]["age_seconds"] for event in told]

        assert warped(work()) == [1.0, 11.5]

    async def test_change_is_too_large_the_reader_is_to_load_again(
        self, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A change that is as large as the whole is not worth telling; it says what is other."""
        monkeypatch.setattr(events, "MAX_CHANGE_BYTES", 200)
        async with stream(api) as reader:
            await reader.take("hello")
            view = api.views.show(Instance("a", status="critical"), FEW[1])
            told = await reader.take("reload")
            assert told.id == str(view.index)
            assert told.data == {"index": view.index, "documents": ["services", "nodes"]}
            monkeypatch.undo()
            api.views.show(*FEW)
            await reader.take("changes")

    async def test_rows_are_too_many_the_reader_is_to_load_again(self, api: Stage) -> None:
        """Five thousand rows are loaded faster than told."""
        async with stream(api) as reader:
            await reader.take("hello")
            api.views.show(*(Instance(f"id-{number}") for number in range(5_100)))
            await reader.take("reload")

    def test_nothing_happens_a_comment_keeps_the_stream_open(self) -> None:
        """Every fifteen seconds."""

        async def work() -> int:
            async with stage() as one:
                one.views.show(*FEW)
                async with stream(one) as reader:
                    await reader.take("hello")
                    for _ in range(2):
                        skip(15.5)
                        await turns()
                    one.views.stand(State.STALE)
                    await reader.take("standing")
            return reader.comments

        assert warped(work()) == 2


class TestPace:
    def test_rows_change_all_the_time_they_are_told_once_a_second(self) -> None:
        """What happened in between is one change."""

        async def work() -> list[Event]:
            async with stage() as one:
                one.views.show(*FEW)
                async with stream(one) as reader:
                    await reader.take("hello")
                    await eventually(lambda: one.views.waiting, "followed")
                    one.views.show(Instance("c1"), *FEW)
                    told = [await reader.take("changes")]
                    for number in range(2, 20):
                        one.views.show(Instance(f"c{number}"), *FEW)
                        skip(0.04)
                        await turns(5)
                    waiting = asyncio.create_task(reader.take("changes"))
                    await turns()
                    assert not waiting.done()
                    skip(1.0)
                    told.append(await waiting)
                return told

        first, second = warped(work())
        assert [row["ID"] for row in first.data["services"]["changed"]] == ["c1"]
        assert [row["ID"] for row in second.data["services"]["changed"]] == ["c19"]
        assert second.data["services"]["removed"] == [["dc1", "n1", "c1"]]

    def test_reader_takes_nothing_in_it_gets_one_merged_change(self) -> None:
        """What it missed waits nowhere: the edge holds what was written and no more."""

        async def work() -> tuple[Event, int]:
            async with stage() as one:
                meta = {"nota": "x" * 1_000_000}
                one.views.show(Instance("big"))
                with one.wire() as wire:
                    wire.send("GET", TARGET)
                    await asyncio.to_thread(wire.read_head)
                    await eventually(lambda: one.views.waiting, "followed")
                    for number in range(15):
                        said = {**meta, "number": str(number)}
                        one.views.show(Instance("big", meta=said))
                        await turns()
                        skip(1.1)
                        await eventually(lambda: one.views.waiting, "followed")
                    text = b""
                    found: list[bytes] = []
                    while not found or b'"number":"14"' not in found[-1]:
                        text += await asyncio.to_thread(wire.read_chunk)
                        *found, _ = text.split(b"\n\n")
                    names = [part for part in found if b"event: changes" in part]
                    last = names[-1].split(b"data: ")[1]
                    return Event("changes", json.loads(last), None), len(names)

        last, count = warped(work())
        assert last.data["services"]["changed"][0]["Meta"]["number"] == "14"
        assert count < 14

    async def test_many_read_the_same_a_change_is_rendered_once(
        self, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And Consul's views are looked at by one for all of them."""
        rendered: list[int] = []

        def render(before: View, after: View) -> bytes:
            rendered.append(after.index)
            return render_changes(before, after)

        monkeypatch.setattr(events, "render_changes", render)
        async with contextlib.AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(stream(api)) for _ in range(10)]
            for reader in readers:
                await reader.take("hello")
            await eventually(lambda: api.views.waiting, "followed")
            assert api.views.waiting == 1
            api.views.show(*FEW, Instance("c"))
            ids = {(await reader.take("changes")).id for reader in readers}
        assert [*map(str, rendered)] == [*ids]


class TestComingAgain:
    @pytest.mark.parametrize("way", ["header", "parameter"])
    async def test_reader_knows_a_view_that_is_remembered_it_gets_what_came_since(
        self, way: str, api: Stage
    ) -> None:
        """A broken connection costs nothing but what was missed."""
        async with stream(api) as other:
            index = (await other.take("hello")).id
            api.views.show(*FEW, Instance("c"))
            await other.take("changes")
            query = f"?index={index}" if way == "parameter" else "?index=5"
            headers = {} if way == "parameter" else {"Last_Event_ID": index or ""}
            async with stream(api, query, **headers) as reader:
                hello = await reader.take("hello")
                change = await reader.take("changes")
        assert hello.id is None, "what came since is not there yet"
        assert [row["ID"] for row in change.data["services"]["changed"]] == ["c"]

    async def test_reader_knows_what_there_is_it_is_told_nothing_but_that(
        self, api: Stage
    ) -> None:
        """Nobody loads again without need."""
        index = (await api.json("/api/v1/services"))["index"]
        async with stream(api, f"?index={index}") as reader:
            await reader.take("hello")
            api.views.show(*FEW, Instance("c"))
            change = await reader.take("changes")
        assert [row["ID"] for row in change.data["services"]["changed"]] == ["c"]

    async def test_reader_knows_more_than_the_feed_it_is_told_what_comes_after_that(
        self, api: Stage
    ) -> None:
        """Others have the feed look once a second: what was read in between is no stranger."""
        async with stream(api) as other:
            await other.take("hello")
            await eventually(lambda: api.views.waiting, "followed")
            api.views.show(*FEW, Instance("c"))
            await other.take("changes")
            newest = api.views.show(*FEW, Instance("d"))
            async with stream(api, f"?index={newest.index}") as reader:
                assert (await reader.take("hello")).data["index"] == newest.index
                # The feed never sees the one before.
                last = api.views.show(*FEW)
                change = await reader.take("changes")
        assert change.data["index"] == last.index
        assert change.data["services"]["removed"] == [["dc1", "n1", "d"]]

    async def test_reader_has_a_document_it_is_told_what_changed_before_it_came(
        self, api: Stage
    ) -> None:
        """Else who loads and then follows would load for ever where something always changes."""
        index = (await api.json("/api/v1/services"))["index"]
        api.views.show(Instance("a", meta={"company": "Acme"}), FEW[1])
        view = api.views.show(*FEW, Instance("c"))
        async with stream(api, f"?index={index}") as reader:
            await reader.take("hello")
            change = await reader.take("changes")
            api.views.stand(State.STALE)
            await reader.take("standing")
        assert [row["ID"] for row in change.data["services"]["changed"]] == ["c"]
        assert change.id == str(view.index)

    async def test_reader_has_one_document_of_several_it_loads_the_others_again(
        self, api: Stage
    ) -> None:
        """A document says nothing of what it does not show: another of his may be older."""
        nodes = {"n1": "10.0.0.1", "n2": "10.0.0.2"}
        api.views.show(*FEW, nodes=nodes)
        document = await api.json("/api/v1/services")
        view = api.views.show(Instance("a", meta={"company": "Acme"}), FEW[1], nodes=nodes)
        assert document["index"] < view.nodes_index < view.index
        async with stream(api, f"?index={document['index']}") as reader:
            await reader.take("hello")
            change = await reader.take("changes")
            told = await reader.take("reload")
        assert [row["ID"] for row in change.data["services"]["changed"]] == ["a"]
        assert told.data == {"index": view.index, "documents": ["nodes"]}

    async def test_reader_knows_what_is_forgotten_it_is_told_which_to_load_again(
        self, api: Stage
    ) -> None:
        """Documents that did not change since are not among them."""
        index = (await api.json("/api/v1/services"))["index"]
        for number in range(given.VIEWS):
            api.views.show(Instance("a", meta={"company": f"Acme {number}"}), FEW[1])
            await api.json("/api/v1/services")
        view = await api.views.view("")
        async with stream(api, f"?index={index}") as reader:
            await reader.take("hello")
            told = await reader.take("reload")
        assert told.data == {"index": view.index, "documents": ["services"]}
        assert told.id == str(view.index)

    @pytest.mark.parametrize("index", [1, 2**40])
    async def test_reader_knows_another_edges_index_it_loads_all_again(
        self, index: int, api: Stage
    ) -> None:
        """An index that was never given here says nothing."""
        async with stream(api, f"?index={index}") as reader:
            await reader.take("hello")
            told = await reader.take("reload")
        assert told.data["documents"] == ["services", "nodes", "sites", "rules"]

    async def test_reader_knows_an_index_between_ours_it_loads_all_again(self, api: Stage) -> None:
        """Those of two edges that started together are alike: only what was told here counts."""
        view = api.views.show(*FEW, Instance("c"))
        api.views.show(*FEW, Instance("d"))
        async with stream(api, f"?index={view.index}") as reader:
            await reader.take("hello")
            told = await reader.take("reload")
        assert told.data["documents"] == ["services", "nodes", "sites", "rules"]

    async def test_reader_knows_what_another_token_was_told_it_loads_all_again(
        self, api: Stage
    ) -> None:
        """What one may see says nothing about what another has."""
        api.views.show(Instance("a"), token="other")
        view = api.views.show(*FEW, Instance("c"))
        await api.json("/api/v1/services")
        api.views.show(*FEW, Instance("e"), token="other")
        api.views.show(*FEW, token="other")
        async with stream(api, f"?index={view.index}", X_Consul_Token="other") as reader:
            await reader.take("hello")
            told = await reader.take("reload")
        assert told.data["documents"] == ["services", "nodes", "sites", "rules"]

    async def test_only_reader_comes_again_it_loads_what_changed_meanwhile(
        self, api: Stage
    ) -> None:
        """What a stream has told is known although nobody followed since."""
        async with stream(api) as reader:
            await reader.take("hello")
            api.views.show(*FEW, Instance("c"))
            last = (await reader.take("changes")).id
        await eventually(lambda: not api.views.waiting, "nobody follows")
        api.views.show(*FEW)
        async with stream(api, Last_Event_ID=last or "") as reader:
            await reader.take("hello")
            told = await reader.take("reload")
        assert told.data["documents"] == ["services", "nodes", "sites"], "not the rules"

    def test_indexes_told_are_many_the_oldest_is_forgotten(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is remembered of readers is bounded."""
        monkeypatch.setattr(given, "MOST", 2)
        told = given.Given()
        told.note("alice", 1, 2)
        told.note("alice", 1)
        told.note("bob", 2)
        found = [(name, index) for name in ("alice", "bob") for index in (1, 2)]
        assert [one for one in found if told.has(*one)] == [("alice", 1), ("bob", 2)]

    async def test_reader_is_further_behind_than_is_remembered_it_loads_again(
        self, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """How many views are kept for those behind is bounded."""
        monkeypatch.setattr(feed, "REMEMBERED", 2)
        monkeypatch.setattr(feed, "PACE", 0.01)
        async with stream(api) as other:
            index = (await other.take("hello")).id
            for number in range(4):
                api.views.show(Instance(f"c{number}"))
                await other.take("changes")
            async with stream(api, f"?index={index}") as reader:
                await reader.take("hello")
                await reader.take("reload")

    async def test_last_id_is_no_index_it_is_refused(self, api: Stage) -> None:
        """It is told which header is wrong."""
        async with api.client.get(TARGET, headers={"Last-Event-ID": "x"}) as response:
            assert response.status == 400
            assert "Last-Event-ID: 'x'" in (await response.json())["detail"]

    async def test_index_beside_a_last_id_is_none_it_is_refused(self, api: Stage) -> None:
        """A wrong target does not pass because a header goes before it."""
        async with api.client.get(f"{TARGET}?index=x", headers={"Last-Event-ID": "1"}) as response:
            assert response.status == 400
            assert "index: 'x'" in (await response.json())["detail"]


class TestEnd:
    async def test_edge_shuts_down_streams_end_in_order(self) -> None:
        """A reader sees the end of the body, not a broken connection."""
        async with stage() as one:
            one.views.show(*FEW)
            async with stream(one) as reader:
                await reader.take("hello")
                one.events.drain()
                assert await reader.next() is None
            async with stream(one) as reader:
                await reader.take("hello")
                assert await reader.next() is None

    async def test_rights_end_streams_end(self, api: Stage) -> None:
        """Who comes again is told why."""
        async with stream(api) as reader:
            await reader.take("hello")
            api.views.fail(Refused(403, "Permission denied"))
            assert await reader.next() is None
        assert (await api.ask(TARGET)).status == 403

    async def test_consul_does_not_answer_the_stream_goes_on(
        self, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It tells how things stand, and goes on when it answers again."""
        monkeypatch.setattr(feed, "PACE", 0.01)
        async with stream(api) as reader:
            await reader.take("hello")
            api.views.fail(NoServer({"a:8500": "refused"}))
            api.views.stand(State.STALE, 3.0)
            await reader.take("standing")
            api.views.show(*FEW)
            api.views.stand(State.LIVE)
            while (event := await reader.next()) and event.name != "standing":
                pass
            assert event is not None
            assert event.data["cache"]["state"] == "live"

    async def test_feed_has_a_defect_streams_end_and_it_is_logged(
        self, api: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stream that stands and says nothing for ever would be the worst."""
        async with stream(api) as reader:
            await reader.take("hello")
            with capture_logs() as logs:
                monkeypatch.setattr(api.views, "standing", lambda _token: 1 // 0)
                api.views.show(*FEW, Instance("c"))
                while await reader.next():
                    pass
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["feed failed"]

    async def test_last_reader_leaves_nothing_is_followed_any_more(self, api: Stage) -> None:
        """An idle edge does nothing."""
        async with stream(api) as first:
            await first.take("hello")
            async with stream(api) as second:
                await second.take("hello")
            await eventually(lambda: api.views.waiting, "followed")
        await eventually(lambda: not api.views.waiting, "no more")
        assert api.events._feeds == {}

    async def test_client_has_too_many_streams_the_next_is_refused(self) -> None:
        """They count as blocking queries do, and leave room when they end."""
        async with stage(parked=1) as one:
            one.views.show(*FEW)
            async with stream(one) as reader:
                await reader.take("hello")
                refused = await one.ask(TARGET)
                assert refused.status == 503
                assert "limits.parked_per_client (1)" in refused.json()["detail"]

            await eventually(lambda: not one.events._feeds, "it has ended")
            async with stream(one) as reader:
                await reader.take("hello")

    async def test_two_tokens_read_each_is_told_of_its_own(self, api: Stage) -> None:
        """No feed is shared by two identities."""
        api.views.show(Instance("of-alice"), token="alice")
        async with stream(api, X_Consul_Token="alice") as alice, stream(api) as nobody:
            await alice.take("hello")
            await nobody.take("hello")
            api.views.show(*FEW, Instance("of-nobody"))
            await nobody.take("changes")
            api.views.show(Instance("of-alice"), Instance("more-of-alice"), token="alice")
            change = await alice.take("changes")
        assert [row["ID"] for row in change.data["services"]["changed"]] == ["more-of-alice"]
