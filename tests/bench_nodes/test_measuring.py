"""What is asked of an edge, in which order, and what counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from consul_edge.bench import measuring
from consul_edge.progress import PROGRESS
from tests.bench_nodes.conftest import Bench, files
from tests.bench_nodes.small_edge import TOKEN, SmallEdge
from tests.processes import free_port


def baseline(output: Path) -> dict[str, Any]:
    """Read what was written."""
    found: dict[str, Any] = json.loads((output / "nodes_baseline.json").read_text())
    return found


async def test_hits_and_misses_are_measured_apart(
    bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """Neither is in the other's times, and the flush is in neither."""
    assert await bench("baseline", "--iterations", 4) == 0

    found = baseline(output)
    assert found["hits"]["raw_times_ms"] == [2.0] * 4
    assert found["misses"]["raw_times_ms"] == [100.0] * 4


async def test_warm_up_is_asked_and_not_counted(
    bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """So many more requests than times, of both kinds, each miss right after its flush."""
    await bench("baseline", "--iterations", 2, "--warmup", 3)

    assert edge.asked == ["METRICS"] + ["GET"] * 5 + ["POST", "GET"] * 5
    assert len(baseline(output)["hits"]["raw_times_ms"]) == 2
    assert len(baseline(output)["misses"]["raw_times_ms"]) == 2


async def test_no_warm_up_leaves_the_first_answer_in(
    bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """Warm-up is what keeps the first miss out of the hits, and it can be turned off."""
    await bench("baseline", "--iterations", 2, "--warmup", 0)

    assert baseline(output)["hits"]["raw_times_ms"] == [100.0, 2.0]


async def test_progress_of_both_series_is_shown_and_taken_away(
    bench: Bench, edge: SmallEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement of minutes says how far it is; its end leaves nothing behind."""
    shown: list[str] = []
    monkeypatch.setattr(PROGRESS, "show", shown.append)
    monkeypatch.setattr(PROGRESS, "end", lambda: shown.append(""))
    await bench("baseline", "--iterations", 2, "--warmup", 1)

    assert shown == [
        f"{name}: {number} of 3" for name in ("hits", "misses") for number in range(3)
    ] + [""]


async def test_one_connection_serves_all_requests(
    bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """Connecting is not what is measured."""
    await bench("baseline")

    assert (len(edge.connections), baseline(output)["connections"]) == (1, 1)


async def test_facts_of_the_run_are_written_down(
    bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """Later one can tell what was measured, when, and of which edge."""
    await bench("baseline", "--iterations", 2, "--warmup", 1)

    found = baseline(output)
    facts = {name: found[name] for name in ("mode", "url", "nodes", "iterations", "warmup")}
    assert facts == {
        "mode": "baseline",
        "url": edge.url,
        "nodes": 12,
        "iterations": 2,
        "warmup": 1,
    }
    assert found["edge_version"] == "7.8.9"
    assert found["timestamp"].endswith("Z")


@pytest.mark.parametrize("metrics", ["", "no exposition {", "up 1"])
async def test_edge_that_tells_no_version_is_measured(
    metrics: str, bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """The version is good to know, and not needed."""
    edge.metrics = metrics

    assert await bench("baseline", "--iterations", 2) == 0
    assert baseline(output)["edge_version"] is None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (503, "http_503"),
        (302, "http_302"),
        ("garbage", "malformed"),
        ("failure", "malformed"),
    ],
)
async def test_failed_request_is_counted_by_its_kind(
    fault: int | str, kind: str, bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """It has no time, lowers the success rate, and fails the gate."""
    edge.faults["GET", 5] = fault

    assert await bench("baseline", "--iterations", 4, "--warmup", 1) == 1
    hits = baseline(output)["hits"]
    assert (hits["errors"], hits["success_rate"], hits["requests"]) == ({kind: 1}, 75.0, 4)
    assert len(hits["raw_times_ms"]) == 3


async def test_flush_that_fails_is_told_from_an_answer_that_does(
    bench: Bench, edge: SmallEdge, output: Path
) -> None:
    """What would follow would be no miss, so it is not asked for."""
    edge.faults["POST", 3] = 500

    await bench("baseline", "--iterations", 3, "--warmup", 1)

    assert baseline(output)["misses"]["errors"] == {"flush_http_500": 1}
    assert edge.gets == 4 + 3


async def test_broken_connection_is_told(
    bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flush is a POST, which is never sent twice: its break is an error and a new connection."""
    edge.faults["POST", 3] = "reset"

    await bench("baseline", "--iterations", 3, "--warmup", 1)

    found = baseline(output)
    assert (found["misses"]["errors"], found["connections"]) == ({"flush_connection": 1}, 2)
    assert "it took 2 connections" in capsys.readouterr().err


async def test_silent_edge_is_given_up_soon(
    bench: Bench,
    edge: SmallEdge,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Not after all iterations, each of which would be as long."""
    monkeypatch.setattr(measuring, "TIMEOUT", 0.2)
    edge.always = "hang"

    assert await bench("baseline", "--iterations", 50) == 1
    assert edge.gets == 3
    assert "3 x timeout" in capsys.readouterr().err


async def test_edge_that_never_succeeds_leaves_the_files_as_they_were(
    bench: Bench, edge: SmallEdge, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A good baseline is not replaced by nothing."""
    await bench("baseline")
    before = baseline(output)
    edge.always = 500

    assert await bench("baseline") == 1
    (line,) = capsys.readouterr().err.splitlines()
    told = "no answer to measure for hits: 3 x http_500"
    assert line == f"consul-edge: {edge.url}/api/v1/nodes: {told}"
    assert baseline(output) == before


async def test_nobody_there_is_1_in_one_line(
    bench: Bench, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused connection is told at once."""
    url = f"http://127.0.0.1:{free_port()}"

    assert await bench("baseline", "--url", url) == 1
    assert capsys.readouterr().err == f"consul-edge: {url}: no answer: connection\n"
    assert files(output) == []


class TestTokens:
    async def test_tokens_go_where_they_belong(
        self, bench: Bench, edge: SmallEdge, tmp_path: Path
    ) -> None:
        """Consul's is for what is read, the edge's for flushes, and neither goes to the other."""
        consul = tmp_path / "consul"
        consul.write_text("c0n5u1\n")

        await bench("baseline", "--iterations", 1, "--warmup", 0, "--token-file", consul)

        assert set(edge.tokens) == {("GET", "c0n5u1"), ("POST", f"Bearer {TOKEN}")}

    async def test_no_token_measures_hits_only_and_says_so(
        self,
        bench: Bench,
        output: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The gates are held against what there is."""
        assert await bench("baseline", "--iterations", 2, with_token=False) == 0

        found = baseline(output)
        assert (found["misses"], len(found["hits"]["raw_times_ms"])) == (None, 2)
        out, err = capsys.readouterr()
        assert "misses: not measured: no admin token" in out
        assert "warning: misses are not measured: no admin token" in err

    async def test_edge_that_needs_no_token_is_flushed_without(
        self, bench: Bench, edge: SmallEdge, output: Path
    ) -> None:
        """A demo trusts whoever is on its machine."""
        edge.admin_token = ""

        await bench("baseline", "--iterations", 2, with_token=False)

        assert baseline(output)["misses"]["raw_times_ms"] == [100.0, 100.0]

    async def test_token_of_the_environment_is_used(
        self,
        bench: Bench,
        output: Path,
        token_file: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """As ``consul-edge admin`` finds it."""
        monkeypatch.setattr("os.environ", {"CONSUL_EDGE_ADMIN_TOKEN_FILE": str(token_file)})

        await bench("baseline", "--iterations", 2, with_token=False)

        assert baseline(output)["misses"] is not None

    async def test_token_of_the_edges_configuration_is_used(
        self, bench: Bench, output: Path, tmp_path: Path
    ) -> None:
        """Where the file of the edge is at hand nothing else must be said."""
        config = tmp_path / "edge.yaml"
        config.write_text(f"admin: {{token: {TOKEN}}}\n")

        await bench("baseline", "--iterations", 2, "--config", config, with_token=False)

        assert baseline(output)["misses"] is not None

    @pytest.mark.parametrize("status", [401, 403])
    async def test_wrong_token_is_an_error(
        self,
        status: int,
        bench: Bench,
        edge: SmallEdge,
        output: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Who gave one wants misses; hits alone would pass for them."""
        edge.admin_token, edge.refusal = "another", status

        assert await bench("baseline") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"flush answered {status}: consul-edge: this is not the admin token" in line
        assert TOKEN not in line
        assert files(output) == []

    async def test_flush_that_drops_nothing_is_warned_of(
        self, bench: Bench, edge: SmallEdge, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What came after it may not have been a miss."""
        edge.keeps_nothing = True

        await bench("baseline", "--iterations", 2, "--warmup", 1)

        assert "warning: 3 flushes dropped nothing" in capsys.readouterr().err
