"""``deploy/SECURITY.md`` claims nothing that no test shows."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from consul_edge.config import load

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "deploy" / "SECURITY.md").read_text()
CLAIMS = sorted(set(re.findall(r"`(tests/[a-z0-9_/]+\.py)::(\w+)`", PAGE)))

DEFENDED = PAGE.partition("## What is defended")[2].partition("## What is not")[0]
ROWS = [line for line in DEFENDED.splitlines() if line.startswith("| ")][1:]


@cache
def functions_of(path: str) -> frozenset[str]:
    """List the functions of a module."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


@pytest.mark.parametrize(("path", "name"), CLAIMS)
def test_test_that_shows_a_defence_exists(path: str, name: str) -> None:
    """A test that is renamed or removed takes its claim along, or is missed here."""
    assert name.startswith("test_")
    assert name in functions_of(path)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_defence_is_shown_by_a_test(row: str) -> None:
    """What no test shows belongs to what is not defended."""
    against, how, shown = (cell.strip() for cell in row.strip("| ").split(" | "))
    assert against
    assert how
    assert re.fullmatch(r"(`tests/[^`]+::\w+`(, |$))+", shown)


def test_threats_that_were_thought_of_are_all_there() -> None:
    """None falls out of the page by an edit."""
    for word in (
        *("another one fetched", "poisoning", "smuggling", "rebinding", "CSRF", "XSS"),
        *("regular expressions", "SSRF", "decompression", "slow clients", "secrets in logs"),
        *("secrets in files", "one client takes everything", "admin calls", "certificates"),
    ):
        assert word in DEFENDED, word


def test_settings_that_the_page_advises_are_taken() -> None:
    """Whoever copies the deny list gets it."""
    deny = re.search(r"`access\.deny: \[(.*?)\]`", PAGE)
    assert deny is not None
    env = {"CONSUL_EDGE_ACCESS__DENY": deny[1]}
    assert len(load(file=None, env=env, flags={}).settings.access.deny) == 5
