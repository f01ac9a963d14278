"""What one request of the table is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.wire import Answer, Headers

MASTER: Final = (("X-Consul-Token", "11111111-2222-3333-4444-555555555555"),)
"""The header of who may do everything, where ACLs are on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One request, and how its answers are compared.

    In target, headers and body ``${name}`` stands for what an earlier row of the scene kept.
    """

    endpoint: str
    """The name of its row in the edge's own table; ``other`` and ``ui`` are those outside."""

    method: str

    target: str

    status: int
    """What Consul 1.8.7 answers: a row that tests something else than it says is a failure."""

    headers: Headers = ()

    body: bytes = b""

    chunked: bool = False
    """Whether the body goes out chunked."""

    keep: tuple[tuple[str, str], ...] = ()
    """Pairs of a name and where its value is: a header, or a key of the JSON document."""

    until: Callable[[Answer], bool] | None = None
    """Repeats a read until it holds: for what Consul does a moment later."""

    unordered: bool = False
    """Whether Consul itself gives its lists in any order."""

    volatile: frozenset[str] = frozenset()
    """JSON keys whose values are never twice the same; only their types are compared."""

    shape: bool = False
    """Whether nothing but status, headers and the type of the body can be compared."""

    endless: bool = False
    """Whether the body never ends: the answer is its head and what comes first."""

    at_least: float = 0.0
    """Seconds that the answer must be held."""

    at_most: float = 20.0
    """Seconds that it may take."""

    deliberate: str = ""
    """The entry of the list of deliberate differences that this row shows."""

    @property
    def reads(self) -> bool:
        """Whether asking it twice changes nothing."""
        return self.method == "GET"

    def __str__(self) -> str:
        headers = "".join(f" [{name}: {value:.40}]" for name, value in self.headers)
        return f"{self.method} {self.target:.100}{headers}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Requests in an order, which need nothing of any other scene."""

    name: str

    rows: tuple[Row, ...]

    acl: bool = False
    """Whether it plays where ACLs are on and deny by default."""


def get(endpoint: str, target: str, status: int = 200, **more: Any) -> Row:
    """Write a read."""
    return Row(endpoint=endpoint, method="GET", target=target, status=status, **more)


def put(endpoint: str, target: str, body: Any = b"", status: int = 200, **more: Any) -> Row:
    """Write a PUT; whatever is not bytes is sent as JSON."""
    return send("PUT", endpoint, target, body, status, **more)


def post(endpoint: str, target: str, body: Any = b"", status: int = 200, **more: Any) -> Row:
    """Write a POST."""
    return send("POST", endpoint, target, body, status, **more)


def delete(endpoint: str, target: str, status: int = 200, **more: Any) -> Row:
    """Write a DELETE."""
    return send("DELETE", endpoint, target, b"", status, **more)


def send(
    method: str, endpoint: str, target: str, body: Any = b"", status: int = 200, **more: Any
) -> Row:
    """Write a request of any method."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Row(endpoint=endpoint, method=method, target=target, body=data, status=status, **more)


def not_empty(answer: Answer) -> bool:
    """Whether a document has something in it."""
    return answer.content.strip() not in {b"[]", b"{}", b"null", b'""', b""}
