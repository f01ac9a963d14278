"""The README and the files it points to name everything that exists."""

import re
from pathlib import Path

import pytest

from consul_edge.web.audit import RELOAD
from consul_edge.web.routes import (
    ADMIN,
    CATEGORIZE,
    DOCUMENTS,
    EDGE,
    EVENTS,
    NODE_DOCUMENTS,
    OPENAPI,
    OWN,
)
from tests.exposition import FAMILIES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
METRICS_PAGE = (ROOT / "deploy" / "METRICS.md").read_text()
"""The README points to it."""

METRICS = sorted(FAMILIES)


@pytest.mark.parametrize("name", METRICS)
def test_metric_that_exists_is_in_the_list(name: str) -> None:
    """Whoever scrapes the edge finds each of its metrics explained."""
    assert f"`{name}`" in METRICS_PAGE


ROUTES = sorted(
    {*OWN, *ADMIN, RELOAD, *DOCUMENTS, *NODE_DOCUMENTS, CATEGORIZE, EDGE, EVENTS, OPENAPI}
)


@pytest.mark.parametrize("path", ROUTES)
def test_route_that_exists_is_in_the_readme(path: str) -> None:
    """Whoever runs the edge finds each of its routes explained."""
    assert f"`{path}`" in README


def test_metric_in_the_readme_exists() -> None:
    """No metric is promised that is not there."""
    named = set(re.findall(r"`(consul_[a-z_]+)`", README))
    assert named - set(METRICS) == set()


def test_file_that_the_readme_points_to_exists() -> None:
    """No link leads nowhere."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_picture_in_the_readme_exists_and_is_small() -> None:
    """Each is below 300 kB, in either theme."""
    pictures = re.findall(r"(?:src|srcset)=\"([^\"]+)\"", README)
    assert pictures
    assert all((ROOT / picture).stat().st_size < 300_000 for picture in pictures)


def test_make_target_in_the_readme_exists() -> None:
    """Every ``make`` command of the README is one of the Makefile's."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) - targets == set()


@pytest.mark.parametrize("text", ["README.md", "CHANGELOG.md"])
def test_text_for_users_names_no_machine(text: str) -> None:
    """What users read knows nothing of where it was written."""
    assert not re.search(r"/(?:work|root|home)/", (ROOT / text).read_text())
