import csv
import io
import json

import msgspec
import pytest
from hypothesis import given

from consul_edge.enrich import export
from consul_edge.enrich.columnar import decode_columns, encode_columns
from consul_edge.enrich.columns import NODES, SERVICES
from consul_edge.enrich.export import csv_chunks, guarded
from consul_edge.enrich.rows import Checks, NodeRow, ServiceRow
from consul_edge.enrich.table import Table
from tests.enrich.shelf import SHELF, drawn_rows, service


def everything(rows: list[ServiceRow]) -> tuple[Table[ServiceRow], range]:
    return Table(rows, SERVICES), range(len(rows))


def parsed(rows: list[ServiceRow]) -> list[dict[str, str]]:
    text = b"".join(csv_chunks(*everything(rows))).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@given(drawn_rows)
def test_columns_decoded_by_their_rules_are_the_rows(rows: list[ServiceRow]) -> None:
    """The columnar form loses nothing, neither absent keys nor blank values."""
    assert decode_columns(encode_columns(*everything(rows)), ServiceRow) == rows


@given(drawn_rows)
def test_columns_of_chosen_rows_are_those_in_their_order(rows: list[ServiceRow]) -> None:
    """A filtered and sorted view is rendered as it was chosen."""
    table = Table(rows, SERVICES)
    chosen = list(range(len(rows)))[::-2]

    found = decode_columns(encode_columns(table, chosen), ServiceRow)

    assert found == [rows[number] for number in chosen]


def test_columns_of_nodes_decode_with_their_checks() -> None:
    """Nodes are rendered by the same rules."""
    rows = [
        NodeRow(node=name, name=name, checks=Checks(passing=2), tags={"role": "consul"})
        for name in ("a", "b")
    ]

    assert decode_columns(encode_columns(Table(rows, NODES), range(2)), NodeRow) == rows


def test_column_of_equal_cells_has_each_value_once() -> None:
    """Values are dictionary coded in the order of their first rows; unique ones need no codes."""
    rows = [service(number, service=name) for number, name in enumerate(["web", "db", "web"])]

    columns = json.loads(encode_columns(*everything(rows)))["columns"]

    assert columns["Service"] == {"values": ["web", "db"], "codes": [0, 1, 0]}
    assert columns["ID"] == {"values": ["id-0", "id-1", "id-2"]}


def test_key_of_few_rows_says_where_it_is() -> None:
    """A thousand keys that one row each has cost a thousand entries, not a million."""
    rows = [service(number, meta={f"k{number}": "v"}) for number in range(1_000)]

    content = encode_columns(*everything(rows))

    assert json.loads(content)["columns"]["Meta"]["keys"]["k7"] == {"values": ["v"], "at": [7]}
    assert len(content) < 2 * len(msgspec.json.encode(rows))


@given(drawn_rows)
def test_csv_parsed_again_has_the_cells_of_the_rows(rows: list[ServiceRow]) -> None:
    """Commas, quotes and line ends survive; only the guard of formulas is added."""
    found = parsed(rows)

    assert [line["ID"] for line in found] == [guarded(row.id) for row in rows]
    assert [line["Tags"] for line in found] == [guarded(",".join(row.tags)) for row in rows]
    assert [line.get("Meta.os", "") for line in found] == [
        guarded(row.meta.get("os", "")) for row in rows
    ]


@pytest.mark.parametrize("first", [*"=+-@", *"\uff1d\uff0b\uff0d\uff20", "\t", "\r", "\n"])
def test_cell_that_begins_like_a_formula_is_guarded_in_csv(first: str) -> None:
    """A spreadsheet shows the name of a service and runs nothing."""
    name = f"{first}cmd|' /C calc'!A0"

    line = parsed([service(id=name, meta={name: name})])[0]

    assert line["ID"] == f"'{name}"
    assert line[f"Meta.{name}"] == f"'{name}"


@pytest.mark.parametrize(
    ("written", "safe"),
    [
        ("x;=HYPERLINK(1)", "x;'=HYPERLINK(1)"),
        ('x;"=HYPERLINK(1)', "x;\"'=HYPERLINK(1)"),
        ("x\n=1", "x\n'=1"),
        ("x\r\n@a", "x\r\n'@a"),
        ("x;;-1;+2", "x;;'-1;'+2"),
        ("x;\uff1d1", "x;'\uff1d1"),
        (";=1", ";'=1"),
        ("a;b=1,c-d\ne", "a;b=1,c-d\ne"),
    ],
)
def test_spreadsheet_parts_cells_at_semicolons_none_begins_like_a_formula(
    written: str, safe: str
) -> None:
    """Where a comma is the decimal point, Excel takes a file of commas apart at semicolons."""
    line = parsed([service(id="a", meta={"os": written})])[0]

    assert line["Meta.os"] == safe


def test_csv_without_rows_is_its_header() -> None:
    """An empty selection can still be opened."""
    text = b"".join(csv_chunks(*everything([]))).decode()

    assert text.startswith("ID,Service,Tags,Port,")
    assert text.endswith(",dc\r\n")


def test_csv_of_the_shelf_is_utf_8_with_crlf() -> None:
    """RFC 4180's line ends, and names as they are."""
    content = b"".join(csv_chunks(*everything(list(SHELF.values()))))

    assert content.count(b"\r\n") == 1 + len(SHELF)
    assert "Ação".encode() in content


class CountedKey(str):
    """A key that counts how often any of its kind was looked up."""

    looked_up = 0

    __slots__ = ()

    def __hash__(self) -> int:
        """Count."""
        CountedKey.looked_up += 1
        return super().__hash__()


def test_rows_have_keys_of_their_own_csv_looks_up_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an export costs grows with the entries, not with rows times keys."""
    monkeypatch.setattr(export, "MAX_META_COLUMNS", 1)
    rows = [
        service(row, meta={CountedKey(f"{row}-{n}"): "v" for n in range(5)}) for row in range(200)
    ]
    table, chosen = everything(rows)
    assert len(table.meta_keys) == 1_000
    CountedKey.looked_up = 0
    text = b"".join(csv_chunks(table, chosen)).decode()
    assert '"{""7-0"":""v"",' in text
    assert CountedKey.looked_up < 20 * 1_000


def test_keys_beyond_the_bound_are_in_one_column_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can make an export of a million columns, and nothing is left out."""
    monkeypatch.setattr(export, "MAX_META_COLUMNS", 1)
    rows = [service(0, meta={"os": "linux", "rack": "7"}), service(1, meta={"os": "linux"})]

    found = parsed(rows)

    assert [line["Meta.os"] for line in found] == ["linux", "linux"]
    assert [line["Meta"] for line in found] == ['{"rack":"7"}', ""]


def test_large_csv_comes_in_chunks() -> None:
    """An export is written as it is made."""
    rows = [service(number) for number in range(2_500)]

    assert len(list(csv_chunks(*everything(rows)))) == 4


def test_csv_of_nodes_has_their_columns() -> None:
    """Mappings are JSON in their cell."""
    row = NodeRow(node="a", name="a", tags={"role": "consul"}, meta={"rack": "7"})

    text = b"".join(csv_chunks(Table([row], NODES), range(1))).decode()
    line = next(csv.DictReader(io.StringIO(text, newline="")))

    assert (line["node"], line["tags"], line["Meta.rack"]) == ("a", '{"role":"consul"}', "7")
