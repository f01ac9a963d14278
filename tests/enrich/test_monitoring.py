import json
from typing import Any

import pytest

from consul_edge.enrich import monitoring
from consul_edge.enrich.monitoring import Source
from consul_edge.enrich.rendering import ending
from consul_edge.enrich.view import View
from tests.enrich.documents import rule, rules_of
from tests.enrich.pictures import (
    Scene,
    instance,
    listing,
    node,
    shot,
    sites,
    view_of,
)


def whole(beginning: bytes) -> dict[str, Any]:
    read = json.loads(beginning + ending({"_metadata": {}}))
    assert read.pop("_metadata") == {}
    assert isinstance(read, dict)
    return read


def small() -> View:
    return view_of(
        instance("icmp", node("n1"), id="i1", meta={"company": "Acme", "env": "prod"}, port=1),
        instance("icmp", node("n2", "10.0.0.2"), id="i2", meta={"company": "Beta", "name": "x"}),
        instance("web", node("n1"), id="w1", meta={"company": "Other"}),
        places=sites(("Rio", "10.0.0.1")),
    )


def data(**given: str) -> dict[str, Any]:
    return whole(monitoring.data(small(), listing(category="some", **given), "some"))


def summary(**given: str) -> dict[str, Any]:
    return whole(monitoring.summary(small(), listing(category="some", **given), "some"))


def test_data_has_every_field_of_the_original() -> None:
    """Its clients find what they read, in its shape."""
    assert data() == {
        "success": True,
        "category": "some",
        "data": [
            {
                "ID": "i1",
                "Service": "icmp",
                "Tags": [],
                "Meta": {"company": "Acme", "env": "prod"},
                "Port": 1,
                "Address": "",
                "Node": "n1",
                "NodeAddress": "10.0.0.1",
                "node_ip": "10.0.0.1",
                "site_code": "rio",
                "site_name": "Rio",
            },
            {
                "ID": "i2",
                "Service": "icmp",
                "Tags": [],
                "Meta": {"company": "Beta", "name": "x"},
                "Port": 0,
                "Address": "",
                "Node": "n2",
                "NodeAddress": "10.0.0.2",
                "node_ip": "10.0.0.2",
                "site_code": None,
                "site_name": None,
            },
        ],
        "total": 2,
        "available_fields": [
            {"name": "company", "display_name": "Company", "field_type": "string"},
            {"name": "env", "display_name": "Env", "field_type": "string"},
            {"name": "name", "display_name": "Name", "field_type": "string"},
        ],
        "filters_applied": {},
        "metadata": {"total_sites": 1, "categorization_engine": "loaded"},
        "filterOptions": {
            "Node": ["n1", "n2"],
            "Service": ["icmp"],
            "node_ip": ["10.0.0.1", "10.0.0.2"],
            "site_code": ["rio"],
            "site_name": ["Rio"],
            "company": ["Acme", "Beta"],
            "env": ["prod"],
            "name": ["x"],
        },
        "_fieldStats": {
            "Node": 2,
            "Service": 1,
            "node_ip": 2,
            "site_code": 1,
            "site_name": 1,
            "company": 2,
            "env": 1,
            "name": 1,
        },
        "problems": [],
        "problems_left_out": 0,
    }


def test_options_are_of_all_pages_and_of_the_filters() -> None:
    """Filtered by company, only that one is left to choose; a page hides none."""
    told = data(page="2", page_size="1")
    filtered = data(company="acme,nobody")

    assert [row["ID"] for row in told["data"]] == ["i2"]
    assert (told["total"], told["page"], told["pageSize"], told["totalPages"]) == (2, 2, 1, 2)
    assert told["filterOptions"]["company"] == ["Acme", "Beta"]
    assert filtered["filterOptions"]["company"] == ["Acme"]
    assert filtered["filters_applied"] == {"company": "acme,nobody"}


def test_category_is_no_filter_beside_itself_however_it_is_written() -> None:
    """Names of parameters may be written in any case."""
    told = whole(monitoring.data(small(), listing(Category="some"), "some"))

    assert (told["total"], told["filters_applied"]) == (2, {})


def test_data_is_sorted_as_the_original_was_asked_to() -> None:
    """``descend`` is its word, and blanks come last all the same."""
    told = data(sort_field="env", sort_order="descend")

    assert [row["ID"] for row in told["data"]] == ["i1", "i2"]
    assert [row["ID"] for row in data(sort_field="ID", sort_order="descend")["data"]] == [
        *("i2", "i1")
    ]


def test_options_and_fields_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever registers a thousand keys or values does not blow up the document."""
    monkeypatch.setattr(monitoring, "MAX_FIELDS", 1)
    monkeypatch.setattr(monitoring, "MAX_OPTIONS", 1)

    told = data()

    assert told["filterOptions"]["company"] == ["Acme"]
    assert told["_fieldStats"]["company"] == 2
    assert "env" not in told["filterOptions"]
    assert len(told["available_fields"]) == 1


def test_summary_counts_what_is_missing_under_its_own_word() -> None:
    """Companies, environments, sites and nodes of the category, in the original's shape."""
    assert summary() == {
        "success": True,
        "category": "some",
        "summary": {
            "total": 2,
            "byCompany": {"Acme": 1, "Beta": 1},
            "byEnv": {"prod": 1, "N/A": 1},
            "bySite": {"rio": 1, "N/A": 1},
            "byNode": {"n1": 1, "n2": 1},
        },
        "filterOptions": {
            "company": ["Acme", "Beta"],
            "env": ["prod"],
            "site": ["rio"],
            "node": ["n1", "n2"],
        },
        "filtersApplied": {},
        "problems": [],
        "problems_left_out": 0,
    }


def test_summary_of_a_company_is_of_that_company() -> None:
    """Filters hold as for the rows, and are told as they were read."""
    told = summary(company="Acme", node="10.0.0.1")

    assert told["summary"]["byCompany"] == {"Acme": 1}
    assert told["filtersApplied"] == {"company": "Acme", "node": "10.0.0.1"}


def test_value_that_reads_like_a_missing_one_is_counted_with_those() -> None:
    """Nothing is lost where somebody registered the word itself."""
    view = view_of(instance("a", meta={"company": "N/A"}), instance("b"))

    told = whole(monitoring.summary(view, listing(), "other"))

    assert told["summary"]["byCompany"] == {"N/A": 2}


def test_categories_have_the_number_of_their_rules() -> None:
    """All of them, those without rules, too."""
    view = Scene().view(None, shot(), None, rules_of(rule("a"), rule("b", "x")))

    assert whole(monitoring.categories(view)) == {
        "success": True,
        "categories": [
            {"id": "some", "display_name": "Some", "total_rules": 1},
            {"id": "other", "display_name": "Other", "total_rules": 0},
        ],
        "total_categories": 2,
    }


@pytest.mark.parametrize(
    ("active", "name", "is_master"),
    [("10.0.0.1", "Rio", True), ("10.0.0.9", "10.0.0.9", False), (None, None, False)],
)
def test_source_names_the_site_of_the_server_that_answered(
    active: str | None, name: str | None, is_master: bool
) -> None:
    """The badge of the original: which site, main server or not, how old."""
    found = monitoring.source(
        sites(("Rio", "10.0.0.1")),
        active_host=active,
        main_host="10.0.0.1",
        state="live",
        age=1.2345,
        took=0.0123,
    )

    assert found == Source(
        source_node=active,
        source_name=name,
        is_master=is_master,
        attempts=1,
        total_time_ms=12,
        cache_status="live",
        age_seconds=1,
        staleness_ms=1234,
    )
