"""
What a write may change: the other half of reading one's own writes.

Rule 1: an effect is never smaller than what Consul does; it may be larger.
Rule 2: KV is judged by its *decoded* key: ``a%2Fb`` and ``a/b`` are one entry.
Rule 3: a write that reaches the catalog only later, by anti-entropy, is still named here: its own
agent shows it at once, and the watch shows the rest.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from consul_edge.core.endpoints import READ_METHODS, Endpoint, decode_path
from consul_edge.core.key import Key
from consul_edge.core.request import Call


@dataclass(frozen=True, slots=True)
class KvEntry:
    """One KV entry was written or deleted."""

    key: str


@dataclass(frozen=True, slots=True)
class KvTree:
    """Every KV entry below a prefix may be gone."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Classes:
    """Whatever some endpoints answer may have changed; None: of all endpoints."""

    prefixes: tuple[str, ...] | None


Effect = KvEntry | KvTree | Classes

_LISTED: Final = ("/v1/catalog/", "/v1/health/", "/v1/internal/ui/", "/v1/coordinate/")
_LOCKED: Final = ("/v1/session/", "/v1/kv/")

EVERYTHING: Final = Classes(None)
SESSIONS: Final = Classes(_LOCKED)
"""The end of a session releases or deletes the entries that it locks."""
CATALOG: Final = Classes(_LISTED + _LOCKED)
"""A node that goes, or a check that fails, ends the sessions that hang on it."""
MESH: Final = Classes(
    ("/v1/config/", "/v1/connect/", "/v1/discovery-chain/", "/v1/exported-services", *_LISTED)
)

_BY_PREFIX: Final[tuple[tuple[str, Effect | None], ...]] = (
    # That all is well: the beat of every check, many times a second, and seldom any news.
    ("/v1/agent/check/pass/", None),
    ("/v1/agent/token/", EVERYTHING),
    ("/v1/agent/connect/", None),
    ("/v1/agent/", CATALOG),
    ("/v1/catalog/", CATALOG),
    ("/v1/coordinate/", CATALOG),
    ("/v1/session/renew/", None),
    ("/v1/session/", SESSIONS),
    ("/v1/config", MESH),
    ("/v1/connect/", MESH),
    ("/v1/query", Classes(("/v1/query",))),
    ("/v1/event/fire/", None),
    ("/v1/discovery-chain/", None),
    ("/v1/acl/login", None),
    ("/v1/acl/logout", EVERYTHING),
    ("/v1/acl/", EVERYTHING),
)


def effects(call: Call, body: bytes | None) -> tuple[Effect, ...]:
    """
    Say what a request may change; nothing for a read.

    Args:
        body: None if it was streamed and is not known: then everything is assumed.
    """
    if call.method in READ_METHODS:
        return ()
    path, _, query = call.target.partition("?")
    decoded = decode_path(path)
    if decoded.startswith("/v1/kv/"):
        return (_kv(call.method, decoded.removeprefix("/v1/kv/"), query),)
    if decoded == "/v1/txn":
        return _transaction(body)
    if decoded.startswith("/v1/agent/check/update/"):
        return () if _is_beat(body) else (CATALOG,)
    for prefix, effect in _BY_PREFIX:
        if decoded.startswith(prefix):
            return (effect,) if effect is not None else ()
    return (EVERYTHING,)


def touches_endpoint(effect: Classes, endpoint: Endpoint) -> bool:
    """Tell whether whatever *endpoint* answers may have changed by *effect*."""
    return effect.prefixes is None or endpoint.path.startswith(effect.prefixes)


def touches(effect: Effect, key: Key) -> bool:
    """Tell whether the answer kept under *key* may have changed by *effect*."""
    match effect:
        case Classes():
            return touches_endpoint(effect, key.endpoint)
        case KvEntry(key=written):
            kv = key.kv_path
            if kv is None:
                return False
            return written.startswith(kv) if key.is_kv_prefix else written == kv
        case KvTree(prefix=prefix):
            kv = key.kv_path
            if kv is None:
                return False
            return kv.startswith(prefix) or (key.is_kv_prefix and prefix.startswith(kv))


def _kv(method: str, key: str, query: str) -> Effect:
    # In doubt (an encoded name, a ";") a deletion is taken for a recursive one.
    recursive = "recurse" in query or "%" in query or ";" in query
    return KvTree(key) if method == "DELETE" and recursive else KvEntry(key)


def _is_beat(body: bytes | None) -> bool:
    """Tell whether a check is updated to what ``check/pass`` says."""
    try:
        update = msgspec.json.decode(body or b"", type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    # Go reads field names in any case, and one of several.
    said = [value for name, value in update.items() if name.lower() == "status"]
    return bool(said) and all(value == "passing" for value in said)


def _transaction(body: bytes | None) -> tuple[Effect, ...]:
    try:
        operations = msgspec.json.decode(body or b"", type=list[dict[str, object]])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return (EVERYTHING,)
    return tuple(dict.fromkeys(_operation(operation) for operation in operations))


def _operation(operation: dict[str, object]) -> Effect:
    # Go reads field names in any case, and the last of several.
    by_name = {name.lower(): value for name, value in operation.items()}
    kv = by_name.get("kv")
    if not isinstance(kv, dict):
        return CATALOG if by_name.keys() <= {"node", "service", "check"} else EVERYTHING
    fields = {str(name).lower(): value for name, value in kv.items()}
    key, verb = fields.get("key"), fields.get("verb")
    if not isinstance(key, str):
        return EVERYTHING
    return KvTree(key) if verb == "delete-tree" else KvEntry(key)
