"""The engine: which rule decides, why, and that it is the plain loop over rules, only faster."""

import re
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consul_edge.enrich import categorize
from consul_edge.enrich.categorize import Categorizer, Decision, Miss, Outcome
from consul_edge.enrich.rules import Rule
from tests.enrich.documents import categorizer, document, rule, rules_of

MATCHED, FORGIVEN, SKIPPED, ABSENT = (
    Outcome.MATCHED,
    Outcome.FORGIVEN,
    Outcome.SKIPPED,
    Outcome.ABSENT,
)


class TestOrder:
    def test_rule_of_greater_priority_decides(self) -> None:
        """Whatever stands first."""
        engine = categorizer(rule("low", "^a", priority=1), rule("high", "^a", priority=2))

        assert engine.categorize("a").matched_rule == "high"

    def test_first_of_equal_rules_decides(self) -> None:
        """As they stand in the document."""
        engine = categorizer(rule("x", "^b"), rule("b", "^a"), rule("a", "^a"))

        assert engine.categorize("a").matched_rule == "b"

    def test_rule_without_priority_has_fifty(self) -> None:
        """It stands between those that say more and less."""
        engine = categorizer(rule("less", "^a", priority=49), rule("none", "^a"))

        assert engine.categorize("a").priority == 50

    def test_no_rule_that_matches_is_the_default_category(self) -> None:
        """With a name made up from the service's."""
        assert categorizer(rule(name="^a")).categorize("my-own_job") == Decision(
            category="other",
            display_name="My Own Job",
            exporter_type="custom",
            priority=None,
            matched_rule=None,
            job_name=ABSENT,
            metrics_path=ABSENT,
            module=ABSENT,
        )

    def test_no_rules_at_all_are_the_default_category(self) -> None:
        """Such a document is one, too."""
        assert categorizer().categorize("a", "b", "/c").category == "other"


class TestConditions:
    @pytest.mark.parametrize(
        ("conditions", "row", "outcomes"),
        [
            ({"name": "^a"}, ("a",), (MATCHED, ABSENT, ABSENT)),
            ({"name": "^a"}, ("A_exporter",), (MATCHED, ABSENT, ABSENT)),
            ({"name": "^a"}, ("b",), None),
            ({"name": "a"}, ("ba",), None),
            ({"name": "^a"}, ("b", "a"), None),
            ({"name": "^a"}, ("a", "m", "/probe"), (MATCHED, ABSENT, ABSENT)),
            ({"name": "^a", "module": "^m$"}, ("a", "m"), (MATCHED, ABSENT, MATCHED)),
            ({"name": "^a", "module": "^m$"}, ("a", "M"), (MATCHED, ABSENT, MATCHED)),
            ({"name": "^a", "module": "^m$"}, ("b", "m"), (FORGIVEN, ABSENT, MATCHED)),
            ({"name": "^a", "module": "^m$"}, ("a",), (MATCHED, ABSENT, SKIPPED)),
            ({"name": "^a", "module": "^m$"}, ("a", ""), (MATCHED, ABSENT, SKIPPED)),
            ({"name": "^a", "module": "^m$"}, ("a", "n"), None),
            ({"name": "^a", "module": "^m$"}, ("b", "n"), None),
            ({"name": "^a", "module": "^m$"}, ("b",), None),
            ({"module": "^m$"}, ("a", "m"), (ABSENT, ABSENT, MATCHED)),
            ({"module": "^m$"}, ("a",), (ABSENT, ABSENT, SKIPPED)),
            ({"module": "^m$"}, ("a", "n"), None),
            ({"path": "/probe"}, ("a", None, "/probe"), (ABSENT, MATCHED, ABSENT)),
            ({"path": "/probe"}, ("a",), (ABSENT, SKIPPED, ABSENT)),
            ({"path": "/probe"}, ("a", None, ""), (ABSENT, SKIPPED, ABSENT)),
            ({"path": "/probe"}, ("a", None, "/metrics"), None),
            ({"path": "/probe"}, ("a", None, "/Probe"), None),
            ({"path": "/probe"}, ("a", None, "/probe/"), None),
            (
                {"name": "^a", "module": "^m$", "path": "/probe"},
                ("b", "m", "/probe"),
                (FORGIVEN, MATCHED, MATCHED),
            ),
            (
                {"name": "^a", "module": "^m$", "path": "/probe"},
                ("b", "m"),
                (FORGIVEN, SKIPPED, MATCHED),
            ),
            ({"name": "^a", "module": "^m$", "path": "/probe"}, ("b", "m", "/metrics"), None),
            ({"name": "^a", "module": "^m$", "path": "/probe"}, ("a", "n", "/probe"), None),
        ],
    )
    def test_rule_matches_when_all_its_conditions_hold(
        self,
        conditions: dict[str, Any],
        row: Any,
        outcomes: tuple[Outcome, Outcome, Outcome] | None,
    ) -> None:
        """A name is forgiven for a module; what the service does not carry is not asked."""
        decision = categorizer(rule(**conditions)).categorize(*row)

        found = (decision.job_name, decision.metrics_path, decision.module)
        assert (decision.matched_rule, found) == (
            ("one", outcomes) if outcomes else (None, (ABSENT, ABSENT, ABSENT))
        )

    def test_decision_carries_what_the_rule_says(self) -> None:
        """So that no one needs the rule to show a row."""
        one = rule(name="^a", display_name="An A", exporter_type="a_exporter", priority=7)

        assert categorizer(one).categorize("a") == Decision(
            category="some",
            display_name="An A",
            exporter_type="a_exporter",
            priority=7,
            matched_rule="one",
            job_name=MATCHED,
            metrics_path=ABSENT,
            module=ABSENT,
        )

    def test_rule_without_a_display_name_takes_the_name_of_the_service(self) -> None:
        """With blanks for what joins its words."""
        engine = categorizer(rule(name="^a"))

        assert engine.categorize("an-own_JOB 2x").display_name == "An Own Job 2X"

    def test_one_pattern_of_many_rules_serves_each_of_them(self) -> None:
        """A pattern is asked once; the rules that share it differ in the rest."""
        engine = categorizer(
            rule("probe", "^a", path="/probe"), rule("rest", "^a", path="/metrics")
        )

        assert engine.categorize("a", None, "/metrics").matched_rule == "rest"

    def test_ten_thousand_rules_are_decided_alike(self) -> None:
        """The last of them is found as well as the first."""
        engine = categorizer(
            *(rule(f"r{n}", f"^svc{n}$", module=f"^m{n}$") for n in range(10_000))
        )

        found = [engine.categorize(f"svc{n}").matched_rule for n in (0, 63, 64, 9_999)]
        assert found == ["r0", "r63", "r64", "r9999"]
        assert engine.categorize("x", "m9998").matched_rule == "r9998"


class TestMemo:
    def test_row_seen_before_is_the_same_decision(self) -> None:
        """Thousands of instances share a row: they share its decision, too."""
        engine = categorizer(rule(name="^a"))

        assert engine.categorize("a", None, "") is engine.categorize("a", "")

    def test_rows_that_differ_only_in_where_a_text_stands_are_kept_apart(self) -> None:
        """A module is no path."""
        engine = categorizer(rule("m", "^a", module="^/x"), rule("p", "^b", path="/x"))

        assert engine.categorize("b", "/x").matched_rule == "m"
        assert engine.categorize("b", None, "/x").matched_rule == "p"

    def test_memory_of_decisions_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The oldest are forgotten, and decided again when asked."""
        monkeypatch.setattr(categorize, "MEMO_ROWS", 2)
        engine = categorizer(rule(name="^a"))
        first = engine.categorize("a1")
        engine.categorize("a2")
        engine.categorize("a3")

        assert engine.categorize("a1") is not first
        assert engine.categorize("a1") == first

    def test_row_of_long_texts_is_not_remembered(self) -> None:
        """A Meta value may have 64 KB: a memory bounded by rows alone would not be bounded."""
        engine = categorizer(rule(name="^a"))
        long = "a" * categorize.MEMO_CHARACTERS

        assert engine.categorize(long) is engine.categorize(long)
        assert engine.categorize(long, "m") is not engine.categorize(long, "m")
        assert engine.categorize(long, "m").matched_rule == "one"

    def test_threads_that_ask_at_once_are_told_the_same(self) -> None:
        """Large documents are made beside the event loop."""
        engine = categorizer(*(rule(f"r{n}", f"^.*x{n}$") for n in range(50)))
        wrong: list[str] = []

        def ask() -> None:
            for n in range(2_000):
                name = f"svc{n}x{n % 50}"
                if engine.categorize(name).matched_rule != f"r{n % 50}":
                    wrong.append(name)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert wrong == []


class TestExplain:
    RULES = (
        rule("by_name", "^a", priority=90),
        rule("by_module", "^a", module="^m$", priority=80),
        rule("by_path", "^b", path="/probe", priority=70),
        rule("not_module", "^b", module="^n$", priority=60),
        rule("decides", "^b", priority=50),
        rule("later", "^b", priority=40),
    )

    def test_first_failing_condition_of_each_rule_before_is_told(self) -> None:
        """In the order of asking, up to the rule that decides."""
        explanation = categorizer(*self.RULES).explain("b", "x", "/metrics")

        assert explanation.decision.matched_rule == "decides"
        assert explanation.misses == (
            Miss(
                rule="by_name",
                priority=90,
                condition="job_name_pattern",
                expected="^a",
                reason="the name does not match",
            ),
            Miss(
                rule="by_module",
                priority=80,
                condition="job_name_pattern",
                expected="^a",
                reason="the name does not match, nor does the module",
            ),
            Miss(
                rule="by_path",
                priority=70,
                condition="metrics_path",
                expected="/probe",
                reason="the service has another one",
            ),
            Miss(
                rule="not_module",
                priority=60,
                condition="module_pattern",
                expected="^n$",
                reason="the module does not match",
            ),
        )
        assert explanation.left_out == 0

    def test_name_that_no_module_could_forgive_is_told(self) -> None:
        """Whoever wonders learns that a module would have helped."""
        explanation = categorizer(rule(name="^a", module="^m$")).explain("b")

        assert explanation.misses[0].reason == "the name does not match, and there is no module"

    def test_name_that_was_forgiven_is_no_reason(self) -> None:
        """What fails then is told: the path."""
        explanation = categorizer(rule(name="^a", module="^m$", path="/probe")).explain(
            "b", "m", "/metrics"
        )

        assert [one.condition for one in explanation.misses] == ["metrics_path"]

    def test_row_that_no_rule_matches_has_every_rule_explained(self) -> None:
        """The default category needs reasons most of all."""
        explanation = categorizer(*self.RULES).explain("c")

        assert explanation.decision.matched_rule is None
        assert len(explanation.misses) == len(self.RULES)

    def test_explanation_is_bounded_and_says_what_it_leaves_out(self) -> None:
        """Ten thousand rules make no document of a megabyte."""
        engine = categorizer(*(rule(f"r{n}", "^a") for n in range(250)))

        explanation = engine.explain("b")
        assert (len(explanation.misses), explanation.left_out) == (100, 150)
        explanation = engine.explain("b", limit=3)
        assert (len(explanation.misses), explanation.left_out) == (3, 247)

    def test_decision_explained_is_the_decision(self) -> None:
        """They cannot come apart."""
        engine = categorizer(*self.RULES)

        assert engine.explain("b", "m").decision is engine.categorize("b", "m")


# What follows is the engine as it is told, rule by rule, on the standard library's patterns. They
# are of a kind that means the same to both, and on which backtracking ends.
ATOMS = st.sampled_from(["a", "b", "1", "_", ".", "[ab]", "[^a]", r"\d", r"\w", "(a|b)", "(a|)"])
PIECES = st.builds("".join, st.tuples(ATOMS, st.sampled_from(["", "*", "+", "?", "{2}"])))
PATTERNS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "^"]),
        st.lists(PIECES, min_size=1, max_size=3).map("".join),
        st.sampled_from(["", "$", r"\b", "|b"]),
    ),
)
PATHS = st.sampled_from(["/probe", "/metrics"])
TEXTS = st.text("abAB1_-", max_size=4)
CONDITIONS = st.fixed_dictionaries(
    {}, optional={"name": PATTERNS, "module": PATTERNS, "path": PATHS}
).filter(bool)
ROWS = st.tuples(TEXTS, st.none() | TEXTS, st.none() | st.just("") | PATHS | st.just("/other"))


def holds(pattern: str, text: str) -> bool:
    """Match as the original does."""
    return re.match(pattern, text, re.IGNORECASE | re.ASCII) is not None


def matches(one: Rule, service: str, module: str | None, path: str | None) -> bool:
    """Ask one rule, one condition after the other."""
    by_module = bool(one.module_pattern and module and holds(one.module_pattern, module))
    if one.job_name_pattern and not holds(one.job_name_pattern, service) and not by_module:
        return False
    if one.metrics_path and path and path != one.metrics_path:
        return False
    return not (one.module_pattern and module and not by_module)


@settings(deadline=None)
@given(st.lists(st.tuples(CONDITIONS, st.integers(1, 3)), max_size=6), st.lists(ROWS, min_size=1))
def test_engine_decides_as_the_plain_loop_does(
    given_rules: list[tuple[dict[str, Any], int]],
    rows: list[tuple[str, str | None, str | None]],
) -> None:
    """Whatever the rules and rows; and the explanation names the same rules as failing."""
    rules = rules_of(
        *(
            rule(f"r{place}", priority=priority, **conditions)
            for place, (conditions, priority) in enumerate(given_rules)
        )
    )
    assert len(rules.rules) == len(given_rules)
    engine = Categorizer(rules)
    ordered = sorted(rules.rules, key=lambda one: (-one.priority, int(one.id[1:])))
    for row in rows:
        first = next((one for one in ordered if matches(one, *row)), None)
        before = ordered[: ordered.index(first)] if first else ordered
        explanation = engine.explain(*row)
        assert explanation.decision.matched_rule == (first.id if first else None)
        assert [miss.rule for miss in explanation.misses] == [one.id for one in before]


def test_equal_documents_make_equal_decisions() -> None:
    """Nothing but rules and row decides."""
    rules = rules_of(rule(name="^a", module="m"))

    assert rules == rules_of(*document(rule(name="^a", module="m"))["rules"])
    assert Categorizer(rules).categorize("a") == Categorizer(rules).categorize("a")
