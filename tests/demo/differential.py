"""
Asking a stand-in and a real Consul the same, and making the answers comparable.

Rule 1: bodies are compared by meaning: JSON is decoded, gzip undone, tags sorted.
Rule 2: indexes are compared by their order: within one script, those from before it are all alike
(0), and those that it caused are numbered as they follow each other.
Rule 3: ids that a server draws are numbered as they appear; what each says of its own node, and
dates, are left out.
"""

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

OWN_NODE: Final = "palmas-consul-01"
"""The node that both register by themselves, each with what it knows of itself."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_IGNORED: Final = {"date"}


class Step(msgspec.Struct, frozen=True):
    """One request of a script; ``{index}`` and ``{session}`` are those last seen."""

    method: str
    target: str
    body: bytes = b""
    headers: dict[str, str] = {}


def get(target: str, **headers: str) -> Step:
    """Read ``/v1/TARGET``."""
    return Step(
        "GET", f"/v1/{target}", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def put(target: str, body: Any = b"") -> Step:
    """Write ``/v1/TARGET``, JSON unless *body* is bytes."""
    return Step("PUT", f"/v1/{target}", body if isinstance(body, bytes) else _json(body))


def delete(target: str) -> Step:
    """Delete ``/v1/TARGET``."""
    return Step("DELETE", f"/v1/{target}")


def register(node: str, **fields: Any) -> Step:
    """Register something of a node."""
    return put("catalog/register", {"Node": node, "Address": "10.0.0.1"} | fields)


def deregister(node: str, **fields: Any) -> Step:
    """Remove something of a node."""
    return put("catalog/deregister", {"Node": node} | fields)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


class Reply(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Side:
    """One of the two, and what was last seen there."""

    def __init__(self, base_url: str) -> None:
        self._address = urlsplit(base_url).netloc
        self.index = "0"
        self.session = ""
        self._sessions: dict[str, str] = {}
        self._floor = 0
        self._seen: set[int] = set()

    def ask(self, step: Step) -> Reply:
        """Send a request as it stands, and read the answer."""
        target = step.target.replace("{index}", self.index).replace("{session}", self.session)
        connection = HTTPConnection(self._address, timeout=30)
        try:
            connection.putrequest(step.method, target, skip_accept_encoding=True)
            for name, value in step.headers.items():
                connection.putheader(name, value)
            if step.method == "PUT":
                connection.putheader("Content-Length", str(len(step.body)))
            connection.endheaders(step.body or None)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            body = answer.read()
        finally:
            connection.close()
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.index = headers.get("x-consul-index", self.index)
        if (
            step.target.startswith("/v1/session/create")
            and step.method == "PUT"
            and answer.status == 200
        ):
            self.session = json.loads(body)["ID"]
        return Reply(answer.status, headers, body)

    async def begin(self) -> None:
        """Write a key, whose index divides what was before from what the script causes."""
        await asyncio.to_thread(self.ask, delete("kv/marker"))
        await asyncio.to_thread(self.ask, put("kv/marker", b"x"))
        reply = await asyncio.to_thread(self.ask, get("kv/marker"))
        self._floor = int(reply.headers["x-consul-index"])

    def note(self, reply: Reply) -> None:
        """Learn the indexes and ids of an answer."""
        if "x-consul-index" in reply.headers:
            self._seen.add(int(reply.headers["x-consul-index"]))
        for name in _UUID.findall(reply.body.decode(errors="replace")):
            if name != _NOBODY:
                self._sessions.setdefault(name, f"id-{len(self._sessions) + 1}")
        for _, number in re.findall(
            r'"(Create|Modify)Index": ?(\d+)', reply.body.decode("latin1")
        ):
            self._seen.add(int(number))

    def rank(self, index: int) -> int:
        """Number an index among those of the script."""
        after = sorted(number for number in self._seen if number > self._floor)
        return after.index(index) + 1 if index in after else 0

    def comparable(self, reply: Reply) -> tuple[int, dict[str, str], Any]:
        """Give an answer with everything replaced that may differ."""
        headers = {k: v for k, v in reply.headers.items() if k not in _IGNORED}
        if "x-consul-index" in headers:
            headers["x-consul-index"] = f"#{self.rank(int(headers['x-consul-index']))}"
        body: Any = reply.body
        if headers.get("content-type") == "application/json":
            # A -dev agent indents, so that its lengths mean nothing.
            headers.pop("content-length", None)
            headers.pop("transfer-encoding", None)
            body = self._masked(json.loads(reply.body)) if reply.body else None
        else:
            for name, alias in self._sessions.items():
                body = body.replace(name.encode(), alias.encode())
        if headers.get("content-encoding"):
            headers.pop("content-length", None)
        return reply.status, headers, body

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: self.rank(content)
                if key in {"CreateIndex", "ModifyIndex"}
                else self._masked(content)
                for key, content in value.items()
                if key != "consul"
            }
        if isinstance(value, list):
            rows = [self._masked(row) for row in value if not _is_own(row)]
            # Plain lists are tags and keys; Consul shuffles the tags of catalog/services.
            return sorted(rows) if all(isinstance(row, str) for row in rows) else rows
        return self._sessions.get(value, value) if isinstance(value, str) else value


def _is_own(row: Any) -> bool:
    node = row.get("Node") if isinstance(row, dict) and "Behavior" not in row else None
    name = node.get("Node") if isinstance(node, dict) else node
    return bool(name == OWN_NODE)


async def compare(here: Side, there: Side, script: list[Step]) -> list[str]:
    """
    Run a script at both.

    Returns:
        A line for each difference; none if they agree.
    """
    await asyncio.gather(here.begin(), there.begin())
    replies: list[tuple[Reply, Reply]] = []
    for step in script:
        pair = await asyncio.gather(
            asyncio.to_thread(here.ask, step), asyncio.to_thread(there.ask, step)
        )
        here.note(pair[0])
        there.note(pair[1])
        replies.append((pair[0], pair[1]))
    differences = []
    for step, (mine, real) in zip(script, replies, strict=True):
        differences += [
            f"{step.method} {step.target} {step.body[:60]!r}: {what}: {ours!r}, not {theirs!r}"
            for what, ours, theirs in differing(here.comparable(mine), there.comparable(real))
        ]
    return differences


def differing(
    ours: tuple[int, dict[str, str], Any], theirs: tuple[int, dict[str, str], Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Name what differs between two answers."""
    if ours[0] != theirs[0]:
        yield "status", ours[0], theirs[0]
    for name in sorted(ours[1].keys() | theirs[1].keys()):
        if ours[1].get(name) != theirs[1].get(name):
            yield name, ours[1].get(name), theirs[1].get(name)
    if ours[2] != theirs[2]:
        yield "body", ours[2], theirs[2]
