import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.failover import Verdict, changes_nothing, judge

FORWARDED = "rpc error making call: "

NO_LEADER = ("No cluster leader",)

LOST_LEADER = (
    "Raft leader not found in server lookup mapping",
    "Not ready to serve consistent reads",
    "No known Consul servers",
    "leadership lost while committing log",
    "node is not the leader",
    "leadership transfer in progress",
    "raft is already shutdown",
    "i/o deadline reached",
    "rpc error getting client: failed to get conn: dial tcp 127.0.0.12:8300: connection refused",
    "rpc error making call: EOF",
    "rpc error making call: stream closed",
    "rpc error making call: session shutdown",
    "rpc error making call: write tcp 10.0.0.1:33829->10.0.0.2:8300: write: broken pipe",
    "rpc error making call: read tcp 10.0.0.1:3->10.0.0.2:8300: read: connection reset by peer",
    "rpc error making call: dial tcp 10.0.0.2:8300: connect: connection refused",
)

CLIENT_MADE = {
    "an unknown datacenter": (500, "No path to datacenter"),
    "a remote datacenter that is down": (500, "Remote DC has no server currently reachable"),
    "a keyring without rights": (500, "Reading keyring denied by ACLs"),
    "denied rights": (500, "Permission denied"),
    "a filter that is none": (500, "Failed to create boolean expression evaluator: 1:4 (3): no"),
    "a malformed query": (500, ""),
    "a missing id": (500, "failed session lookup: index error: UUID must be 36 characters"),
    "a kind that quotes the leader": (500, "invalid config entry kind: no cluster leader"),
    "a kind that quotes a lost leader": (500, "invalid config entry kind: node is not the leader"),
    "an end of file of one's own": (500, "Request decode failed: EOF"),
    "denied rights as 403": (403, "Permission denied"),
    "an unknown token": (403, "ACL not found"),
    "a blocked endpoint": (403, "Endpoint is blocked by agent configuration"),
    "a missing key": (404, ""),
    "a foreign method": (405, ""),
    "a failed transaction": (409, '{"Results":null,"Errors":[]}'),
    "a large value": (413, "Request body(524289 bytes) too large"),
    "agent health, warning": (429, "warning"),
    "agent health, critical": (503, "critical"),
    "autopilot health": (429, '{"Healthy":false}'),
    "the agent's own rate": (429, "rpc rate limit exceeded"),
    "the leader's rate": (
        503,
        (
            "rate limit exceeded for operation that can only be performed by the leader, "
            "try again later"
        ),
    ),
}

ELSEWHERE = {
    "connections": "Your IP is issuing too many concurrent connections, please rate limit your "
    "calls\n",
    "rate": "rate limit exceeded, try again later or against a different server",
}

prefixes = st.integers(0, 4).map(lambda count: FORWARDED * count)
blanks = st.sampled_from(["", "\n", " ", "\r\n"])


@pytest.mark.parametrize("times", [0, 1, 2, 3], ids=["plain", "forwarded", "twice", "thrice"])
@pytest.mark.parametrize("text", NO_LEADER)
def test_no_leader_is_known_however_far_it_came(text: str, times: int) -> None:
    """Each server that forwarded a request prefixes the error; it means the same."""
    assert judge(500, FORWARDED * times + text) is Verdict.NO_LEADER


@pytest.mark.parametrize("times", [0, 1, 2, 3], ids=["plain", "forwarded", "twice", "thrice"])
@pytest.mark.parametrize("text", LOST_LEADER)
def test_lost_leader_is_known_however_far_it_came(text: str, times: int) -> None:
    """The way to the leader broke, on this server or one behind it."""
    assert judge(500, FORWARDED * times + text) is Verdict.LOST_LEADER


@pytest.mark.parametrize("times", [0, 1, 2], ids=["plain", "forwarded", "twice"])
@pytest.mark.parametrize(("status", "text"), CLIENT_MADE.values(), ids=CLIENT_MADE)
def test_error_a_client_can_make_is_final(status: int, text: str, times: int) -> None:
    """Asking others for it would multiply the load that one client makes."""
    assert judge(status, FORWARDED * times + text) is Verdict.FINAL


@pytest.mark.parametrize("text", ELSEWHERE.values(), ids=ELSEWHERE)
def test_limit_of_one_server_sends_elsewhere(text: str) -> None:
    """A server that says another one might serve is taken at its word."""
    assert judge(429, text) is Verdict.ELSEWHERE


@pytest.mark.parametrize("text", [*NO_LEADER, *LOST_LEADER])
@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 503])
def test_text_of_lost_leadership_under_another_status_is_final(status: int, text: str) -> None:
    """Consul says these with 500; anywhere else they are somebody's data."""
    assert judge(status, text) is Verdict.FINAL


@pytest.mark.parametrize("text", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("status", [200, 403, 500, 503])
def test_text_of_a_limit_under_another_status_is_final(status: int, text: str) -> None:
    """Only 429 means the limits of one server."""
    assert judge(status, text) is Verdict.FINAL


@pytest.mark.parametrize(
    "text",
    [
        'Session "No cluster leader" is invalid',
        "No cluster leader, said the client",
        'Session "node is not the leader" is invalid',
        "EOF",
        "rpc error making call: Permission denied",
        "rpc error making call: rpc error making call: ACL not found",
    ],
)
def test_text_that_only_mentions_a_known_one_is_final(text: str) -> None:
    """A known text counts where Consul puts it, not anywhere inside another."""
    assert judge(500, text) is Verdict.FINAL


@given(before=prefixes, text=st.sampled_from([*NO_LEADER, *LOST_LEADER]), after=blanks)
def test_case_and_blanks_around_change_no_verdict(before: str, text: str, after: str) -> None:
    """Versions of Consul differ in capitals and line ends."""
    plain = judge(500, before + text)
    assert plain is not Verdict.FINAL
    assert {judge(500, before + text.upper() + after), judge(500, text.lower())} == {plain}


@given(status=st.integers(100, 599), text=st.text())
def test_any_answer_gets_some_verdict(status: int, text: str) -> None:
    """No body makes the judge raise, and none but 429 and 500 is ever asked elsewhere."""
    verdict = judge(status, text)
    assert verdict is Verdict.FINAL or status in (429, 500)


@pytest.mark.parametrize(
    ("status", "verdict", "nothing"),
    [
        (200, Verdict.FINAL, False),
        (400, Verdict.FINAL, True),
        (403, Verdict.FINAL, True),
        (429, Verdict.ELSEWHERE, True),
        (500, Verdict.NO_LEADER, True),
        (500, Verdict.LOST_LEADER, False),
        (500, Verdict.FINAL, False),
        (503, Verdict.FINAL, False),
    ],
)
def test_write_changed_nothing_only_where_that_is_certain(
    status: int, verdict: Verdict, *, nothing: bool
) -> None:
    """A refusal is certain, and Consul's word that nobody leads; any other error is not."""
    assert changes_nothing(status, verdict) is nothing
