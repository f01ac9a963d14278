"""
The OpenAPI document put together.

``document.yaml`` has what is said of the whole, ``paths.yaml`` the routes, ``examples.yaml``
answers that were really given. Three things there are short for more:
- a plain name among the ``parameters`` is a group of those that ``parameters`` makes;
- ``$NAME`` in the description is the constant of that name;
- the example of an ``operationId`` is put into its answer of status 200.

Consul's own API is no path of it: a client that is made of this document would have ``/v1`` in
the one shape of a catch-all, where Consul's own clients have all of it.
"""

from pathlib import Path
from string import Template
from typing import Any, Final

import yaml

from consul_edge import __version__
from consul_edge.enrich.parameters import MAX_LENGTH, MAX_PARAMETERS
from consul_edge.web.openapi import parameters, schemas

HERE: Final = Path(__file__).parent

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SHARED: Final = "x-shared"
"""Where YAML keeps what several routes have."""


def compose() -> dict[str, Any]:
    """Make the document; it takes some hundredths of a second."""
    document = _load("document.yaml")
    info = document["info"]
    info["version"] = __version__
    info["description"] = Template(info["description"]).substitute(
        MAX_PARAMETERS=MAX_PARAMETERS, MAX_LENGTH=MAX_LENGTH
    )
    made, groups = parameters.components()
    components = document["components"]
    components["parameters"] |= made
    components["schemas"] = schemas.components() | components["schemas"]
    paths = _load("paths.yaml")
    del paths[_SHARED]
    examples = _load("examples.yaml")
    for path in paths.values():
        path["parameters"] = _spelled_out(path.get("parameters", []), groups)
        for method in ("get", "post"):
            if method in path:
                _exemplify(path[method], examples)
    document["paths"] = paths
    return document


def _load(name: str) -> dict[str, Any]:
    text = (HERE / name).read_bytes()
    loaded: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506 - the safe loader
    return loaded


def _spelled_out(said: list[Any], groups: dict[str, list[str]]) -> list[Any]:
    spelled: list[Any] = []
    for one in said:
        names = groups[one] if isinstance(one, str) else ()
        spelled += [{"$ref": f"#/components/parameters/{name}"} for name in names] or [one]
    return spelled


def _exemplify(operation: dict[str, Any], examples: dict[str, Any]) -> None:
    example = examples.get(operation["operationId"])
    if example is not None:
        content = operation["responses"]["200"]["content"]["application/json"]
        content["examples"] = {"answer": example}
