"""Configurations written to a file and loaded, for the tests of their loading."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from consul_edge.config import Loaded, load
from consul_edge.core.errors import ConfigError, Problem


def load_text(file: Path, text: str, env: Mapping[str, str] | None = None) -> Loaded:
    """Load *text* from *file*."""
    file.write_text(text)
    return load(file=file, env=env or {}, flags={})


def problems_of(file: Path, text: str, env: Mapping[str, str] | None = None) -> list[Problem]:
    """Load *text*, which must be wrong, and give its problems."""
    with pytest.raises(ConfigError) as caught:
        load_text(file, text, env)
    return caught.value.problems


def told(file: Path, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """Give the problems of *text* as an operator reads them, the file's folder cut off."""
    found = problems_of(file, text, env)
    return [str(problem).replace(f"{file.parent}/", "") for problem in found]
