"""What is measured when, and what becomes of it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bench import __main__ as command
from tests.bench import report, results
from tests.bench.load import LoadFailedError
from tests.bench.plan import Plan
from tests.bench.report import Section, Table

FACTS = dict.fromkeys(
    (
        *("consul-edge", "python", "aiohttp", "uvloop", *report.PROGRAMS),
        *("system", "processor", "cores", "busy_before", "server_core", "load_core"),
        *("rounds", "seconds"),
    ),
    "x",
)


def scenario(name: str, seen: list[str]) -> SimpleNamespace:
    """Give one that only notes that it ran; one called "broken" fails."""

    def run(plan: Plan) -> Section:
        seen.append(f"{name} {plan.rounds}x{plan.seconds}")
        if name == "broken":
            raise LoadFailedError("wrk died")
        return Section(name, name, Table(("n",), ((1,),)), ())

    return SimpleNamespace(NAME=name, TITLE=name, run=run)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Give what ran; three scenarios stand in for the real ones."""
    ran: list[str] = []
    known = {name: scenario(name, ran) for name in ("hits", "broken", "idle")}
    path = tmp_path / "RESULTS.md"
    write = results.write
    monkeypatch.setattr(command, "ALL", known)
    monkeypatch.setattr(command, "peer", Path)
    monkeypatch.setattr(report, "machine", lambda _: FACTS)
    monkeypatch.setattr(results, "write", lambda entries, order: write(entries, order, path))
    return ran


def written(tmp_path: Path) -> list[str]:
    """Name the sections of the file."""
    path = tmp_path / "RESULTS.md"
    text = path.read_text() if path.exists() else ""
    return [line.split(":")[0][3:] for line in text.splitlines() if line.startswith("## ")]


def test_scenario_that_fails_does_not_stop_the_others(
    seen: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of twenty minutes keeps what it has measured; the exit code and a line tell."""
    assert command.main([]) == 1

    assert seen == ["hits 3x2", "broken 3x2", "idle 3x2"]
    assert written(tmp_path) == ["hits", "idle"]
    assert capsys.readouterr().err.endswith("bench: broken was not measured: wrk died\n")


@pytest.mark.parametrize(
    "words", [["hits"], ["--quick"], ["--only", "edge"], ["--connections", "32"]]
)
def test_run_of_a_part_writes_nothing_unasked(
    seen: list[str], tmp_path: Path, words: list[str]
) -> None:
    """The file has what was measured in earnest."""
    command.main(words)

    assert written(tmp_path) == []


def test_run_of_a_part_writes_its_section_if_asked(seen: list[str], tmp_path: Path) -> None:
    """It is that of the scenario that was named."""
    assert command.main(["idle", "--write"]) == 0

    assert written(tmp_path) == ["idle"]


def test_quick_run_is_one_short_round(seen: list[str]) -> None:
    """What is asked for by number goes before that."""
    command.main(["hits", "--quick"])
    command.main(["hits", "--quick", "--seconds", "7"])

    assert seen == ["hits 1x1", "hits 1x7"]


def test_unknown_scenario_is_refused_before_anything_runs(
    seen: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The known ones are named."""
    assert command.main(["idle", "hitz"]) == 1

    assert seen == []
    assert "'hitz'; there are hits, broken, idle" in capsys.readouterr().err
