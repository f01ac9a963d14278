"""
Under which key an answer may be kept: the question, and who asks.

Rule 1: two requests have the same key only if Consul must answer both the same.  In doubt the keys
differ, or there is none.
Rule 2: whatever is fetched to be stored is rendered from the key alone, so that nothing outside
the key can change what is stored under it.
Rule 3: no key holds a token; ``identity`` is a digest that the caller made.

The parameters that change an answer are CONSUL.md A.9.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus

from consul_edge.core.ask import CONTROLS, Ask, Unclear, parse_ask
from consul_edge.core.endpoints import Endpoint, decode_path, is_canonical
from consul_edge.core.headers import Pairs
from consul_edge.core.request import Call

ANONYMOUS: Final = ""
"""The identity of those who bring no token."""

_NAMESPACE, _PARTITION = "X-Consul-Namespace", "X-Consul-Partition"

_OF_THE_ASKER: Final = frozenset({"_agent", "_ip"})
"""Values of ``near`` that mean whoever answers, or whoever asks."""


@dataclass(frozen=True, slots=True)
class Key:
    """One question of one identity."""

    endpoint: Endpoint
    path: str
    """As it stood on the wire: another spelling is another key."""
    query: tuple[str, ...]
    """The raw pairs that are part of the question, sorted by name; equal names keep their order,
    for of those Consul reads the first."""
    namespace: str
    partition: str
    """Of the headers; as parameters they are in ``query``."""
    identity: str

    @property
    def target(self) -> str:
        """The request target that fetches it without waiting."""
        return f"{self.path}?{'&'.join(self.query)}" if self.query else self.path

    @property
    def name(self) -> str:
        """One text for all of it, in which no token is."""
        # The end of a line is the one thing that stands in none of them.
        return f"{self.identity}\n{self.namespace}\n{self.partition}\n{self.target}"

    @property
    def headers(self) -> Pairs:
        """The headers that fetch it, but for the token's."""
        pairs = ((_NAMESPACE, self.namespace), (_PARTITION, self.partition))
        return [pair for pair in pairs if pair[1]]

    def polling(self, index: int, wait: str) -> str:
        """Render the target of a blocking query for it."""
        return f"{self.path}?{'&'.join((*self.query, f'index={index}', f'wait={wait}'))}"

    @property
    def kv_path(self) -> str | None:
        """The decoded key or prefix below ``/v1/kv/``; None for other endpoints."""
        if self.endpoint.name != "kv":
            return None
        return decode_path(self.path).removeprefix("/v1/kv/")

    @property
    def is_kv_prefix(self) -> bool:
        """Whether it asks for all KV entries below its path."""
        names = {pair.partition("=")[0] for pair in self.query}
        return bool(names & {"recurse", "keys"})


def parse_key(call: Call, headers: Iterable[tuple[str, str]], identity: str) -> tuple[Key, Ask]:
    """
    Split a read into its key and what is asked of the answer.

    Args:
        headers: The client's, names in any case.

        identity: The digest of the token in force, or ``ANONYMOUS``.

    Raises:
        Unclear: When nothing may be kept for it; the text is the reason.
    """
    path, _, query = call.target.partition("?")
    if call.method != "GET":
        raise Unclear("method")
    if ";" in call.target or not is_canonical(decode_path(path)):
        raise Unclear("uri")
    raw = tuple(pair for pair in query.split("&") if pair)
    pairs = tuple((name, _decoded(value)) for name, value in map(_split, raw))
    if any(name == "near" and value in _OF_THE_ASKER for name, value in pairs):
        raise Unclear("near")
    told = _told(headers)
    ask = parse_ask(pairs, told.get("cache-control", ""))
    kept = sorted(
        (pair for pair in raw if _split(pair)[0] not in CONTROLS), key=lambda pair: _split(pair)[0]
    )
    namespace, partition = (told.get(name.lower(), "") for name in (_NAMESPACE, _PARTITION))
    return Key(call.endpoint, path, tuple(kept), namespace, partition, identity), ask


def kv_target(key: str) -> str:
    """
    Render the target that reads the value of a KV key.

    >>> kv_target("metadata/São Paulo")
    '/v1/kv/metadata/S%C3%A3o%20Paulo?raw'
    """
    return f"/v1/kv/{quote(key)}?raw"


def _split(pair: str) -> tuple[str, str]:
    """Split a raw pair; an encoded name is Consul's to read."""
    name, _, value = pair.partition("=")
    if "%" in name or "+" in name:
        raise Unclear("uri")
    return name, value


def _told(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pick the headers that matter; one that cannot be rendered again is unclear."""
    told: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower == "cache-control" and lower in told:
            told[lower] += f",{value}"
        elif lower in {"x-consul-namespace", "x-consul-partition"} and lower in told:
            raise Unclear("header-repeated")
        elif lower == "authorization" and not value.lower().startswith("bearer "):
            raise Unclear("authorization")
        elif lower in {"content-length", "transfer-encoding"} and value != "0":
            raise Unclear("body")
        elif lower == "range":
            raise Unclear("range")
        else:
            told[lower] = value
    return told


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text
