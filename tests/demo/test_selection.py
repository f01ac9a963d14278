"""Filters: the simple ones work, the others are refused."""

from urllib.parse import quote

import pytest

from tests.demo.asking import Asker


@pytest.mark.parametrize(
    ("expression", "nodes"),
    [
        ("Meta.rack==r1", ["n1"]),
        ('Meta.rack == "r1" and Node == n1', ["n1"]),
        ("Meta.rack != r1 and Datacenter == dc1", ["n2", "palmas-consul-01"]),
        ("Meta.rack == nowhere", []),
        ("rack in Meta", ["n1", "n2"]),
        ("rack not in Meta", ["palmas-consul-01"]),
    ],
)
async def test_a_simple_filter_selects_nodes(
    expression: str, nodes: list[str], ask: Asker
) -> None:
    """Comparisons and membership, joined by ``and``."""
    for number in (1, 2):
        meta = {"rack": f"r{number}"}
        node = {"Node": f"n{number}", "Address": "10.0.0.9", "NodeMeta": meta}
        await ask.put("catalog/register", node)
    answer = await ask.get(f"catalog/nodes?filter={quote(expression)}")
    assert [node["Node"] for node in answer.json()] == nodes


@pytest.mark.parametrize(
    "expression", ["foo", "Node matches x", "not Node == x", "a == b or c == d"]
)
async def test_a_filter_beyond_that_is_refused(expression: str, ask: Asker) -> None:
    """Rather a loud 500, as for a bad filter, than a wrong answer."""
    answer = await ask.get(f"catalog/nodes?filter={quote(expression)}")
    assert answer.status == 500
    assert answer.body.startswith(b"Failed to create boolean expression evaluator")
