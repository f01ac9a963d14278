"""What the tests of the sessions share; how heartbeats are kept out of a test's way."""

from typing import Any
from unittest.mock import Mock

import aioresponses.core
import pytest
from aiohttp import ClientResponse

from consul_edge.upstream import courier, heartbeat


class _Response(ClientResponse):
    """What aioresponses 0.7.9 makes, with the argument that aiohttp 3.14 demands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def aioresponses_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aioresponses make answers; drop this when its own test says so."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _Response)


@pytest.fixture
def rare_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have heartbeats taken at the start and when somebody has a suspicion, but not every second.

    After ``House.heard()`` only a request can find out what has happened to a server, however
    long it takes a busy machine to send one.
    """
    monkeypatch.setattr(heartbeat, "INTERVAL", 3600.0)


@pytest.fixture
def patient_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let heartbeats take as long as they like.

    For tests in which a server is well: theirs is answered by the loop that is busy with the test.
    """
    monkeypatch.setattr(courier, "HEARTBEAT_SHARE", 1000.0)
