"""
One pass from what was given to Settings, in which no problem hides another.

Rule 1: flag before ``CONSUL_EDGE_*`` before a variable of Consul's before file before default.
Rule 2: what is overridden is checked all the same, so that it does not wait to bite; only
variables of Consul's are not, as they may be meant for other programs.
Rule 3: of a secret and its ``*_file`` the one from the greater source counts; from the same
source it is the file, and the secret is what holds until the file has had one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from consul_edge.config.checks import check
from consul_edge.config.credentials import read_credentials
from consul_edge.config.kinds import Item, Kind
from consul_edge.config.schema import SETTINGS, build, mask
from consul_edge.config.settings import Settings
from consul_edge.config.sources import Given, Rank, read_environment, read_flags
from consul_edge.config.yaml_file import read_file
from consul_edge.core.errors import ConfigError, Problem

_TLS: Final = "consul.tls.enabled"
DEFAULT: Final = "default"
"""The source of what nobody gave."""

_TWINS: Final = ("consul.token", "consul.auth", "admin.token")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and where each of its values came from."""

    settings: Settings

    sources: Mapping[str, str]
    """Flag, variable, ``file:line`` or ``default`` of every setting by its dotted path."""


def load(*, file: Path | None, env: Mapping[str, str], flags: Mapping[str, object]) -> Loaded:
    """
    Read and check the whole configuration.

    Args:
        file: YAML file; None if there is none.

        env: The environment.

        flags: Texts by dotted path, as in ``config.sources.FLAGS``; None stands for absent.

    Raises:
        ConfigError: With every problem that there is.
    """
    given, problems = read_file(file) if file is not None else ([], [])
    from_env, unknown = read_environment(env)
    # Of one rank the last counts: a variable says it more expressly.
    given += read_credentials(env) + from_env + read_flags(flags)
    problems += unknown

    winners: dict[str, Given] = {}
    for one in sorted(given, key=lambda one: one.rank):
        winners[one.path] = one

    reader = _Reader(problems)
    tls = reader.read(winners[_TLS]) if _TLS in winners else False
    values = {
        path: reader.read(one, tls=tls is True) for path, one in winners.items() if path != _TLS
    }
    values[_TLS] = tls
    beside = _Reader(problems)
    for one in given:
        if one is not winners[one.path] and one.rank is not Rank.FOREIGN:
            beside.read(one)

    sources = dict.fromkeys(SETTINGS, DEFAULT) | {p: one.where for p, one in winners.items()}
    _settle_twins(values, sources, winners)
    settings = build({path: value for path, value in values.items() if value is not _NOTHING})
    problems += check(settings, sources, reader.bad)
    if problems:
        raise ConfigError(problems)
    return Loaded(settings, sources)


_NOTHING: Final = object()
"""Stands for what could not be read: the default takes its place until the problems are told."""


class _Reader:
    """Reads values, and keeps the problems that come up and the paths that have one."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self.bad = {problem.path for problem in problems}

    def read(self, given: Given, *, tls: bool = False) -> object:
        kind = SETTINGS[given.path].kind
        kind = kind.with_tls if tls and kind.with_tls else kind
        if kind.nullable and given.value is None:
            return None
        return self._many(given, kind) if kind.many else self._one(given, kind, given.value)

    def _many(self, given: Given, kind: Kind) -> tuple[object, ...]:
        """Read the items that can be read."""
        value = given.value
        if isinstance(value, str):
            items: list[object] = [text.strip() for text in value.split(",") if text.strip()]
        else:
            items = value if isinstance(value, list) else [value]
        if len(items) < kind.least:
            self._problem(given, "", value, f"expected a list of at least {kind.least}")
        found: list[object] = []
        for number, item in enumerate(items):
            suffix = f"[{number}]" if len(items) > 1 else ""
            place = given
            if isinstance(item, Item):
                suffix, place = f".{mask(given.path, item.key)}", replace(given, where=item.where)
            one = self._one(place, kind, item, suffix)
            if one is _NOTHING:
                continue
            if kind.same_by(one) in map(kind.same_by, found):
                self._problem(place, suffix, item, "expected each only once")
            else:
                found.append(one)
        return tuple(found)

    def _one(self, given: Given, kind: Kind, value: object, suffix: str = "") -> object:
        try:
            if given.is_text and isinstance(value, str):
                return kind.read_text(value)
            return kind.read(value)
        except ValueError as error:
            self._problem(given, suffix, value, str(error))
            return _NOTHING

    def _problem(self, given: Given, suffix: str, value: object, expected: str) -> None:
        self.bad.add(given.path)
        shown = mask(given.path, value.value if isinstance(value, Item) else value)
        self._problems.append(Problem(given.where, given.path + suffix, shown, expected))


def _settle_twins(
    values: dict[str, object], sources: dict[str, str], winners: Mapping[str, Given]
) -> None:
    for text in _TWINS:
        file = f"{text}_file"
        if values.get(text) is None or values.get(file) is None:
            continue
        if winners[text].rank != winners[file].rank:
            winner, loser = sorted((text, file), key=lambda path: -winners[path].rank)
            values[loser], sources[loser] = None, sources[winner]
