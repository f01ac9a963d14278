"""These tests are of the fast lane, also where the suite is run without it."""

import pytest

from tests.processes import FASTLANE


@pytest.fixture(autouse=True)
def with_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the default hold."""
    monkeypatch.delenv(FASTLANE, raising=False)
