"""The rules document: its shape, and that one bad rule is told and harms no other."""

import json
from typing import Any

import msgspec
import pytest

from consul_edge.enrich import patterns
from consul_edge.enrich.categorize import Categorizer
from consul_edge.enrich.document import shown
from consul_edge.enrich.rules import Category, NoRules, Rule, Severity, parse_rules
from tests.enrich.documents import document, errors, only, rule, rules_of, warnings

ORIGINAL: dict[str, Any] = {
    "version": "1.0.0",
    "last_updated": "2025-11-13T10:00:00",
    "total_rules": 1,
    "default_category": "custom-exporters",
    "rules": [
        {
            "id": "blackbox_icmp",
            "priority": 100,
            "category": "network-probes",
            "display_name": "ICMP (Ping)",
            "exporter_type": "blackbox",
            "conditions": {
                "job_name_pattern": "^icmp.*",
                "metrics_path": "/probe",
                "module_pattern": "^icmp$",
            },
            "observations": None,
        }
    ],
    "categories": [
        {"id": "network-probes", "display_name": "Network Probes (Rede)", "color": "purple"},
        {"id": "custom-exporters", "display_name": "Exporters Customizados"},
    ],
}


def named(value: object) -> str:
    """Name a parameter, however long it is."""
    return shown(value)[:60]


class TestShape:
    def test_document_of_the_original_is_read_whole(self) -> None:
        """Each field of the original's has its place."""
        rules = parse_rules(json.dumps(ORIGINAL))

        assert (rules.version, rules.last_updated) == ("1.0.0", "2025-11-13T10:00:00")
        assert rules.default_category == "custom-exporters"
        assert only(rules) == Rule(
            id="blackbox_icmp",
            priority=100,
            category="network-probes",
            display_name="ICMP (Ping)",
            exporter_type="blackbox",
            job_name_pattern="^icmp.*",
            metrics_path="/probe",
            module_pattern="^icmp$",
            observations=None,
        )
        assert rules.categories == (
            Category(id="network-probes", display_name="Network Probes (Rede)", color="purple"),
            Category(id="custom-exporters", display_name="Exporters Customizados", color=None),
        )
        assert rules.problems == ()

    @pytest.mark.parametrize(
        "given",
        [
            ORIGINAL,
            json.dumps(ORIGINAL),
            json.dumps(ORIGINAL).encode(),
            "\ufeff\n " + json.dumps(ORIGINAL, indent=2),
            "# YAML\n" + json.dumps(ORIGINAL, indent=2),
            {"data": ORIGINAL, "meta": {"updated_by": "someone"}},
        ],
        ids=["mapping", "text", "bytes", "mark and blanks", "YAML", "wrapped"],
    )
    def test_forms_of_a_document_are_read_alike(self, given: Any) -> None:
        """Where a document comes from makes no difference."""
        assert parse_rules(given) == parse_rules(ORIGINAL)

    def test_yaml_of_plain_values_is_read(self) -> None:
        """What YAML takes for numbers and dates is text where text is meant."""
        rules = parse_rules("""
version: 1.10
last_updated: 2026-11-20T10:00:00
default_category: other
rules:
  - id: one
    category: other
    conditions: {module_pattern: ^a, job_name_pattern: ^b}
categories: [{id: other, display_name: Ação}]
""")

        assert (rules.version, rules.last_updated) == ("1.1", "2026-11-20T10:00:00")
        assert (only(rules).job_name_pattern, rules.categories[0].display_name) == ("^b", "Ação")
        assert rules.problems == ()

    def test_rules_stand_by_priority_and_else_as_they_stood(self) -> None:
        """The greatest first; 50 is the priority of whoever says none."""
        given = [("a", 1), ("b", 50), ("c", 100), ("d", None), ("e", 50), ("f", 51)]
        rules = rules_of(
            *(rule(one, "^x", **({"priority": at} if at else {})) for one, at in given)
        )

        assert [one.id for one in rules.rules] == ["c", "f", "b", "d", "e", "a"]
        assert {one.id: one.priority for one in rules.rules}["d"] == 50

    def test_what_may_be_absent_has_a_default(self) -> None:
        """The least document is a list of rules with an id, a category and a condition."""
        rules = parse_rules({"rules": [rule(name="^a")]})

        assert rules.default_category == "custom-exporters"
        assert (only(rules).display_name, only(rules).exporter_type) == ("", "custom")

    def test_condition_that_is_null_is_none(self) -> None:
        """The original's form wrote such ones."""
        conditions = {"job_name_pattern": "^a", "module_pattern": None, "metrics_path": None}
        rules = rules_of(rule(conditions=conditions))

        assert (only(rules).module_pattern, only(rules).metrics_path) == (None, None)
        assert rules.problems == ()

    def test_rules_are_json_at_once(self) -> None:
        """Whoever shows them encodes the value as it is."""
        shown = json.loads(msgspec.json.encode(rules_of(rule(name="("))))

        assert shown["problems"][0]["severity"] == "error"


class TestNoDocument:
    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ("", "expected a mapping with a list called rules, not nothing"),
            ("hello", "not 'hello'"),
            ("[]", "not a list"),
            ("3", "not 3"),
            ("{}", "expected a list called rules, not nothing"),
            ('{"rules": {}}', "expected a list called rules, not a mapping"),
            ('{"rules": [', "valid JSON"),
            ('{"rules": "\\ud800x', "valid JSON"),
            ("rules: [", "valid YAML"),
            ("rules: [] # \x07", "YAML"),
            ("rules: !!python/object/apply:os.system [x]", "valid YAML"),
            ("rules: !!int x", "YAML"),
            ("rules: []\na: &a [*b]", "valid YAML"),
            ("rules: []\nversion: 1\nversion: 2", "expected 'version' once in the mapping"),
            ("rules: [{id: a, id: b}]", "expected 'id' once in the mapping from line 1"),
            (b"rules: \xff", "YAML"),
            (b'{"rules": "\xff"}', "valid JSON"),
            ("rules: \udc80", "YAML"),
            ("[" * 100_000, "nesting"),
            ("rules: " + "[" * 100_000, "nesting"),
            ("- " * 100_000, "nesting"),
            ("? " * 100_000, "nesting"),
            ("rules: []\nversion: " + "9" * 5_000, "YAML"),
            ("rules: []\n#" + "x" * (1 << 20), "at most 1,048,576 bytes"),
            ({"rules": [{}] * 10_001}, "at most 10,000 rules, not 10,001"),
        ],
        ids=named,
    )
    def test_what_is_no_rules_document_is_refused_with_one_reason(
        self, given: Any, reason: str
    ) -> None:
        """The reason is a line, whatever was given."""
        with pytest.raises(NoRules) as caught:
            parse_rules(given)

        assert reason in str(caught.value)
        assert len(str(caught.value)) < 400
        assert "\n" not in str(caught.value)

    @pytest.mark.timeout(30)
    def test_yaml_that_shares_a_value_a_billion_times_is_read_in_no_time(self) -> None:
        """Neither a walk nor a message unfolds what aliases fold."""
        levels = "\n".join(
            f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 30)
        )
        rules = parse_rules(f"a0: &a0 [x]\n{levels}\nrules: [*a29, {{id: *a29}}]")

        assert [one.value for one in errors(rules)][:2] == ["a list", "a list"]

    @pytest.mark.timeout(30)
    def test_mapping_shared_by_many_rules_is_told_in_bounded_space(self) -> None:
        """A thousand unknown keys, a thousand times, are no million problems."""
        keys = ", ".join(f"k{number}: 1" for number in range(1_000))
        shared = ", ".join(["*a"] * 1_000)
        rules = parse_rules(f"rules: [&a {{{keys}}}, {shared}]")

        assert rules.rules == ()
        assert len(rules.problems) < 10_000


def told(given: dict[str, object]) -> list[tuple[str, str, str]]:
    """Read a document of one bad and one good rule, and give what is told of the bad one."""
    rules = rules_of(given, rule("good", "^good"))
    assert [one.id for one in rules.rules] == ["good"]
    return [(one.rule, one.field, one.value) for one in errors(rules)]


class TestBadRule:
    @pytest.mark.parametrize(
        ("given", "field", "value"),
        [
            (rule(name="(?!a)b"), "conditions.job_name_pattern", "'(?!a)b'"),
            (rule(name="^a", module=r"(a)\1"), "conditions.module_pattern", r"'(a)\\1'"),
            (rule(name="("), "conditions.job_name_pattern", "'('"),
            (rule(name="a" * 1_001), "conditions.job_name_pattern", f"'{'a' * 100}'..."),
            (rule(name=3), "conditions.job_name_pattern", "3"),
            (rule(name=["^a"]), "conditions.job_name_pattern", "a list"),
            (rule(name="^a", path="metrics"), "conditions.metrics_path", "'metrics'"),
            (rule(), "conditions", "empty"),
            (rule(name=""), "conditions", "empty"),
            (rule(conditions=None), "conditions", "nothing"),
            (rule(conditions=["^a"]), "conditions", "a list"),
            (rule(conditions={"job_name_pattern": "^a", "port": 1}), "conditions.port", "1"),
            (rule(name="^a", priority=0), "priority", "0"),
            (rule(name="^a", priority=101), "priority", "101"),
            (rule(name="^a", priority="80"), "priority", "'80'"),
            (rule(name="^a", priority=80.0), "priority", "80.0"),
            (rule(name="^a", priority=True), "priority", "True"),
            (rule(name="^a", priority=None), "priority", "nothing"),
            (rule(name="^a", priority=10**5_000), "priority", "a huge number"),
            (rule(name="^a", category=None), "category", "nothing"),
            (rule(name="^a", category="a,b"), "category", "'a,b'"),
            (rule(name="^a", category=""), "category", "''"),
            (rule(name="^a", display_name={}), "display_name", "a mapping"),
            (rule(name="^a", exporter_type=1), "exporter_type", "1"),
            (rule(name="^a", observations=[]), "observations", "a list"),
        ],
        ids=named,
    )
    def test_bad_field_disables_its_rule_only(
        self, given: dict[str, object], field: str, value: str
    ) -> None:
        """The problem names the rule, the field and what was found there."""
        assert told(given) == [("one", field, value)]

    @pytest.mark.parametrize(
        "name", ["One", "a-b", "", "ü", "a b", "a\n", "a" * 101, None, 3, ["a"]], ids=named
    )
    def test_bad_id_is_told_by_the_place_of_the_rule(self, name: object) -> None:
        """Whoever has no name is found by counting."""
        assert [one[:2] for one in told(rule(name, "^a"))] == [("rules[0]", "id")]

    def test_rule_that_is_no_mapping_is_told_by_its_place(self) -> None:
        """The others work."""
        rules = rules_of(rule("good", "^a"), "bad")

        assert [str(one) for one in errors(rules)] == [
            "rule rules[1]: rule: 'bad': expected a mapping; the rule is disabled"
        ]

    def test_second_rule_of_one_id_is_disabled(self) -> None:
        """The first counts: an explanation must be able to name one."""
        rules = rules_of(rule("one", "^a"), rule("one", "^b", priority=100))

        assert only(rules).job_name_pattern == "^a"
        assert [str(one) for one in rules.problems] == [
            "rule one: id: 'one': expected each only once; the rule is disabled"
        ]

    def test_every_problem_of_a_rule_is_told(self) -> None:
        """None hides another."""
        bad = rule("one", "(", module="[", path="x", priority=0, category=3, display_name=3)

        assert [field for _, field, _ in told(bad)] == [
            "priority",
            "category",
            "display_name",
            "conditions.job_name_pattern",
            "conditions.module_pattern",
            "conditions.metrics_path",
        ]

    def test_reason_of_a_refused_pattern_is_told(self) -> None:
        """It says what was expected, and where RE2 stumbled."""
        rules = rules_of(rule(name="^a(?=b)"))

        assert [str(one) for one in rules.problems] == [
            (
                "rule one: conditions.job_name_pattern: '^a(?=b)': expected a pattern of RE2"
                " (no lookaround, no backreferences): invalid perl operator: (?=;"
                " the rule is disabled"
            )
        ]

    def test_rule_with_a_refused_pattern_matches_nothing(self) -> None:
        """The original skipped the condition, so that the rule matched everything."""
        given = rule("one", "(?!", path="/metrics", category="some")
        decision = Categorizer(rules_of(given)).categorize("web", None, "/metrics")

        assert (decision.category, decision.matched_rule) == ("other", None)

    def test_rule_with_an_unknown_condition_matches_nothing(self) -> None:
        """To ignore the typing error would let the rule match more than it says."""
        given = rule(conditions={"job_name_pattern": "^a", "modul_pattern": "^icmp$"})
        rules = rules_of(given)

        assert rules.rules == ()
        assert "did you mean module_pattern?" in str(errors(rules)[0])

    def test_pattern_for_which_no_room_is_left_disables_the_rule_of_least_priority(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All patterns of a kind are compiled together; one that is shared takes room once."""
        monkeypatch.setattr(patterns, "SET_STEPS", 3 * patterns.measure("^aaaa"))
        rules = rules_of(
            rule("low", "^dddd", priority=1),
            *(rule(f"same{number}", "^aaaa") for number in range(9)),
            rule("high", "^bbbb", module="^bbbb"),
            rule("last", "^cccc", module="^aaaa"),
        )

        assert [one.id for one in rules.rules][-2:] == ["high", "last"]
        assert [(one.rule, one.field) for one in errors(rules)] == [
            ("low", "conditions.job_name_pattern")
        ]


class TestOddity:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (rule(name="^a", colour=1), "rule one: colour: 1: unknown"),
            (
                rule(name="^a", dispay_name="A"),
                "rule one: dispay_name: 'A': unknown; did you mean display_name?",
            ),
            (
                rule(name="^a", path="/snmp"),
                "rule one: conditions.metrics_path: '/snmp': usually /probe or /metrics",
            ),
            (
                rule(name="^a", module=""),
                (
                    "rule one: conditions.module_pattern: '': expected no such key where there is"
                    " no condition"
                ),
            ),
            (
                rule(module="^a"),
                (
                    "rule one: conditions.job_name_pattern: nothing: expected it, too: services"
                    " without module and metrics_path all match"
                ),
            ),
            (
                rule(name="^a", category="web-probes"),
                (
                    "rule one: category: 'web-probes': expected one of categories; its label is"
                    " made up"
                ),
            ),
        ],
        ids=named,
    )
    def test_odd_rule_works_and_is_told_of(self, given: dict[str, object], expected: str) -> None:
        """A warning names the rule, too."""
        rules = rules_of(given)

        assert [one.id for one in rules.rules] == ["one"]
        assert [str(one) for one in warnings(rules)] == [expected]

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"rulez": []}, "rulez: a list: unknown; did you mean rules?"),
            ({"total_rules": 48}, "total_rules: 48: expected 1, for so many are listed"),
            (
                {"default_category": "a b"},
                (
                    "default_category: 'a b': expected 1 to 100 of A-Z a-z 0-9 . _ -;"
                    " custom-exporters takes its place"
                ),
            ),
            (
                {"default_category": "rest"},
                "default_category: 'rest': expected one of categories; its label is made up",
            ),
            (
                {"categories": {}},
                "categories: a mapping: expected a list of at most 1,000 mappings",
            ),
        ],
        ids=named,
    )
    def test_odd_document_works_and_is_told_of(
        self, fields: dict[str, object], expected: str
    ) -> None:
        """A warning of the whole names no rule."""
        rules = rules_of(rule(name="^a"), **fields)

        assert [one.id for one in rules.rules] == ["one"]
        assert next(str(one) for one in rules.problems if not one.rule) == expected

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("x", "categories[2]: 'x': expected a mapping; it is ignored"),
            (
                {"id": "a b"},
                "categories[2].id: 'a b': expected 1 to 100 of A-Z a-z 0-9 . _ -; it is ignored",
            ),
            (
                {"id": "some"},
                "categories[2].id: 'some': expected each only once; the first counts",
            ),
            ({"id": "a", "display_name": 3}, "categories[2].display_name: 3: expected a text"),
            ({"id": "a", "icon": "x"}, "categories[2].icon: 'x': unknown"),
            (
                {"id": "a", "color": "url(x)"},
                "categories[2].color: 'url(x)': expected a name such as purple, or #rrggbb",
            ),
        ],
        ids=named,
    )
    def test_odd_category_is_told_of_and_disables_nothing(
        self, given: object, expected: str
    ) -> None:
        """No rule depends on how its category is shown."""
        whole = document(rule(name="^a"))
        listed = [*whole["categories"], given]
        rules = parse_rules(whole | {"categories": listed})

        assert [str(one) for one in rules.problems] == [expected]
        assert [one.id for one in rules.rules] == ["one"]
        assert rules.categories[0].display_name == "Some"

    def test_category_that_nothing_explains_gets_a_label(self) -> None:
        """Once, however many rules name it."""
        rules = rules_of(
            rule("a", "^a", category="web-probes"), rule("b", "^b", category="web-probes")
        )

        assert rules.categories[-1] == Category(
            id="web-probes", display_name="Web Probes", color=None
        )
        assert len(rules.problems) == 1

    def test_color_of_a_category_is_kept(self) -> None:
        """A name or a number."""
        listed = [{"id": "some", "color": "#a0B1c2"}, {"id": "other", "color": "grey"}]

        assert [one.color for one in rules_of(categories=listed).categories] == ["#a0B1c2", "grey"]

    def test_forms_of_the_original_are_no_oddity(self) -> None:
        """It once kept them with the rules, and left null behind."""
        assert rules_of(rule(name="^a", form_schema={"fields": []})).problems == ()

    def test_warning_does_not_say_that_the_rule_is_disabled(self) -> None:
        """It is not."""
        (problem,) = rules_of(rule(name="^a", x=1)).problems

        assert problem.severity is Severity.WARNING
        assert "disabled" not in str(problem)
