"""HTTP itself: targets, methods, headers and sizes as clients get them wrong or stretch them."""

from typing import Final

from tests.differential.rows import Scene, delete, get, post, put, send

LONG_HEADER: Final = (("X-Padding", "x" * 20_000),)

LONG_TARGET: Final = f"/v1/kv/{'long/' * 12_000}"

BLOCK: Final = bytes(range(251)) * 2_000
"""Half a million bytes: a few of them make an answer that is passed on piece by piece."""

MANY_HEADERS: Final = tuple((f"X-Header-{number}", str(number)) for number in range(90))

TARGETS: Final = (
    put("kv", "/v1/kv/there", b"here"),
    get("other", "/v1//kv/there", status=301),
    get("other", "/v1/kv//there", status=301),
    get("other", "/v1/kv/x/../there", status=301),
    get("other", "/v1/kv/./there?raw", status=301),
    get("other", "//v1/kv/there", status=301),
    get("kv", "/v1/%6bv/there"),
    get("kv", "/v1/kv/th%65re"),
    get("other", "/v1/kv/x%2F..%2Fthere?raw", status=301),
    get("kv", "/v1/kv/there?"),
    get("kv", "/v1/kv/there?&&raw&"),
    get("kv", "/v1/kv/there?raw=%zz", status=500),
    get("kv", "/v1/kv/there?%72aw"),
    get("kv", "/v1/kv/there?raw&raw"),
    get("kv", "/v1/kv/there?a=1;raw"),
    get("kv", "/v1/kv/there?raw=a+b%20c"),
    get("kv", "/v1/kv/there?raw#fragment"),
    get("kv", "http://localhost/v1/kv/there?raw"),
    # What goes out here is UTF-8; the wire takes targets as Latin-1.
    get("kv", "/v1/kv/caf\u00c3\u00a9", status=404, deliberate="raw-target"),
    send("DANCE", "kv", "/v1/kv/there", status=405, deliberate="unknown-method"),
    get("other", "/v1/nobody", status=404),
    get("other", "/v1", status=404),
    get("other", "/v1/", status=404),
    get("other", "/v1/catalog", status=404),
    get("other", "/v1/catalog/nodes/", status=404),
    get("other", "/v1/KV/there", status=404),
    send("OPTIONS", "other", "/v1/nobody", status=404),
    send("HEAD", "other", "/v1/nobody", status=404),
    post("other", "/v1/nobody", b"x", status=404),
    put("other", "/v1/nobody", b"x", status=404),
    delete("other", "/v1/nobody", status=404),
    put("other", "/v1//kv/there", b"x", status=301),
)

SIZES: Final = (
    put("kv", "/v1/kv/there", b"here"),
    get("kv", "/v1/kv/there", headers=LONG_HEADER),
    get("kv", "/v1/kv/there", headers=MANY_HEADERS),
    get("kv", LONG_TARGET, status=404),
    get("catalog_nodes", f"/v1/catalog/nodes?padding={'x' * 60_000}"),
    put("kv", "/v1/kv/there", b"x" * 300_000),
    get("kv", "/v1/kv/there?raw"),
    *(put("kv", f"/v1/kv/many/{number}", BLOCK) for number in range(4)),
    get("kv", "/v1/kv/many/?recurse"),
    get("kv", "/v1/kv/many/?recurse", headers=(("Accept-Encoding", "gzip"),)),
    put("kv", "/v1/kv/there", b"more", headers=(("Expect", "100-continue"),)),
)

ENCODINGS: Final = tuple(
    get(endpoint, target, status=status, headers=(("Accept-Encoding", coding),))
    for coding in ("gzip", "gzip, deflate, br", "*", "identity", "gzip;q=0.5", "br")
    for endpoint, target, status in (
        ("catalog_nodes", "/v1/catalog/nodes", 200),
        ("kv", "/v1/kv/nobody", 404),
        ("other", "/v1/nobody", 404),
        ("catalog_node", "/v1/catalog/node/", 400),
        ("status_leader", "/v1/status/leader", 200),
    )
)

HEADERS: Final = tuple(
    get("catalog_nodes", "/v1/catalog/nodes", headers=headers)
    for headers in (
        (("User-Agent", "curl/8"), ("Accept", "*/*")),
        (("Cookie", "a=b"),),
        (("Range", "bytes=0-3"),),
        (("If-None-Match", '"x"'),),
        (("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),),
        (("X-Forwarded-For", "192.0.2.1"), ("X-Real-Ip", "192.0.2.2")),
        (("TE", "trailers"),),
        (("Connection", "close"),),
        (("Connection", "keep-alive"),),
        (("Upgrade", "websocket"), ("Connection", "Upgrade")),
        (("X-Empty", ""),),
        (("x-lower", "a"), ("X-LOWER", "b")),
    )
)

SCENES: Final = (
    Scene("targets", TARGETS),
    Scene("sizes", SIZES),
    Scene("content codings", ENCODINGS),
    Scene("request headers", HEADERS),
)
