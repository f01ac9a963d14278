"""
The rules of the house, read from the source itself.

Each check is a function from a module to its violations, so that it can be shown to find one.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

REPO: Final = Path(__file__).parent.parent

ROOMS: Final = (
    {"core"},
    {"config", "metrics", "progress"},
    {"logs", "notify"},
    {"upstream", "calling"},
    {"cache"},
    {"enrich"},
    {"web", "announcing"},
    {"reloading"},
    {
        *("app", "admin_client", "categorize_command", "completion_command", "flags"),
        "healthcheck_command",
    },
    {"serving", "bench"},
    {"cli"},
    {"__main__"},
)
"""Each may import those before it, never its neighbours nor those after it."""

BESIDE: Final = {"demo": ({"core"}, {"serving"})}
"""The stand-in: what it may import, and who may import it."""

IMPURE: Final = frozenset(
    {
        *("asyncio", "concurrent", "datetime", "io", "logging", "multiprocessing", "os"),
        *("pathlib", "random", "secrets", "select", "shutil", "signal", "socket", "ssl"),
        *("subprocess", "sys", "tempfile", "threading", "time", "uuid", "warnings"),
    }
)
"""What of the standard library knows a clock, chance, a file, a socket, a process or a log."""

OWNED: Final = {"aiocache": "cache/store.py", "re2": "enrich/patterns.py"}
"""Libraries with traps, and the one module that knows them."""

IMPURE_CALLS: Final = frozenset({"open", "print", "input", "exec", "eval", "__import__"})

LONGEST: Final = 300

VAGUE: Final = frozenset({"utils", "util", "helpers", "helper", "common", "base", "manager"})


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of the package."""

    path: str
    """Relative to the package, ``core/policy.py``."""

    source: str

    @property
    def tree(self) -> ast.Module:
        """What the source means."""
        return ast.parse(self.source, self.path)

    @property
    def room(self) -> str:
        """The part of the package that it belongs to; empty for the package's own file."""
        room = self.path.partition("/")[0].removesuffix(".py")
        return "" if room == "__init__" else room

    @property
    def package(self) -> list[str]:
        """The names of the package around it."""
        return ["consul_edge", *self.path.split("/")[:-1]]


def imported(module: Module) -> Iterator[str]:
    """Give the full name of everything that *module* imports, wherever it does so."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = module.package[: len(module.package) - node.level + 1] if node.level else []
            origin = ".".join([*around, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def rooms_imported(module: Module) -> Iterator[str]:
    """Give the other rooms that *module* takes something from."""
    for name in imported(module):
        top, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        # "from consul_edge import __version__" takes nothing of any room.
        if top == "consul_edge" and room not in {"", "__version__", module.room}:
            yield room


def rank(room: str) -> int:
    """Tell how far along a room stands; the stand-in is none of them."""
    return next(place for place, rooms in enumerate(ROOMS) if room in rooms)


def wrong_ways(module: Module) -> list[str]:
    """Name the imports that point against the one way."""
    known = set().union(*ROOMS, BESIDE)
    if module.room not in known | {""}:
        return [f"{module.path}: a room that nobody knows"]
    found = []
    for room in rooms_imported(module):
        if module.room in BESIDE:
            allowed = room in BESIDE[module.room][0]
        elif room in BESIDE:
            allowed = module.room in BESIDE[room][1]
        else:
            allowed = room in known and module.room != "" and rank(room) < rank(module.room)
        if not allowed:
            found.append(f"{module.path}: imports {room}")
    return found


def impurities(module: Module) -> list[str]:
    """Name what a pure module must not know: effects, and libraries that have some."""
    if module.room != "core":
        return []
    tops = {name.partition(".")[0] for name in imported(module)}
    # msgspec decodes and encodes values, and does nothing else.
    pure = (sys.stdlib_module_names - IMPURE) | {"consul_edge", "msgspec"}
    calls = {
        node.func.id
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    waits = any(
        isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(module.tree)
    )
    found = sorted(tops - pure) + sorted(calls & IMPURE_CALLS) + ["async"] * waits
    return [f"{module.path}: {name}" for name in found]


def trespasses(module: Module) -> list[str]:
    """Name the imports of a library that another module keeps to itself."""
    tops = {name.partition(".")[0] for name in imported(module)}
    return [
        f"{module.path}: imports {top}"
        for top in sorted(tops & OWNED.keys())
        if module.path != OWNED[top]
    ]


def too_long(module: Module) -> list[str]:
    """Name a module that is two."""
    lines = module.source.count("\n")
    return [f"{module.path}: {lines} lines"] if lines > LONGEST else []


def vague_names(module: Module) -> list[str]:
    """Name a module or package whose name says nothing."""
    parts = module.path.removesuffix(".py").split("/")
    return [f"{module.path}: {part}" for part in parts if VAGUE & set(part.split("_"))]


def untitled(module: Module) -> list[str]:
    """Name a module without a docstring."""
    return [] if ast.get_docstring(module.tree) else [f"{module.path}: no docstring"]


def unreasoned(module: Module) -> list[str]:
    """Name the lines that silence a tool and do not say why."""
    silenced = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?::\s*[A-Z]+\d+|\[[a-z-]+\])?(.*)")
    found = []
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        match = silenced.match(token.string) if token.type == tokenize.COMMENT else None
        if match is not None and not re.search(r"\w{2}", match[1]):
            found.append(f"{module.path}:{token.start[0]}: no reason")
    return found


def nameless_tests(module: Module) -> list[str]:
    """Name the tests that do not say situation and outcome, or have no sentence about it."""
    found = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not node.name.startswith("test_"):
            continue
        if len(node.name.removeprefix("test_").split("_")) < 3:
            found.append(f"{module.path}: {node.name}: at least three words")
        if not ast.get_docstring(node):
            found.append(f"{module.path}: {node.name}: no docstring")
    return found


def sleeping_tests(module: Module) -> list[str]:
    """Name the tests that wait for a time instead of a condition."""
    return [
        f"{module.path}:{node.lineno}: sleeps"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) == "sleep"
        and not (len(node.args) == 1 and ast.unparse(node.args[0]) == "0")
    ]


def modules(folder: str, pattern: str = "*.py") -> list[Module]:
    """Read the files below a folder of the repository."""
    root = REPO / folder
    return [
        Module(path.relative_to(root).as_posix(), path.read_text())
        for path in sorted(root.rglob(pattern))
    ]


OF_THE_PACKAGE: Final = (
    wrong_ways,
    impurities,
    trespasses,
    too_long,
    vague_names,
    untitled,
    unreasoned,
)

OF_THE_TESTS: Final = (vague_names, unreasoned)

Check = Callable[[Module], list[str]]


@pytest.mark.parametrize("check", OF_THE_PACKAGE, ids=lambda check: check.__name__)
def test_package_read_as_source_keeps_the_rules(check: Check) -> None:
    """No module of the package breaks a rule of the house."""
    found = [line for module in modules("consul_edge") for line in check(module)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize("check", OF_THE_TESTS, ids=lambda check: check.__name__)
def test_test_modules_read_as_source_keep_the_rules(check: Check) -> None:
    """Tests are code, too; only their length and title are free."""
    found = [
        line
        for module in modules("tests")
        if module.source.strip() and not module.path.endswith("__init__.py")
        for line in check(module)
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "check", [nameless_tests, sleeping_tests], ids=lambda check: check.__name__
)
def test_every_test_says_its_behaviour_and_waits_for_conditions(check: Check) -> None:
    """A failed test is understood from its name and sentence, and none waits for mere time."""
    found = [line for module in modules("tests", "test_*.py") for line in check(module)]

    assert not found, "\n".join(found)
