from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consul_edge.enrich import patterns, query
from consul_edge.enrich.columns import NODES, SERVICES
from consul_edge.enrich.matching import row_predicate
from consul_edge.enrich.query import MAX_LENGTH, QueryError, parse_query
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Table
from tests.enrich.shelf import SHELF, VECTORS, drawn_rows

WRITTEN = [
    *("acme", '"two words"', "-x", "name:a", "status:critical,warning", "-tag:b10", "meta.os:*"),
    *("port:>1", "port:<=2,3", "/^a/", "name:/b[0-9]+$/", 'site:""', "meta.x-1:>1", "id:*b*2"),
]

queries = st.text(
    st.sampled_from('ab10:,"/-*\\ ><=().[\t') | st.characters(), max_size=30
) | st.lists(st.sampled_from([*WRITTEN, "-", '"', ":", "/", ","]), max_size=5).map(" ".join)


@pytest.mark.parametrize("vector", VECTORS["matches"], ids=lambda vector: vector["q"])
def test_query_of_the_vectors_finds_the_rows_expected(vector: dict[str, Any]) -> None:
    """The table finds what the page's twin of the grammar finds."""
    names, table = list(SHELF), Table(list(SHELF.values()), SERVICES)

    found = table.select(parse_query(vector["q"], SERVICES).terms)

    assert [names[number] for number in found] == vector["rows"]


@pytest.mark.parametrize("vector", VECTORS["matches"], ids=lambda vector: vector["q"])
def test_query_of_the_vectors_holds_for_single_rows_alike(vector: dict[str, Any]) -> None:
    """A row that changed is judged without the others."""
    matches = row_predicate(parse_query(vector["q"], SERVICES), SERVICES)

    assert [name for name, row in SHELF.items() if matches(row)] == vector["rows"]


@pytest.mark.parametrize("vector", VECTORS["errors"], ids=lambda vector: vector["q"][:20])
def test_query_of_the_vectors_that_is_none_says_where(vector: dict[str, Any]) -> None:
    """The error's code and position are those of the page's twin."""
    with pytest.raises(QueryError) as caught:
        parse_query(vector["q"], SERVICES)

    assert (caught.value.code, caught.value.position) == (vector["code"], vector["position"])


def test_unknown_field_of_a_query_is_told_with_the_nearest() -> None:
    """The text of an error can be acted upon."""
    expected = "q: at character 3: no field is called stauts; did you mean status?"

    with pytest.raises(QueryError, match=expected) as caught:
        parse_query("x stauts:critical", SERVICES)

    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("status:alive", True),
        ("type:server", True),
        ("services:>4", True),
        ("critical:>0", False),
        ("services_status:error", False),
        ("tag:role=consul", True),
        ("meta.rack:7", True),
        ("rio 10.0.0.1", True),
    ],
)
def test_query_about_nodes_knows_their_fields(text: str, found: bool) -> None:
    """Nodes are searched by the same grammar over their own columns."""
    row = NodeRow(
        node="n1",
        name="n1",
        addr="10.0.0.1",
        status="alive",
        type="server",
        services_count=5,
        site="rio",
        tags={"role": "consul"},
        meta={"rack": "7"},
    )

    assert row_predicate(parse_query(text, NODES), NODES)(row) is found


@pytest.mark.parametrize("text", ["/^(a+)+$/", "id:/(a|aa)+$/", "id:" + "*a" * 200])
def test_evil_pattern_in_a_query_takes_linear_time(text: str) -> None:
    """What needs exponential time elsewhere is a wrong query's problem only."""
    row = ServiceRow(id="a" * 60_000 + "b", service="s", node="n")

    assert not row_predicate(parse_query(text, SERVICES), SERVICES)(row)


@given(queries)
@example('"')
@example("-")
@example("a:\\")
def test_text_of_any_kind_parses_or_says_where_it_does_not(text: str) -> None:
    """The parser ends with a query, or with a position within the text or just behind it."""
    try:
        parse_query(text, SERVICES)
        position = 0
    except QueryError as error:
        position = error.position

    assert 0 <= position <= len(text)


@given(drawn_rows, queries)
def test_table_and_predicate_agree_about_any_query(rows: list[ServiceRow], text: str) -> None:
    """A changed row is judged alone as it would be among all others."""
    try:
        parsed = parse_query(text, SERVICES)
    except QueryError:
        return
    matches = row_predicate(parsed, SERVICES)

    found = Table(rows, SERVICES).select(parsed.terms)

    assert [rows[number] for number in found] == [row for row in rows if matches(row)]


def test_patterns_of_a_query_are_each_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads a query holds the event loop, and compiling is what takes long."""
    measured: list[str] = []

    def counted(pattern: str, *most: int) -> int:
        measured.append(pattern)
        return patterns.measure(pattern, *most)

    monkeypatch.setattr(query, "measure", counted)
    parse_query(r"/\pL{3}/ name:/b/,/c/", SERVICES)

    assert len(measured) == 3


def test_patterns_of_a_query_share_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No query, and none that is refused, is given more steps than the bound to compile."""
    given: list[int] = []

    def counted(pattern: str, most: int = patterns.PATTERN_STEPS) -> int:
        try:
            steps = patterns.measure(pattern, most)
        except patterns.BadPattern:
            steps = most
            raise
        finally:
            given.append(steps)
        return steps

    monkeypatch.setattr(query, "measure", counted)
    with pytest.raises(QueryError) as caught:
        parse_query(" ".join([r"/\pL{3}/"] * 8), SERVICES)

    assert caught.value.code == "bad-pattern"
    assert sum(given) <= query.MAX_STEPS


def test_query_at_the_longest_is_read() -> None:
    """The bound is the last that is allowed."""
    assert len(parse_query("x" * MAX_LENGTH, SERVICES).terms) == 1
