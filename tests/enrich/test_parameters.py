import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.errors import BadRequest
from consul_edge.enrich.columns import NODES, SERVICES
from consul_edge.enrich.parameters import (
    MAX_PARAMETERS,
    Accepted,
    Format,
    Listing,
    Page,
    Poll,
    read_listing,
)
from consul_edge.enrich.table import Table
from tests.enrich.shelf import SHELF

ROUTE = Accepted(
    SERVICES, (Format.JSON, Format.COLUMNS, Format.CSV), meta_filters=True, further=frozenset("x")
)
STRICT = Accepted(NODES)


def read(*pairs: tuple[str, str], route: Accepted = ROUTE) -> Listing:
    return read_listing(pairs, route)


def found(*pairs: tuple[str, str]) -> list[str]:
    names = list(SHELF)
    table = Table(list(SHELF.values()), SERVICES)
    return [names[number] for number in table.select(read(*pairs).terms)]


def test_listing_without_parameters_is_all_rows() -> None:
    """Nothing asked for is everything, at once."""
    listing = read()

    assert listing.terms == ()
    assert (listing.page, listing.poll, listing.format) == (None, None, Format.JSON)


@pytest.mark.parametrize(
    ("pairs", "rows"),
    [
        ([("company", "acme ltda")], ["ping", "node"]),
        ([("company", "acme")], []),
        ([("category", "web-probes,system-exporters")], ["web", "node"]),
        ([("category", " web-probes , ")], ["web"]),
        ([("category", "web-probes"), ("category", "system-exporters")], ["web", "node"]),
        ([("company", "Beta, Inc")], ["web"]),
        ([("company", '"Beta, Inc",Acme Ltda')], ["ping", "web", "node"]),
        ([("company", "all")], ["ping", "web", "node", "bare"]),
        ([("company", "Acme Ltda,ALL")], ["ping", "web", "node", "bare"]),
        ([("company", "Acme Ltda"), ("company", "all")], ["ping", "web", "node", "bare"]),
        ([("company", "")], ["ping", "web", "node", "bare"]),
        ([("company", '""')], ["bare"]),
        ([("site", "rio"), ("status", "warning")], ["node"]),
        ([("site", "Rio de Janeiro")], ["web", "node"]),
        ([("node", "172.16.1.27")], ["web", "node"]),
        ([("node", "consul-1")], ["ping"]),
        ([("node_ip", "172.16.1.26")], ["ping"]),
        ([("os", "linux")], ["node"]),
        ([("meta.os", "Windows")], ["bare"]),
        ([("OS", "linux")], []),
        ([("Port", "9115")], ["ping", "web"]),
        ([("Tags", "dev,icmp")], ["ping", "node"]),
        ([("q", "status:critical"), ("env", "all")], ["web"]),
        ([("x", "the route's own")], ["ping", "web", "node", "bare"]),
    ],
    ids=str,
)
def test_filters_of_each_form_choose_the_rows(
    pairs: list[tuple[str, str]], rows: list[str]
) -> None:
    """Values are whole texts in any case; commas, quotes and repetition give several."""
    assert found(*pairs) == rows


def test_filters_that_were_applied_are_told_by_name() -> None:
    """An answer can say what it left out."""
    listing = read(("site", "rio,dtc"), ("env", "all"))

    assert listing.applied == {"site": ("rio", "dtc")}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("page", "0", "page: '0': expected a whole number from 1 to"),
        ("page", "", "page: '': expected a whole number"),
        ("page", "\u0661", "page: .*expected a whole number"),
        ("page_size", "1001", "page_size: '1001': expected a whole number from 1 to 1000"),
        ("sort", "nmae", "sort: 'nmae': expected one of .*service.*meta.KEY"),
        ("sort", "id,node,dc,port", "sort: .*at most 3"),
        ("order", "up", "order: 'up': expected one of asc"),
        ("order", "asc,desc", "order: .*one for each column"),
        ("format", "xml", "format: 'xml': expected one of json, columns, csv"),
        ("index", "-1", "index: '-1': expected the index"),
        ("index", str(1 << 64), "index: "),
        ("wait", "5", "wait: '5': expected a duration"),
        ("wait", "-5s", "wait: '-5s': expected a duration from 0s"),
        ("q", "nmae:x", "q: at character 1: no field is called nmae; did you mean name"),
        ("status", "up", "status: 'up': expected one of critical, warning, passing"),
        ("port", "http", "port: 'http': expected a number"),
        ("company", '"a', "company: .*double quotes"),
        ("pageSize", "5", "pageSize: no such parameter; did you mean page_size"),
        ("a b", "5", "'a b': no such parameter"),
        ("site", "," * 20_000, "site: .*at most 16,384 characters"),
        ("site", ",".join(map(str, range(600))), "site: .*at most 500 values"),
    ],
)
def test_bad_parameter_is_refused_by_name_with_what_is_allowed(
    name: str, value: str, expected: str
) -> None:
    """Who made a slip learns which, and what would have been right."""
    with pytest.raises(BadRequest, match=expected):
        read((name, value))


def test_unknown_parameter_of_a_strict_route_is_refused_with_the_nearest() -> None:
    """Where Meta cannot be meant, a name that nobody knows is a slip."""
    with pytest.raises(BadRequest, match="'stauts': no such parameter; did you mean status"):
        read(("stauts", "alive"), route=STRICT)


def test_control_given_twice_is_refused() -> None:
    """Nobody guesses which page was meant, not even under two spellings."""
    with pytest.raises(BadRequest, match="sort_field: 'id': expected it once"):
        read(("sort", "id"), ("sort_field", "id"))


def test_too_many_parameters_are_refused() -> None:
    """Their number is bounded."""
    with pytest.raises(BadRequest, match="at most 100 parameters"):
        read(*[("a", "b")] * (MAX_PARAMETERS + 1))


def test_sort_of_several_columns_has_an_order_for_each() -> None:
    """Columns without an order are ascending; the original's spelling is known."""
    listing = read(("sort", "status,meta.os,ID"), ("sort_order", "descend,asc"))

    keys = [(key.column.name, key.descending) for key in listing.keys]
    assert keys == [("status", True), ("meta.os", False), ("ID", False)]


def test_sort_field_of_the_original_may_be_a_bare_key_of_meta() -> None:
    """Its clients send what they see as a column."""
    assert [key.column.name for key in read(("sort_field", "provedor")).keys] == ["meta.provedor"]


def test_page_or_its_size_alone_implies_the_other() -> None:
    """Either asks for one page."""
    assert read(("page", "3")).page == Page(3, 50)
    assert read(("page_size", "20")).page == Page(1, 20)


def test_index_and_wait_of_a_poll_are_read_as_consul_reads_them() -> None:
    """No index is no poll; a wait is capped, and without one it is the default."""
    assert read(("index", "7"), ("wait", "1m")).poll == Poll(7, 60.0)
    assert read(("index", "7"), ("wait", "1h")).poll == Poll(7, 600.0)
    assert read(("index", "7"), ("wait", "0s")).poll == Poll(7, 300.0)
    assert read(("index", "0"), ("wait", "1m")).poll is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["q", "page", "sort", "order", "index", "wait", "site", "status"])
            | st.text(max_size=8),
            st.text(max_size=12) | st.sampled_from(["1", "asc", "name", '"a","', "5s"]),
        ),
        max_size=6,
    )
)
def test_parameters_of_any_kind_are_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    """Nothing that a client can send raises anything else."""
    try:
        listing = read(*pairs)
    except BadRequest as error:
        assert str(error)  # noqa: PT017  # any refusal is right that has a text
        return

    Table(list(SHELF.values()), SERVICES).select(listing.terms)
