"""Who shares an answer with whom: nobody, unless Consul must answer both the same (promise 2)."""

import pytest

from tests.situations.place import Place, place_over, small, woken

NODES = "/v1/catalog/nodes"
NEAR = "/v1/health/service/web"

ROOT, ELSE = "root-token", "else-token"


def everything(method: str, path: str) -> bool:
    """Allow all."""
    return True


def nothing(method: str, path: str) -> bool:
    """Allow nothing but what needs no rights."""
    return path.startswith("/v1/status/")


TOKENS = {ROOT: everything, ELSE: nothing, "": nothing}


async def test_anonymous_sees_nothing_of_what_a_token_was_shown() -> None:
    """By default-deny Consul answers ``200 []``, unmarked: each keeps its own (section 0)."""
    standin = small(tokens=TOKENS)
    async with standin.running(), place_over(standin) as place:
        shown = await place.until_live(NODES, ROOT)
        hidden = await place.edge.get(NODES)
        assert len(shown.json()) == 1
        assert (hidden.status, hidden.body, hidden.cache) == (200, b"[]", "fwd=miss")
        await place.until_live(NODES)
        assert len((await place.edge.get(NODES, ROOT)).json()) == 1
        assert (await place.edge.get(NODES)).body == b"[]"


async def test_anonymous_fills_first_and_the_token_sees_all_the_same() -> None:
    """The empty answer of one who may see nothing is nobody else's."""
    standin = small(tokens=TOKENS)
    async with standin.running(), place_over(standin) as place:
        await place.until_live(NODES)
        got = await place.edge.get(NODES, ROOT)
        assert (len(got.json()), got.cache) == (1, "fwd=miss")


@pytest.mark.parametrize("how", ["parameter", "header", "bearer"])
async def test_token_is_one_identity_however_it_is_brought(how: str) -> None:
    """Parameter, header and Bearer of one token share what that token may see."""
    standin = small(tokens=TOKENS)
    async with standin.running(), place_over(standin) as place:
        await place.until_live(NODES, ROOT)
        target = f"{NODES}?token={ROOT}" if how == "parameter" else NODES
        headers = {
            "parameter": {},
            "header": {"X-Consul-Token": ROOT},
            "bearer": {"Authorization": f"Bearer {ROOT}"},
        }[how]
        got = await place.edge.ask("GET", target, **headers)
        assert (len(got.json()), got.is_live) == (1, True)


async def test_parameter_goes_before_header() -> None:
    """Of two tokens Consul takes the parameter, and so does the key."""
    standin = small(tokens=TOKENS)
    async with standin.running(), place_over(standin) as place:
        await place.until_live(NODES, ROOT)
        got = await place.edge.get(f"{NODES}?token={ELSE}", ROOT)
        assert (got.body, got.cache) == (b"[]", "fwd=miss")


@pytest.mark.parametrize(
    "query",
    [
        f"?x;token={ROOT}",
        f"?%74oken={ROOT}",
        f"?tok%65n={ROOT}",
        f"?token={ROOT}&token={ELSE}",
        f"?x=1;token={ROOT}&stale",
        f"?index=1;token={ROOT}&wait=1s",
    ],
)
async def test_hidden_token_shares_nothing_and_nothing_of_it_is_kept(query: str) -> None:
    """Go splits on ``;`` and decodes names: such a request is Consul's alone (section 0)."""
    standin = small(tokens=TOKENS)
    async with standin.running(), place_over(standin) as place:
        await place.until_live(NODES)
        before = len(place.cache.lines)
        got, direct = await place.edge.get(NODES + query), await place.consul.get(NODES + query)
        assert (got.status, got.body) == (direct.status, direct.body)
        assert got.cache.startswith("fwd=bypass")
        assert len(place.cache.lines) == before
        assert standin.seen.of("GET", NODES + query), "forwarded as it was written"
        assert (await place.edge.get(NODES)).body == b"[]"
        assert ROOT not in "".join(line.name for line in place.cache.lines)


async def test_fetch_for_a_key_is_rendered_from_it_alone(standin_place: Place) -> None:
    """Nothing else that a client sends reaches Consul with what all will be given."""
    place = standin_place
    target = f"{NEAR}?passing&tag=a"
    await place.edge.ask("GET", f"{target}&cached", Cookie="a=b", X_Odd="1", User_Agent="me/1")
    seen = place.standin.seen.of("GET", NEAR)[-1]
    assert seen.target == target
    assert {"Cookie", "X-Odd"} & set(seen.headers) == set()
    assert seen.headers.get("User-Agent") != "me/1"


async def test_revoked_token_is_refused_and_the_other_one_is_not_affected() -> None:
    """Revoked in mid-block: its own wait ends in 403, the other token's goes on (case 7)."""
    tokens = {"one": everything, "two": everything}
    standin = small(tokens=tokens)
    async with standin.running(), place_over(standin, WATCH__WAIT="1s") as place:
        await place.register("web", token="one")
        known = [await place.until_live(NEAR, token) for token in ("one", "two")]
        polls = [
            place.edge.begin(f"{NEAR}?index={got.index}&wait=300s", token)
            for got, token in zip(known, ("one", "two"), strict=True)
        ]
        await place.until_parked(NEAR, 2)
        del tokens["one"]
        refused = await woken(polls[0])
        assert (refused.status, refused.body) == (403, b"ACL not found")
        assert (await place.edge.get(NEAR, "one")).status == 403
        assert not polls[1].done()
        # Its rounds are short ones: in between it is not live.
        assert (await place.until_live(NEAR, "two")).body == known[1].body
        assert not polls[1].done()
        assert [line.token for line in place.lines(NEAR)] == ["two"]


async def test_not_found_that_the_leader_denies_drops_only_that_key() -> None:
    """A lagging follower's ``ACL not found`` is not the end of an identity (A.8)."""
    standin = small(tokens={"one": everything})
    async with standin.running(), place_over(standin) as place:
        await place.until_live(NODES, "one")
        await place.until_live(NEAR, "one")
        standin.faults.answer(403, "ACL not found", path=f"{NEAR}?tag=a", times=1)
        await place.edge.get(f"{NEAR}?tag=a", "one")
        assert (await place.edge.get(NODES, "one")).is_live
        standin.faults.answer(403, "ACL not found", path=f"{NEAR}?tag=b")
        assert (await place.edge.get(f"{NEAR}?tag=b", "one")).status == 403
        await place.until_gone(NODES)


async def test_permission_denied_drops_that_key_only() -> None:
    """What one question is denied says nothing of the token's other questions."""
    standin = small(tokens={"one": everything})
    async with standin.running(), place_over(standin) as place:
        await place.register("web", token="one")
        kept = await place.until_live(NODES, "one")
        await place.until_live(NEAR, "one")
        standin.faults.answer(403, "Permission denied", path=NEAR)
        # The service's round ends, and the next one is denied; that of the nodes goes on.
        await place.register("web", port=81, token="one")
        await place.until_gone(NEAR)
        assert (await place.edge.get(NEAR, "one")).status == 403
        got = await place.edge.get(NODES, "one")
        assert (got.is_live, got.index) == (True, kept.index)


@pytest.mark.parametrize("is_dropped", [False, True])
async def test_body_changes_at_the_same_index_and_who_waits_is_told(
    standin_place: Place, is_dropped: bool
) -> None:
    """As rights narrow in silence: also when what was kept was flushed in between (section 0)."""
    place = standin_place
    await place.register("web")
    known = await place.until_live(NEAR)
    poll = place.edge.begin(f"{NEAR}?index={known.index}&wait=300s")
    await place.until_parked(NEAR)
    place.standin.faults.narrow(path=NEAR)
    if is_dropped:
        place.cache.flush(place.lines(NEAR), "admin")
    else:
        await place.edge.put("/v1/catalog/deregister", {"Node": "nobody"})
    await place.edge.get(NEAR)
    got = await woken(poll)
    assert (got.body, got.index) == (b"[]", known.index)


async def test_same_body_after_a_flush_wakes_nobody(standin_place: Place) -> None:
    """A flush never closes a client's long poll: it goes on for what it has."""
    place = standin_place
    await place.register("web")
    known = await place.until_live(NEAR)
    poll = place.edge.begin(f"{NEAR}?index={known.index}&wait=300s")
    await place.until_parked(NEAR)
    place.cache.flush(place.lines(NEAR), "admin")
    assert (await place.edge.get(NEAR)).index == known.index
    await place.until_live(NEAR)
    assert not poll.done()
    await place.register("web", port=81)
    assert (await woken(poll)).index > known.index
