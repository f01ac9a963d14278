"""
Which category a service is in, by rules, and why: pure, and the same for the same rules and row.

Rule 1: rules are asked by priority; the first whose conditions all hold decides; if none does, it
is the default category.
Rule 2: a name that does not match is forgiven where a rule's module pattern matches the service's
module: that is how ``blackbox_exporter`` with the module ``icmp`` becomes a ping.
Rule 3: what a service does not carry is not asked of it: no module, no metrics_path.
Rule 4: nobody loops over rules. The rules that a condition holds for are the bits of one number,
the first rule at the lowest bit, and a decision is three of those numbers put together.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from consul_edge.enrich.categories import titled
from consul_edge.enrich.patterns import PatternSet
from consul_edge.enrich.rules import Rule, Rules

MEMO_ROWS: Final = 8_192
MEMO_CHARACTERS: Final = 512
"""A row with longer texts is decided anew each time: a Meta value may have 64 KB."""

EXPLAINED: Final = 100
"""Rules whose failing an explanation tells."""


class Outcome(StrEnum):
    """How one condition of the rule that decided came out."""

    MATCHED = "matched"

    FORGIVEN = "forgiven"
    """The name did not match, the module did."""

    SKIPPED = "skipped"
    """The service carries no such thing."""

    ABSENT = "absent"
    """The rule has no such condition, or there is no rule."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service belongs, and what decided it."""

    category: str
    display_name: str
    exporter_type: str
    priority: int | None
    """The rule's; None without one."""

    matched_rule: str | None
    """The rule's id; None: no rule matched, it is the default category."""

    job_name: Outcome
    metrics_path: Outcome
    module: Outcome


class Miss(msgspec.Struct, frozen=True, kw_only=True):
    """The first condition for which a rule did not match."""

    rule: str
    priority: int
    condition: str
    expected: str
    reason: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and why it was not taken by the rules asked before."""

    decision: Decision
    misses: tuple[Miss, ...]
    left_out: int
    """Further such rules."""


class Categorizer:
    """Decides by one set of rules; may be asked by several threads."""

    def __init__(self, rules: Rules) -> None:
        """Prepare *rules*, which takes about a millisecond for fifty of them."""
        self.rules = rules
        ordered = rules.rules
        self._all = (1 << len(ordered)) - 1
        self._names = _Patterns([rule.job_name_pattern for rule in ordered])
        self._modules = _Patterns([rule.module_pattern for rule in ordered])
        self._paths = _Places([rule.metrics_path for rule in ordered])
        self._remembered: Callable[[str, str, str], Decision] = lru_cache(MEMO_ROWS)(self._decide)

    def categorize(
        self, service: str, module: str | None = None, metrics_path: str | None = None
    ) -> Decision:
        """
        Decide about a service.

        Args:
            service: Its name in Consul.

            module: Its ``Meta.module``; None or nothing if it has none.

            metrics_path: Its ``Meta.metrics_path``, likewise.
        """
        row = service, module or "", metrics_path or ""
        if sum(map(len, row)) > MEMO_CHARACTERS:
            return self._decide(*row)
        return self._remembered(*row)

    def explain(
        self,
        service: str,
        module: str | None = None,
        metrics_path: str | None = None,
        *,
        limit: int = EXPLAINED,
    ) -> Explanation:
        """Decide, and say of the first *limit* rules before the deciding one why they failed."""
        held = self._hold(service, module or "", metrics_path or "")
        before = held.first if held.first is not None else len(self.rules.rules)
        misses = [
            self._miss(rule, 1 << place, held, bool(module))
            for place, rule in enumerate(self.rules.rules[: min(before, limit)])
        ]
        return Explanation(
            decision=self.categorize(service, module, metrics_path),
            misses=tuple(misses),
            left_out=before - len(misses),
        )

    def _hold(self, service: str, module: str, metrics_path: str) -> "_Held":
        modules, paths = 0, self._all
        if module:
            modules = self._modules.matching(module)
        if metrics_path:
            paths = self._paths.matching(metrics_path) | self._paths.free
        return _Held(
            names=self._names.matching(service) | self._names.free,
            forgiven=modules,
            modules=modules | self._modules.free if module else self._all,
            paths=paths,
        )

    def _decide(self, service: str, module: str, metrics_path: str) -> Decision:
        held = self._hold(service, module, metrics_path)
        if held.first is None:
            return Decision(
                category=self.rules.default_category,
                display_name=titled(service),
                exporter_type="custom",
                priority=None,
                matched_rule=None,
                job_name=Outcome.ABSENT,
                metrics_path=Outcome.ABSENT,
                module=Outcome.ABSENT,
            )
        rule = self.rules.rules[held.first]
        is_named = held.names >> held.first & 1
        return Decision(
            category=rule.category,
            display_name=rule.display_name or titled(service),
            exporter_type=rule.exporter_type,
            priority=rule.priority,
            matched_rule=rule.id,
            job_name=_outcome(
                rule.job_name_pattern, Outcome.MATCHED if is_named else Outcome.FORGIVEN
            ),
            metrics_path=_outcome(
                rule.metrics_path, Outcome.MATCHED if metrics_path else Outcome.SKIPPED
            ),
            module=_outcome(rule.module_pattern, Outcome.MATCHED if module else Outcome.SKIPPED),
        )

    def _miss(self, rule: Rule, bit: int, held: "_Held", has_module: bool) -> Miss:
        if not (held.names | held.forgiven) & bit:
            reason = "the name does not match"
            if rule.module_pattern is not None:
                reason += ", nor does the module" if has_module else ", and there is no module"
            condition, expected = "job_name_pattern", rule.job_name_pattern
        elif not held.paths & bit:
            condition, expected = "metrics_path", rule.metrics_path
            reason = "the service has another one"
        else:
            condition, expected = "module_pattern", rule.module_pattern
            reason = "the module does not match"
        return Miss(
            rule=rule.id,
            priority=rule.priority,
            condition=condition,
            expected=expected or "",
            reason=reason,
        )


class _Held(msgspec.Struct, frozen=True):
    """For which rules each condition holds; absent ones do."""

    names: int
    forgiven: int
    """Whose module pattern matches, so that the name need not."""

    modules: int
    paths: int

    @property
    def first(self) -> int | None:
        """The place of the rule that decides."""
        both = (self.names | self.forgiven) & self.modules & self.paths
        return (both & -both).bit_length() - 1 if both else None


class _Places:
    """The rules by the text that they ask for."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.free = 0
        """The rules that ask for none."""

        self.by_text: dict[str, int] = {}
        for place, text in enumerate(texts):
            if text is None:
                self.free |= 1 << place
            else:
                self.by_text[text] = self.by_text.get(text, 0) | 1 << place

    def matching(self, text: str) -> int:
        """Find the rules that ask for just *text*."""
        return self.by_text.get(text, 0)


class _Patterns:
    """The same for patterns, each of which is asked once however many rules have it."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        places = _Places(texts)
        self.free = places.free
        self._rules = tuple(places.by_text.values())
        self._set = PatternSet(places.by_text)

    def matching(self, text: str) -> int:
        """Find the rules whose pattern *text* begins with."""
        found = 0
        for place in self._set.matches(text):
            found |= self._rules[place]
        return found


def _outcome(condition: str | None, outcome: Outcome) -> Outcome:
    return Outcome.ABSENT if condition is None else outcome
