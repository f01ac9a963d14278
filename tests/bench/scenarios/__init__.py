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
    kv_read,
    page,
    stub_read,
)

ALL: Final[dict[str, ModuleType]] = {
    module.NAME: module
    for module in (kv_read, stub_read, fan_out, freshness, enrichment, categorize, page)
}
