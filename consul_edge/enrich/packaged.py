"""The rules that come with the package, for whoever has none of their own."""

from functools import cache
from importlib.resources import files

from consul_edge.enrich.rules import Rules, parse_rules

FILE = "default_rules.yaml"


@cache
def packaged_rules() -> Rules:
    """Read them, once."""
    return parse_rules(files("consul_edge.enrich").joinpath(FILE).read_bytes())
