"""The settings of the enriched API: keys of documents, their TTLs, the file of the rules."""

from operator import attrgetter
from pathlib import Path

import pytest

from consul_edge.config import load
from tests.config_files import load_text, told


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a file that does not exist yet."""
    return tmp_path / "edge.yaml"


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("nodes: {ttl: 5}", "nodes.ttl", 5.0),
        ("sites: {ttl: 10m}", "sites.ttl", 600.0),
        ("sites: {kv_key: 'a b/São;?#&+'}", "sites.kv_key", "a b/São;?#&+"),
        ("rules: {kv_key: 50%, file: null}", "rules.kv_key", "50%"),
        ("sites: {unmapped: sem site}", "sites.unmapped", "sem site"),
        ("consul: {semaphore_limit: 1}", "consul.semaphore_limit", 1),
    ],
)
def test_form_that_is_allowed_is_read(file: Path, text: str, path: str, value: object) -> None:
    """Each setting takes its forms."""
    assert attrgetter(path)(load_text(file, text).settings) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nodes: {ttl: 0}", "nodes.ttl: 0: expected a duration of more than 0s"),
        ("sites: {ttl: 0}", "sites.ttl: 0: expected a duration of more than 0s"),
        ("sites: {kv_key: ''}", "sites.kv_key: '': expected a KV key in printable characters"),
        ("sites: {kv_key: null}", "sites.kv_key: None: expected a KV key"),
        ("sites: {kv_key: /a}", "no slash at either end"),
        ("sites: {kv_key: a/}", "no slash at either end"),
        ("sites: {kv_key: v1/kv/a}", "such as config/sites: no /v1/kv/"),
        ("rules: {kv_key: a//b}", "no // or dot segments"),
        ("rules: {kv_key: a/../b}", "no // or dot segments"),
        ("rules: {kv_key: a%2Fb}", "'a%2Fb': expected decoded text, without %2F"),
        ('rules: {kv_key: "a\\nb"}', "expected a KV key in printable characters"),
        ("rules: {file: nofile}", "rules.file: 'nofile': expected a readable file"),
        ("sites: {unmapped: ' '}", "sites.unmapped: ' ': expected a text of printable characters"),
        ("sites: {unmapped: 3}", "sites.unmapped: 3: expected a text"),
        ("consul: {semaphore_limit: 0}", "semaphore_limit: 0: expected a whole number, 1 or more"),
    ],
)
def test_wrong_value_is_told_with_what_was_expected(file: Path, text: str, problem: str) -> None:
    """One wrong value is one problem with place, path, value and expectation."""
    (found,) = told(file, text)
    assert problem in found


def test_variable_of_the_original_sets_the_ttl_of_sites() -> None:
    """Who comes from Skills Eye keeps SITES_CACHE_TTL, in seconds."""
    loaded = load(file=None, env={"SITES_CACHE_TTL": "120"}, flags={})
    assert (loaded.settings.sites.ttl, loaded.sources["sites.ttl"]) == (120.0, "SITES_CACHE_TTL")
