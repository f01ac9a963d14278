"""
What is measured: each module has ``NAME``, ``TITLE`` and ``run(plan) -> Section``.

A new one is a module here and a line in ``ALL``.
"""

from types import ModuleType
from typing import Final

from tests.bench.scenarios import (
    categorize,
    enrichment,
    fan_out,
    freshness,
    hits,
    idle,
    kv_read,
    memory,
    misses,
    nodes,
    page,
    pass_through,
    start,
    tokens,
)

ALL: Final[dict[str, ModuleType]] = {
    module.NAME: module
    for module in (
        *(hits, tokens, fan_out, misses, pass_through, kv_read),
        *(memory, start, idle),
        *(freshness, enrichment, nodes, categorize, page),
    )
}
