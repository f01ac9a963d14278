"""``/v1/kv``: complete but for the transactions."""

from typing import Final

from consul_edge.demo import gojson
from consul_edge.demo.answers import EMPTY, EMPTY_LIST, FALSE, TRUE, Answer, Body, Found, ok, text
from consul_edge.demo.call import Call, Refusal
from consul_edge.demo.query import Options
from consul_edge.demo.records import Entry

LARGEST_VALUE: Final = 512 * 1024

_MISSING: Final = "Missing key name"
_LARGEST_NUMBER: Final = 2**64 - 1


async def answer(call: Call) -> Answer:
    """Answer any method on a key."""
    if call.method == "GET":
        return await _get(call)
    options = call.options()
    call.check_dc(options.dc)
    return await (_put(call) if call.method == "PUT" else _delete(call))


async def _get(call: Call) -> Answer:
    options = call.options()
    if call.has("keys"):
        return await _list_keys(call, options)
    if call.has("recurse"):
        return await _list(call, options)
    key = call.name
    if not key:
        return text(400, _MISSING)
    keys, raw = call.state.keys, call.has("raw")
    topics = (("key", key),)

    def look() -> Found:
        entry = keys.get(key)
        if entry is None:
            return Found(keys.table_index(), topics, lambda: EMPTY, status=404)
        if raw:
            return Found(entry.modify_index, topics, lambda: Body(entry.value), raw=True)
        return Found(entry.modify_index, topics, lambda: _body(entry))

    return await call.read(look, options, consistency=False, error_meta=False)


def _body(entry: Entry) -> Body:
    """Write a single entry; kept with it, compressed form and all."""
    kept = entry.__dict__.get("body")
    if kept is None:
        kept = entry.__dict__["body"] = Body(gojson.join([entry.json]))
    assert isinstance(kept, Body)  # noqa: S101 - for the type checker
    return kept


async def _list(call: Call, options: Options) -> Answer:
    keys, prefix = call.state.keys, call.name

    def write() -> bytes:
        return gojson.join([entry.json for entry in keys.under(prefix)])

    def look() -> Found:
        index, version = keys.prefix_index(prefix), (call.state.epoch, keys.table_index())
        topics = (("prefix", prefix),)
        if not keys.any_under(prefix):
            return Found(index, topics, lambda: EMPTY, status=404)
        return Found(index, topics, lambda: call.kept(("kv", prefix), version, write))

    return await call.read(look, options, consistency=False, error_meta=False)


async def _list_keys(call: Call, options: Options) -> Answer:
    keys, prefix = call.state.keys, call.name
    separator = call.get("separator") or call.get("seperator")

    def look() -> Found:
        index, topics = keys.prefix_index(prefix), (("prefix", prefix),)
        if not keys.any_under(prefix):
            if prefix:
                return Found(index, topics, lambda: EMPTY, status=404)
            return Found(index, topics, lambda: EMPTY_LIST)
        return Found(index, topics, lambda: Body(gojson.encode(_cut(call, separator))))

    return await call.read(look, options, consistency=False, error_meta=False)


def _cut(call: Call, separator: str) -> list[str]:
    """List the keys up to and with the first separator behind the prefix, each once."""
    prefix = call.name
    found: dict[str, None] = {}
    for key in call.state.keys.names_under(prefix):
        at = key.find(separator, len(prefix)) if separator else -1
        found[gojson.readable(key if at < 0 else key[: at + len(separator)])] = None
    return list(found)


async def _put(call: Call) -> Answer:
    _refuse_conflict(call, "cas", "acquire", "release")
    if not call.name:
        return text(400, _MISSING)
    flags, cas = _number(call, "flags") or 0, _number(call, "cas")
    size = call.request.content_length or 0
    if size > LARGEST_VALUE:
        return text(
            413,
            f"Request body({size} bytes) too large, max size: {LARGEST_VALUE} bytes. "
            "See https://www.consul.io/docs/agent/options.html#kv_max_value_size.",
            {"Connection": "close"},
        )
    await call.write_through()
    keys = call.state.keys
    for name, write in (("acquire", keys.acquire), ("release", keys.release)):
        if call.has(name):
            session = call.get(name)
            if name == "acquire" and keys.is_delayed(call.name):
                return ok(FALSE)
            _check_session(call, name, session)
            return _said(done=write(call.name, call.body, flags, session))
    return _said(done=keys.put(call.name, call.body, flags, cas))


async def _delete(call: Call) -> Answer:
    _refuse_conflict(call, "recurse", "cas")
    if call.has("recurse"):
        await call.write_through()
        call.state.keys.delete_under(call.name)
        return ok(TRUE)
    if not call.name:
        return text(400, _MISSING)
    cas = _number(call, "cas")
    await call.write_through()
    return _said(done=call.state.keys.delete(call.name, cas))


def _said(*, done: bool) -> Answer:
    return ok(TRUE if done else FALSE)


def _refuse_conflict(call: Call, *names: str) -> None:
    given = sorted(name for name in names if call.has(name))
    if len(given) > 1:
        flags = "&".join(f"{name}={call.get(name)}" for name in sorted(call.parameters))
        raise Refusal(text(400, f"Conflicting flags: {flags}"))


def _number(call: Call, name: str) -> int | None:
    """Read an unsigned number as Go does, and complain as it does."""
    if not call.has(name):
        return None
    value = call.get(name)
    if not (value.isascii() and value.isdecimal()):
        raise Refusal(text(500, f'strconv.ParseUint: parsing "{value}": invalid syntax'))
    if int(value[:21]) > _LARGEST_NUMBER:
        raise Refusal(text(500, f'strconv.ParseUint: parsing "{value}": value out of range'))
    return int(value)


def _check_session(call: Call, name: str, session: str) -> None:
    if not session:
        raise Refusal(text(500, "missing session"))
    if name == "release":
        return
    check_uuid(session)
    if call.state.sessions.get(session) is None:
        raise Refusal(text(500, f'invalid session "{session}"'))


def check_uuid(session: str, headers: dict[str, str] | None = None) -> None:
    """Complain about the id of a session as Consul's index does, which knows only lengths."""
    if len(session) != 36:
        message = "failed session lookup: index error: UUID must be 36 characters"
        raise Refusal(text(500, message, headers))
