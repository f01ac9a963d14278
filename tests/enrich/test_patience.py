"""Searches that take long end, wherever their time goes."""

from collections.abc import Callable
from itertools import count

import pytest

from consul_edge.enrich.columns import SERVICES
from consul_edge.enrich.export import csv_chunks
from consul_edge.enrich.patience import STEP, Patience, TakesTooLong, check
from consul_edge.enrich.query import parse_query
from consul_edge.enrich.table import Key, Table
from tests.enrich.shelf import service


def patient(seconds: float) -> Patience:
    """Make one to whom each look at the clock is a second later."""
    return Patience(seconds, count().__next__)


def searched(rows: int, text: str) -> Callable[[], object]:
    """Make a search through rows without a common cell."""
    table = Table([service(number, service=f"s{number}") for number in range(rows)], SERVICES)
    terms = parse_query(text, SERVICES).terms
    return lambda: table.select(terms)


@pytest.mark.parametrize(
    "text",
    ["-x", "-id:x", "-x -y -z", "-id:x*y", "-/x/"],
    ids=["rows", "column", "terms", "globs", "pattern"],
)
def test_time_of_a_search_is_over_it_ends(text: str) -> None:
    """Whatever is looked for, it asks whether to go on each thousand cells at the latest."""
    patience = patient(20)
    with pytest.raises(TakesTooLong, match="q: this search takes too long"):
        patience.spend(searched(20 * STEP, text))


def test_pattern_is_held_against_few_long_texts_it_asks_for_each() -> None:
    """A pattern may need a second for one text."""
    with pytest.raises(TakesTooLong):
        patient(20).spend(searched(20, "-/x/"))


def test_many_facets_are_counted_they_share_the_time() -> None:
    """Each of twenty facets goes through all rows again."""
    table = Table([service(number) for number in range(10)], SERVICES)
    terms = parse_query("-name:a -dc:b -site:c -tag:d", SERVICES).terms
    columns = [term.column for term in terms if term.column]
    with pytest.raises(TakesTooLong):
        patient(20).spend(lambda: table.count_facets(terms, columns))


def test_rows_of_a_listing_are_written_as_csv_it_asks_each_thousand() -> None:
    """A file is long as well."""
    table = Table([service(number) for number in range(20 * STEP)], SERVICES)
    with pytest.raises(TakesTooLong):
        patient(20).spend(lambda: list(csv_chunks(table, range(len(table)))))


def test_time_suffices_the_result_is_given() -> None:
    """Nothing is refused before its time."""
    assert patient(1_000).spend(searched(2 * STEP, "s1999 name:s1999")) == [1999]


def test_search_is_ended_by_another_thread_it_stops_at_the_next_check() -> None:
    """Nobody works for those who have left."""
    patience = patient(1_000)

    def left() -> None:
        check()
        patience.end()
        check()

    with pytest.raises(TakesTooLong):
        patience.spend(left)


def test_sort_by_columns_asks_for_each() -> None:
    """Reading a column of all rows takes long, too."""
    table = Table([service(1)], SERVICES)
    keys = [Key(SERVICES.columns[name]) for name in ("id", "name", "dc")]
    with pytest.raises(TakesTooLong):
        patient(3).spend(lambda: table.sort(range(1), keys))


def test_no_bound_is_set_nothing_is_refused() -> None:
    """Work that nobody's words make long goes on."""
    patient(0)
    check()
