"""What the live page is made of, alone: the stream's format, retries, polling, what waits."""

from typing import Any, Final

from playwright.async_api import Page

_SAID: Final = """
window.said = [];
const NAMES = ["changes", "reload", "take", "standing", "found", "lost", "refused", "failed",
  "way"];
window.on = Object.fromEntries(
  NAMES.map((name) => [name, (...told) => said.push([name, ...told])]));
window.until = async (isSo) => {
  for (let turn = 0; !isSo(); turn += 1) {
    if (turn > 2000) throw new Error(`never: ${isSo}: ${JSON.stringify(said)}`);
    await new Promise((done) => setTimeout(done, 1));
  }
};
window.live = async (answer, limits = {}) => {
  const { createLive } = await import("/static/live.js");
  window.asked = [];
  window.fetch = async (target, { headers, signal }) => {
    asked.push([target, headers]);
    return answer({ target, headers, signal, time: asked.length });
  };
  window.made = createLive({ view: "services", rows: "/rows", on, limits });
  made.start(7);
};
window.stream = (text, { stays = false } = {}) => new Response(
  new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      if (!stays) controller.close();
    },
  }),
  { headers: { "Content-Type": "text/event-stream" } });
window.names = () => said.map(([name]) => name);
"""

HELLO: Final = (
    'event: hello\\ndata: {"cache":{"state":"live","age_seconds":0},"active_server":"a"}\\n\\n'
)


async def run(page: Page, script: str) -> Any:
    """Run a script with the helpers above."""
    await page.evaluate(_SAID)
    return await page.evaluate(f"async () => {{ {script.replace('HELLO', HELLO)} }}")


class TestFormat:
    """Server-sent events, to the letter."""

    async def test_events_are_read_however_they_are_cut(self, blank: Page) -> None:
        """Comments, line ends of each kind, data of several lines, ids, and any cut."""
        found = await run(
            blank,
            r"""
            const { createParser } = await import("/static/sse.js");
            const text = "\uFEFFretry: 10\n\n: a comment\r\nid: 7\revent: one\ndata: a\r\n"
              + "data:b\n\ndata\n\nevent: none\n\nid\ndata: last\r\r\nunknown: x\ndata: cut";
            const read = (size) => {
              const events = [];
              const note = (one) => events.push(one);
              const parser = createParser(note, note);
              for (let at = 0; at < text.length; at += size) {
                parser.push(text.slice(at, at + size));
              }
              return events.map((one) => JSON.stringify(one));
            };
            const whole = read(text.length);
            return [whole.map((one) => JSON.parse(one)),
                    [1, 2, 3, 5].map((size) => read(size).join() === whole.join())];
            """,
        )
        assert found == [
            [
                10,
                {"name": "one", "data": "a\nb", "id": "7"},
                {"name": "message", "data": ""},
                {"name": "message", "data": "last", "id": ""},
            ],
            [True] * 4,
        ]


class TestComingAgain:
    """After a stream has ended, or was none."""

    async def test_stream_ends_it_goes_on_from_the_last_id(self, blank: Page) -> None:
        """The first time from the rows that were loaded."""
        asked = await run(
            blank,
            r"""
            await live(({ time }) => stream(
              `HELLO` + (time === 1 ? 'id: 9\nevent: changes\ndata: {"services":{}}\n\n' : ""),
              { stays: time > 1 }));
            await until(() => asked.length === 2);
            return asked.map(([target, headers]) => [target, headers["Last-Event-ID"]]);
            """,
        )
        assert asked == [["/api/v1/events", "7"], ["/api/v1/events", "9"]]

    async def test_edge_is_away_each_pause_is_longer_and_none_is_known_before(
        self, blank: Page
    ) -> None:
        """Half of it is chance, and it has a bound."""
        pauses = await run(
            blank,
            """
            const { createBackoff } = await import("/static/backoff.js");
            const pauses = (chance) => {
              const backoff = createBackoff(() => chance);
              return Array.from({ length: 7 }, () => backoff.next(1000));
            };
            const again = createBackoff(() => 1);
            again.next(1000);
            again.reset();
            return [pauses(0), pauses(1), again.next(1000)];
            """,
        )
        assert pauses == [
            [500, 1000, 2000, 4000, 8000, 15000, 15000],
            [1000, 2000, 4000, 8000, 16000, 30000, 30000],
            1000,
        ]

    async def test_edge_is_away_it_is_said_and_tried_again(self, blank: Page) -> None:
        """Nothing is asked but the stream: who cannot be reached has no rows either."""
        found = await run(
            blank,
            """
            await live(() => { throw new TypeError("refused"); });
            await until(() => names().includes("lost"));
            return [asked.map(([target]) => target), names()];
            """,
        )
        assert found == [["/api/v1/events"], ["way", "lost"]]

    async def test_network_is_back_it_is_tried_at_once(self, blank: Page) -> None:
        """Who comes out of a tunnel does not wait for the next try."""
        asked = await run(
            blank,
            """
            await live(() => { throw new TypeError("refused"); });
            await until(() => names().includes("lost"));
            dispatchEvent(new Event("online"));
            return asked.length;
            """,
        )
        assert asked == 2

    async def test_rows_are_to_be_loaded_again_it_is_said_of_those_shown_alone(
        self, blank: Page
    ) -> None:
        """Other documents are nothing to this page."""
        found = await run(
            blank,
            r"""
            const reload = (id, ...documents) =>
              `id: ${id}\nevent: reload\ndata: ${JSON.stringify({ documents })}\n\n`;
            await live(() => stream(
              `HELLO` + reload(8, "nodes") + reload(9, "nodes", "services"), { stays: true }));
            await until(() => names().includes("reload"));
            return names().filter((name) => name === "reload").length;
            """,
        )
        assert found == 1

    async def test_token_may_see_nothing_any_more_it_is_told(self, blank: Page) -> None:
        """All rows are not asked for instead."""
        found = await run(
            blank,
            """
            await live(() => new Response('{"detail": "no"}', { status: 403 }));
            await until(() => names().includes("refused"));
            return [asked.length, said.at(-1)[1].message];
            """,
        )
        assert found == [1, "no"]


class TestPolling:
    """Where no stream comes through."""

    async def test_no_stream_comes_through_all_rows_are_asked_for_by_their_tag(
        self, blank: Page
    ) -> None:
        """What has not changed is not sent, and an outage is heard of all the same."""
        found = await run(
            blank,
            r"""
            const rows = (time) => time === 3
              ? new Response(null, { status: 304, headers: {
                  ETag: 'W/"a"', "X-Consul-Edge-Stale": "5", "X-Consul-Edge-Server": "a" } })
              : new Response(JSON.stringify({ index: 10 + time }), { headers: { ETag: 'W/"a"' } });
            await live(({ target, time }) => target === "/rows"
              ? rows(time) : new Response("<html>", { headers: { "Content-Type": "text/html" } }),
              { pauseMs: 1 });
            await until(() => asked.length > 4);
            const polls = asked.slice(1, 4).map(([target, headers]) => [
              target, headers["If-None-Match"] ?? null]);
            const told = said.filter(([name]) => ["take", "standing", "way"].includes(name));
            return [polls, told.slice(0, 5)];
            """,
        )
        polls, told = found
        assert polls == [["/rows", None], ["/rows", 'W/"a"'], ["/rows", 'W/"a"']]
        assert told == [
            ["way", "poll"],
            ["take", {"index": 12}],
            ["way", "poll"],
            ["standing", {"active_server": "a", "cache": {"state": "stale", "age_seconds": 5}}],
            ["way", "poll"],
        ]

    async def test_something_keeps_the_stream_to_itself_it_is_polled(self, blank: Page) -> None:
        """A proxy that gathers what streams gives a head, and then nothing."""
        found = await run(
            blank,
            """
            const silent = (signal) => new Response(
              new ReadableStream({
                start(controller) {
                  signal.addEventListener("abort", () => controller.error(new Error("aborted")));
                },
              }),
              { headers: { "Content-Type": "text/event-stream" } });
            await live(({ target, signal }) => target === "/rows"
              ? new Response('{"index": 8}') : silent(signal), { firstMs: 5, pauseMs: 1 });
            await until(() => names().includes("take"));
            return asked.slice(0, 2).map(([target]) => target);
            """,
        )
        assert found == ["/api/v1/events", "/rows"]

    async def test_rows_that_were_polled_are_shown_it_is_polled_on(self, blank: Page) -> None:
        """Who shows rows follows what comes after them: that is no reason to try a stream."""
        found = await run(
            blank,
            """
            on.take = (told) => made.start(told.index);
            await live(({ target, time }) => target === "/rows"
              ? new Response(`{"index": ${time}}`) : new Response("", { status: 429 }),
              { pauseMs: 1 });
            await until(() => asked.length > 5);
            return asked.slice(0, 5).map(([target]) => target);
            """,
        )
        assert found == ["/api/v1/events", *["/rows"] * 4]

    async def test_too_many_wait_already_it_is_polled(self, blank: Page) -> None:
        """An edge that has no place for a stream has its rows all the same."""
        found = await run(
            blank,
            """
            await live(({ target }) => target === "/rows"
              ? new Response('{"index": 8}') : new Response("", { status: 429 }), { pauseMs: 1 });
            await until(() => names().includes("take"));
            return names().includes("failed");
            """,
        )
        assert found is False


class TestWaiting:
    """Changes that are not shown yet."""

    async def test_later_change_of_a_row_takes_the_place_of_the_earlier(self, blank: Page) -> None:
        """Gone and there again is changed; there and gone is gone."""
        found = await run(
            blank,
            """
            const { createIncoming } = await import("/static/incoming.js");
            const incoming = createIncoming("services");
            const row = (ID, status) => ({ dc: "dc1", Node: "n", ID, status });
            incoming.add({ changed: [row("a", 1), row("b", 1)], removed: [["dc1", "n", "c"]] });
            incoming.add({ changed: [row("a", 2), row("c", 2)], removed: [["dc1", "n", "b"]] });
            return [incoming.size, incoming.take(), incoming.size];
            """,
        )
        row = {"dc": "dc1", "Node": "n"}
        assert found == [
            3,
            {
                "changed": [row | {"ID": "c", "status": 2}, row | {"ID": "a", "status": 2}],
                "removed": [["dc1", "n", "b"]],
            },
            0,
        ]

    async def test_more_wait_than_is_worth_keeping_they_are_loaded_again(
        self, blank: Page
    ) -> None:
        """A page that is paused over night does not grow."""
        found = await run(
            blank,
            """
            const { createIncoming } = await import("/static/incoming.js");
            const incoming = createIncoming("nodes");
            for (let n = 0; n < 9000; n += 1) incoming.add({ removed: [["dc1", `n${n}`, "a"]] });
            return [incoming.size, incoming.isWhole];
            """,
        )
        assert found == [5001, True]
