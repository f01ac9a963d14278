"""
The kinds of values that only the cache has: KV prefixes, request targets, rules for endpoints.

A rule is a key with a value, which the file holds as YAML and a variable as ``key=value``.
"""

import re
from dataclasses import replace
from operator import attrgetter
from typing import Final

from consul_edge.config.kinds import Item, Kind, duration, texts
from consul_edge.core.ask import CONTROLS, Unclear
from consul_edge.core.durations import render_duration
from consul_edge.core.endpoints import Treatment
from consul_edge.core.key import ANONYMOUS, kv_target, parse_key
from consul_edge.core.request import parse_call
from consul_edge.core.rules import EndpointRule, parse_rule

_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_TARGET: Final = re.compile(r'/v1/(?:[!"$&-:<-~]|%[0-9A-Fa-f]{2})*')
_TTL: Final = duration(zero=False)
_WORDS: Final = {"watch": Treatment.WATCH, "pass": Treatment.PASS}


def _kv_prefix(text: str) -> str:
    if not text or text.startswith(("/", "v1/kv/")) or not text.isprintable():
        raise ValueError(
            "expected how KV keys begin, in printable characters, such as config/: no /v1/kv/ and"
            " no leading slash"
        )
    return _decoded(text)


def _kv_key(text: str) -> str:
    is_plain = bool(text) and text.isprintable() and not text.startswith("v1/kv/")
    if not is_plain or text.startswith("/") or text.endswith("/"):
        raise ValueError(_EXPECTED_KEY)
    try:
        parse_key(parse_call("GET", kv_target(_decoded(text))), (), ANONYMOUS)
    except Unclear:
        raise ValueError(_EXPECTED_KEY) from None
    return text


_EXPECTED_KEY: Final = (
    "expected a KV key in printable characters, such as config/sites: no /v1/kv/, no slash at"
    " either end, no // or dot segments"
)


def _target(text: str) -> str:
    if not _TARGET.fullmatch(text):
        raise ValueError(
            "expected a path and query as they stand on the wire, such as"
            " /v1/health/service/web?passing: /v1/ first, without spaces, ; and #"
        )
    names = {pair.partition("=")[0] for pair in text.partition("?")[2].split("&")}
    if names & CONTROLS:
        raise ValueError(f"expected a target without {', '.join(sorted(names & CONTROLS))}")
    try:
        parse_key(parse_call("GET", text), (), ANONYMOUS)
    except Unclear:
        raise ValueError(
            "expected a target whose answer can be kept: no // or dot segments, no encoded names"
            " of parameters, no near=_agent"
        ) from None
    return text


def _rule(value: object) -> EndpointRule:
    match value:
        case Item(key=str(pattern), value="watch" | "pass" as word):
            return _checked(pattern, _WORDS[word])
        case Item(key=str(pattern), value={"ttl": ttl, **others}) if not others:
            return _checked(pattern, Treatment.TTL, _seconds(_TTL.read(ttl)))
        case Item(key=str()):
            raise ValueError("expected watch, pass or {ttl: 5s}")
    raise ValueError("expected a mapping such as {catalog_nodes: pass}")


def _rule_text(text: str) -> EndpointRule:
    # A path may hold the sign, too; what is behind the last never does.
    pattern, sign, word = text.rpartition("=")
    if not sign:
        raise ValueError("expected name=watch, name=pass or name=5s")
    if word in _WORDS:
        return _checked(pattern, _WORDS[word])
    return _checked(pattern, Treatment.TTL, _seconds(_TTL.read_text(word)))


def _seconds(read: object) -> float:
    assert isinstance(read, float)  # noqa: S101 - for the type checker: durations are
    return read


def _checked(pattern: str, treatment: Treatment, ttl: float | None = None) -> EndpointRule:
    return parse_rule(_decoded(pattern), treatment, ttl)


def _decoded(text: str) -> str:
    """Refuse what was copied from a request line: it would never match."""
    if _ESCAPE.search(text):
        raise ValueError(f"expected decoded text, without {_ESCAPE.findall(text)[0]}")
    return text


def _show_rule(rule: EndpointRule) -> tuple[str, object]:
    if rule.ttl is not None:
        return rule.pattern, {"ttl": render_duration(rule.ttl)}
    return rule.pattern, rule.treatment.value


KV_KEY: Final = texts(_kv_key)
KV_PREFIX: Final = texts(_kv_prefix)
TARGET: Final = texts(_target)
RULE: Final = replace(
    Kind(_rule, _rule_text, _show_rule), mapping=True, same_by=attrgetter("pattern")
)
