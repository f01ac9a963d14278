"""What a run does to the file of results."""

from datetime import UTC, datetime
from pathlib import Path

from tests.bench import results
from tests.bench.report import Figure, Section, Table

ORDER = ("hits", "fan-out", "idle")

FACTS = {
    "consul-edge": "0.1.0 at abc1234",
    "python": "3.11.7",
    "aiohttp": "3.14.5",
    "uvloop": "0.23.0",
    "consul": "Consul v1.8.7",
    "nginx": "nginx version: nginx/1.22.1",
    "haproxy": "HAProxy version 2.6.12",
    "varnishd": "varnish-7.1.1",
    "wrk": "wrk 4.1.0",
    "system": "Linux 6.1 x86_64",
    "processor": "A Processor",
    "cores": 2,
    "server_core": 0,
    "load_core": 1,
    "busy_before": 0.1,
    "rounds": 3,
    "seconds": 2,
}

WHEN = datetime(2026, 11, 23, 4, 5, tzinfo=UTC)


def section(name: str, rate: float) -> Section:
    """Give a section with one row."""
    table = Table(("contender", "requests/s"), (("edge", rate),))
    return Section(name, f"Title of {name}", table, (Figure("ratio", "x", (1.5,)),), ("a note",))


def entry(name: str, rate: float, when: datetime = WHEN) -> str:
    """Render one."""
    return results.entry(FACTS, section(name, rate), when)


def test_section_tells_when_where_with_what_and_how() -> None:
    """A reader needs no other file to judge a figure."""
    text = entry("hits", 1234.0)

    assert text.startswith("## hits: Title of hits\n\n2026-11-23 04:05 UTC. consul-edge 0.1.0")
    for said in ("Consul v1.8.7; nginx version: nginx/1.22.1; HAProxy version 2.6.12", "Linux"):
        assert said in text
    assert "A Processor, 2 cores" in text
    assert "3 rounds of 2 s each" in text
    assert "| contender | requests/s |\n|:--|--:|\n| edge | 1,234 |\n" in text
    assert "- ratio: **1.50 x  (1.50 to 1.50)**\n\n- a note\n" in text


def test_partial_run_replaces_its_own_sections_alone() -> None:
    """The others stay as they were, date included, wherever they stand."""
    first = {name: entry(name, 100.0) for name in ORDER}
    before = results.updated("", first, ORDER)
    later = entry("fan-out", 999.0, datetime(2026, 12, 1, tzinfo=UTC))

    after = results.updated(before, {"fan-out": later}, ORDER)

    assert after == before.replace(first["fan-out"], later)
    assert after.count("2026-11-23 04:05 UTC") == 2
    assert after.count("\n## ") == 3


def test_run_of_the_same_changes_nothing() -> None:
    """What is written can be read again."""
    entries = {name: entry(name, 100.0) for name in ORDER}
    before = results.updated("", entries, ORDER)

    assert results.updated(before, {}, ORDER) == before
    assert results.updated(before, entries, ORDER) == before


def test_sections_stand_in_the_order_of_the_scenarios() -> None:
    """Not in that in which they were measured; what no scenario makes any more is dropped."""
    before = results.updated("", {"idle": entry("idle", 1.0), "gone": entry("gone", 1.0)}, ORDER)
    after = results.updated(before, {"hits": entry("hits", 1.0)}, ORDER)

    places = [after.index(f"## {name}: ") for name in ("hits", "idle")]
    assert places == sorted(places)
    assert "gone" not in results.updated(f"{before}\n## gone: x\n\ntext\n", {}, ORDER)


def test_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    """The first run begins it, with how to read it."""
    path = tmp_path / "RESULTS.md"
    results.write({"idle": entry("idle", 1.0)}, ORDER, path)
    results.write({"hits": entry("hits", 2.0)}, ORDER, path)

    text = path.read_text()
    assert text.startswith(results.HEAD)
    assert text.count("\n## ") == 2
