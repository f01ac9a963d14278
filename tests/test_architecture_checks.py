"""The checks of the house rules: each must find what it is for, and nothing in sound code."""

import pytest

from tests.test_architecture import (
    Check,
    Module,
    impurities,
    modules,
    nameless_tests,
    sleeping_tests,
    too_long,
    trespasses,
    unreasoned,
    untitled,
    vague_names,
    wrong_ways,
)

DOC = '"""What it is."""\n'


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (wrong_ways, "core/policy.py", "import consul_edge.cache.store"),
        (wrong_ways, "core/policy.py", "from consul_edge import metrics"),
        (wrong_ways, "core/policy.py", "from ..upstream import client"),
        (wrong_ways, "upstream/client.py", "def f():\n    from consul_edge.web import proxy"),
        (wrong_ways, "upstream/client.py", "from consul_edge.cache.store import Store"),
        (wrong_ways, "config/load.py", "from consul_edge import metrics"),
        (wrong_ways, "web/proxy.py", "from consul_edge.demo.standin import StandIn"),
        (wrong_ways, "demo/standin.py", "from consul_edge.config.settings import Settings"),
        (wrong_ways, "attic/old.py", ""),
        (wrong_ways, "__init__.py", "from consul_edge.core import errors"),
        (impurities, "core/policy.py", "import time"),
        (impurities, "core/policy.py", "def f():\n    from random import random"),
        (impurities, "core/policy.py", "import aiohttp"),
        (impurities, "core/policy.py", "import os.path"),
        (impurities, "core/policy.py", "import yaml"),
        (impurities, "core/policy.py", "async def f(): ..."),
        (impurities, "core/policy.py", "print('x')"),
        (trespasses, "cache/gateway.py", "from aiocache import Cache"),
        (trespasses, "web/store.py", "def f():\n    import aiocache.base"),
        (too_long, "core/policy.py", "x = 1\n" * 301),
        (vague_names, "core/utils.py", ""),
        (vague_names, "web/http_helpers.py", ""),
        (vague_names, "common/x.py", ""),
        (untitled, "core/policy.py", "x = 1"),
        (unreasoned, "core/policy.py", "x = 1  # noqa: S101"),
        (unreasoned, "core/policy.py", "x = 1  # type: ignore[misc]"),
        (unreasoned, "core/policy.py", "x = 1  # noqa"),
        (nameless_tests, "test_x.py", f"def test_it_works():\n    {DOC}"),
        (nameless_tests, "test_x.py", "async def test_thing_in_state_does_that(): ..."),
        (sleeping_tests, "test_x.py", "time.sleep(1)"),
        (sleeping_tests, "test_x.py", "await asyncio.sleep(0.1)"),
    ],
)
def test_violation_of_a_rule_is_found(check: Check, path: str, source: str) -> None:
    """Each check can fail."""
    assert len(check(Module(path, source))) == 1


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (wrong_ways, "cache/store.py", "from consul_edge.core.entry import Entry\nimport os"),
        (wrong_ways, "web/proxy.py", "from consul_edge import __version__, metrics"),
        (wrong_ways, "web/proxy.py", "from . import keys\nfrom ..cache import gateway"),
        (
            wrong_ways,
            "serving.py",
            "from consul_edge.demo import standin\nfrom consul_edge import app",
        ),
        (wrong_ways, "demo/standin.py", "from consul_edge.core import durations"),
        (impurities, "core/policy.py", "import re\nfrom consul_edge.core import errors"),
        (impurities, "upstream/client.py", "import time, aiohttp"),
        (trespasses, "cache/store.py", "from aiocache import SimpleMemoryCache"),
        (trespasses, "cache/gateway.py", "from consul_edge.cache import store"),
        (too_long, "core/policy.py", "x = 1\n" * 300),
        (vague_names, "core/database.py", ""),
        (untitled, "core/policy.py", DOC),
        (unreasoned, "core/policy.py", "x = 1  # noqa: S101 - for the type checker"),
        (unreasoned, "core/policy.py", "x = 1  # type: ignore[misc] # it is refused"),
        (nameless_tests, "test_x.py", f"def test_thing_in_state_does_that():\n    {DOC}"),
        (sleeping_tests, "test_x.py", "await asyncio.sleep(0)"),
    ],
)
def test_sound_code_in_its_place_is_left_alone(check: Check, path: str, source: str) -> None:
    """No check finds fault with what is right."""
    assert check(Module(path, source)) == []


@pytest.mark.parametrize("folder", ["consul_edge", "tests"])
def test_folders_that_are_checked_have_modules_in_them(folder: str) -> None:
    """A check over an empty list would pass for ever."""
    assert len(modules(folder)) > 10
