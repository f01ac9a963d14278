"""
``/v1/session``: minimal but right.

A session with a TTL ends twice the TTL after its last renewal, by a timer of the stand-in that it
was created at.  A body without a ``Content-Length`` is ignored, as 1.8.7 does.
"""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, Final

from consul_edge.core.durations import parse_duration
from consul_edge.demo import gojson
from consul_edge.demo.answers import TRUE, Answer, Body, Found, ok, text
from consul_edge.demo.call import NO_META, Call, Refusal
from consul_edge.demo.catalog import Rejected
from consul_edge.demo.ledger import SESSIONS, table
from consul_edge.demo.records import SERF_HEALTH, Session
from consul_edge.demo.registration import decode_object
from consul_edge.demo.routes_kv import check_uuid

SHORTEST_TTL: Final = 10.0
LONGEST_TTL: Final = 86_400.0
_NANOSECONDS_FROM: Final = 1000
"""A lock delay below this many is in seconds."""

_MISSING: Final = "Missing session"


async def create(call: Call) -> Answer:
    """Create a session."""
    given: dict[str, Any] = {}
    if call.request.content_length:
        value = decode_object(call.body, "struct { LockDelay interface {}; *structs.Alias }")
        given = {name.lower(): content for name, content in value.items() if content is not None}
    await call.write_through(given.get("datacenter", ""))
    session = _parse(given, call.state.members[call.place.server].name)
    try:
        call.state.sessions.create(session)
    except Rejected as rejected:
        return text(500, str(rejected))
    _wind(call, session)
    return ok(Body(gojson.encode({"ID": session.id})))


def _parse(given: dict[str, Any], node: str) -> Session:
    behavior, ttl = given.get("behavior", "") or "release", given.get("ttl", "")
    if behavior not in {"release", "delete"}:
        raise Refusal(text(500, f"Invalid Behavior setting '{behavior}'"))
    if ttl:
        try:
            seconds = parse_duration(ttl)
        except ValueError:
            message = f"Session TTL '{ttl}' invalid: time: invalid duration \"{ttl}\""
            raise Refusal(text(500, message)) from None
        if seconds and not SHORTEST_TTL <= seconds <= LONGEST_TTL:
            nanoseconds = round(seconds * 1e9)
            message = f"Invalid Session TTL '{nanoseconds}', must be between [10s=24h0m0s]"
            raise Refusal(text(500, message))
    return Session(
        str(uuid.uuid4()),
        given.get("node", "") or node,
        given.get("name", ""),
        _lock_delay(given.get("lockdelay", 15)),
        behavior,
        ttl,
        _checks(given),
    )


def _checks(given: dict[str, Any]) -> tuple[str, ...]:
    """Name the checks of a session; the older field adds to the default unless it is empty."""
    if "nodechecks" in given:
        return tuple(given["nodechecks"])
    if not given.get("checks", [SERF_HEALTH]):
        return ()
    return tuple(dict.fromkeys([*given.get("checks", ()), SERF_HEALTH]))


def _lock_delay(value: Any) -> float:
    """Read a lock delay: a duration, or seconds, or, if it is large, nanoseconds."""
    try:
        if isinstance(value, str):
            return parse_duration(value)
        return float(value) if value < _NANOSECONDS_FROM else value / 1e9
    except (ValueError, TypeError) as error:
        raise Refusal(text(400, f"Request decode failed: {error}")) from None


def _wind(call: Call, session: Session) -> None:
    """Set or reset the timer of a session with a TTL."""
    timers, sessions = call.place.timers, call.state.sessions
    old = timers.pop(session.id, None)
    if old is not None:
        old.cancel()
    seconds = parse_duration(session.ttl) if session.ttl else 0.0
    if seconds:
        loop = asyncio.get_running_loop()
        timers[session.id] = loop.call_later(2 * seconds, sessions.destroy, session.id)


async def destroy(call: Call) -> Answer:
    """End a session."""
    if not call.name:
        return text(400, _MISSING)
    await call.write_through()
    check_uuid(call.name)
    timer = call.place.timers.pop(call.name, None)
    if timer is not None:
        timer.cancel()
    call.state.sessions.destroy(call.name)
    return ok(TRUE)


async def renew(call: Call) -> Answer:
    """Start the TTL of a session anew."""
    if not call.name:
        return text(400, _MISSING)
    await call.write_through()
    check_uuid(call.name)
    session = call.state.sessions.get(call.name)
    if session is None:
        return text(404, f"Session id '{call.name}' not found")
    _wind(call, session)
    return ok(Body(gojson.join([session.json])))


async def info(call: Call) -> Answer:
    """Show one session, in a list that is empty without it."""
    name = call.name

    def find() -> list[Session]:
        session = call.state.sessions.get(name)
        return [session] if session is not None else []

    return await _list(call, find, missing=_MISSING, check=True)


async def node(call: Call) -> Answer:
    """List the sessions of a node."""
    name = call.name
    return await _list(call, lambda: call.state.sessions.of(name), missing="Missing node name")


async def all_of_them(call: Call) -> Answer:
    """List all sessions."""
    return await _list(call, call.state.sessions.all)


async def _list(
    call: Call, find: Callable[[], list[Session]], *, missing: str = "", check: bool = False
) -> Answer:
    options = call.options()
    if missing and not call.name:
        return text(400, missing)
    call.check_dc(options.dc, NO_META)
    if check:
        check_uuid(call.name, NO_META)

    def look() -> Found:
        return Found(
            call.state.sessions.index(),
            (table(SESSIONS),),
            lambda: Body(gojson.join([session.json for session in find()])),
        )

    return await call.read(look, options, consistency=False)
