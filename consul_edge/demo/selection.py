"""
What narrows an answer: ``?node-meta=`` and ``?filter=``.

Of Consul's filter language only comparisons joined by ``and`` are understood:
``Selector == value``, ``Selector != value``, ``value in Selector``, ``value not in Selector``.
The rest is refused rather than answered wrongly.  ``?near=`` is accepted and changes nothing: all
distances are equal.
"""

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from consul_edge.demo import gojson
from consul_edge.demo.answers import Answer, Body, text
from consul_edge.demo.call import NO_META, Call, Refusal
from consul_edge.demo.query import Parameters
from consul_edge.demo.records import Node

_FAILED: Final = "Failed to create boolean expression evaluator: "

Test: TypeAlias = Callable[[Any], bool]

_VALUE: Final = r'(?:"([^"]*)"|`([^`]*)`|([\w.-]+))'
_COMPARED: Final = re.compile(rf"\s*([\w.-]+)\s*(==|!=)\s*{_VALUE}\s*")
_CONTAINED: Final = re.compile(rf"\s*{_VALUE}\s+(not\s+)?in\s+([\w.-]+)\s*")


def node_filter(parameters: Parameters) -> Callable[[Node], bool] | None:
    """Make the test that all ``node-meta`` together are; None if there is none."""
    wanted = [pair.partition(":") for pair in parameters.get("node-meta", ())]
    if not wanted:
        return None
    return lambda node: all((node.meta or {}).get(name) == value for name, _, value in wanted)


def filtered(call: Call, answer: Answer) -> Answer:
    """Drop the elements of a listing that ``?filter=`` does not want."""
    expression = call.get("filter")
    if not expression or answer.status != 200:
        return answer
    tests = [_parse(part) for part in re.split(r"\s+and\s+", expression)]
    kept = [row for row in msgspec.json.decode(answer.body.plain) if all(t(row) for t in tests)]
    return msgspec.structs.replace(answer, body=Body(gojson.encode(kept)))


def _parse(part: str) -> Test:
    if match := _COMPARED.fullmatch(part):
        path, wanted = match[1], match[3] or match[4] or match[5] or ""
        negated = match[2] == "!="
        return lambda row: (_text(_select(row, path)) == wanted) is not negated
    if match := _CONTAINED.fullmatch(part):
        path, wanted = match[5], match[1] or match[2] or match[3] or ""
        negated = match[4] is not None
        return lambda row: (wanted in (_select(row, path) or ())) is not negated
    raise Refusal(text(500, f"{_FAILED}the demo does not know {part!r}", NO_META))


def _select(row: Any, path: str) -> Any:
    top, *below = path.split(".")
    if top not in row:
        raise Refusal(text(500, f'{_FAILED}Selector "{path}" is not valid', NO_META))
    row = row[top]
    for name in below:
        row = row.get(name) if isinstance(row, dict) else None
    return row


def _text(value: Any) -> str | None:
    """Write a value as filters do; what is missing equals nothing, not even the empty text."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
