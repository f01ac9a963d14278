"""Fixtures that more than one test module uses; what they are made of is in the modules beside."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.consul import MASTER_TOKEN, ConsulAgent, ConsulCluster
from tests.edge import EdgeProcess
from tests.peers import require
from tests.processes import RUNNING

_FORGETFUL = f"""
acl {{
  enabled = true
  default_policy = "deny"
  tokens {{ master = "{MASTER_TOKEN}", agent = "{MASTER_TOKEN}" }}
  token_ttl = "1s"
  policy_ttl = "1s"
  role_ttl = "1s"
}}
"""
"""Deny by default, and believe for a second what is known of a token, instead of for 30 s."""


# Not of the whole run, which is spread over processes: nothing is left of it to another file.
@pytest.fixture(scope="module")
def consul_agent() -> Iterator[ConsulAgent]:
    """Give a real agent without ACLs to one module: use keys and names of your own."""
    require("consul")
    with ConsulAgent() as agent:
        yield agent


@pytest.fixture(scope="module")
def acl_agent() -> Iterator[ConsulAgent]:
    """Give a module a real agent that denies by default, and believes of tokens for 1 s."""
    require("consul")
    prepared = ConsulAgent("agent-acl", hcl=_FORGETFUL)
    prepared.token = MASTER_TOKEN
    with prepared as agent:
        yield agent


@pytest.fixture
def consul_cluster() -> Iterator[ConsulCluster]:
    """Give three fresh real servers with a leader, to be broken."""
    require("consul")
    with ConsulCluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def edge(consul_agent: ConsulAgent) -> Iterator[EdgeProcess]:
    """Give a running edge over the shared agent to one module: do not end it."""
    with EdgeProcess([consul_agent.server]) as process:
        yield process


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, Any, pytest.TestReport]:
    """Show the ends of the logs of all running programs with a failed test."""
    report: pytest.TestReport = yield
    if report.failed:
        for process in RUNNING:
            report.sections.append((f"log of {process.name}", process.tail()))
    return report
