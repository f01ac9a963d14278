"""Reading parameters as Consul does."""

import pytest

from consul_edge.demo.query import BadQuery, Options, parse_options, parse_parameters


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", Options()),
        ("index=0", Options()),
        ("index=5&wait=10s", Options(index=5, wait=10.0)),
        ("index=5&wait=1h", Options(index=5, wait=600.0)),
        ("index=5&wait=-5s", Options(index=5, wait=300.0)),
        ("index=18446744073709551615", Options(index=2**64 - 1)),
        ("stale=false", Options(consistency="stale")),
        ("max_stale=5s", Options(consistency="stale")),
        ("%73tale", Options(consistency="stale")),
        ("x;consistent", Options(consistency="consistent")),
        ("dc=a&dc=b&pretty=0&cached", Options(dc="a", pretty=True, cached=True)),
    ],
)
def test_a_query_is_read_as_consul_reads_it(query: str, options: Options) -> None:
    """Presence counts, the first of several wins, waits are capped."""
    assert parse_options(parse_parameters(query)) == options


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("x=%zz", 500, ""),
        ("index=x", 400, "Invalid index"),
        ("index=18446744073709551616", 400, "Invalid index"),
        ("wait=10&index=x", 400, "Invalid wait time"),
        (
            "stale&consistent&wait=x",
            400,
            "Cannot specify ?stale with ?consistent, conflicting semantics.",
        ),
    ],
)
def test_a_bad_query_is_refused_in_consuls_words(query: str, status: int, text: str) -> None:
    """Only the first complaint is told."""
    with pytest.raises(BadQuery) as caught:
        parse_options(parse_parameters(query))
    assert (caught.value.status, str(caught.value)) == (status, text)
