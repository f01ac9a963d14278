"""What the tests of the sessions share."""

from typing import Any
from unittest.mock import Mock

import aioresponses.core
import pytest
from aiohttp import ClientResponse


class _Response(ClientResponse):
    """What aioresponses 0.7.9 makes, with the argument that aiohttp 3.14 demands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def aioresponses_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aioresponses make answers; drop this when its own test says so."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _Response)
