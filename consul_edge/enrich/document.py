"""
The text of a rules document to a plain mapping: JSON as KV has it, YAML as people write it.

Rule 1: the text is measured before it is read, and nothing but plain values is ever constructed.
Rule 2: a key that stands twice in YAML is refused, for one of the two was meant to count.
Rule 3: a value may be shared a million times by YAML's aliases: nobody walks or prints a value
whose size is not known (see ``shown``).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import yaml

from consul_edge.core.errors import EdgeError

MAX_BYTES: Final = 1 << 20
"""Of a document; a value in Consul's KV has half of it at most."""

_MAX_DEPTH: Final = 100
_MAX_SHOWN: Final = 100
_MAX_NUMBER: Final = 10**18

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where PyYAML was built so: ten times as fast."""

# Besides its own errors, PyYAML lets through what int("x") and its like raise for a tag that does
# not fit its scalar.
_UNFIT: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError)


class NoRules(EdgeError):
    """Raised with the reason why something is no rules document at all."""


def read_document(text: str | bytes) -> Mapping[Any, object]:
    """
    Read JSON, which begins with a brace, or else YAML.

    Raises:
        NoRules: When it is neither, too large, or no mapping.
    """
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(content) > MAX_BYTES:
        raise NoRules(f"expected at most {MAX_BYTES:,} bytes, not {len(content):,}")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        is_json = content.lstrip().startswith((b"{", b"["))
        value = _read_json(content) if is_json else _read_yaml(content)
    except RecursionError:
        raise NoRules("expected no such depth of nesting") from None
    if not isinstance(value, Mapping):
        raise NoRules(f"expected a mapping with a list called rules, not {shown(value)}")
    return value


def shown(value: object) -> str:
    """
    Render a value for a message, whatever it is, in bounded time and length.

    >>> shown("icmp"), shown(80), shown(["icmp"])
    ("'icmp'", '80', 'a list')
    """
    if isinstance(value, str):
        return repr(value) if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]!r}..."
    if value is None or isinstance(value, bool | float):
        return "nothing" if value is None else repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < _MAX_NUMBER else "a huge number"
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _read_json(content: bytes) -> object:
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NoRules(f"expected valid JSON: {error}") from None


def _read_yaml(content: bytes) -> object:
    try:
        _refuse_depth(content)
        loader = _LOADER(content)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_twins(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise NoRules(f"expected valid YAML: {error.problem or error.context}{where}") from None
    except _UNFIT as error:
        reason = str(error).partition("\n")[0][:200]
        raise NoRules(f"expected plain YAML in UTF-8: {reason}") from None


def _refuse_depth(content: bytes) -> None:
    """Raise for nesting that PyYAML's C, which recurses as it composes, would crash on."""
    depth = 0
    for event in yaml.parse(content, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise NoRules(f"expected at most {_MAX_DEPTH} levels of nesting")


def _refuse_twins(root: yaml.Node) -> None:
    """Raise for a key that stands twice; a node that is shared is looked at once."""
    waiting, seen = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        inner: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twins = [key for key, count in Counter(keys).items() if count > 1]
            if twins:
                line = node.start_mark.line + 1
                raise NoRules(f"expected {shown(twins[0])} once in the mapping from line {line}")
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        for part in inner:
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
