"""Secrets that a service manager hands over: which setting each becomes, and what goes before."""

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

import pytest

from consul_edge.config import Loaded, load
from consul_edge.config.credentials import CREDENTIALS

TOKEN = "consul-edge.consul-token"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the credentials, with none in it."""
    made = tmp_path / "credentials"
    made.mkdir()
    return made


def load_with(folder: Path, env: Mapping[str, str], file: Path | None = None) -> Loaded:
    """Load as a service of the manager does."""
    return load(file=file, env={"CREDENTIALS_DIRECTORY": str(folder), **env}, flags={})


@pytest.mark.parametrize(("name", "path"), CREDENTIALS.items(), ids=CREDENTIALS)
def test_credential_that_is_there_sets_its_setting(folder: Path, name: str, path: str) -> None:
    """It is named as the source; a key comes with the certificate of the configuration."""
    (folder / name).write_text("secret")
    env = {}
    if path.endswith(".key"):
        variable = path.removesuffix("key").upper().replace(".", "__")
        env = {f"CONSUL_EDGE_{variable}CERT": str(folder / name)}
    loaded = load_with(folder, env)
    assert attrgetter(path)(loaded.settings) == folder / name
    assert loaded.sources[path] == f"$CREDENTIALS_DIRECTORY/{name}"


def test_credentials_that_are_not_there_set_nothing(folder: Path) -> None:
    """A unit may name them for whoever has them."""
    (folder / "another").write_text("secret")
    loaded = load_with(folder, {})
    assert {attrgetter(path)(loaded.settings) for path in CREDENTIALS.values()} == {None}


def test_credential_goes_before_the_file(folder: Path, tmp_path: Path) -> None:
    """Whoever hands it over means it, as a variable does; also before a token in the file."""
    (folder / TOKEN).write_text("secret")
    config = tmp_path / "edge.yaml"
    config.write_text("consul: {token: word}\n")
    consul = load_with(folder, {}, config).settings.consul
    assert (consul.token_file, consul.token) == (folder / TOKEN, None)


@pytest.mark.parametrize("name", ["CONSUL_HTTP_TOKEN_FILE", "CONSUL_EDGE_CONSUL__TOKEN_FILE"])
def test_variable_goes_before_the_credential(folder: Path, tmp_path: Path, name: str) -> None:
    """It says the same more expressly."""
    (folder / TOKEN).write_text("secret")
    other = tmp_path / "token"
    other.write_text("word")
    assert load_with(folder, {name: str(other)}).settings.consul.token_file == other
