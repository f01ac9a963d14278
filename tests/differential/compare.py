"""
Judge two answers: the same, but for what cannot be the same.

Two kinds of pairs are judged.  Answers of *one* Consul, asked directly and through the edge, must
agree to the byte.  Answers of *two* Consuls that were prepared alike agree when what each makes up
by itself - identifiers, indexes, times, addresses - is masked.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from tests.differential.deliberate import ADDED, FRAMING, MOMENT, REPLACED, RETOLD
from tests.differential.rows import Row
from tests.wire import Answer

UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| ?[+-]\d\d:?\d\d)?")
HASH: Final = re.compile(r'("Hash": ?)"[A-Za-z0-9+/]{43}="')
INDEX: Final = re.compile(r'("(?:Create|Modify|Raft)?Index": ?)[1-9]\d*')

CACHE_STATUS: Final = re.compile(
    r"consul-edge; (?:hit|fwd=(?:bypass|method|miss|uri-miss|request|stale|partial|vary-miss))"
    r"(?:; (?:collapsed|stored|detail=[\w-]+|ttl=-?\d+))*"
)
"""RFC 9211, as far as the edge has use for it."""

OF_A_MOMENT: Final = frozenset({"x-consul-index", "x-consul-contenthash"})
"""Headers whose value belongs to one Consul."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer came from."""

    address: str
    """The Consul's own address, which its documents contain."""

    twin: bool
    """Whether the other side of the comparison is another Consul."""


def differences(
    row: Row, left: Answer, right: Answer, left_place: Place, right_place: Place
) -> list[str]:
    """Say in what *right*, from the edge, is not what *left*, from Consul, is."""
    found = []
    if (left.status, left.reason) != (right.status, right.reason):
        found.append(
            f"status {right.status} {right.reason!r} instead of {left.status} {left.reason!r}"
        )
    retold = _retold(left, right)
    mine, theirs = (
        [pair for pair in headers(answer, place) if pair[0] not in retold]
        for answer, place in ((left, left_place), (right, right_place))
    )
    if mine != theirs:
        lost = [pair for pair in mine if pair not in theirs]
        added = [pair for pair in theirs if pair not in mine]
        found.append(f"headers: lost {lost}, added {added}")
    before, after = content(row, left, left_place), content(row, right, right_place)
    if before != after:
        found.append(f"body: {_first_difference(str(before), str(after))}")
    return found


def _retold(left: Answer, right: Answer) -> set[str]:
    """Name the headers that differ as those of a cache may."""
    status = right.header("Cache-Status")
    if right.header("X-Cache") is None or status is None or "fwd=bypass" in status:
        return set()
    return {
        name
        for name, retold in RETOLD.items()
        if left.header(name) != right.header(name)
        and retold.holds(left.header(name), right.header(name), right)
    }


def misstatements(answer: Answer, server: str) -> list[str]:
    """Say what is wrong with the headers in which the edge tells what it did (DESIGN.md 5)."""
    found = []
    if answer.all("X-Consul-Edge-Server") != [server]:
        found.append(f"X-Consul-Edge-Server is {answer.all('X-Consul-Edge-Server')}")
    status = answer.all("Cache-Status")
    if len(status) != 1 or not CACHE_STATUS.fullmatch(status[0]):
        found.append(f"Cache-Status is {status}")
    cache, age = answer.all("X-Cache"), answer.all("Age")
    if cache not in ([], ["HIT"], ["MISS"]):
        found.append(f"X-Cache is {cache}")
    told = ["HIT"] if "; hit" in status[0] else ["MISS"] if "fwd=miss" in status[0] else cache
    if cache != told:
        found.append(f"X-Cache is {cache} with Cache-Status {status}")
    if (cache == ["HIT"]) != (len(age) == 1 and age[0].isdigit()):
        found.append(f"Age is {age} with X-Cache {cache}")
    if answer.all("X-Consul-Edge-Stale"):
        found.append("X-Consul-Edge-Stale although Consul answers")
    return found


def headers(answer: Answer, place: Place) -> list[tuple[str, str]]:
    """Give the headers that must agree, sorted: their order means nothing."""
    leave_out = ADDED | FRAMING | MOMENT | REPLACED
    kept = []
    for name, value in answer.headers:
        lower = name.lower()
        if lower in leave_out:
            continue
        if place.twin and lower in OF_A_MOMENT:
            value = "<of this Consul>" if value != "0" else value
        elif place.twin:
            value = _masked(value, place)
        kept.append((lower, value))
    return sorted(kept)


def content(row: Row, answer: Answer, place: Place) -> object:
    """Give the body as far as it must agree."""
    is_json = (answer.header("Content-Type") or "").startswith("application/json")
    if row.shape:
        return _shape(answer.json()) if is_json else bool(answer.body)
    if is_json and (row.unordered or row.volatile):
        text = answer.content.decode()
        document = json.loads(_masked(text, place) if place.twin else text)
        return json.dumps(_settled(row, document), sort_keys=True)
    if not place.twin:
        return answer.content
    try:
        return _masked(answer.content.decode(), place)
    except UnicodeDecodeError:
        return answer.content


def _masked(text: str, place: Place) -> str:
    """Replace what one Consul made up by itself."""
    text = UUID.sub("<uuid>", text.replace(place.address, "<address>"))
    text = HASH.sub(r'\1"<hash>"', text)
    return INDEX.sub(r'\1"<index>"', TIME.sub("<time>", text))


def _settled(row: Row, value: Any) -> Any:
    """Replace volatile values by their types, and sort lists where order means nothing."""
    if isinstance(value, dict):
        return {
            key: type(item).__name__ if key in row.volatile else _settled(row, item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        items = [_settled(row, item) for item in value]
        return sorted(items, key=json.dumps) if row.unordered else items
    return value


def _shape(document: Any) -> object:
    if isinstance(document, dict):
        return sorted(document)
    return type(document).__name__


def _first_difference(before: str, after: str) -> str:
    pairs = enumerate(zip(before, after, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(before), len(after)))
    start = max(0, at - 40)
    lengths = f"({len(after)} instead of {len(before)} characters)"
    return f"{after[start : at + 80]!r} instead of {before[start : at + 80]!r} {lengths}"
