import pytest

from consul_edge.core import errors
from consul_edge.core.errors import (
    BadRequest,
    ConfigError,
    EdgeError,
    LimitReached,
    NoServer,
    Problem,
    Refused,
    ServerFailed,
)

STATUSES = {
    "the root": (EdgeError("x"), 500),
    "a bad request": (BadRequest("x"), 400),
    "a refusal": (Refused(421, "x"), 421),
    "a limit": (LimitReached(503, "a.limit", "x"), 503),
    "a failed server": (ServerFailed("a:1", "refused", sent=False), 500),
    "no server": (NoServer({"a:1": "refused"}), 500),
    "a configuration": (ConfigError([]), 500),
}


@pytest.mark.parametrize(("error", "status"), STATUSES.values(), ids=STATUSES)
def test_error_shown_to_a_client_has_its_status(error: EdgeError, status: int) -> None:
    """Consul's clients retry only 500, so what a retry may heal is that and nothing else is."""
    assert status == error.status


def test_status_of_one_refusal_does_not_leak_into_another() -> None:
    """The status belongs to the error, not to its class."""
    first, second = EdgeError("x"), Refused(403, "x")
    third = Refused(421, "x")
    assert (first.status, second.status, third.status) == (500, 403, 421)


def test_every_error_of_the_module_has_the_one_root() -> None:
    """Whoever catches the root catches them all."""
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(found) >= 7
    assert all(issubclass(kind, EdgeError) for kind in found)


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "unsent"])
def test_failed_attempt_says_whether_anything_was_sent(*, sent: bool) -> None:
    """The one fact that decides whether a write may be repeated is kept as given."""
    error = ServerFailed("a:8500", "timed out after 2s", sent=sent, timed_out=True)
    assert (error.sent, error.timed_out) == (sent, True)


def test_failed_attempt_reads_as_server_and_reason() -> None:
    """The text names the server, then what happened; both are there for counting, too."""
    error = ServerFailed("a:8500", "refused", sent=False)
    assert str(error) == "a:8500 refused"
    assert (error.server, error.reason, error.timed_out) == ("a:8500", "refused", False)


def test_configuration_with_two_problems_tells_both_in_order() -> None:
    """An operator sees all problems at once, each with its place, value and what was expected."""
    problems = [
        Problem("edge.yaml", "consul.timeout", "2 s", "expected a duration"),
        Problem("CONSUL_EDGE_LISTEN", "listen", 7, "expected HOST:PORT"),
    ]
    error = ConfigError(problems)
    assert error.problems == problems
    assert str(error) == (
        "edge.yaml: consul.timeout: '2 s': expected a duration\n"
        "CONSUL_EDGE_LISTEN: listen: 7: expected HOST:PORT"
    )
