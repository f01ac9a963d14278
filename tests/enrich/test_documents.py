import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.errors import BadRequest
from consul_edge.enrich import documents
from consul_edge.enrich.columnar import decode_columns
from consul_edge.enrich.columns import NODES, SERVICES
from consul_edge.enrich.problems import MOST
from consul_edge.enrich.rendering import encoded, ending, opened
from consul_edge.enrich.rows import ServiceRow
from consul_edge.enrich.view import View
from tests.enrich.documents import rule, rules_of
from tests.enrich.pictures import (
    FAILURE,
    Scene,
    check,
    instance,
    listing,
    member,
    node,
    shot,
    sites,
    view_of,
)

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def whole(beginning: bytes) -> dict[str, Any]:
    """Read a document that has been given an end."""
    read = json.loads(beginning + ending({"index": 7}))
    assert read.pop("index") == 7
    assert isinstance(read, dict)
    return read


def small() -> View:
    return view_of(
        instance("web", node("n1"), check("critical"), id="w1", tags=("a",)),
        instance("web", node("n2", "10.0.0.2"), id="w2", meta={"os": "linux"}),
        instance("icmp", node("n1"), id="i1"),
        members=[member("n1"), member("n2")],
    )


@given(st.dictionaries(st.text(), _json, min_size=1), st.dictionaries(st.text(), _json))
def test_beginning_and_end_are_one_object(first: dict[str, Any], last: dict[str, Any]) -> None:
    """What is written at two times is read as one."""
    assert json.loads(opened(first) + ending(last)) == {**first, **last}


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udfff": 1}, [("x", "\ud8ff")], ServiceRow(id="\ud800", service="a", node="n")],
)
def test_lone_surrogate_is_written_as_a_question_mark(value: object) -> None:
    """No name that anybody can make up keeps a document from being written."""
    assert b"?" in encoded(value)


def test_services_document_has_the_rows_of_the_wire() -> None:
    """Field names are the original's; all rows come unless pages are asked for."""
    told = whole(documents.services(small(), listing()))

    assert (told["success"], told["total"], told["problems"]) == (True, 3, [])
    assert [row["ID"] for row in told["data"]] == ["i1", "w1", "w2"]
    assert list(told["data"][0]) == list(SERVICES.shown)
    assert "page" not in told
    assert "facets" not in told


def test_services_are_filtered_sorted_and_cut_into_pages() -> None:
    """The total is that of all pages."""
    told = whole(
        documents.services(
            small(), listing(Service="web", sort="id", order="desc", page="1", page_size="1")
        )
    )

    assert [row["ID"] for row in told["data"]] == ["w2"]
    assert (told["total"], told["page"], told["pageSize"], told["totalPages"]) == (2, 1, 1, 2)


def test_page_behind_the_last_is_empty() -> None:
    """It still says how many there are."""
    told = whole(documents.services(small(), listing(page="9", page_size="2")))

    assert (told["data"], told["total"], told["totalPages"]) == ([], 3, 2)


def test_facets_that_are_asked_for_count_without_their_own_filter() -> None:
    """Other values that might be chosen are shown with their numbers."""
    facets = documents.read_facets("status,Service", SERVICES)

    told = whole(documents.services(small(), listing(status="critical"), facets))

    assert told["facets"] == {"status": {"critical": 1, "passing": 2}, "Service": {"web": 1}}


@pytest.mark.parametrize("text", ["nope", "meta.", ",".join(f"meta.k{at}" for at in range(21))])
def test_facets_of_unknown_or_too_many_columns_are_refused(text: str) -> None:
    """The parameter is named, and what is allowed."""
    with pytest.raises(BadRequest, match=r"facets: .*expected"):
        documents.read_facets(text, SERVICES)


def test_services_as_columns_are_the_same_rows() -> None:
    """The page reads a third of the bytes; pages and filters hold there, too."""
    view = small()

    content = documents.services(view, listing(format="columns", q="web", page_size="1"))

    told = whole(content)
    assert decode_columns(content + b"}", ServiceRow) == [view.services.rows[1]]
    assert (told["total"], told["totalPages"]) == (2, 2)


def test_csv_is_a_whole_document_of_the_rows_asked_for() -> None:
    """A spreadsheet opens what the page shows."""
    content = documents.csv_of(small().services, listing(Service="web", sort="id", order="desc"))

    lines = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [line["ID"] for line in lines] == ["w2", "w1"]


def test_nodes_document_has_the_originals_fields_and_ours() -> None:
    """Clients of the original find what they read there."""
    told = whole(documents.nodes(small(), listing(NODES)))

    assert told["total"] == 2
    assert list(told["data"][0]) == list(NODES.shown)
    assert (
        told["data"][0]
        | {
            "node": "n1",
            "addr": "10.0.0.1",
            "status": "alive",
            "type": "client",
            "services_count": 2,
            "site_name": "Nao mapeado",
            "services_status": "ok",
        }
        == told["data"][0]
    )


def test_what_could_not_be_learnt_of_services_is_told_beside_them() -> None:
    """A document never looks whole for want of an answer."""
    view = view_of(
        instance(), stale={"web": FAILURE}, missing={"api": FAILURE}, problems=(FAILURE,)
    )

    told = whole(documents.services(view, listing()))

    assert told["problems"] == [
        "/v1/health/service/web: no answer within 2.8 s",
        "api: its instances are not known: /v1/health/service/web: no answer within 2.8 s",
        "web: its instances are those of before: /v1/health/service/web: no answer within 2.8 s",
    ]
    assert whole(documents.nodes(view, listing(NODES)))["problems"] == told["problems"][:1]


def test_more_problems_than_a_document_holds_are_counted() -> None:
    """With Consul gone, every name is one."""
    view = view_of(missing={f"s{number}": FAILURE for number in range(MOST + 5)})

    told = whole(documents.services(view, listing()))

    assert (len(told["problems"]), told["problems_left_out"]) == (MOST, 5)


def test_sites_document_has_sites_with_counts_and_problems() -> None:
    """What is wrong with a row is told, and where."""
    view = view_of(instance(), places=sites(("Rio", "10.0.0.1"), {"code": "x", "ssh_port": "y"}))

    told = whole(documents.sites(view))

    assert [(row["code"], row["nodes"], row["services"]) for row in told["data"]] == [
        *(("rio", 1, 1), ("x", 0, 0))
    ]
    assert (told["total"], told["problems_left_out"]) == (2, 0)
    assert told["problems"][0].startswith("site 2: ssh_port: 'y': expected a port")


def test_categories_are_counted_also_those_without_rows() -> None:
    """The default is one of them; each has its color and the number of its rules."""
    rules = rules_of(
        rule("a", "^web"),
        rule("b", "^nobody"),
        categories=[{"id": "some", "display_name": "Some", "color": "red"}],
        default_category="rest",
    )
    view = Scene().view(None, shot(instance("web"), instance("db"), instance("x")), None, rules)

    told = whole(documents.categories(view))

    assert told == {
        "success": True,
        "data": [
            {"id": "some", "display_name": "Some", "total": 1, "rules": 2, "color": "red"},
            {"id": "rest", "display_name": "Rest", "total": 2, "rules": 0, "color": None},
        ],
        "total": 2,
    }


def test_document_of_nothing_is_empty_and_whole() -> None:
    """An empty cluster has all documents."""
    view = view_of()

    for beginning in (
        documents.nodes(view, listing(NODES)),
        documents.services(view, listing()),
        documents.sites(view),
    ):
        assert (whole(beginning)["data"], whole(beginning)["total"]) == ([], 0)


def test_names_of_every_kind_are_written_as_they_are() -> None:
    """Ids with blanks, slashes, accents and signs come out as they went in; large values, too."""
    one = "icmp/Ação Ltda/gruppe 1/東京@host \u0000\n\"'<img>"
    value = "é" * 65_536

    told = whole(
        documents.services(
            view_of(instance("web", node(one), id=one, meta={one: value})), listing()
        )
    )

    (row,) = told["data"]
    assert (row["ID"], row["Node"], row["Meta"]) == (one, one, {one: value})
