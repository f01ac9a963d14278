import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.errors import BadRequest
from consul_edge.core.headers import (
    CONNECTION_OPTIONS,
    HOP_BY_HOP,
    Pairs,
    request_headers,
    response_headers,
    via,
)

RFC_9110 = {
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
}
"""Section 7.6.1, whose list is what a proxy must remove."""

FOR_CONSUL = [
    ("X-Consul-Token", "t"),
    ("Authorization", "Bearer t"),
    ("Accept-Encoding", "gzip"),
    ("Cache-Control", "no-cache"),
    ("X-Consul-Namespace", "n"),
    ("Content-Type", "application/json"),
    ("Via", "1.1 other"),
    ("X-Own", "a"),
    ("X-Own", "b"),
]

CLAIMS = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
]


def any_case(names: set[str] | frozenset[str]) -> st.SearchStrategy[str]:
    """Spell one of *names* in any mixture of cases."""
    return st.sampled_from(sorted(names)).flatmap(
        lambda name: st.tuples(
            *(st.sampled_from([letter.lower(), letter.upper()]) for letter in name)
        ).map("".join)
    )


options = st.lists(any_case(CONNECTION_OPTIONS) | st.just(""), max_size=4).map(", ".join)
hops = st.tuples(any_case(HOP_BY_HOP - {"connection"}), st.text("abc", max_size=3))
connections = st.tuples(any_case({"connection"}), options)
ends = st.sampled_from(FOR_CONSUL)


@given(items=st.lists(hops | connections | ends))
def test_request_with_hop_by_hop_headers_loses_just_those(items: Pairs) -> None:
    """Whatever the case and number, no hop-by-hop header goes on, and all others do in order."""
    kept = [pair for pair in items if pair[0].lower() not in HOP_BY_HOP]
    assert kept == request_headers(items)


@given(items=st.lists(hops | connections | ends))
def test_answer_with_hop_by_hop_headers_loses_just_those(items: Pairs) -> None:
    """The same holds on the way back."""
    kept = [pair for pair in items if pair[0].lower() not in HOP_BY_HOP]
    assert kept == response_headers(items)


@pytest.mark.parametrize("name", sorted(RFC_9110))
def test_hop_by_hop_header_of_the_rfc_is_known(name: str) -> None:
    """Each header that RFC 9110 section 7.6.1 lists passes in neither direction."""
    pair = [(name, "close")]
    assert (request_headers(pair), response_headers(pair)) == ([], [])


@pytest.mark.parametrize("name", CLAIMS)
def test_claim_about_who_the_client_is_does_not_pass(name: str) -> None:
    """Nobody in front of the edge is trusted to say who the client is."""
    assert request_headers([(name, "1.2.3.4"), (name.lower(), "x")]) == []


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Expect", "HTTP2-Settings"])
def test_header_the_edge_writes_itself_does_not_pass(name: str) -> None:
    """What describes the client's own connection or body is written anew or met here."""
    assert request_headers([(name, "7")]) == []


@pytest.mark.parametrize(
    "value",
    ["X-Consul-Token", "close, x-consul-token", "keep-alive,Authorization", "Via", "X", "a b"],
)
def test_connection_that_names_an_end_to_end_header_is_refused(value: str) -> None:
    """Dropping what it names could drop a token, so such a request is refused."""
    with pytest.raises(BadRequest, match="expected close, keep-alive"):
        request_headers([("X-Consul-Token", "t"), ("connection", value)])


@pytest.mark.parametrize(
    "value",
    ["", "close", "Keep-Alive", "keep-alive, Upgrade", ",close,", "Upgrade, HTTP2-Settings"],
)
def test_connection_that_names_options_passes(value: str) -> None:
    """Options of the connection are nothing to refuse."""
    assert request_headers([("Connection", value), *FOR_CONSUL]) == FOR_CONSUL


def test_overlong_connection_option_is_cut_in_the_refusal() -> None:
    """The refusal does not repeat more of a hostile header than helps."""
    with pytest.raises(BadRequest) as caught:
        request_headers([("Connection", "x" * 9000)])
    assert len(str(caught.value)) < 300


def test_headers_that_an_answers_connection_names_are_dropped() -> None:
    """What Consul's side names in ``Connection`` was meant for the edge alone."""
    answer = [("X-Hop", "1"), ("Connection", "close, x-HOP"), ("X-Consul-Index", "7")]
    assert response_headers(answer) == [("X-Consul-Index", "7")]


def test_repeated_answer_headers_pass_in_order() -> None:
    """Headers that come twice are passed on twice."""
    answer = [("Vary", "a"), ("X-Consul-Index", "7"), ("vary", "b")]
    assert response_headers(answer) == answer


def test_answers_length_is_left_to_the_writer() -> None:
    """Whoever writes the body knows its length; an old one could contradict it."""
    assert response_headers([("Content-Length", "5"), ("Content-Type", "x")]) == [
        ("Content-Type", "x")
    ]


def test_via_names_protocol_edge_and_instance() -> None:
    """Two edges in a row can be told apart, and each recognizes itself."""
    assert via("7f") == "1.1 consul-edge-7f"
