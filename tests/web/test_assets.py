"""The page's own files: kept for good under their edition, asked for each time without."""

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consul_edge.demo.standin import StandIn
from consul_edge.web.assets import Assets
from tests.house import House, edge_over
from tests.wire import Answer


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Give an edge."""
    standin = StandIn(nodes=1, services=1)
    async with standin.running(), edge_over(standin.base_url) as house:
        yield house


def header(answer: Answer, name: str) -> str:
    """Read one header."""
    return {key.lower(): value for key, value in answer.headers}.get(name.lower(), "")


async def test_files_that_the_page_names_are_there_and_kept_for_good(house: House) -> None:
    """Each has the edition in its path, its own type, and never changes."""
    text = (await house.ask("GET", "/")).body.decode()
    paths = re.findall(r'(?:href|src)="(/static/[^"]*)"', text)
    assert {path.rpartition(".")[2] for path in paths} == {"css", "js", "svg"}
    for path in paths:
        answer = await house.ask("GET", path)
        assert answer.status == 200, path
        assert header(answer, "Cache-Control") == "public, max-age=31536000, immutable"
        assert header(answer, "X-Content-Type-Options") == "nosniff"
        assert header(answer, "Content-Type").partition(";")[0] in (
            "text/css",
            "text/javascript",
            "image/svg+xml",
        )


async def test_file_without_its_edition_is_asked_for_each_time(house: House) -> None:
    """It may be another one tomorrow; who has it is told that it is the same."""
    answer = await house.ask("GET", "/static/page.css")
    assert header(answer, "Cache-Control") == "no-cache"
    again = await house.ask("GET", "/static/page.css", [("If-None-Match", header(answer, "ETag"))])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/0123456789abcdef/page.css", "/static/none.js", "/static/../routes.py"]
)
async def test_file_that_is_not_there_is_404(house: House, path: str) -> None:
    """Another edition is none of ours, and nothing outside the folder can be had."""
    assert (await house.ask("GET", path)).status == 404


async def test_who_takes_gzip_gets_it(house: House) -> None:
    """Both forms have the same bytes within."""
    plain = await house.ask("GET", "/static/page.css")
    zipped = await house.ask("GET", "/static/page.css", [("Accept-Encoding", "gzip")])
    assert header(zipped, "Content-Encoding") == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert len(zipped.body) < len(plain.body)


def test_edition_changes_with_any_file(tmp_path: Path) -> None:
    """A browser that kept a module never runs it beside a newer one."""
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "b.js").write_text("2")
    first = Assets(tmp_path)
    (tmp_path / "b.js").write_text("3")
    assert Assets(tmp_path).edition != first.edition
    assert first.path("a.js") == f"/static/{first.edition}/a.js"
