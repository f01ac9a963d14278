"""What the fan-out tells: figures of those who served everyone, reasons of those who did not."""

from tests.bench.crowd import Wave, refusal
from tests.bench.scenarios.fan_out import HEADER, NAME, summary

NAMES = ("edge", "agent", "direct")


def turn(*seconds: float) -> list[Wave]:
    """Give a turn of changes which reached all of ten clients at once."""
    return [Wave((one,) * 10, 0.25, 1, 8000) for one in seconds]


def test_contenders_that_served_everyone_are_compared_within_rounds() -> None:
    """A ratio is of the same round's changes, and each turn counts by its median."""
    turns = {
        "edge": [turn(0.010, 0.020, 0.900), turn(0.040)],
        "agent": [turn(0.040), turn(0.080)],
        "direct": [turn(0.200), turn(0.100)],
    }

    section = summary(NAMES, {10: (turns, {})})

    figures = {figure.name: figure.rounds for figure in section.figures}
    assert figures["p99, edge, 10 clients"] == (20.0, 40.0)
    assert figures["p99, edge : agent, 10 clients (aim: at most 0.2)"] == (0.5, 0.5)
    assert figures["p99, edge : direct, 10 clients (aim: at most 0.2)"] == (0.1, 0.4)
    assert section.table.rows[0] == ("edge", 10, 8000, 30.0, 30.0, 30.0, 25, 4, "no")
    assert section.notes == ()


def test_contender_that_refused_once_has_a_reason_and_no_figures() -> None:
    """Its good rounds are not told either, nor compared; the others' are."""
    turns = {"edge": [turn(0.001)], "agent": [turn(0.040)] * 2, "direct": [turn(0.200)] * 2}

    section = summary(NAMES, {10: (turns, {"edge": refusal({"503 full": 9}, 10)})})

    assert {figure.name.split(", ")[1] for figure in section.figures} == {"agent", "direct"}
    assert section.table.rows[0] == ("edge", 10, *("-" for _ in HEADER[2:-1]), "YES")
    assert section.render().endswith("  edge, 10 clients, REFUSED: 9 of 10 clients: 503 full\n")
    assert section.as_json()["notes"] == ["edge, 10 clients, REFUSED: 9 of 10 clients: 503 full"]


def test_fan_out_that_everyone_refused_is_still_a_section() -> None:
    """Nothing to tell is told as such."""
    section = summary(NAMES, {10: ({}, dict.fromkeys(NAMES, "nobody answered"))})

    assert (section.name, section.figures, len(section.notes)) == (NAME, (), 3)
    assert section.render().count("\n\n") == 2


def test_larger_crowd_is_compared_with_the_smaller_one() -> None:
    """What grows is told of everyone who served both, within rounds."""
    still = [turn(0.1), turn(0.1)]
    served = {"edge": [turn(0.010), turn(0.020)], "agent": still, "direct": still}
    grown = {
        "edge": [turn(0.050), turn(0.080)],
        "agent": [turn(0.7), turn(0.9)],
        "direct": still,
    }

    section = summary(NAMES, {10: (served, {}), 50: (grown, {"direct": "full"})})

    figures = {figure.name: figure.rounds for figure in section.figures}
    assert figures["p99, edge, 50 : 10 clients (aim: at most 6)"] == (5.0, 4.0)
    assert [round(one, 6) for one in figures["p99, agent, 50 : 10 clients"]] == [7.0, 9.0]
    assert not any("direct, 50 :" in name for name in figures)


def test_refusal_of_many_kinds_names_the_commonest() -> None:
    """A report stays readable, whatever a thousand clients were told."""
    failures = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 990}

    assert refusal(failures, 1000) == "990 of 1,000 clients: e; 4: d; 3: c; 2 more kinds"
