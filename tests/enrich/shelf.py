"""Rows for the tests of searching, sorting and rendering, made or drawn."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from consul_edge.enrich.rows import ServiceRow

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "query_vectors.json").read_text()
)

SHELF: Final = {
    name: msgspec.convert(fields, ServiceRow) for name, fields in VECTORS["rows"].items()
}


def service(number: int = 0, **fields: Any) -> ServiceRow:
    """Make a row of which only *fields* matter."""
    return ServiceRow(**{"id": f"id-{number}", "service": "web", "node": "n1"} | fields)


_texts = st.text(max_size=6) | st.sampled_from(["", "a", "A", "b10", "b2", "b02", "=1+1", 'x"y,z'])

drawn_rows = st.lists(
    st.builds(
        ServiceRow,
        id=_texts,
        service=_texts,
        node=_texts,
        tags=st.lists(_texts, max_size=3).map(tuple),
        meta=st.dictionaries(st.sampled_from(["os", "company", "x-1", "Y"]), _texts, max_size=3),
        port=st.integers(0, 3),
        status=st.sampled_from(["passing", "warning", "critical", "strange", ""]),
        site_code=_texts,
        matched_rule=st.none() | _texts,
    ),
    max_size=12,
)
"""Small tables whose cells often meet."""
