"""What the table of a comparison tells, and what it does not."""

from tests.bench.comparison import HEADER, Aim, added, compared
from tests.bench.load import Burst, Bursts


def bursts(*rates: float, p99: float = 400.0, trouble: str = "") -> list[Burst]:
    """Give a round for each of *rates*."""
    return [
        Burst(2.0, round(2 * rate), 100.0, p99, 0, 1000, cpu=0.5, trouble=trouble)
        for rate in rates
    ]


GOOD: Bursts = {
    ("edge", 32): bursts(1000, 3000, 2000, p99=200.0),
    ("nginx", 32): bursts(1000, 1250, 4000),
}

AIM = Aim("requests/s", "small", "nginx", "at least 1.5")


def test_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """Each is of one round; medians of different rounds are never divided."""
    section = compared("hits", "Hits", {"small": GOOD}, [AIM])

    rows = [dict(zip(HEADER, row, strict=True)) for row in section.table.rows]
    assert [row["contender"] for row in rows] == ["edge", "nginx"]
    assert [row["requests/s"] for row in rows] == [2000.0, 1250.0]
    assert [row["requests/s, edge : it"] for row in rows] == ["-", 1.0]
    assert [row["p99, edge : it"] for row in rows] == ["-", 0.5]
    assert [row["CPU us each"] for row in rows] == [250.0, 400.0]
    (figure,) = section.figures
    assert figure.name == "requests/s, edge : nginx, small, 32 connections (aim: at least 1.5)"
    assert figure.rounds == (1.0, 2.4, 0.5)


def test_contender_that_failed_once_has_no_figures_but_a_reason() -> None:
    """Its good rounds are not told either, and no ratio is made with it."""
    failed = {**GOOD, ("nginx", 32): [*bursts(1000, 1000), *bursts(9000, trouble="3 errors")]}
    section = compared("hits", "Hits", {"small": failed}, [AIM], notes=["small: 162 bytes"])

    assert section.table.rows[1] == ("small", 32, "nginx", "INVALID", *("-" for _ in HEADER[4:]))
    assert section.figures == ()
    assert section.notes == (
        "small: 162 bytes",
        "INVALID: nginx, small, 32 connections: 3 errors",
    )


def test_edge_that_failed_leaves_the_others_their_figures() -> None:
    """They are told without a ratio."""
    failed = {**GOOD, ("edge", 32): bursts(1, 2, 3, trouble="not from memory")}
    section = compared("hits", "Hits", {"small": failed}, [AIM])

    assert section.table.rows[0][3] == "INVALID"
    assert section.table.rows[1][3:] == (1250.0, 100.0, 400.0, 50, 400.0, "-", "-")
    assert section.figures == ()


def test_loads_are_told_in_order_of_connections() -> None:
    """All contenders of one load stand together."""
    both: Bursts = {("edge", 32): bursts(2), ("edge", 1): bursts(1), ("nginx", 1): bursts(1)}
    section = compared("hits", "Hits", {"small": both})

    assert [row[1:3] for row in section.table.rows] == [(1, "edge"), (1, "nginx"), (32, "edge")]


def test_what_a_proxy_adds_is_told_round_by_round() -> None:
    """It is the difference of medians with one caller alone."""
    measured: Bursts = {
        ("edge", 1): [Burst(1, 1, 150.0, 0, 0), Burst(1, 1, 170.0, 0, 0)],
        ("direct", 1): [Burst(1, 1, 100.0, 0, 0), Burst(1, 1, 110.0, 0, 0)],
    }

    (figure,) = added(measured, ["edge"], "direct")

    assert figure.rounds == (50.0, 60.0)
    assert added(measured, ["nginx"], "direct") == []
    assert added(measured, ["edge"], "consul") == []
