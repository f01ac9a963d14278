"""The grammar of the page is that of the server."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from playwright.async_api import Page

from consul_edge.enrich.columnar import to_columns
from consul_edge.enrich.columns import NODES, SERVICES, Schema
from consul_edge.enrich.patterns import BadPattern, PatternSet, measure
from consul_edge.enrich.query import QueryError, parse_query
from consul_edge.enrich.rows import NodeRow, ServiceRow
from consul_edge.enrich.table import Table
from consul_edge.enrich.terms import searching
from tests.enrich.shelf import SHELF, VECTORS, drawn_rows
from tests.enrich.test_query import queries
from tests.page.houses import Home

FIND = """async ([document, kind, queries]) => {
  const { parse } = await import("/static/query.js");
  const { fromColumns } = await import("/static/table.js");
  const table = fromColumns(document, kind);
  return queries.map((query) => {
    const { terms, problems } = parse(query, kind);
    if (problems.length) return [problems[0].code, problems[0].position];
    return [...table.select(terms)];
  });
}"""

MATCH = """async ([patterns, texts]) => {
  const { BadPattern, parsePattern } = await import("/static/pattern.js");
  const { finder } = await import("/static/automaton.js");
  return patterns.map((pattern) => {
    try {
      parsePattern(pattern);
    } catch (error) {
      if (error instanceof BadPattern) return "refused";
      throw error;
    }
    return texts.map(finder(pattern));
  });
}"""

of_browser = settings(
    max_examples=40,
    deadline=None,
    # One page for all examples: none of them leaves anything on it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def document_of(table: Table[Any]) -> Any:
    """Give what a browser decodes."""
    return msgspec.to_builtins(to_columns(table, range(len(table))))


def answers(table: Table[Any], schema: Schema, texts: list[str]) -> dict[str, list[Any]]:
    """Give the server's own rows for each query, or the code and position of its error."""
    found: dict[str, list[Any]] = {}
    for text in texts:
        try:
            found[text] = list(table.select(parse_query(text, schema).terms))
        except QueryError as error:
            found[text] = [error.code, error.position]
    return found


async def test_query_of_the_vectors_finds_the_rows_expected(blank: Page) -> None:
    """Each query of the shared file gives its rows."""
    names, table = list(SHELF), Table(list(SHELF.values()), SERVICES)
    vectors = VECTORS["matches"]

    found = await blank.evaluate(
        FIND, [document_of(table), "services", [vector["q"] for vector in vectors]]
    )

    told = {
        vector["q"]: [names[row] for row in rows]
        for vector, rows in zip(vectors, found, strict=True)
    }
    assert told == {vector["q"]: vector["rows"] for vector in vectors}


async def test_query_of_the_vectors_that_is_none_says_where(blank: Page) -> None:
    """Each error of the shared file has its code and its position in code points."""
    vectors = VECTORS["errors"]
    table = Table(list(SHELF.values()), SERVICES)

    found = await blank.evaluate(
        FIND, [document_of(table), "services", [vector["q"] for vector in vectors]]
    )

    told = {vector["q"]: tuple(error) for vector, error in zip(vectors, found, strict=True)}
    assert told == {vector["q"]: (vector["code"], vector["position"]) for vector in vectors}


@of_browser
@given(drawn_rows, st.lists(queries, min_size=10, max_size=20))
async def test_any_query_of_any_services_finds_what_the_server_finds(
    blank: Page, rows: list[ServiceRow], texts: list[str]
) -> None:
    """Rows and errors are the server's, whatever is written and whatever there is."""
    in_order = [replace(row, meta=dict(sorted(row.meta.items()))) for row in rows]  # Consul's
    table = Table(in_order, SERVICES)

    found = await blank.evaluate(FIND, [document_of(table), "services", texts])

    assert dict(zip(texts, found, strict=True)) == answers(table, SERVICES, texts)


_words = st.sampled_from(["", "a", "B10", "b2", "rio", "Rio de Janeiro", "x=1"])
_maps = st.dictionaries(st.sampled_from(["role", "rack", "a"]), _words, max_size=2).map(
    lambda found: dict(sorted(found.items()))  # as Consul gives them
)
_nodes = st.lists(
    st.builds(
        NodeRow,
        node=_words,
        name=_words,
        addr=_words,
        status=st.sampled_from(["alive", "dead", "unknown"]),
        services_count=st.integers(0, 12),
        services_error=st.none() | _words,
        site=_words,
        tags=_maps,
        meta=_maps,
    ),
    max_size=8,
)
_of_nodes = st.sampled_from(
    [
        *("status:dead", "services:>2", "tag:role=a", "-tag:*", "meta.rack:b", "site:rio", "b"),
        *("name:b*", "type:unknown", "critical:0", "services_error:*", "x=1", "role="),
        *(
            "/^role=a/",
            "passing:>0",
            'site:""',
            "-rio",
            "node:a status:alive",
            "Service:x",
            "/a\\nb/",
        ),
    ]
)


@of_browser
@given(_nodes, st.lists(_of_nodes, min_size=8, max_size=8))
async def test_any_query_of_nodes_finds_what_the_server_finds(
    blank: Page, rows: list[NodeRow], texts: list[str]
) -> None:
    """Nodes have columns of their own."""
    table = Table(rows, NODES)

    found = await blank.evaluate(FIND, [document_of(table), "nodes", texts])

    assert dict(zip(texts, found, strict=True)) == answers(table, NODES, texts)


_PIECES = r"""
a b B s k é É 1 _ - ] } { , \n . ^ $ | ( ) (?: (?i) (?-i: (?s: (?-m: (?P<n> (?<m>
* + ? *? {2} {1,2} {,2} {0,} {2,1} {1001} {02} ** [ab] [^a] [a-c] [ [] [^ [-a] [a-] [\d-]
[[:alpha:]] [[:^digit:]] [[:x:]] [b-a] \d \D \s \S \w \W \b \B \A \z \Z \pL \PL \p{Lu} \p{^L}
\p{Greek} \p{x} \x41 \x{e9} \x{110000} \101 \1 \_ \q \. \Q.*\E \Q (?=a) (?U) (?) (?-) (?i-s)
\pN \p{C} \p{Any} \
"""
_pieces = st.sampled_from([*_PIECES.split(), " ", "\n"])
_patterns = st.lists(_pieces, min_size=1, max_size=7).map("".join)
_SIGNS = "abské1 _-]\n.σςα\u017f\u212a\u0660😀"
_texts = st.text(st.sampled_from(_SIGNS), max_size=8).map(str.lower)


@of_browser
@given(st.lists(_patterns, min_size=25, max_size=25), st.lists(_texts, min_size=8, max_size=8))
async def test_any_pattern_is_refused_or_found_as_the_server_does(
    blank: Page, patterns: list[str], texts: list[str]
) -> None:
    """What RE2 refuses is refused, and what it finds is found."""
    expected: list[Any] = []
    for pattern in patterns:
        try:
            measure(pattern)
            measure(searching(pattern))
        except BadPattern:
            expected.append("refused")
        else:
            found = PatternSet([searching(pattern)])
            expected.append([bool(found.matches(text)) for text in texts])

    told = await blank.evaluate(MATCH, [patterns, texts])

    assert dict(zip(patterns, told, strict=True)) == dict(zip(patterns, expected, strict=True))


async def test_evil_pattern_takes_linear_time(blank: Page) -> None:
    """What RegExp would need longer than the universe for is answered."""
    evil = ["^(a+)+$", "(a|aa)+$", "(x+x+)+y"]

    found = await blank.evaluate(MATCH, [evil, ["a" * 20_000 + "b"]])

    assert found == [[False], [False], [False]]


async def test_queries_of_a_real_cluster_find_what_its_edge_answers(
    blank: Page, home155: Home
) -> None:
    """Over HTTP, from the edge's own document with columns."""
    told = await blank.evaluate(
        """async (queries) => {
          const { parse } = await import("/static/query.js");
          const { fromColumns } = await import("/static/table.js");
          const get = async (rest) => (await fetch(`/api/v1/services?${rest}`)).json();
          const table = fromColumns(await get("format=columns"), "services");
          return Promise.all(queries.map(async (query) => {
            const answer = await get(`q=${encodeURIComponent(query)}&page_size=1000`);
            const rows = [...table.select(parse(query).terms)].map((row) => table.row(row));
            return [query, JSON.stringify(rows) === JSON.stringify(answer.data), rows.length];
          }));
        }""",
        ["", "web", "status:critical", "-tag:prod", "port:>9100", "/[0-9]+$/", "site:rio", "xyz"],
    )

    assert [query for query, is_same, _ in told if not is_same] == []
    assert {query: count for query, _, count in told}[""] == 155
    assert home155.base
