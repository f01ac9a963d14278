"""``consul-edge bench nodes``: its files, what it prints, and how it exits."""

import json
from pathlib import Path
from typing import Any

import pytest

from consul_edge import cli
from consul_edge.bench import records
from tests.bench_nodes.conftest import Bench, files
from tests.bench_nodes.small_edge import SmallEdge

BASELINE = "nodes_baseline.json"
COMPARE = "nodes_compare.json"
REPORT = "nodes_benchmark_report.json"


def read(path: Path) -> dict[str, Any]:
    """Read what was written."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


async def test_compare_tells_what_became_better_and_worse(
    bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For each figure, of hits and misses, in the file and in the table."""
    await bench("baseline", "--iterations", 4)
    edge.hit_seconds, edge.miss_seconds = 0.003, 0.05
    capsys.readouterr()

    assert await bench("compare", "--iterations", 4) == 0

    comparison = read(output / COMPARE)["comparison"]
    assert comparison["hits"]["p95_ms"] == {
        "baseline": 2.0,
        "current": 3.0,
        "diff_ms": 1.0,
        "diff_pct": 50.0,
        "improved": False,
    }
    assert comparison["misses"]["p95_ms"]["improved"] is True
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["hits", "p95", "2.000", "3.000", "+1.000", "+50.0", "worse"] in lines
    assert ["misses", "p95", "100.000", "50.000", "-50.000", "-50.0", "better"] in lines
    assert err == ""


@pytest.mark.parametrize("mode", ["baseline", "compare"])
async def test_failed_gate_is_1_and_told(
    mode: str, bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run is written down all the same: it was measured."""
    await bench("baseline", "--iterations", 4)
    edge.miss_seconds = 0.55
    capsys.readouterr()

    assert await bench(mode, "--iterations", 4) == 1

    out, err = capsys.readouterr()
    assert "consul-edge: gate failed: misses p95 550 ms, expected < 500 ms" in err.splitlines()
    assert "FAILED  misses p95 550 ms, expected < 500 ms" in out.splitlines()
    assert "passed  misses p99 550 ms, expected < 600 ms" in out.splitlines()
    found = read(output / f"nodes_{mode}.json")
    assert (found["passed"], found["misses"]["p95_ms"]) == (False, 550.0)


async def test_other_edge_than_the_baselines_is_warned_of(
    bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another number of nodes, or another url: on stderr and in the file."""
    await bench("baseline")
    document = read(output / BASELINE)
    (output / BASELINE).write_text(json.dumps(document | {"url": "http://other:1"}))
    edge.nodes = 13

    assert await bench("compare") == 0

    found = [
        f"another url: http://other:1 in the baseline, {edge.url} now",
        "another number of nodes: 12 in the baseline, 13 now",
    ]
    assert read(output / COMPARE)["warnings"] == found
    err = capsys.readouterr().err
    assert [line for line in found if f"consul-edge: warning: {line}\n" not in err] == []


async def test_report_has_both_runs_and_what_came_of_them(
    bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks nobody; the present run's gates are its verdict."""
    await bench("baseline")
    edge.miss_seconds = 0.7
    await bench("compare")
    asked = len(edge.asked)
    capsys.readouterr()

    assert await bench("report") == 1

    found = read(output / REPORT)
    assert found["baseline"]["misses"]["p50_ms"] == 100.0
    assert found["current"]["misses"]["p50_ms"] == 700.0
    assert found["comparison"]["misses"]["p50_ms"]["diff_ms"] == 600.0
    assert (found["passed"], len(edge.asked)) == (False, asked)
    out = capsys.readouterr().out
    assert out.startswith(f"baseline: {edge.url}, consul-edge 7.8.9, 12 nodes, ")
    assert f"\ncompare: {edge.url}, " in out
    assert f"written: {output / REPORT}" in out


@pytest.mark.parametrize("mode", ["baseline", "compare", "report"])
async def test_json_is_what_was_written(
    mode: str, bench: Bench, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs read the same from the pipe and from the file."""
    await bench("baseline")
    await bench("compare")
    capsys.readouterr()

    assert await bench(mode, "--json") == 0

    file = REPORT if mode == "report" else f"nodes_{mode}.json"
    assert capsys.readouterr().out == (output / file).read_text()


@pytest.mark.parametrize("mode", ["compare", "report"])
async def test_missing_baseline_is_2_before_anything_is_asked(
    mode: str, bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said how to make one."""
    assert await bench(mode) == 2

    text = f"consul-edge: there is no {output / BASELINE}: make it by --mode baseline\n"
    assert (capsys.readouterr().err, edge.asked, files(output)) == (text, [], [])


async def test_report_without_a_comparison_is_2(
    bench: Bench, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said what to run first."""
    await bench("baseline")

    assert await bench("report") == 2
    assert f"there is no {output / COMPARE}: make it by --mode compare" in capsys.readouterr().err


def without(document: dict[str, Any], field: str) -> dict[str, Any]:
    """Leave a field out, be it one of the hits."""
    if field.startswith("hits."):
        return document | {"hits": without(document["hits"], field.removeprefix("hits."))}
    return {name: value for name, value in document.items() if name != field}


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("schema", "Object missing required field `schema`"),
        ("misses", "Object missing required field `misses`"),
        ("hits.p95_ms", "Object missing required field `p95_ms` - at `$.hits`"),
    ],
)
async def test_baseline_without_a_field_is_2_and_names_it(
    field: str,
    told: str,
    bench: Bench,
    edge: SmallEdge,
    output: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is taken for 0, and nothing is measured."""
    await bench("baseline")
    asked = len(edge.asked)
    (output / BASELINE).write_text(json.dumps(without(read(output / BASELINE), field)))
    capsys.readouterr()

    assert await bench("compare") == 2

    text = f"consul-edge: {output / BASELINE} is none of this bench's: {told}\n"
    assert (capsys.readouterr().err, len(edge.asked)) == (text, asked)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": "consul-edge bench nodes 2"}, "$.schema"),
        ({"nodes": "three"}, "$.nodes"),
        ({"mode": "compare"}, "its field `mode` is 'compare'"),
    ],
    ids=["another form", "another type", "another mode"],
)
async def test_foreign_baseline_is_2_and_names_the_field(
    change: dict[str, Any],
    told: str,
    bench: Bench,
    output: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is there and is not what it should be is told by its place."""
    await bench("baseline")
    (output / BASELINE).write_text(json.dumps(read(output / BASELINE) | change))

    assert await bench("compare") == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
async def test_baseline_that_is_no_document_is_2(
    content: bytes, bench: Bench, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is in the file, it ends in one line."""
    await bench("baseline")
    (output / BASELINE).write_bytes(content)
    capsys.readouterr()

    assert await bench("compare") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_folder_that_cannot_be_made_is_1_in_one_line(
    bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is found before anything is measured."""
    output.parent.write_text("a file")

    assert await bench("baseline") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{output} cannot be written" in line
    assert edge.asked == []


async def test_bad_token_of_the_environment_is_2_and_not_shown(
    bench: Bench,
    edge: SmallEdge,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No header can hold it, and no error may."""
    monkeypatch.setattr("os.environ", {"CONSUL_EDGE_ADMIN_TOKEN": "s3cr\u00e9t"})

    assert await bench("baseline", with_token=False) == 2
    err = capsys.readouterr().err
    assert "s3cr" not in err
    assert edge.asked == []


def test_file_is_replaced_only_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while it is written leaves the old one, and no scraps."""
    file = tmp_path / BASELINE
    file.write_text("old")

    def fail(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        records.write(file, b"new")

    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_file_that_somebody_reads_stays_whole(tmp_path: Path) -> None:
    """Who began to read the old one reads the old one to its end."""
    file = tmp_path / BASELINE
    file.write_text("old")

    with file.open() as reader:
        records.write(file, b"new")
        read = reader.read()

    assert (read, file.read_text()) == ("old", "new")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nodes",),
        ("services", "--mode", "baseline"),
        ("nodes", "--mode", "benchmark"),
        ("nodes", "--mode", "baseline", "--iterations", "0"),
        ("nodes", "--mode", "baseline", "--iterations", "x"),
        ("nodes", "--mode", "baseline", "--warmup", "-1"),
        ("nodes", "--mode", "baseline", "--url", "127.0.0.1:8510"),
        ("nodes", "--mode", "baseline", "--url", "http://user@h:1"),
        ("nodes", "--mode", "baseline", "--admin-token-file", "/nowhere"),
        ("nodes", "--mode", "baseline", "--token-file", "/dev/null"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_2_with_a_text(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be meant is refused before anything is asked."""
    with pytest.raises(SystemExit) as caught:
        cli.run(["bench", *words])
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err
