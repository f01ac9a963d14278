import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.demo.dataset import DataSet
from consul_edge.enrich import sites
from consul_edge.enrich.sites import NoSites, Sites, bare_address, parse_sites

PALMAS = {
    "code": "palmas",
    "name": "Palmas",
    "is_default": True,
    "prometheus_instance": "172.16.1.26",
    "prometheus_port": 9090,
}
RIO = {"code": "rio", "name": "Rio", "prometheus_host": "rio.example", "ssh_port": "22"}

SHAPES = {
    "data.sites": {"data": {"sites": [PALMAS, RIO], "naming": {}}, "default_site": "palmas"},
    "data.data.sites": {"data": {"data": {"sites": [PALMAS, RIO]}}},
    "sites": {"sites": [PALMAS, RIO]},
    "data": {"data": [PALMAS, RIO]},
    "list": [PALMAS, RIO],
    "envelope": {"data": {"data": {"sites": [PALMAS, RIO]}, "meta": {}}, "meta": {"v": 1}},
}


def parse(*rows: object) -> Sites:
    return parse_sites(json.dumps(list(rows)))


def problems(*rows: object) -> list[tuple[int, str]]:
    return [(problem.row, problem.field) for problem in parse(*rows).problems]


@pytest.mark.parametrize("shape", SHAPES)
def test_document_in_each_stored_shape_gives_the_same_sites(shape: str) -> None:
    """Every shape that the original ever stored is read, in the document's order."""
    found = parse_sites(json.dumps(SHAPES[shape]).encode())

    assert [site.code for site in found.sites] == ["palmas", "rio"]
    assert found.problems == ()


@pytest.mark.parametrize(
    "content",
    ["", "null", "7", '"x"', "{}", '{"sites": {}}', '{"data": {}}', "{", "[" * 100_000],
)
def test_document_that_is_none_raises_one_error(content: str) -> None:
    """What holds no list of sites is refused as a whole, with a reason."""
    with pytest.raises(NoSites, match="expected"):
        parse_sites(content)


def test_document_too_large_is_refused_before_it_is_read() -> None:
    """A document is measured first."""
    with pytest.raises(NoSites, match="bytes"):
        parse_sites(b" " * (sites.MAX_BYTES + 1))


def test_document_with_too_many_sites_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of sites is bounded."""
    monkeypatch.setattr(sites, "MAX_SITES", 1)

    with pytest.raises(NoSites, match="at most 1 sites, not 2"):
        parse(PALMAS, RIO)


def test_fields_of_a_row_are_read_with_their_types() -> None:
    """Ports may be texts, extras do no harm, what is absent is empty."""
    palmas, rio = parse({**PALMAS, "color": " red ", "extra": [1]}, RIO).sites

    assert (
        palmas.is_default,
        palmas.color,
        palmas.prometheus_port,
        palmas.ssh_port,
    ) == (True, "red", 9090, None)
    assert (rio.is_default, rio.color, rio.ssh_port) == (False, "", 22)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1:9090 ", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1:8300"),
        ("Rio.Example", "rio.example:8500"),
        ("rio.example.", "RIO.example"),
        ("FE80:0::1", "[fe80::1]:8500"),
        ("[fe80::1]:9090", "fe80::1"),
    ],
)
def test_address_written_in_any_form_finds_its_site(written: str, asked: str) -> None:
    """Ports, blanks, brackets and large letters are no difference between addresses."""
    found = parse({"code": "a", "prometheus_instance": written})

    assert found.problems == ()
    site = found.site_of(asked)
    assert site is not None
    assert site.code == "a"


@pytest.mark.parametrize("address", ["10.0.0.9", "", "not an address", "a:b:c"])
def test_address_of_no_site_gets_the_name_for_that(address: str) -> None:
    """An unknown or broken address has no site, and is shown under the configured name."""
    assert parse(PALMAS).place_of(address, "Nao mapeado") == ("", "Nao mapeado")


def test_row_with_blank_instance_is_found_by_its_host() -> None:
    """The host stands in for an instance that is blank or broken."""
    blank = {"code": "a", "prometheus_instance": " ", "prometheus_host": "10.0.0.1"}
    broken = {"code": "b", "prometheus_instance": "no address", "prometheus_host": "10.0.0.2"}
    found = parse(blank, broken)

    assert [found.place_of(f"10.0.0.{host}", "?")[0] for host in (1, 2)] == ["a", "b"]
    assert [(one.row, one.field) for one in found.problems] == [(2, "prometheus_instance")]


def test_site_without_a_name_is_called_by_its_code() -> None:
    """The code is always something to show."""
    assert parse({"code": "x", "prometheus_host": "h"}).place_of("h", "?") == ("x", "x")


def test_site_without_a_code_is_used_by_its_name_and_reported() -> None:
    """A name can stand for the code; with neither there is no site."""
    found = parse({"name": "Rio", "prometheus_host": "h"}, {"prometheus_host": "i"})

    assert found.place_of("h", "?") == ("Rio", "Rio")
    assert [(one.row, one.field) for one in found.problems] == [(1, "code"), (2, "code")]
    assert len(found.sites) == 1


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (7, ""),
        ({**PALMAS, "is_default": "yes"}, "is_default"),
        ({**PALMAS, "prometheus_port": 70000}, "prometheus_port"),
        ({**PALMAS, "ssh_port": True}, "ssh_port"),
        ({**PALMAS, "ssh_port": "22x"}, "ssh_port"),
        ({**PALMAS, "color": ["red"]}, "color"),
        ({**PALMAS, "name": "x" * 300}, "name"),
        ({"code": "nowhere"}, "prometheus_instance"),
    ],
)
def test_broken_row_is_reported_and_the_others_work(row: object, field: str) -> None:
    """A problem names the row and the field; the sound row is found as ever."""
    found = parse(RIO, row)

    assert found.place_of("rio.example", "?")[0] == "rio"
    assert [(2, field)] == [(one.row, one.field) for one in found.problems]


def test_second_row_with_an_address_is_reported_and_the_first_keeps_it() -> None:
    """Nobody moves a node to another site by a row below."""
    found = parse(PALMAS, {**RIO, "prometheus_instance": "172.16.1.26:9090"})

    assert found.place_of("172.16.1.26", "?")[0] == "palmas"
    assert [str(problem) for problem in found.problems] == [
        "site 2: prometheus_instance: '172.16.1.26': expected an address other than site 1"
    ]


def test_second_row_with_a_code_is_reported_and_both_addresses_lead_to_it() -> None:
    """A site may be written twice for its two addresses; it may also be a slip."""
    found = parse(RIO, {**RIO, "prometheus_host": "10.0.0.2"})

    assert [found.place_of(host, "?")[0] for host in ("rio.example", "10.0.0.2")] == ["rio"] * 2
    assert [(one.row, one.field) for one in found.problems] == [(2, "code")]


def test_second_default_site_is_reported() -> None:
    """There is one default."""
    assert problems(PALMAS, {**RIO, "is_default": True}) == [(2, "is_default")]


def test_problems_beyond_the_bound_are_counted_not_kept() -> None:
    """A document of nothing but problems does not fill the page."""
    found = parse(*range(sites.MAX_PROBLEMS + 5))

    assert (len(found.problems), found.problems_left_out) == (sites.MAX_PROBLEMS, 5)


def test_sites_of_the_demo_are_without_problems() -> None:
    """What the demo stores is what is read here."""
    found = parse_sites(json.dumps(DataSet().sites_document()))

    assert found.sites
    assert found.problems == ()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "sites", "code", "name", "prometheus_instance", "ssh_port"]
                ),
                inner,
            )
        ),
    )
)
def test_document_of_any_json_gives_sites_or_one_error(value: object) -> None:
    """Nothing that a key can hold raises anything else."""
    try:
        found = parse_sites(json.dumps(value))
    except NoSites:
        return

    assert all(site.code for site in found.sites)


@given(st.ip_addresses())
def test_bare_address_of_an_address_changes_no_more(ip: object) -> None:
    """The form that addresses are compared in is final."""
    once = bare_address(str(ip))

    assert once == bare_address(once)
