"""What a moved or repeated index means, endpoint by endpoint."""

import pytest

from consul_edge.core.endpoints import ENDPOINTS, find
from consul_edge.core.entry import Entry
from consul_edge.core.watching import is_doubtful, is_table_wide, wakes_by_index
from tests.core.test_policy import KNOWN, KV, NODES, an_entry

CONFIG = "/v1/config/service-defaults/web"


@pytest.mark.parametrize(
    ("path", "entry", "before", "expected"),
    [
        (CONFIG, an_entry(b"[1]", 10), KNOWN, True),
        (CONFIG, an_entry(b"[1]", 9), KNOWN, False),
        (CONFIG, an_entry(b"[2]", 10), KNOWN, False),
        (CONFIG, an_entry(b"[1]", 10, 404), KNOWN, False),
        (CONFIG, an_entry(b"[1]", 10), None, False),
        (KV, an_entry(b"[1]", 10), KNOWN, False),
    ],
    ids=["repeated", "same-index", "changed", "deleted", "first", "elsewhere"],
)
def test_config_entry_that_a_query_repeats_is_doubted(
    path: str, entry: Entry, before: Entry | None, *, expected: bool
) -> None:
    """Consul 1.8 answers so when the entry was deleted."""
    assert is_doubtful(find(path), entry, before) is expected


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [(KV, 200, True), (KV, 404, False), ("/v1/health/service/web", 200, False)],
)
def test_moved_index_alone_is_news_only_for_a_kv_entry(
    path: str, status: int, expected: bool
) -> None:
    """A key's index moves when it was written; that of an absent one stands for the table."""
    assert wakes_by_index(find(path), an_entry(status=status)) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/catalog/services", True),
        ("/v1/catalog/nodes", True),
        ("/v1/health/state/any", True),
        (NODES, True),
        ("/v1/health/service/web", False),
        ("/v1/catalog/service/web", False),
        (KV, False),
    ],
)
def test_index_of_a_whole_table_is_known_as_such(path: str, expected: bool) -> None:
    """Those move with every change of anything, so their watches must not follow each move."""
    assert is_table_wide(find(path)) is expected


def test_table_wide_names_are_rows() -> None:
    """A row that was renamed does not drop out unseen."""
    from consul_edge.core import watching

    assert {row.name for row in ENDPOINTS} >= watching._TABLE_WIDE
