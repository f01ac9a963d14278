"""No knob lies: each setting is read by some code outside the room that defines it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

import consul_edge
from consul_edge.config import Settings, load

PACKAGE = Path(consul_edge.__file__).parent

ROOTS = ("settings", "_settings", "self._settings", "loaded.settings", "generation.settings")
"""Under which names code holds the whole configuration."""


READ_WHILE_LOADING = {"consul.tls.enabled"}
"""It decides what the addresses mean, and is in them from then on; a test below shows it."""

SOON: tuple[str, ...] = ()
"""Settings whose reader is being written: a path leaves this list with its reader's arrival."""


def leaves(kind: type[msgspec.Struct], before: str = "") -> Iterator[str]:
    """List the dotted paths of all fields that are no sections."""
    for field in msgspec.structs.fields(kind):
        path = f"{before}{field.name}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from leaves(field.type, f"{path}.")
        else:
            yield path


def chain(node: ast.expr, aliases: dict[str, str]) -> str:
    """Write ``a.b.c`` as text, with names replaced by what they stand for; else nothing."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = chain(node.value, aliases)
        return f"{before}.{node.attr}" if before else ""
    return ""


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Walk a function or module without the functions inside it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from own_nodes(node)


def sections(kind: type[msgspec.Struct], before: str = "settings") -> Iterator[tuple[str, str]]:
    """List the classes of sections by name, with what a parameter of that class stands for."""
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield field.type.__name__, f"{before}.{field.name}"
            yield from sections(field.type, f"{before}.{field.name}")


def sections_taken(scope: ast.AST, tree: ast.Module) -> dict[str, str]:
    """Find the parameters of a function that are sections of the settings."""
    if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return {}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [one for one in imports if one.module == "consul_edge.config.settings"]
    known = {alias.name for one in ours for alias in one.names} & dict(sections(Settings)).keys()
    return {
        argument.arg: dict(sections(Settings))[argument.annotation.id]
        for argument in scope.args.args
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id in known
    }


def chains_read(source: str) -> set[str]:
    """Find every ``a.b.c`` that is read, through names like ``consul = settings.consul``."""
    found: set[str] = set()
    tree = ast.parse(source)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, functions))]:
        aliases = sections_taken(scope, tree)
        for node in own_nodes(scope):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if chain(value, aliases):
                    aliases[name] = chain(value, aliases)
        for node in own_nodes(scope):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(chain(node, aliases))
    return found


@cache
def read_by_the_package() -> frozenset[str]:
    """Find what the code outside the configuration's own room reads."""
    texts = (
        path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "config"
    )
    return frozenset(found for text in texts for found in chains_read(text))


def without_reader(kind: type[msgspec.Struct], more: str = "") -> set[str]:
    """List the settings that neither the package nor the code *more* reads."""
    read = read_by_the_package() | chains_read(more)
    found = {path for path in leaves(kind) if any(f"{root}.{path}" in read for root in ROOTS)}
    return set(leaves(kind)) - found


def unread(kind: type[msgspec.Struct], more: str = "") -> set[str]:
    """List those of them for which there is no reason."""
    return without_reader(kind, more) - READ_WHILE_LOADING - {*SOON}


def with_knob(section: str) -> type[msgspec.Struct]:
    """Make settings that have one more knob, on top or in a section."""
    knob: Any = ("knob", bool, False)
    if not section:
        return msgspec.defstruct("Synthetic", [knob], bases=(Settings,), kw_only=True)
    inner = next(f.type for f in msgspec.structs.fields(Settings) if f.name == section)
    larger = msgspec.defstruct("Larger", [knob], bases=(inner,), kw_only=True)
    return msgspec.defstruct(
        "Synthetic", [(section, larger, larger())], bases=(Settings,), kw_only=True
    )


def test_each_setting_is_read_somewhere() -> None:
    """A setting that no code reads would promise what nothing does."""
    assert unread(Settings) == set()


def test_setting_that_waits_for_its_reader_has_none() -> None:
    """The list of what is read soon shrinks with every reader that comes."""
    assert set(SOON) - without_reader(Settings) == set()


def test_setting_read_while_loading_changes_the_addresses() -> None:
    """``consul.tls.enabled`` has no reader later, for the addresses carry what it says."""
    env = {"CONSUL_EDGE_CONSUL__TLS__ENABLED": "true", "CONSUL_SERVERS": "a:8501"}
    (server,) = load(file=None, env=env, flags={}).settings.consul.servers
    assert server.scheme == "https"


@pytest.mark.parametrize(
    ("section", "path"), {"": "knob", "consul": "consul.knob", "log": "log.knob"}.items()
)
def test_setting_added_without_a_reader_is_found(section: str, path: str) -> None:
    """The check can fail: it names a knob that was only defined."""
    assert unread(with_knob(section)) == {path}


@pytest.mark.parametrize(
    "reader",
    [
        "def f(settings): return settings.consul.knob",
        "def f(self): return self._settings.consul.knob",
        "def f(settings):\n    consul = settings.consul\n    return [x for x in consul.knob]",
        "async def f(settings):\n    consul = settings.consul\n    return lambda: consul.knob",
        "from consul_edge.config.settings import Consul\ndef f(one: Consul): return one.knob",
    ],
    ids=["direct", "of-an-object", "alias", "alias-in-a-lambda", "section-taken"],
)
def test_setting_read_in_any_usual_way_is_found(reader: str) -> None:
    """Whole chains count, and names that stand for a section."""
    assert unread(with_knob("consul"), reader) == set()


@pytest.mark.parametrize(
    "code",
    [
        "def f(other): return other.knob",
        "def f(settings): return settings.log.knob",
        "def f(settings): settings.consul.knob = 1",
        "def f(settings):\n    consul = settings.log\n    return consul.knob",
        "def f(settings): return 'settings.consul.knob'",
        "from somewhere import Consul\ndef f(one: Consul): return one.knob",
    ],
    ids=["another-object", "another-section", "written", "misleading-alias", "text", "namesake"],
)
def test_same_name_elsewhere_is_no_reader(code: str) -> None:
    """A knob of the same name in another section, or a mention, reads nothing."""
    assert unread(with_knob("consul"), code) == {"consul.knob"}


def test_leaves_of_the_settings_are_all_found() -> None:
    """Sections in sections are looked into, and a section itself is no knob."""
    found = set(leaves(Settings))
    assert {"listen", "tls.cert", "consul.tls.cert", "consul.pool.max_connections"} <= found
    assert not {"tls", "consul", "consul.pool", "log"} & found
