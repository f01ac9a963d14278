"""No token is ever written: not to the log, not to a metric, not into an answer that refuses."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.consul import MASTER_TOKEN, ConsulAgent
from tests.edge import EdgeProcess
from tests.peers import require
from tests.processes import fresh_address
from tests.scrape import scrape
from tests.wire import Answer, Wire, exchange

pytestmark = pytest.mark.real

SECRET = "5ec2e75e-c2e7-5ec2-e75e-c25ec2e75ec2"
"""A token that Consul does not know."""

OWN = "0000ea51-5ec2-e75e-c25e-c2e75ec2e75e"
"""The edge's own, which Consul does not know either."""

BASIC = "edge:0000ba51c5ec2e7"
"""The edge's HTTP Basic credentials."""

LOGFMT = re.compile(r'(?:[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)(?: |$))+')

TARGETS = [
    "/v1/kv/a",
    "/v1/kv/?keys",
    "/v1/kv/a?index=1&wait=10ms",
    "/v1/catalog/nodes",
    "/v1/agent/self",
    "/v1/acl/token/self",
    "/v1/nothing",
    "//v1/kv/a",
    "/nothing",
    "/v1/%61cl/info/{}",
    "/v1/acl//destroy/{}?x={}",
    "/nodes",
    "/api/v1/services",
    "/metrics",
    "/-/ready",
    "/api/v1/admin/cache/proxy/info",
    "/api/v1/admin/cache/proxy/flush",
    "/api/v1/admin/cache/proxy/flush?key=/v1/kv/a",
]
"""Answered, refused, redirected, unknown; some with the token in the path."""

QUERIES = ["token={}", "%74oken={}", "to%6ben={}", "a=b;token={}", "token={}&token={}", "Token={}"]
"""The ways to write the parameter, and one that is none."""

HEADERS = [
    ("X-Consul-Token", "{}"),
    ("x-consul-token", "{}"),
    ("Authorization", "Bearer {}"),
    ("authorization", "bearer   {}"),
    ("Authorization", "Basic {}"),
    ("X-Consul-Token", "{}é"),
]

BODIES = [
    ("PUT", "/v1/acl/token", '{"SecretID": "{}"}'),
    ("PUT", "/v1/acl/create", '{"ID": "{}"}'),
    ("PUT", "/v1/acl/update", '{"ID": "{}", "Rules": {}'),
    ("POST", "/v1/acl/login", '{"AuthMethod": "none", "BearerToken": "{}"}'),
    ("PUT", "/v1/agent/token/default", '{"Token": "{}"}'),
    ("PUT", "/v1/agent/service/register", '{"Name": "x", "Token": "{}", "Check": 7}'),
    ("PUT", "/v1/txn", '[{"KV": {"Verb": "set", "Key": "a", "Value": "{}"}}'),
    ("PUT", "/v1/kv/a", "token={}"),
    ("GET", "/v1/kv/a", "token={}"),
    ("POST", "/api/v1/admin/cache/proxy/flush", "token={}"),
]
"""Writes that carry a token in what they write, whole and broken."""

BROKEN = [
    b"FETCH /v1/kv/a?token=%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/caf\xc3\xa9?token=%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/a?token=%b b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/a?token=%b HTTP/3.7\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/a?token=%b HTTP/1.1\r\n\r\n",
    b"GET /v1/kv/a?token=%b HTTP/1.1\r\nHost: foreign.test\r\n\r\n",
    b"GET http://foreign.test/v1/kv/a?token=%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET localhost?token=%b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-Consul-Token : %b\r\n\r\n",
    b"GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-Consul-Token: a\x00%b\r\n\r\n",
    b"GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-Consul-Token\r\n %b\r\n\r\n",
    b"GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-Consul-Token: %b\r\nBad Header: a\r\n\r\n",
    b"GET /v1/kv/a?token=%b" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-Consul-Token: %b"
    + b"a" * 70_000
    + b"\r\n\r\n",
    b"PUT /v1/kv/a?token=%b HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PUT /v1/kv/a?token=%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000000\r\n\r\n",
    b"PUT /v1/kv/a?token=%b HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x.test\r\n\r\n",
    b"GET /v1/kv/a?token=%b HTTP/1.1\r\nHost: localhost\r\nConnection: X-Consul-Token\r\n\r\n",
    b"X-Consul-Token: %b\r\n\r\n",
    b"GET http://user:%b@localhost/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://user:%b@foreign.test/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://%b@localhost?/v1/kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/kv/a HTTP/1.1\r\nHost: user:%b@localhost\r\n\r\n",
    b"PUT /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://user:%b@x.test\r\n\r\n",
    b"PUT /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[?token=%b\r\n\r\n",
    b"GET /v1/acl/info/%b HTTP/1.1\r\nHost: foreign.test\r\n\r\n",
    b"GET /v2/acl/info/%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/x/acl/info/%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/nodes?Token=%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
]
"""What cannot be parsed, or is refused unforwarded, with the token in it."""


@pytest.fixture(scope="module")
def secretive() -> Iterator[ConsulAgent]:
    """Give an agent that denies by default."""
    require("consul")
    with ConsulAgent(acl=True) as agent:
        yield agent


@pytest.fixture(params=["logfmt", "json"])
def form(request: pytest.FixtureRequest) -> str:
    """Give each format of the log."""
    name: str = request.param
    return name


def edge_over(*servers: str, form: str = "logfmt") -> EdgeProcess:
    """Prepare an edge that logs as much as it ever does, and has secrets of its own."""
    return EdgeProcess(
        servers,
        {
            "consul": {"token": OWN, "auth": BASIC, "max_retries": 0, "deadline": "1s"},
            "log": {"access": True, "level": "debug", "format": form},
        },
        env={"CONSUL_EDGE_CONSUL__TOKEN_FOR_CLIENTS": "true"},
    )


def ask(edge: EdgeProcess, token: str) -> list[Answer]:
    """Send the token in every way with every target, by reads and by writes."""
    where = (edge.address, edge.port)
    answers = []
    for template in TARGETS:
        target = template.replace("{}", token or "none")
        sign = "&" if "?" in target else "?"
        for query in QUERIES:
            full = f"{target}{sign}{query.replace('{}', token)}"
            answers += [exchange(where, method, full) for method in ("GET", "PUT", "DELETE")]
        for name, value in HEADERS:
            header = (name, value.replace("{}", token))
            answers += [exchange(where, method, target, [header]) for method in ("GET", "PUT")]
        answers.append(exchange(where, "GET", target))  # with the edge's own
    for method, target, body in BODIES:
        raw = body.replace("{}", token).encode()
        for named in ([], [("X-Consul-Token", token)]):
            answers.append(exchange(where, method, target, named, raw))
            answers.append(exchange(where, method, target, named, raw, chunked=True))
    answers.append(exchange(where, "PUT", f"/v1/acl/destroy/{token}"))
    answers.append(exchange(where, "GET", f"/v1/acl/info/{token}?pretty"))
    return answers


def send_broken(edge: EdgeProcess, token: str) -> list[Answer]:
    """Send what cannot be served, with the token in it."""
    answers = []
    for template in BROKEN:
        with Wire(edge.address, edge.port) as wire:
            wire._socket.sendall(template.replace(b"%b", token.encode()))
            answers.append(wire.read())
    return answers


def told(answers: list[Answer]) -> str:
    """Join all that the error answers say, heads included."""
    return "\n".join(
        f"{answer.status} {answer.reason} {answer.headers} {answer.content!r}"
        for answer in answers
        if answer.status >= 400
    )


def check(secret: str, edge: EdgeProcess, answers: list[Answer]) -> None:
    """See that a secret is in no log line, no metric and no error."""
    log = edge.log_lines()
    assert len(log) > len(TARGETS)
    assert [line for line in log if secret in line] == []
    assert secret not in scrape(edge.http)
    assert secret not in told(answers)


def test_tokens_that_are_refused_are_written_nowhere(secretive: ConsulAgent, form: str) -> None:
    """A token that Consul does not know leaves no trace, however it was sent."""
    with edge_over(secretive.server, form=form) as edge:
        answers = ask(edge, SECRET)
        assert {403, 404, 405} <= {answer.status for answer in answers}
        check(SECRET, edge, answers)


def test_tokens_that_are_good_are_written_nowhere(secretive: ConsulAgent) -> None:
    """A token that may do everything leaves no trace either."""
    with edge_over(secretive.server) as edge:
        answers = ask(edge, MASTER_TOKEN)
        assert 200 in {answer.status for answer in answers}
        check(MASTER_TOKEN, edge, answers)


def test_tokens_of_requests_that_nobody_answers_are_written_nowhere() -> None:
    """Without a server to ask the errors are the edge's own: no token is in them."""
    with edge_over(f"{fresh_address()}:8500") as edge:
        answers = ask(edge, SECRET)
        assert 500 in {answer.status for answer in answers}
        check(SECRET, edge, answers)


def test_tokens_in_requests_that_cannot_be_served_are_not_logged(
    secretive: ConsulAgent, form: str
) -> None:
    """What is malformed or refused leaves no trace of its token."""
    with edge_over(secretive.server, form=form) as edge:
        answers = send_broken(edge, SECRET)
        assert {answer.status for answer in answers} <= {400, 403, 404, 405, 413, 414, 421, 431}
        check(SECRET, edge, [])


def test_tokens_in_requests_that_cannot_be_served_are_not_repeated(
    secretive: ConsulAgent,
) -> None:
    """What is malformed or refused is explained without being quoted."""
    with edge_over(secretive.server) as edge:
        assert SECRET not in told(send_broken(edge, SECRET))


@pytest.mark.parametrize("own", [OWN, *BASIC.split(":")[1:]], ids=["token", "password"])
def test_secrets_of_the_edge_are_written_nowhere(secretive: ConsulAgent, own: str) -> None:
    """The edge's own token and password leave no trace, though they are sent with each request."""
    with edge_over(secretive.server) as edge:
        check(own, edge, ask(edge, ""))


def test_log_is_logfmt_line_by_line(secretive: ConsulAgent) -> None:
    """Every line is keys and values that a parser takes."""
    with edge_over(secretive.server) as edge:
        ask(edge, SECRET)
        send_broken(edge, SECRET)
        edge.terminate()
        strange = [line for line in edge.log_lines() if not LOGFMT.fullmatch(line)]
    assert strange == []


def test_log_is_json_line_by_line(secretive: ConsulAgent) -> None:
    """Every line is an object with a time, a level and an event."""
    with edge_over(secretive.server, form="json") as edge:
        ask(edge, SECRET)
        send_broken(edge, SECRET)
        edge.terminate()
        lines = [json.loads(line) for line in edge.log_lines()]
    assert all({"ts", "level", "event"} <= line.keys() for line in lines)
