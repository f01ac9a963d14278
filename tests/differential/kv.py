"""KV, transactions and sessions."""

import base64
import gzip
from typing import Any, Final

from tests.differential.catalog import HELD, blocking, consistency
from tests.differential.rows import Row, Scene, delete, get, post, put, send

LIMIT: Final = 512 * 1024
"""Bytes that Consul takes as one value."""

GZIP: Final = (("Accept-Encoding", "gzip"),)

BINARY: Final = bytes(range(256)) * 4


def kv(path: str) -> str:
    """Write the target of a key."""
    return f"/v1/kv/{path}"


def put_kv(path: str, body: bytes = b"value", status: int = 200, **more: Any) -> Row:
    """Write a value."""
    return put("kv", kv(path), body, status, **more)


def get_kv(path: str, status: int = 200, **more: Any) -> Row:
    """Read a value."""
    return get("kv", kv(path), status, **more)


KEYS: Final = (
    get_kv("never", status=404),
    get_kv("never?raw", status=404),
    get_kv("never?recurse", status=404),
    get_kv("never?keys", status=404),
    put_kv("plain", b"one"),
    get_kv("plain"),
    get_kv("plain?raw"),
    get_kv("plain?raw", headers=GZIP),
    get_kv("plain", headers=GZIP),
    put_kv("plain", b"two"),
    get_kv("plain"),
    put_kv("plain?flags=42", b"two"),
    get_kv("plain"),
    put_kv("plain?flags=many", b"two", status=500),
    put_kv("plain?flags=-1", b"two", status=500),
    put_kv("empty", b""),
    get_kv("empty"),
    get_kv("empty?raw"),
    put_kv("binary", BINARY),
    get_kv("binary"),
    get_kv("binary?raw"),
    get_kv("binary?raw", headers=GZIP),
    put_kv("a%2Fb", b"encoded slash"),
    get_kv("a/b"),
    get_kv("a%2Fb"),
    get_kv("a%2fb"),
    put_kv("a/b", b"plain slash"),
    get_kv("a%2Fb?raw"),
    put_kv("dir/", b"a folder"),
    put_kv("dir/one", b"1"),
    put_kv("dir/two", b"2"),
    put_kv("dir/sub/three", b"3"),
    get_kv("dir/"),
    get_kv("dir", status=404),
    get_kv("dir?recurse"),
    get_kv("dir?recurse=false"),
    get_kv("dir/?recurse&raw"),
    get_kv("?recurse"),
    get_kv("?keys"),
    get_kv("dir/?keys"),
    get_kv("dir/?keys&separator=/"),
    get_kv("dir/?keys&separator=%2F"),
    get_kv("dir/?separator=/&keys=&recurse"),
    get_kv("", status=400),
    put_kv("", b"x", status=400),
    put_kv("sp%20ace", b"blank"),
    get_kv("sp%20ace"),
    put_kv("pl+us", b"plus"),
    get_kv("pl+us"),
    get_kv("pl%2Bus"),
    put_kv("caf%C3%A9", b"coffee"),
    get_kv("caf%C3%A9"),
    put_kv("per%25cent", b"percent"),
    get_kv("per%25cent"),
    put_kv("q%3Fmark%23hash", b"marks"),
    get_kv("q%3Fmark%23hash"),
    put_kv("%28paren%29~tilde'quote", b"sub-delims"),
    get_kv("%28paren%29~tilde'quote"),
    get_kv("(paren)~tilde'quote"),
    put_kv("colon:semi;at@eq=", b"delims"),
    get_kv("colon:semi;at@eq="),
    get_kv("plain?stale;raw"),
    get_kv("plain;raw", status=404),
    get_kv("plain?dc=nope", status=500),
    get_kv("plain?dc=dc1"),
    get_kv("bad%zzescape", status=400),
    put_kv("big", b"x" * LIMIT),
    get_kv("big?raw"),
    get_kv("big?raw", headers=GZIP),
    get_kv("big"),
    put_kv("big", b"x" * (LIMIT + 1), status=413),
    put_kv("big", b"y" * LIMIT, chunked=True),
    get_kv("big?raw"),
    put_kv("big", b"z" * (LIMIT + 1), chunked=True, deliberate="chunked-value"),
    put_kv("small-chunked", b"in chunks", chunked=True),
    get_kv("small-chunked"),
    put_kv("zipped", gzip.compress(b"stored as sent"), headers=(("Content-Encoding", "gzip"),)),
    get_kv("zipped?raw"),
    get_kv("zipped?raw", headers=GZIP),
    put_kv("typed", b"<b>", headers=(("Content-Type", "text/html"),)),
    get_kv("typed?raw"),
    delete("kv", kv("plain")),
    get_kv("plain", status=404),
    delete("kv", kv("plain")),
    delete("kv", kv("dir/?recurse")),
    get_kv("dir/?recurse", status=404),
    get_kv("?keys"),
    delete("kv", kv(""), status=400),
    post("kv", kv("plain"), b"x", status=405),
    send("HEAD", "kv", kv("a/b"), status=405),
    send("OPTIONS", "kv", kv("a/b")),
    send("PATCH", "kv", kv("a/b"), b"x", status=405),
)

CAS: Final = (
    put_kv("cas?cas=0", b"first"),
    put_kv("cas?cas=0", b"again"),
    get_kv("cas", keep=(("cas", "ModifyIndex"),)),
    put_kv("cas?cas=1", b"wrong index"),
    put_kv("cas?cas=${cas}", b"second"),
    get_kv("cas?raw"),
    put_kv("cas?cas=${cas}", b"third"),
    put_kv("cas?cas=one", b"third", status=500),
    delete("kv", kv("cas?cas=1")),
    delete("kv", kv("cas?cas=0")),
    get_kv("cas", keep=(("cas", "ModifyIndex"),)),
    delete("kv", kv("cas?cas=${cas}")),
    get_kv("cas", status=404),
)

WAITING: Final = (
    put_kv("wait/one", b"1"),
    *blocking("kv", kv("wait/one")),
    *consistency("kv", kv("wait/one")),
    get_kv("wait/?recurse", keep=(("prefix", "X-Consul-Index"),)),
    get_kv("wait/?recurse&index=${prefix}&wait=250ms", at_least=HELD),
    get_kv("wait/?keys&index=${prefix}&wait=250ms", at_least=HELD),
    get_kv("wait/none", status=404, keep=(("none", "X-Consul-Index"),)),
    get_kv("wait/none?index=${none}&wait=250ms", status=404, at_least=HELD),
    put_kv("wait/none", b"now"),
    get_kv("wait/none?index=${none}&wait=5s", at_most=2.0),
    get_kv("wait/?recurse&index=${prefix}&wait=5s", at_most=2.0),
)


def operation(verb: str, key: str, **more: Any) -> dict[str, Any]:
    """Write one KV operation of a transaction."""
    if "Value" in more:
        more["Value"] = base64.b64encode(more["Value"]).decode()
    return {"KV": {"Verb": verb, "Key": key} | more}


TXN: Final = (
    put("txn", "/v1/txn", [operation("set", "txn/a", Value=b"1")]),
    put(
        "txn",
        "/v1/txn",
        [operation("set", "txn/b", Value=b"2", Flags=7), operation("get", "txn/a")],
    ),
    get_kv("txn/?recurse"),
    put("txn", "/v1/txn", [operation("get", "txn/a"), operation("get", "txn/b")]),
    put("txn", "/v1/txn?stale", [operation("get-tree", "txn/")]),
    put("txn", "/v1/txn", [operation("cas", "txn/a", Value=b"9", Index=1)], status=409),
    put("txn", "/v1/txn", [operation("get", "txn/none")], status=409),
    put(
        "txn",
        "/v1/txn",
        [operation("set", "txn/c", Value=b"3"), operation("check-not-exists", "txn/a")],
        status=409,
    ),
    get_kv("txn/c", status=404),
    put("txn", "/v1/txn", [operation("get", f"txn/{n}") for n in range(65)], status=413),
    put("txn", "/v1/txn", b"{", status=400),
    put("txn", "/v1/txn", [{"KV": {"Verb": "dance", "Key": "x"}}], status=409),
    put("txn", "/v1/txn", [operation("set", "", Value=b"x")], status=409),
    put("txn", "/v1/txn", [operation("delete-tree", "txn/")]),
    get_kv("txn/?keys", status=404),
    put(
        "txn",
        "/v1/txn",
        [{"Node": {"Verb": "set", "Node": {"Node": "of-txn", "Address": "192.0.2.66"}}}],
    ),
    get("catalog_node", "/v1/catalog/node/of-txn"),
    get("txn", "/v1/txn", status=405),
    post("txn", "/v1/txn", b"[]", status=405),
)

UNKNOWN: Final = "deadbeef-0000-0000-0000-000000000000"

CREATED: Final = (("session", "ID"),)

SESSIONS: Final = (
    get("session_list", "/v1/session/list"),
    put("session_create", "/v1/session/create", {"Name": "locker", "TTL": "60s"}, keep=CREATED),
    get("session_info", "/v1/session/info/${session}"),
    get("session_list", "/v1/session/list"),
    get("session_node", "/v1/session/node/agent-one"),
    get("session_node", "/v1/session/node/nobody"),
    get("session_info", f"/v1/session/info/{UNKNOWN}"),
    get("session_info", "/v1/session/info/", status=400),
    put("session_renew", "/v1/session/renew/${session}"),
    put("session_renew", f"/v1/session/renew/{UNKNOWN}", status=404),
    put("session_renew", "/v1/session/renew/", status=400),
    put_kv("lock?acquire=${session}", b"holder"),
    get_kv("lock"),
    put_kv("lock?acquire=${session}", b"holder again"),
    put_kv(f"lock?acquire={UNKNOWN}", b"thief", status=500),
    put_kv("lock?release=${session}&acquire=${session}", b"both", status=400),
    put_kv("lock?release=${session}", b"released"),
    get_kv("lock"),
    put_kv("lock?acquire=${session}", b"held"),
    *blocking("session_info", "/v1/session/info/${session}"),
    put("session_destroy", "/v1/session/destroy/${session}"),
    get_kv("lock"),
    get("session_info", "/v1/session/info/${session}"),
    put("session_destroy", "/v1/session/destroy/${session}"),
    put("session_destroy", "/v1/session/destroy/", status=400),
    put("session_create", "/v1/session/create", {"TTL": "1s"}, status=500),
    put("session_create", "/v1/session/create", {"Behavior": "dance"}, status=500),
    put("session_create", "/v1/session/create", b"{", status=400),
    put("session_create", "/v1/session/create", {"LockDelay": "5s"}, keep=CREATED),
    get("session_info", "/v1/session/info/${session}"),
    put("session_create", "/v1/session/create", b"", keep=CREATED),
    get("session_info", "/v1/session/info/${session}"),
    put("session_create", "/v1/session/create?dc=nope", {"Name": "lost"}, status=500),
    put(
        "session_create",
        "/v1/session/create",
        {"Name": "chunked", "TTL": "30s"},
        chunked=True,
        keep=CREATED,
    ),
    get("session_info", "/v1/session/info/${session}", deliberate="chunked-session"),
    get("session_create", "/v1/session/create", status=405),
    send("HEAD", "session_list", "/v1/session/list", status=405),
)

SCENES: Final = (
    Scene("kv", KEYS),
    Scene("kv check and set", CAS),
    Scene("kv waiting", WAITING),
    Scene("transactions", TXN),
    Scene("sessions and locks", SESSIONS),
)
