"""The README and the pages beside it name everything that exists, and nothing that does not."""

import argparse
import re
import shlex
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
import yaml

from consul_edge import cli
from consul_edge.core.endpoints import OTHER, find
from consul_edge.web.admin_caches import caches
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
from tests.markdown import ROOT, Page, pages

README: Final = Page(ROOT / "README.md")
DEPLOY: Final = ROOT / "deploy"
SETTINGS: Final[dict[str, Any]] = yaml.safe_load(
    (ROOT / "config" / "consul-edge.yaml").read_text()
)
PAGES: Final = pages()

METRICS: Final = sorted(FAMILIES)

OF_CONSUL: Final = {"consul.raft.commitTime", "consul.rpc.query"}
"""Metrics of Consul's own, which look like settings."""


@pytest.mark.parametrize("name", METRICS)
def test_metric_that_exists_is_in_the_list(name: str) -> None:
    """Whoever scrapes the edge finds each of its metrics explained."""
    assert f"`{name}`" in (DEPLOY / "METRICS.md").read_text()


ROUTES: Final = sorted(
    {*OWN, *ADMIN, RELOAD, *DOCUMENTS, *NODE_DOCUMENTS, CATEGORIZE, EDGE, EVENTS, OPENAPI}
)


@pytest.mark.parametrize("path", ROUTES)
def test_route_that_exists_is_in_the_list(path: str) -> None:
    """Whoever runs the edge finds each of its routes explained."""
    assert f"`{path}`" in (DEPLOY / "API.md").read_text()


def test_page_of_its_own_is_linked_from_the_readme() -> None:
    """What has moved out of the README is found from there."""
    linked = {README.target(link)[0] for link in README.links}
    assert {page.resolve() for page in DEPLOY.glob("*.md")} - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_metric_in_a_page_exists(page: Path) -> None:
    """No metric is promised that is not there."""
    named = {code for code in Page(ROOT / page).codes if re.fullmatch(r"consul_[a-z_]+", code)}
    assert named - set(METRICS) - {"consul_edge", "consul_sd_configs"} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_link_in_a_page_leads_somewhere(page: Path) -> None:
    """Each relative link is a file or a folder of the repository, and its anchor a heading."""
    here = Page(ROOT / page)
    for link in here.links:
        if "://" in link:
            continue
        path, anchor = here.target(link)
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in Page(path).anchors, link


def test_picture_in_the_readme_is_small() -> None:
    """Each is below 300 kB, in either theme."""
    assert README.pictures
    assert all((ROOT / picture).stat().st_size < 300_000 for picture in README.pictures)


def test_make_target_in_a_page_exists() -> None:
    """Every ``make`` command is one of the Makefile's."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page in (README, Page(DEPLOY / "DEVELOPMENT.md")):
        named = set(re.findall(r"\bmake ([a-z]+)\b(?= {2}|`| ARGS)", page.text))
        assert named
        assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_names_no_machine(page: Path) -> None:
    """What users read knows nothing of where it was written."""
    assert not re.search(r"/(?:work|root|home)/", (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_setting_in_a_page_exists(page: Path) -> None:
    """Every dotted name of one of the edge's own sections is a setting."""
    for name in Page(ROOT / page).codes:
        section, *keys = name.partition(":")[0].split(".")
        if not keys or section not in SETTINGS or name in OF_CONSUL:
            continue
        if all(re.fullmatch("[a-z_]+", key) for key in keys):
            setting(".".join((section, *keys)))


def test_every_section_is_in_the_readmes_table() -> None:
    """Whoever installs the edge sees at least what there is to be set."""
    assert {name.partition(".")[0] for name in DEFAULTS} == SETTINGS.keys()


def setting(name: str) -> Any:
    """Give the default of a setting, or fail if there is none."""
    value: Any = SETTINGS
    for key in name.split("."):
        assert isinstance(value, dict), name
        assert key in value, name
        value = value[key]
    return value


def _defaults() -> dict[str, str]:
    """Read the table of settings: one default may be that of several."""
    found: dict[str, str] = {}
    for what, default, *_ in (row for row in README.rows if len(row) == 3):
        names, texts = re.findall("`([^`]+)`", what), re.findall("`([^`]+)`", default)
        if texts:
            found |= dict(zip(names, texts if len(texts) > 1 else texts * len(names), strict=True))
    return found


DEFAULTS: Final = _defaults()


@pytest.mark.parametrize("name", DEFAULTS)
def test_default_in_the_readmes_table_is_the_default(name: str) -> None:
    """It is what stands in the file of all settings, which another test holds to the code."""
    assert yaml.safe_load(DEFAULTS[name]) == setting(name)


Command = list[str]


def commands(page: Page) -> list[Command]:
    """Give each simple command of the page's blocks, in words."""
    found = []
    for block in page.blocks:
        if block.language not in {"", "sh"}:
            continue
        for line in re.sub(r"\\\n", "", block.text).splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            for is_control, words in groupby(lexer, lambda word: set(word) <= set("();<>|&")):
                if not is_control:
                    found.append([word for word in words if not re.match(r"\w+=", word)])
    return [command for command in found if command]


WITH_COMMANDS: Final = [page for page in PAGES if commands(Page(ROOT / page))]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=str)
def test_command_of_the_edge_in_a_block_is_understood(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, its flags and what they take are those of the program."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "admin-token").write_text("a")
    for name, *words in commands(Page(ROOT / page)):
        if Path(name).name == "consul-edge":
            cli._parser().parse_args(words)  # exits if it understands something else


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_command_of_the_edge_in_the_text_exists(page: Path) -> None:
    """Also where it is only named, and lacks what it needs."""
    for code in Page(ROOT / page).codes:
        _, *words = code.split()
        if not re.match(r"consul-edge [a-z]", code):
            continue
        assert words[0] in _commands(), code
        usage = _commands()[words[0]].format_usage()
        for flag in (word for word in words if word.startswith("--")):
            assert flag in usage, code


def _commands() -> dict[str, argparse.ArgumentParser]:
    """Give what each command understands."""
    made = cli._parser()._subparsers
    assert made is not None
    choices: Any = made._group_actions[0].choices
    return dict(choices)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=str)
def test_route_that_is_asked_for_in_a_block_exists(page: Path) -> None:
    """Each call of ``curl`` asks for a route of the edge, or for an endpoint of Consul's."""
    for name, *words in commands(Page(ROOT / page)):
        urls = [word for word in words if re.match(r"(?:http://|127)[^/]*(?::8510|_ADDR)/", word)]
        for url in urls if name == "curl" else []:
            assert is_route(urlsplit(url if "//" in url else f"//{url}").path), url


def is_route(path: str) -> bool:
    """Tell whether the edge knows a path."""
    if path.startswith("/v1/"):
        return find(path) is not OTHER
    patterns = (re.sub(r"\{\w+\}", "[^/]+", route) for route in ROUTES)
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def test_cache_that_can_be_flushed_is_in_the_list_and_in_the_help() -> None:
    """By the names of the admin calls."""
    names = {*caches(*(Mock() for _ in range(6))), "all"}

    assert names - set(Page(DEPLOY / "OPERATIONS.md").codes) == set()
    assert names - set(re.findall(r"\w+", _commands()["admin"].format_help())) == set()
