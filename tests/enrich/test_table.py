from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consul_edge.enrich import table as module
from consul_edge.enrich.columns import NODES, SERVICES, Column
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.query import parse_query
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Key, Table, page_of
from tests.enrich.shelf import SHELF, drawn_rows, service

drawn_keys = st.lists(
    st.tuples(
        st.sampled_from(["ID", "Service", "tags", "status", "port", "site", "meta.os", "rule"]),
        st.booleans(),
    ),
    max_size=3,
)


def column(name: str) -> Column:
    found = SERVICES.find(name)
    assert found is not None
    return found


def keys(*names: str) -> list[Key]:
    return [Key(column(name.removeprefix("-")), name.startswith("-")) for name in names]


def shelf(*rows: ServiceRow) -> Table[ServiceRow]:
    return Table(rows or list(SHELF.values()), SERVICES)


def sorted_by(rows: Sequence[ServiceRow], *names: str) -> list[str]:
    table = shelf(*rows)
    return [rows[number].id for number in table.sort(table.select(()), keys(*names))]


def test_names_with_numbers_sort_as_people_count() -> None:
    """web2 is before web10, in any case, and longer numbers are larger ones."""
    rows = [service(id=name) for name in ("web10", "Web2", "web1-b", "web1-a", "9" * 30, "web")]

    assert sorted_by(rows, "id") == ["9" * 30, "web", "web1-a", "web1-b", "Web2", "web10"]


@pytest.mark.parametrize("direction", ["", "-"])
def test_blank_cells_are_last_in_either_direction(direction: str) -> None:
    """What is missing is never what somebody sorted for."""
    rows = [
        service(id="none"),
        service(id="blank", meta={"os": ""}),
        service(id="some", meta={"os": "linux"}),
    ]

    assert sorted_by(rows, f"{direction}meta.os") == ["some", "none", "blank"]


def test_port_zero_is_a_blank_and_others_are_numbers() -> None:
    """A port of 0 is Consul's word for none."""
    rows = [service(id=str(port), port=port) for port in (0, 9100, 80)]

    assert sorted_by(rows, "port") == ["80", "9100", "0"]
    assert sorted_by(rows, "-port") == ["9100", "80", "0"]


def test_status_sorts_failing_things_first() -> None:
    """Ascending is by urgency, what nobody knows after it, none at all at the end."""
    rows = [service(id=one, status=one) for one in ("", "odd", "passing", "warning", "critical")]

    assert sorted_by(rows, "status") == ["critical", "warning", "passing", "odd", ""]


@pytest.mark.parametrize(("name", "expected"), [("status", "bac"), ("-status", "cba")])
def test_equal_rows_are_sorted_by_the_next_column(name: str, expected: str) -> None:
    """Two keys are enough for most questions; each has its own direction."""
    rows = [
        service(id="c", status="passing", port=1),
        service(id="a", status="critical", port=2),
        service(id="b", status="critical", port=1),
    ]

    other = "port" if name == "status" else "-port"
    assert sorted_by(rows, name, other) == list(expected if name == "status" else "cab")


def test_few_rows_of_many_are_sorted_as_all_would_be() -> None:
    """Ranking only the cells at hand gives the same order."""
    rows = [service(id=f"n{99 - number}", port=number) for number in range(100)]
    table = shelf(*rows)
    few = table.select(parse_query("port:>90", SERVICES).terms)

    everything = [number for number in table.sort(table.select(()), keys("-id")) if number in few]

    assert table.sort(few, keys("-id")) == everything


@given(drawn_rows, drawn_keys)
def test_sort_by_any_columns_is_total_and_stable(
    rows: list[ServiceRow], drawn: list[tuple[str, bool]]
) -> None:
    """No row is lost, and rows with equal cells stay as they were, in either direction."""
    table = shelf(*rows) if rows else Table(rows, SERVICES)
    by = [Key(column(name), descending) for name, descending in drawn]

    order = table.sort(table.select(()), by)

    assert sorted(order) == list(range(len(rows)))
    cells = [tuple(key.column.read(rows[number]) for key in by) for number in order]
    assert all(
        before < after
        for before, after, one, next_one in zip(order, order[1:], cells, cells[1:], strict=False)
        if one == next_one
    )


@given(drawn_rows, st.sampled_from(["ID", "status", "port", "meta.os"]))
def test_descending_is_ascending_turned_round_but_for_blanks(
    rows: list[ServiceRow], name: str
) -> None:
    """The cells come in the opposite order, blank ones at the end."""
    table = Table(rows, SERVICES)
    read = column(name).read

    up, down = (
        [read(rows[number]) for number in table.sort(range(len(rows)), [Key(column(name), turn)])]
        for turn in (False, True)
    )

    assert [cell for cell in down if cell] == [cell for cell in up if cell][::-1]
    assert not any(up[len([cell for cell in up if cell]) :])


@given(st.lists(st.integers()), st.integers(1, 5))
def test_pages_together_are_all_rows_once(order: list[int], size: int) -> None:
    """Paging cuts into pieces and loses nothing; behind the last page there is nothing."""
    pages = [page_of(order, number, size) for number in range(1, len(order) // size + 3)]

    assert [number for page in pages for number in page] == order
    assert not pages[-1]


def test_leading_zeros_do_not_make_a_number_larger() -> None:
    """web002 is two."""
    assert natural_key("web002") < natural_key("web10")


@given(st.text(), st.text())
@example("a", "A")
@example("b02", "b2")
def test_natural_keys_are_equal_for_equal_texts_only(one: str, other: str) -> None:
    """The order is total: no two texts are in the same place."""
    assert (natural_key(one) == natural_key(other)) is (one == other)


def test_count_gives_each_value_and_those_without() -> None:
    """A row counts once for each of its tags; one without counts under the empty text."""
    table = shelf()

    counts = table.count(table.select(()), column("tag"))

    assert counts == {"": 1, "dev": 1, "icmp": 1, "nonprod-copy": 1, "prod": 2}


def test_facet_of_a_filtered_column_counts_without_its_own_filter() -> None:
    """The other values that might be chosen stay in sight, under all other filters."""
    terms = parse_query("status:critical site:rio", SERVICES).terms

    facets = shelf().count_facets(terms, [column("status"), column("site_code"), column("dc")])

    assert facets == {
        "status": {"critical": 1, "warning": 1},
        "site_code": {"rio": 1},
        "dc": {"dc1": 1},
    }


def test_facet_of_a_filtered_key_of_meta_counts_without_its_own_filter() -> None:
    """A key of Meta is no column that is there before it is asked for, and is one all the same."""
    terms = parse_query("meta.os:linux", SERVICES).terms

    facets = shelf().count_facets(terms, [column("meta.os")])

    assert facets == {"meta.os": {"": 2, "linux": 1, "windows": 1}}


def test_columns_that_anybody_may_name_are_kept_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asking for a thousand keys of Meta does not hold a thousand columns."""
    monkeypatch.setattr(module, "MAX_COLUMNS", 3)
    table = shelf()

    for number in range(10):
        table.select(parse_query(f"meta.k{number}:x", SERVICES).terms)

    assert len(table._coded) == 3


def test_every_shown_field_of_a_row_is_a_column_or_a_mapping() -> None:
    """What an answer shows can be asked for by that name."""
    for schema, row in ((SERVICES, ServiceRow), (NODES, NodeRow)):
        assert list(schema.shown) == list(_wire_names(row))
        unknown = {name for name in schema.shown if schema.find(name) is None}
        assert unknown <= {"Meta", "meta", "checks"}


def _wire_names(row: type[ServiceRow] | type[NodeRow]) -> tuple[str, ...]:
    return row.__struct_encode_fields__
