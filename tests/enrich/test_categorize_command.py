"""``consul-edge categorize``: what it reads, prints and tells, and how it exits."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from consul_edge import cli
from consul_edge.categorize_command import Row, read_rows

RULES = """
default_category: rest
rules:
  - {id: ping, category: probes, display_name: Pings, priority: 9,
     conditions: {job_name_pattern: ^ping, module_pattern: ^icmp$}}
  - {id: web, category: sites, priority: 8,
     conditions: {job_name_pattern: ^web, metrics_path: /metrics}}
categories: [{id: rest}, {id: probes}, {id: sites}]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Keep rules in a file."""
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    return file


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """Keep services in a file."""
    file = tmp_path / "services.csv"
    file.write_text("blackbox_exporter,icmp\nweb-01\nother\n")
    return file


def categorize(*arguments: object) -> int:
    """Run the command."""
    return cli.run(["categorize", *map(str, arguments)])


class TestInput:
    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            ("", []),
            ("\n# none\n  \n", []),
            ("node\n", [Row("node")]),
            ("a\r\nb", [Row("a"), Row("b")]),
            (" a , icmp , /probe ", [Row("a", "icmp", "/probe")]),
            ("a,,/probe", [Row("a", "", "/probe")]),
            ('"a, b",icmp', [Row("a, b", "icmp")]),
            ("\ufeffnode", [Row("node")]),
            ("ação", [Row("ação")]),
        ],
    )
    def test_lines_are_services_with_what_they_carry(self, text: str, rows: list[Row]) -> None:
        """As a spreadsheet writes them, or a person."""
        assert list(read_rows(text.encode())) == rows

    @pytest.mark.parametrize(
        ("value", "rows"),
        [
            ([], []),
            ([{"service": "a"}], [Row("a")]),
            (
                [{"service": "a", "module": "icmp", "metrics_path": "/probe"}],
                [Row("a", "icmp", "/probe")],
            ),
            ([{"service": "a", "module": None}], [Row("a")]),
            ({"service": "a", "module": "m"}, [Row("a", "m")]),
            ([{"Service": "a", "Meta": None}], [Row("a")]),
            (
                {"id1": {"ID": "id1", "Service": "a", "Meta": {"module": "m"}}},
                [Row("a", "m")],
            ),
            (
                [
                    {
                        "ServiceName": "a",
                        "ServiceMeta": {"module": "m", "metrics_path": "/p"},
                        "NodeMeta": {"module": "n"},
                    }
                ],
                [Row("a", "m", "/p")],
            ),
            (
                [
                    {
                        "Node": {"Node": "n", "Meta": {"module": "x"}},
                        "Service": {"Service": "a", "Meta": {"module": "m"}},
                        "Checks": [],
                    }
                ],
                [Row("a", "m")],
            ),
            ({"consul": [], "web": ["v1"]}, [Row("consul"), Row("web")]),
            (
                {"Node": {"Node": "n"}, "Services": {"id1": {"Service": "a", "Meta": {}}}},
                [Row("a")],
            ),
            ({"Node": {"Node": "n"}, "Services": [{"Service": "a"}]}, [Row("a")]),
        ],
        ids=[
            "none",
            "plain",
            "whole",
            "null",
            "one",
            "no meta",
            "agent/services",
            "catalog/service",
            "health/service",
            "catalog/services",
            "catalog/node",
            "catalog/node-services",
        ],
    )
    def test_json_is_plain_or_an_answer_of_consul(self, value: object, rows: list[Row]) -> None:
        """Whatever curl brought."""
        assert list(read_rows(json.dumps(value).encode())) == rows

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("a,b,c,d", "line 1: expected service[,module[,metrics_path]]"),
            ("a\n,icmp", "line 2: expected service"),
            ("a" * 200_000, "line 1: field larger than field limit"),
            ("[1]", "item 0: expected an object with a name under service, Service, ServiceName"),
            ('[{"service": "a"}, {"name": "b"}]', "item 1: expected an object with a name"),
            ('[{"service": ""}]', "item 0: expected an object"),
            ('[{"service": "a", "module": 1}]', "item 0: expected module to be a text"),
            ('{"id1": {"Port": 1}}', "id1: expected an object with a name"),
            ("[", "truncated"),
            ("\udcff", "utf-8"),
        ],
    )
    def test_input_that_is_none_is_refused_with_its_place(
        self,
        text: str,
        reason: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """It ends in 1 and a line on stderr; nothing is printed of what was read before."""
        file = tmp_path / "services"
        file.write_bytes(text.encode(errors="surrogateescape"))

        code = categorize(file)

        out, err = capsys.readouterr()
        assert (code, out) == (1, "")
        assert err.startswith(f"consul-edge: {file}: ")
        assert reason in err


class TestOutput:
    def test_row_is_a_line_of_category_rule_name_and_service(
        self, services: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In columns, by the rules of the package."""
        code = categorize(services)

        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        assert out == (
            "network-probes    blackbox_icmp  ICMP (Ping)  blackbox_exporter,icmp\n"
            "custom-exporters  -              Web 01       web-01\n"
            "custom-exporters  -              Other        other\n"
        )

    def test_rules_of_ones_own_take_the_place_of_the_packaged(
        self, services: Path, rules: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """All of them."""
        assert categorize(services, "--rules", rules) == 0
        assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
            ["probes", "ping", "Pings", "blackbox_exporter,icmp"],
            ["sites", "web", "Web", "01", "web-01"],
            ["rest", "-", "Other", "other"],
        ]

    def test_json_is_an_object_a_line_with_all_details(
        self, services: Path, rules: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Row and decision, for programs."""
        assert categorize(services, "--rules", rules, "--json") == 0
        first, *rest = capsys.readouterr().out.splitlines()

        assert len(rest) == 2
        assert json.loads(first) == {
            "row": {"service": "blackbox_exporter", "module": "icmp", "metrics_path": ""},
            "decision": {
                "category": "probes",
                "display_name": "Pings",
                "exporter_type": "custom",
                "priority": 9,
                "matched_rule": "ping",
                "job_name": "forgiven",
                "metrics_path": "absent",
                "module": "matched",
            },
        }

    def test_explanation_tells_why_the_rules_before_did_not_match(
        self, services: Path, rules: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And how the conditions came out of the one that did."""
        assert categorize(services, "--rules", rules, "--explain") == 0
        assert capsys.readouterr().out.splitlines()[1:5] == [
            "    ping: name forgiven, metrics_path absent, module matched",
            "sites   web   Web 01  web-01",
            "    web: name matched, metrics_path skipped, module absent",
            (
                "    not ping: job_name_pattern ^ping: the name does not match, and there is no"
                " module"
            ),
        ]

    def test_standard_input_is_read_for_a_dash(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """So that it stands at the end of a pipe."""
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"redis\n")))

        assert categorize("-") == 0
        assert capsys.readouterr().out.startswith("database-exporters  exporter_redis")

    def test_no_services_are_no_lines(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An empty catalog is nothing wrong."""
        file = tmp_path / "empty"
        file.write_text("")

        assert categorize(file) == 0
        assert capsys.readouterr() == ("", "")

    def test_name_with_control_characters_does_not_reach_the_terminal(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Whoever registers a service must not move the cursor of whoever looks."""
        file = tmp_path / "services.json"
        file.write_text(json.dumps([{"service": "a\x1b[2J\nb"}]))

        assert categorize(file) == 0
        line = r"custom-exporters  -  A\x1b[2J\nB  a\x1b[2J\nb"
        assert capsys.readouterr().out == f"{line}\n"

    def test_reader_that_has_enough_is_no_error(self, tmp_path: Path) -> None:
        """``| head -1`` closes the pipe: no traceback."""
        file = tmp_path / "services"
        file.write_text("node\n" * 100_000)
        command = f"'{sys.executable}' -m consul_edge categorize '{file}' | head -1"

        run = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
        )

        assert (run.stdout.count("\n"), run.stderr) == (1, "")


class TestProblems:
    def test_disabled_rule_is_told_and_ends_in_2(
        self, services: Path, rules: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The others decide all the same: rules can be tried out before they are put in place."""
        rules.write_text(RULES.replace("^ping", "'(?!ping)'"))

        code = categorize(services, "--rules", rules)

        out, err = capsys.readouterr()
        assert code == 2
        assert err.startswith("consul-edge: error: rule ping: conditions.job_name_pattern: ")
        assert len(err.splitlines()) == 1
        assert len(out.splitlines()) == 3

    def test_odd_rule_is_told_and_ends_in_0(
        self, services: Path, rules: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It works."""
        rules.write_text(f"{RULES}\nrulez: []")

        assert categorize(services, "--rules", rules) == 0
        assert capsys.readouterr().err == (
            "consul-edge: warning: rulez: a list: unknown; did you mean rules?\n"
        )

    def test_file_that_holds_no_rules_ends_in_2(
        self, services: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is decided by rules that were not meant."""
        assert categorize(services, "--rules", services) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"consul-edge: {services}: expected a mapping with a list")

    def test_missing_rules_end_in_2_and_missing_services_in_1(
        self, services: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Wrong configuration is one thing, and not being able to run another."""
        missing = tmp_path / "missing"

        assert categorize(services, "--rules", missing) == 2
        assert categorize(missing) == 1
        assert capsys.readouterr() == (
            "",
            f"consul-edge: {missing}: No such file or directory\n" * 2,
        )

    @pytest.mark.parametrize("argv", [[], ["x", "y"], ["x", "--json", "--explain"]], ids=str)
    def test_wrong_usage_ends_in_2(
        self, argv: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One file, one form of output."""
        with pytest.raises(SystemExit) as caught:
            categorize(*argv)
        assert caught.value.code == 2
        assert "usage: consul-edge" in capsys.readouterr().err
