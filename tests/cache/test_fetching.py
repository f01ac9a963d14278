"""Fetching: questions are rendered from the key alone, and answers become entries."""

import pytest
from aiohttp import web

from consul_edge.cache.fetching import Fetcher, TooLarge, Unanswered
from consul_edge.cache.line import Line
from consul_edge.core.entry import Entry
from consul_edge.core.key import parse_key
from consul_edge.core.policy import Rule
from consul_edge.core.request import parse_call
from consul_edge.web.keys import CACHE
from tests.cache.making import WEB, Edge, line_in, lines_with, play
from tests.house import edge_over
from tests.processes import fresh_address
from tests.virtual import elapse

MEBIBYTE = 2**20


def fetcher_of(edge: Edge) -> Fetcher:
    """Reach the part that is tested here."""
    return edge.cache._fetcher


def a_line(target: str, token: str = "", namespace: str = "") -> Line:
    """Make the line of a client's request."""
    headers = [("X-Consul-Namespace", namespace)] if namespace else []
    key, _ = parse_key(parse_call("GET", target), headers, "who" if token else "")
    rule = Rule(key.endpoint, key.endpoint.treatment, 1.0, False, 60.0, True)
    return lines_with().obtain(key, rule, token)


QUESTIONS = [
    (f"{WEB}?passing&index=9&wait=1s&stale&cached", 0, f"{WEB}?passing"),
    (f"{WEB}?passing&index=9&wait=1s&stale&cached", 5, f"{WEB}?passing&index=5&wait=30s"),
    (f"{WEB}?token=secret&dc=a", 0, f"{WEB}?dc=a"),
    ("/v1/kv/a%2Fb?raw", 7, "/v1/kv/a%2Fb?raw&index=7&wait=30s"),
    ("/v1/kv/a", 2**64 - 1, f"/v1/kv/a?index={2**64 - 1}&wait=30s"),
]


@pytest.mark.parametrize(
    ("target", "index", "expected"), QUESTIONS, ids=[f"{row[0]}-{row[1]}" for row in QUESTIONS]
)
def test_question_is_rendered_from_the_key(target: str, index: int, expected: str) -> None:
    """Without how fresh, how long and as whom one client asked."""

    async def scene(edge: Edge) -> None:
        question = fetcher_of(edge).question(a_line(target), index=index)
        assert (question.call.target, question.body) == (expected, None)
        assert (question.call.poll is not None) == bool(index)

    play(scene)


def test_question_carries_the_keys_headers_and_the_token() -> None:
    """And the edge's own mark, by which it finds itself among its servers."""

    async def scene(edge: Edge) -> None:
        question = fetcher_of(edge).question(a_line(WEB, "t", "team"))
        assert sorted(question.headers) == [
            ("Via", "1.1 consul-edge-unit"),
            ("X-Consul-Namespace", "team"),
            ("X-Consul-Token", "t"),
        ]

    play(scene)


async def _ask(edge: Edge, target: str = WEB) -> Entry:
    return await fetcher_of(edge).ask(line_in(edge.cache.lines, target))


def test_answer_becomes_an_entry_of_the_server_that_gave_it() -> None:
    """With its status, index and body, and without what belongs to one connection."""

    async def scene(edge: Edge) -> None:
        headers = (("Connection", "X-Hop"), ("X-Hop", "1"), ("X-Consul-Translate", "1"))
        edge.consul.say(WEB, b"[1]", 5, headers=headers)
        entry = await _ask(edge)
        assert (entry.status, entry.index, entry.body) == (200, 5, b"[1]")
        assert entry.server == edge.servers[0].name
        assert entry.headers == (("X-Consul-Translate", "1"),)

    play(scene)


def test_tags_of_services_come_in_another_order_the_entry_means_the_same() -> None:
    """Of that one endpoint; the body that is answered stays as it came."""

    async def scene(edge: Edge) -> None:
        entries = []
        for body in (b'{"a":["x","y"]}', b'{"a":["y","x"]}'):
            for target in ("/v1/catalog/services", WEB):
                edge.consul.say(target, body, 5)
                entries.append(await _ask(edge, target))
        services, web, services_again, web_again = entries
        assert services.digest == services_again.digest
        assert services.body != services_again.body
        assert web.digest != web_again.digest

    play(scene)


def test_consul_has_no_leader_its_words_come_with_the_error() -> None:
    """For want of a better answer they are the client's."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"No cluster leader", 0, 500)
        with pytest.raises(Unanswered) as caught:
            await _ask(edge)
        assert (caught.value.entry.status, caught.value.entry.body) == (500, b"No cluster leader")

    play(scene)


def test_error_that_clients_make_is_an_answer() -> None:
    """It says nothing about the servers, and nobody else is asked."""

    async def scene(edge: Edge) -> None:
        edge.consul.say(WEB, b"No path to datacenter", 0, 500)
        entry = await _ask(edge)
        assert (entry.status, len(edge.consul.asked)) == (500, 1)

    play(scene, "ab")


@pytest.mark.parametrize(("size", "fits"), [(1024, True), (1025, False)])
def test_answer_is_kept_up_to_the_bound(size: int, fits: bool) -> None:
    """To the byte; beyond, its key is remembered for a minute."""

    async def scene(edge: Edge) -> None:
        line = line_in(edge.cache.lines, WEB)
        edge.consul.say(WEB, b"x" * size, 5)
        if fits:
            assert len((await _ask(edge)).body) == size
        else:
            with pytest.raises(TooLarge):
                await _ask(edge)
        assert fetcher_of(edge).was_too_large(line.key) is not fits
        await elapse(60.1)
        assert not fetcher_of(edge).was_too_large(line.key)

    play(scene, CACHE__MAX_ENTRY_BYTES="1KiB")


def test_many_answers_are_too_large_what_is_remembered_is_bounded() -> None:
    """Promise 8: the first are tried again."""

    async def scene(edge: Edge) -> None:
        for number in range(1100):
            target = f"/v1/kv/{number}"
            edge.consul.say(target, b"x" * 2000, 5)
            with pytest.raises(TooLarge):
                await _ask(edge, target)
        assert len(fetcher_of(edge)._too_large) <= 1000

    play(scene, CACHE__MAX_ENTRY_BYTES="1KiB")


async def large_answers(request: web.Request) -> web.StreamResponse:
    """Answer with as many bytes as asked for, chunked if asked so."""
    if request.path == "/v1/status/leader":
        return web.json_response("10.0.0.1:8300")
    size = int(request.query["size"])
    response = web.StreamResponse(headers={"X-Consul-Index": "5"})
    if "chunked" in request.query:
        response.enable_chunked_encoding()
    else:
        response.content_length = size
    await response.prepare(request)
    while size > 0:
        await response.write(b"x" * min(size, 65536))
        size -= 65536
    return response


LARGE = [
    ("whole", f"size={MEBIBYTE}", MEBIBYTE),
    ("streamed", f"size={3 * MEBIBYTE}", 3 * MEBIBYTE),
    ("chunked", f"size={3 * MEBIBYTE}&chunked", 3 * MEBIBYTE),
]


@pytest.mark.parametrize(("query", "size"), [row[1:] for row in LARGE], ids=[r[0] for r in LARGE])
@pytest.mark.parametrize("bound", ["4MiB", "2MiB"])
async def test_answer_is_read_to_its_end_or_given_up_where_it_grows_too_large(
    query: str, size: int, bound: str
) -> None:
    """Whatever it says of its length; the connection is free again afterwards."""
    address = fresh_address()
    app = web.Application()
    app.router.add_get("/{path:.*}", large_answers)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, 8500).start()
        async with edge_over(f"{address}:8500", CACHE__MAX_ENTRY_BYTES=bound) as house:
            cache = house.app[CACHE]
            line = line_in(cache.lines, f"/v1/catalog/nodes?{query}")
            asking = cache._fetcher.ask(line)
            if bound == "4MiB" or size <= MEBIBYTE:
                assert len((await asking).body) == size
            else:
                with pytest.raises(TooLarge):
                    await asking
            (server,) = house.rotation.servers
            assert server.slots.short == 0
    finally:
        await runner.cleanup()
