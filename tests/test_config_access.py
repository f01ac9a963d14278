"""What of Consul's API is open, as an operator writes it."""

from pathlib import Path

import pytest

from consul_edge.config import load, render
from consul_edge.config.settings import Access
from consul_edge.core.errors import ConfigError


def read(text: str, file: Path) -> Access:
    """Read a file's section."""
    file.write_text(text)
    return load(file=file, env={}, flags={}).settings.access


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place of a configuration file."""
    return tmp_path / "edge.yaml"


def test_nothing_is_closed_by_default() -> None:
    """Who says nothing of access has Consul's whole API."""
    assert load(file=None, env={}, flags={}).settings.access == Access()
    assert load(file=None, env={}, flags={}).settings.limits.requests_per_client == 500


def test_lists_of_the_file_are_taken(file: Path) -> None:
    """Names and prefixes stand beside each other."""
    text = "access: {read_only: true, allow: [kv, /v1/health/], deny: [/v1/kv/a b/]}"
    assert read(text, file) == Access(
        read_only=True, allow=("kv", "/v1/health/"), deny=("/v1/kv/a b/",)
    )


def test_lists_of_the_environment_are_taken() -> None:
    """A variable has the same list, with commas."""
    env = {"CONSUL_EDGE_ACCESS__DENY": "acl, snapshot,/v1/kv/secret/"}
    assert load(file=None, env=env, flags={}).settings.access.deny == (
        "acl",
        "snapshot",
        "/v1/kv/secret/",
    )


def test_lists_are_written_as_they_are_read(file: Path) -> None:
    """What print-config shows can be loaded again."""
    read("access: {deny: [kv, /v1/kv/x/], read_only: true}", file)
    loaded = load(file=file, env={}, flags={})
    file.write_text(render(loaded))
    assert load(file=file, env={}, flags={}).settings.access == loaded.settings.access


def test_each_slip_in_a_list_is_told_with_what_was_meant(file: Path) -> None:
    """An entry that would close nothing is refused, and all of them at once."""
    file.write_text("access:\n  deny: [catalog_nods, /v1/catlog/, kv]\n  allow: [agent, agent]\n")
    with pytest.raises(ConfigError) as caught:
        load(file=file, env={}, flags={})
    assert str(caught.value).splitlines() == [
        f"{file}:2: access.deny[0]: 'catalog_nods': unknown endpoint; did you mean catalog_nodes?",
        f"{file}:2: access.deny[1]: '/v1/catlog/': unknown path; did you mean /v1/catalog/?",
        f"{file}:3: access.allow[1]: 'agent': expected each only once",
    ]


def test_misspelt_setting_is_told_with_the_nearest(file: Path) -> None:
    """A key that is none closes nothing either."""
    file.write_text("access: {denied: [kv]}\n")
    with pytest.raises(ConfigError, match=r"did you mean access\.deny\?"):
        load(file=file, env={}, flags={})
