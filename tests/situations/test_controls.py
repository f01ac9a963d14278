"""What clients say in parameters and headers, and Consul's own words where it refuses."""

import gzip

import pytest

from tests.situations.conftest import REAL
from tests.situations.place import Backing, Place, place_over

NODES = "/v1/catalog/nodes"

REFUSED = [
    "?stale&consistent",
    "?cached&consistent",
    "?stale=false&consistent=false",
    "?wait=10&index=1",
    "?wait=soon&index=1",
    "?index=-1",
    "?index=one",
    "?index=18446744073709551616",
    "?max_stale=10",
]


@pytest.mark.parametrize("query", REFUSED)
async def test_refusal_is_consuls_own(place: Place, query: str) -> None:
    """Conflicts and bad values are 400 with Consul's exact text, live entry or not (22, 23)."""
    await place.until_live(NODES)
    through, direct = await place.edge.get(NODES + query), await place.consul.get(NODES + query)
    assert (through.status, through.body) == (direct.status, direct.body)
    assert through.status == 400


async def test_refusals_are_the_texts_that_clients_know(place: Place) -> None:
    """The two conflicts and the two bad numbers, word for word (cases 22 and 23)."""
    texts = {
        "?stale&consistent": b"Cannot specify ?stale with ?consistent, conflicting semantics.",
        "?cached&consistent": b"Cannot specify ?cached with ?consistent, conflicting semantics.",
        "?index=1&wait=10": b"Invalid wait time",
        "?index=x": b"Invalid index",
    }
    for query, text in texts.items():
        assert (await place.edge.get(NODES + query)).body == text


async def test_stale_is_stale_whatever_it_is_set_to(place: Place) -> None:
    """``?stale=false`` is stale (22): passed as such, and what comes of it fills nothing."""
    target = f"/v1/health/service/{place.name('stale')}"
    for query in ("?stale", "?stale=false", "?max_stale=10s"):
        got = await place.edge.get(target + query)
        assert (got.status, got.cache) == (200, "fwd=bypass; detail=stale")
    assert place.lines(target) == []
    assert (await place.edge.get(target)).cache == "fwd=miss"


async def test_stale_answer_never_fills_what_others_are_answered_from(
    standin_place: Place,
) -> None:
    """A follower's old answer goes to who asked for it, and to nobody else (section 0)."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    behind = {
        "X-Consul-Index": "38",
        "X-Consul-Knownleader": "true",
        "X-Consul-Lastcontact": "0",
        "Content-Type": "application/json",
    }
    place.standin.faults.answer(200, b"[]", behind, path=f"{target}?stale")
    assert (await place.edge.get(f"{target}?stale")).body == b"[]"
    got = await place.edge.get(target)
    assert (got.cache, len(got.json())) == ("fwd=miss", 1)
    await place.until_live(target)
    # And once there is a live entry, that one is better than any follower's word.
    assert len((await place.edge.get(f"{target}?stale")).json()) == 1


async def test_stale_blocking_query_never_fills_either(standin_place: Place) -> None:
    """Asked for with ``index`` it is held on the default-mode watch that all share."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    got = await place.edge.get(f"{target}?stale&index=1")
    assert len(got.json()) == 1
    assert [seen for seen in place.standin.seen.of("GET", target) if "stale" in seen.target] == []


async def test_answer_of_a_server_that_is_stale_by_configuration_is_not_kept(
    standin_place: Place,
) -> None:
    """``discovery_max_stale`` makes default reads stale ones, and says so in a header (A.3)."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.register("web")
    told = {
        "X-Consul-Index": "38",
        "X-Consul-Knownleader": "true",
        "X-Consul-Lastcontact": "0",
        "X-Consul-Effective-Consistency": "stale",
        "Content-Type": "application/json",
    }
    place.standin.faults.answer(200, b"[]", told, path=target, times=1)
    assert (await place.edge.get(target)).body == b"[]"
    assert place.lines(target) == []


async def test_path_with_two_slashes_is_consuls_to_redirect(place: Place) -> None:
    """``//`` is 301 to the clean path, passed on and not followed (case 13)."""
    await place.until_live(NODES)
    for target in ("//v1/catalog/nodes", "/v1//catalog/nodes", "/v1/catalog//nodes?a=b"):
        through, direct = await place.edge.get(target), await place.consul.get(target)
        assert (through.status, direct.status) == (301, 301)
        assert through.headers["Location"] == direct.headers["Location"]


async def test_clients_with_gzip_and_without_share_an_entry(place: Place) -> None:
    """One entry, one fetch: each client gets it in the form that it takes (case 26)."""
    name = place.name("zipped")
    for number in range(30):
        await place.register(name, f"{name}-node-{number}")
    target = f"/v1/health/service/{name}"
    plain = await place.until_live(target)
    zipped = await place.edge.ask("GET", target, Accept_Encoding="gzip")
    assert (zipped.is_live, len(place.lines(target))) == (True, 1)
    assert place.house.client.auto_decompress is False
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert "Content-Encoding" not in plain.headers
    assert zipped.index == plain.index


async def test_client_with_gzip_fills_and_one_without_reads(place: Place) -> None:
    """What a client's ``Accept-Encoding`` says is no part of what is fetched and kept."""
    name = place.name("zipped")
    await place.register(name)
    target = f"/v1/health/service/{name}"
    await place.edge.ask("GET", target, Accept_Encoding="gzip")
    await place.edge.ask("GET", target, Accept_Encoding="gzip")
    plain = await place.until_live(target)
    assert plain.json()[0]["Service"]["Service"] == name


async def test_last_contact_is_there_whoever_answers(place: Place) -> None:
    """On a miss, a hit, a held poll and a stale answer: without it the Go client loses the
    index (case 27).
    """
    target = f"/v1/health/service/{place.name('contact')}"
    miss = await place.edge.get(target)
    live = await place.until_live(target)
    held = await place.edge.get(f"{target}?index={live.index}&wait=1ms")
    stale = await place.edge.get(f"{target}?stale&wait=1ms")
    for got in (miss, live, held, stale):
        assert got.headers["X-Consul-Lastcontact"].isdecimal()
        assert got.headers["X-Consul-Knownleader"] == "true"
        assert got.index > 0
    assert (miss.cache, held.cache) == ("fwd=miss", "hit; detail=held")


async def test_unknown_datacenter_is_a_clients_error_and_costs_nobody_else(place: Place) -> None:
    """``?dc=nope`` is Consul's 500 each time: no circuit opens, nothing is kept (section 0)."""
    await place.until_live(NODES)
    for _ in range(30):
        got = await place.edge.get(f"{NODES}?dc=nope")
        assert (got.status, got.body) == (500, b"No path to datacenter")
    assert not any(server.is_out for server in place.house.rotation.servers)
    assert place.lines(f"{NODES}?dc=nope") == []
    assert (await place.edge.get(NODES)).is_live


@pytest.mark.parametrize("parameter", ["partition=a", "datacenter=a", "ns=a", "dc=dc1"])
async def test_parameter_that_may_change_the_answer_makes_another_key(
    place: Place, parameter: str
) -> None:
    """Whether this Consul heeds it or not, it is part of the question (section 0)."""
    target = f"/v1/health/service/{place.name('parted')}"
    await place.until_live(target)
    got = await place.edge.get(f"{target}?{parameter}")
    direct = await place.consul.get(f"{target}?{parameter}")
    assert (got.status, got.body) == (direct.status, direct.body)
    assert got.cache == "fwd=miss"


@pytest.mark.parametrize("header", ["X-Consul-Namespace", "X-Consul-Partition"])
async def test_header_that_names_a_namespace_makes_another_key(
    standin_place: Place, header: str
) -> None:
    """And it goes upstream with whatever is fetched for that key."""
    place = standin_place
    target = "/v1/health/service/web"
    await place.until_live(target)
    got = await place.edge.ask("GET", target, **{header: "team"})
    assert got.cache == "fwd=miss"
    assert place.standin.seen.of("GET", target)[-1].headers[header] == "team"


@pytest.mark.parametrize("backing", [REAL], indirect=True)
async def test_consistent_read_is_consuls(backing: Backing) -> None:
    """``?consistent`` and ``Cache-Control: no-cache`` go past every entry."""
    async with place_over(backing) as place:
        await place.until_live(NODES)
        assert (await place.edge.get(f"{NODES}?consistent")).cache == (
            "fwd=bypass; detail=consistent"
        )
        passed = await place.edge.ask("GET", NODES, Cache_Control="no-cache")
        assert passed.cache == "fwd=bypass; detail=no-cache"
