"""The page's table: the server's order and counts, also after changes."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.async_api import Page

from consul_edge.enrich.columnar import to_columns
from consul_edge.enrich.columns import SERVICES, Column
from consul_edge.enrich.natural import natural_key
from consul_edge.enrich.query import parse_query
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.table import Key, Table
from tests.enrich.shelf import drawn_rows, service
from tests.page.houses import Home

_TABLE = """async (document, kind = "services") => {
  const { fromColumns } = await import("/static/table.js");
  const { parse } = await import("/static/query.js");
  window.terms = (query) => parse(query).terms;
  window.table = fromColumns(document, kind);
}"""

_EVERYTHING = """([queries, names, sorts]) => {
  const rowsOf = (order) => [...order].map((row) => JSON.stringify(table.row(row))).sort();
  return [
    table.rows,
    queries.map((query) => rowsOf(table.select(terms(query)))),
    queries.map((query) => [...table.facets(terms(query), names)]
      .map(([name, counts]) => [name, [...counts]])),
    sorts.map((name) => [...table.sort(table.select([]), [{ name }, { name: "ID" }])]
      .map((row) => table.cell(row, name) ?? null)),
  ];
}"""

COLUMNS = ["ID", "Service", "Tags", "status", "Port", "Node", "addr", "name", "site", "meta.os"]

of_browser = settings(
    max_examples=40,
    deadline=None,
    # One page for all examples: each makes a table of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

sort_keys = st.lists(st.tuples(st.sampled_from(COLUMNS), st.booleans()), min_size=1, max_size=2)


def column(name: str) -> Column:
    """Give a column that there is."""
    found = SERVICES.find(name)
    assert found is not None
    return found


def document_of(rows: list[ServiceRow]) -> Any:
    """Give what a browser decodes."""
    return msgspec.to_builtins(to_columns(Table(rows, SERVICES), range(len(rows))))


async def load(page: Page, rows: list[ServiceRow]) -> None:
    """Make ``window.table`` of rows."""
    await page.evaluate(_TABLE, document_of(rows))


def wire(rows: list[ServiceRow]) -> list[Any]:
    """Give rows as events have them."""
    found: list[Any] = msgspec.json.decode(msgspec.json.encode(rows))
    return found


def by_key(rows: list[ServiceRow]) -> list[ServiceRow]:
    """Drop rows whose place another one has."""
    return list({(row.dc, row.node, row.id): row for row in rows}.values())


@of_browser
@given(
    st.lists(st.text(max_size=12) | st.text(st.sampled_from("aB019-é"), max_size=9), max_size=20)
)
async def test_key_of_any_text_is_the_servers(blank: Page, texts: list[str]) -> None:
    """Both make the same key, so both have the same order."""
    keys = await blank.evaluate(
        'async (texts) => texts.map((await import("/static/natural.js")).naturalKey)', texts
    )

    assert keys == [natural_key(text) for text in texts]


@of_browser
@given(
    st.sets(st.text(st.sampled_from("a1\ue000\U0001f600\uffff\ud7ff"), max_size=3), max_size=12)
)
async def test_texts_beyond_16_bits_are_sorted_as_the_server_sorts(
    blank: Page, texts: set[str]
) -> None:
    """Code points count, not the halves of them."""
    found = await blank.evaluate(
        'async (texts) => (await import("/static/natural.js")).sortNaturally(texts)', list(texts)
    )

    assert found == sorted(texts, key=natural_key)


@of_browser
@given(drawn_rows, st.lists(sort_keys, min_size=5, max_size=5))
async def test_rows_are_sorted_as_the_server_sorts_them(
    blank: Page, rows: list[ServiceRow], asked: list[list[tuple[str, bool]]]
) -> None:
    """By any two columns, in either direction, blank ones last, equal ones as they were."""
    await load(blank, rows)
    table = Table(rows, SERVICES)

    found = await blank.evaluate(
        "(asked) => asked.map((keys) => [...table.sort(table.select([]),"
        " keys.map(([name, descending]) => ({ name, descending })))])",
        asked,
    )

    expected = [
        list(
            table.sort(
                range(len(rows)), [Key(column(name), descending) for name, descending in keys]
            )
        )
        for keys in asked
    ]
    assert found == expected


FACETED = ["Tags", "status", "Node", "site", "Port", "meta.os", "category"]

QUERIES = [
    "",
    "status:critical",
    "-tag:a",
    "status:passing tag:a,b10",
    "a",
    "meta.os:a -a",
    "port:>1",
]


@of_browser
@given(drawn_rows)
async def test_values_are_counted_as_the_server_counts_them(
    blank: Page, rows: list[ServiceRow]
) -> None:
    """Each without its own terms, in natural order, those without any under an empty text."""
    await load(blank, rows)
    table = Table(rows, SERVICES)

    found = await blank.evaluate(
        "([queries, names]) => queries.map((query) => [...table.facets(terms(query), names)]"
        ".map(([name, counts]) => [name, [...counts]]))",
        [QUERIES, FACETED],
    )

    columns = [column(name) for name in FACETED]
    expected = [
        table.count_facets(parse_query(query, SERVICES).terms, columns) for query in QUERIES
    ]
    told = [{name: [tuple(one) for one in counts] for name, counts in each} for each in found]
    assert told == [
        {name: list(counts.items()) for name, counts in each.items()} for each in expected
    ]


@of_browser
@given(drawn_rows.map(by_key), drawn_rows.map(by_key), drawn_rows.map(by_key), st.data())
async def test_changed_table_is_as_one_loaded_again(
    blank: Page,
    before: list[ServiceRow],
    between: list[ServiceRow],
    after: list[ServiceRow],
    data: st.DataObject,
) -> None:
    """Whatever comes, changes and goes, and whatever was asked in between."""
    await load(blank, before)
    there = [(row.dc, row.node, row.id) for row in before]
    keep = {place for place in there if data.draw(st.booleans())}
    old = before
    for new in (between, after):
        rows = {(row.dc, row.node, row.id): row for row in new}
        rows |= {
            key: row for row in old if (key := (row.dc, row.node, row.id)) in keep - rows.keys()
        }
        removed = [key for row in old if (key := (row.dc, row.node, row.id)) not in rows]
        await blank.evaluate(
            """([changed, removed]) => {
              table.facets(terms("a -status:critical"), ["Node", "Tags"]);
              table.sort(table.select(terms("b meta.os:*")), [{ name: "ID" }, { name: "site" }]);
              table.apply({ changed, removed });
            }""",
            [wire(list(rows.values())), removed],
        )
        old = list(rows.values())

    found = await blank.evaluate(_EVERYTHING, [QUERIES, FACETED, ["ID", "status", "Port"]])
    await load(blank, old)
    again = await blank.evaluate(_EVERYTHING, [QUERIES, FACETED, ["ID", "status", "Port"]])

    assert found == again


async def test_changes_tell_the_rows_that_they_touch(blank: Page) -> None:
    """A row keeps its number, what is the same is not told, and a free number is given again."""
    rows = [service(number) for number in range(4)]
    await load(blank, rows)

    told = await blank.evaluate(
        "(steps) => steps.map((step) => table.apply(step))",
        [
            {"changed": wire([service(0), service(2, status="critical")]), "removed": []},
            {"changed": [], "removed": [["", "n1", "id-1"], ["", "n1", "none"]]},
            {"changed": wire([service(9)]), "removed": []},
        ],
    )

    assert told == [
        {"added": [], "changed": [2], "removed": []},
        {"added": [], "changed": [], "removed": [1]},
        {"added": [1], "changed": [], "removed": []},
    ]


async def test_row_is_found_by_its_key(blank: Page) -> None:
    """An id is unique on its node only; what is not there is undefined."""
    rows = [service(1, node="n1"), service(1, node="n2"), service(2, node="n2", dc="dc2")]
    await load(blank, rows)

    found = await blank.evaluate(
        "(keys) => [...keys.map((key) => table.find(key) ?? null), ...table.keyOf(2)]",
        [["", "n1", "id-1"], ["", "n2", "id-1"], ["dc2", "n2", "id-2"], ["", "n1", "id-2"]],
    )

    assert found == [0, 1, 2, None, "dc2", "n2", "id-2"]


async def test_first_row_of_an_empty_table_is_found(blank: Page) -> None:
    """A document without rows has no columns: they come with the rows."""
    await load(blank, [])

    found = await blank.evaluate(
        "(changed) => { table.apply({ changed, removed: [] });"
        " return [table.rows, [...table.select(terms('status:critical meta.os:linux'))],"
        " table.row(0)]; }",
        wire([service(1, status="critical", meta={"os": "linux"})]),
    )

    assert found[:2] == [1, [0]]
    assert found[2] == wire([service(1, status="critical", meta={"os": "linux"})])[0]


async def test_long_column_is_searched_and_sorted_as_a_short_one(blank: Page) -> None:
    """Thousands of values are kept otherwise than few; those that come later are found, too."""
    names = {"text": "Both"}
    rows = [service(number, meta=names | {"n": f"Xy{number}z"}) for number in range(21_000)]
    later = [service(number, meta=names | {"n": f"Xy{number}w"}) for number in (0, 8191, 20_999)]
    later += [service(number, meta=names | {"n": "Xy7z"}) for number in (30_000, 30_001)]
    await load(blank, rows)
    queries = [
        *("id-99", "id-8191", "id-8192", "xy1638", "z", "id:=id-20999", "meta.n:*9z", "-id-1"),
        *("meta.n:/^xy[0-7]+w$/", "/xy81.*w/", "w", 'meta.n:""', "xy7z", "-z"),
    ]
    ask = """([queries, keys]) => [
      ...queries.map((query) => [...table.select(terms(query))]),
      [...table.sort(table.select([]), keys)],
    ]"""
    keys = [{"name": "meta.n", "descending": True}, {"name": "ID"}]
    by = [Key(column("meta.n"), descending=True), Key(column("ID"))]

    first = await blank.evaluate(ask, [queries, keys])
    await blank.evaluate("(changed) => table.apply({ changed, removed: [] })", wire(later))
    then = await blank.evaluate(ask, [queries, keys])

    changed = {row.id: row for row in (*rows, *later)}
    for found, table in (
        (first, Table(rows, SERVICES)),
        (then, Table([*changed.values()], SERVICES)),
    ):
        expected = [table.select(parse_query(query, SERVICES).terms) for query in queries]
        assert found == [list(order) for order in (*expected, table.sort(range(len(table)), by))]


async def test_long_work_is_done_in_steps(blank: Page) -> None:
    """A pattern that looks at each row as a whole gives the browser its turn in between."""
    rows = [service(number, meta={"text": "x" * 300}) for number in range(20_000)]
    await load(blank, rows)

    steps, found, at_once = await blank.evaluate(
        r"""() => {
          const work = table.selecting(terms("/x\\sy|id-7$/"));
          let steps = 1;
          let step = work.next();
          for (; !step.done; step = work.next()) steps += 1;
          return [steps, [...step.value], [...table.select(terms("/x\\sy|id-7$/"))]];
        }"""
    )

    assert steps > 1
    assert found == at_once == [7]


async def test_document_of_a_real_edge_gives_its_rows_back(blank: Page, home155: Home) -> None:
    """Every field of every row is as in the document with rows."""
    same = await blank.evaluate(
        """async () => {
          const { fromColumns } = await import("/static/table.js");
          const get = async (rest) => (await fetch(`/api/v1/${rest}`)).json();
          const told = [];
          for (const kind of ["services", "nodes"]) {
            const table = fromColumns(await get(`${kind}?format=columns`), kind);
            const rows = (await get(`${kind}?page_size=1000`)).data;
            const sorted = (one) => JSON.stringify(one, Object.keys(flat(one)).sort());
            const flat = (one) => Object.assign({}, one, one.Meta ?? {}, one.meta ?? {},
              one.tags ?? {}, one.checks ?? {});
            told.push(rows.length === table.rows,
              rows.every((row, place) => sorted(row) === sorted(table.row(place))));
          }
          return told;
        }"""
    )

    assert same == [True, True, True, True]
    assert home155.base
