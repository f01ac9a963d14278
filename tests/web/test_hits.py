"""Writing kept answers: what their headers say, and one rendering and compression for all."""

import asyncio
import gc
import gzip
import weakref
from collections.abc import Mapping
from dataclasses import replace
from unittest.mock import Mock

import pytest
from aiohttp import HttpVersion10, web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from consul_edge.cache.served import Served
from consul_edge.config import Settings
from consul_edge.core.entry import Entry, make_entry, moment_headers
from consul_edge.web import hits as hits_module
from consul_edge.web import rendering
from consul_edge.web.access import Access
from consul_edge.web.hits import Delivery, Hits, Ready, accepts_gzip
from consul_edge.web.keys import ACCESS
from consul_edge.web.rendering import RENDERED, Rendering

SMALL = b"[1]"
MEDIUM = b"[" + b"1," * 2000 + b"1]"
LARGE = b"[" + b"1," * 100_000 + b"1]"
GZIP = {"Accept-Encoding": "gzip"}


def an_entry(body: bytes = SMALL, status: int = 200) -> Entry:
    """Make an entry as one is made of Consul's answer."""
    said = [
        ("Content-Type", "application/json"),
        ("Vary", "Accept-Encoding"),
        ("X-Consul-Index", "7"),
        ("X-Consul-Knownleader", "true"),
        ("X-Consul-Lastcontact", "3"),
    ]
    return make_entry(status, "OK", said, body, server="a:8500")


def a_request(headers: Mapping[str, str] | None = None, *, buffered: int = 0) -> web.Request:
    """Make a client's request; what is written to it is in its transport."""
    transport = Mock()
    transport.is_closing.return_value = False
    transport.get_write_buffer_size.return_value = buffered
    transport.get_extra_info.return_value = None
    app = web.Application()
    app[ACCESS] = Access(Settings())
    return make_mocked_request("GET", "/v1/catalog/nodes", headers, transport=transport, app=app)


def written(request: web.Request) -> tuple[str, dict[str, str], bytes]:
    """Read the one answer that was written to a client."""
    (call,) = request.transport.write.call_args_list  # type: ignore[union-attr] # a mock
    head, _, body = call.args[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


async def answered(
    served: Served, headers: dict[str, str] | None = None, hits: Hits | None = None
) -> tuple[str, dict[str, str], bytes]:
    """Answer one client at once."""
    request = a_request(headers)
    assert isinstance(await (hits or Hits(Rendering())).respond(request, served), Ready)
    return written(request)


CASES = [
    (
        "live",
        Served(an_entry(), "live", 0.7, is_live=True),
        {"X-Cache": "HIT", "Age": "0", "Cache-Status": "consul-edge; hit; detail=live"},
        "3",
    ),
    (
        "ttl",
        Served(an_entry(), "ttl", 1.9, is_live=False),
        {"X-Cache": "HIT", "Age": "1", "Cache-Status": "consul-edge; hit; detail=ttl"},
        "1903",
    ),
    (
        "held",
        Served(an_entry(), "held"),
        {"X-Cache": "HIT", "Age": "0", "Cache-Status": "consul-edge; hit; detail=held"},
        "3",
    ),
    (
        "stale",
        Served(an_entry(), "stale", 61.2, is_live=False),
        {
            "X-Cache": "HIT",
            "Age": "61",
            "Cache-Status": "consul-edge; hit; detail=stale",
            "X-Consul-Edge-Stale": "61",
        },
        "61203",
    ),
    (
        "miss",
        Served(an_entry(), "miss"),
        {"X-Cache": "MISS", "Cache-Status": "consul-edge; fwd=miss"},
        "3",
    ),
    (
        "collapsed",
        Served(an_entry(), "collapsed"),
        {"X-Cache": "MISS", "Cache-Status": "consul-edge; fwd=miss; collapsed"},
        "3",
    ),
]


@pytest.mark.parametrize(
    ("served", "expected", "contact"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
async def test_answer_says_where_it_comes_from_and_how_old_it_is(
    served: Served, expected: dict[str, str], contact: str
) -> None:
    """The headers of DESIGN.md section 5, and Consul's own; ``Age`` on a hit only."""
    first, headers, body = await answered(served)
    assert headers.pop("Date").endswith(" GMT")
    assert (first, body) == ("HTTP/1.1 200 OK", SMALL)
    assert headers == expected | {
        "Content-Type": "application/json",
        "Vary": "Accept-Encoding",
        "X-Consul-Index": "7",
        "X-Consul-Knownleader": "false" if served.is_stale else "true",
        "X-Consul-Lastcontact": contact,
        "X-Consul-Edge-Server": "a:8500",
        "Content-Length": "3",
    }


async def test_client_cannot_be_written_to_at_once_it_gets_the_same_by_aiohttp() -> None:
    """One that reads slowly, speaks HTTP/1.0, wants the end or gets much: the way that waits."""
    served = Served(an_entry(MEDIUM), "live")
    hits = Hits(Rendering())
    _, expected, body = await answered(served, hits=hits)
    del expected["Date"], expected["Content-Length"]
    old = make_mocked_request("GET", "/", version=HttpVersion10)
    closing = a_request({"Connection": "close"})
    closing._message = closing._message._replace(should_close=True)
    for request in (a_request(buffered=1), old, closing):
        response = await hits.respond(request, served)
        assert type(response) is web.Response
        assert (dict(response.headers), response.body) == (expected, body)


async def test_body_is_large_it_is_not_written_at_once() -> None:
    """It may be more than the client takes in."""
    request = a_request()
    response = await Hits(Rendering()).respond(request, Served(an_entry(LARGE), "live"))
    assert type(response) is web.Response
    assert response.body == LARGE
    request.transport.write.assert_not_called()  # type: ignore[union-attr] # a mock


@pytest.mark.parametrize("body", [MEDIUM, LARGE], ids=["medium", "large"])
async def test_clients_with_and_without_gzip_share_one_entry(body: bytes) -> None:
    """Each gets what it accepts, with the length that it has, and the meaning is one."""
    hits, served = Hits(Rendering()), Served(an_entry(body), "live")
    got = []
    for request in (a_request(), a_request(GZIP)):
        response = await hits.respond(request, served)
        if isinstance(response, web.Response):
            got.append(response.body)
        else:
            got.append(written(request)[2])
    assert isinstance(got[1], bytes)
    assert (got[0], gzip.decompress(got[1])) == (body, body)


async def test_zipped_answer_says_so() -> None:
    """With its own length."""
    _, headers, body = await answered(Served(an_entry(MEDIUM), "live"), GZIP)
    assert (headers["Content-Encoding"], headers["Content-Length"]) == ("gzip", str(len(body)))


async def test_accepted_codings_come_in_several_headers_all_count() -> None:
    """They are one list, whose order means nothing."""
    plain, zipped = Served(an_entry(MEDIUM), "live"), []
    for last in ("gzip", "gzip;q=0"):
        request = a_request(CIMultiDict([("Accept-Encoding", "br"), ("Accept-Encoding", last)]))
        await Hits(Rendering()).respond(request, plain)
        zipped.append("Content-Encoding" in written(request)[1])
    assert zipped == [True, False]


async def test_body_fits_a_packet_it_is_not_compressed() -> None:
    """There is nothing to win."""
    _, headers, body = await answered(Served(an_entry(SMALL), "live"), GZIP)
    assert ("Content-Encoding" in headers, body) == (False, SMALL)


@pytest.mark.parametrize("body", [MEDIUM, LARGE], ids=["medium", "large"])
async def test_many_accept_gzip_the_entry_is_compressed_once(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when they all come before the first compression is done."""
    compressions = []

    def compress(raw: bytes) -> bytes:
        compressions.append(raw)
        return gzip.compress(raw)

    for module in (hits_module, rendering):
        monkeypatch.setattr(module, "compress", compress)
    hits, served = Hits(Rendering()), Served(an_entry(body), "live")
    await asyncio.gather(*(hits.respond(a_request(GZIP), served) for _ in range(50)))
    await hits.respond(a_request(GZIP), replace(served, age=3.0))
    assert len(compressions) == 1


async def test_client_leaves_while_its_answer_is_compressed_the_others_get_it() -> None:
    """The compression is nobody's own."""
    hits, served = Hits(Rendering()), Served(an_entry(LARGE), "live")
    first, second = (asyncio.create_task(hits.respond(a_request(GZIP), served)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    response = await second
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    assert gzip.decompress(response.body) == LARGE


async def test_same_is_written_to_many_it_is_rendered_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a thousand clients with the same news each costs one write."""
    made = Mock(wraps=moment_headers)
    monkeypatch.setattr(rendering, "moment_headers", made)
    monkeypatch.setattr("consul_edge.web.rendering.time.time", lambda: 1_800_000_000.5)
    hits, served = Hits(Rendering()), Served(an_entry(), "held")
    requests = [a_request() for _ in range(20)]
    for request in requests:
        await hits.respond(request, served)
    assert len({request.transport.write.call_args.args[0] for request in requests}) == 1  # type: ignore[union-attr] # a mock
    assert made.call_count == 1


async def test_second_passes_the_date_is_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered that was true a second ago."""
    times = iter([1_800_000_000.9, 1_800_000_001.0])
    monkeypatch.setattr("consul_edge.web.rendering.time.time", lambda: next(times))
    hits, served = Hits(Rendering()), Served(an_entry(), "held")
    dates = [(await answered(served, hits=hits))[1]["Date"] for _ in range(2)]
    assert dates == ["Fri, 15 Jan 2027 08:00:00 GMT", "Fri, 15 Jan 2027 08:00:01 GMT"]


async def test_ages_differ_each_client_is_told_its_own() -> None:
    """Also within one second: the contact is in milliseconds."""
    hits, served = Hits(Rendering()), Served(an_entry(), "ttl", 0.1, is_live=False)
    told = [
        (await answered(replace(served, age=age), hits=hits))[1]["X-Consul-Lastcontact"]
        for age in (0.1, 0.2, 0.2)
    ]
    assert told == ["103", "203", "203"]


async def test_much_is_rendered_within_a_second_what_is_remembered_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Promise 8: neither many entries nor many ages of one fill the memory."""
    monkeypatch.setattr("consul_edge.web.rendering.time.time", lambda: 1_800_000_000.5)
    hits, request = Hits(Rendering()), a_request()
    entries = [an_entry() for _ in range(3 * RENDERED)]
    for entry in entries:
        hits.write(request, Served(entry, "live"), zipped=False)
    for step in range(500):
        served = Served(entries[-1], "ttl", step / 1000, is_live=False)
        hits.write(request, served, zipped=False)
    assert len(hits._rendering._rendered) <= RENDERED
    assert len(hits._rendering._rendered[entries[-1]]) <= 2


async def test_entry_is_gone_its_compressed_form_goes_with_it() -> None:
    """What was evicted leaves nothing behind."""
    hits, served = Hits(Rendering()), Served(an_entry(LARGE), "live")
    await hits.respond(a_request(GZIP), served)
    gone = weakref.ref(served.entry)
    del served
    gc.collect()
    assert gone() is None
    assert (len(hits._rendering._compressed), len(hits._compressing)) == (0, 0)


async def test_news_are_delivered_they_are_written_before_the_clients_task_runs() -> None:
    """What the task then returns is done already."""
    hits, request = Hits(Rendering()), a_request()
    delivery = Delivery(hits, request)
    delivery(Served(an_entry(), "held"))
    assert isinstance(delivery.response, Ready)
    assert written(request)[2] == SMALL


async def test_news_cannot_be_delivered_at_once_the_task_has_to() -> None:
    """A client that does not keep up is left to who can wait for it."""
    request = a_request(buffered=1)
    delivery = Delivery(Hits(Rendering()), request)
    delivery(Served(an_entry(), "held"))
    assert delivery.response is None
    request.transport.write.assert_not_called()  # type: ignore[union-attr] # a mock


ACCEPTED = [
    ("gzip", True),
    ("deflate, gzip;q=0.5, br", True),
    ("GZip", True),
    ("gzip; q=1.0", True),
    ("*", True),
    ("*;q=0.1", True),
    ("*;q=0, gzip", True),
    ("", False),
    ("identity", False),
    ("gzip;q=0", False),
    ("gzip; q=0.000", False),
    ("gzip;q=0, *", False),
    ("*, gzip;q=0", False),
    ("*;q=0", False),
    ("gzipped", False),
]


@pytest.mark.parametrize(("accepted", "expected"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_gzip_is_sent_to_whoever_accepts_it(accepted: str, expected: bool) -> None:
    """RFC 9110 section 12.5.3: a coding's own weight goes before that of ``*``."""
    assert accepts_gzip(accepted) is expected
