import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_edge.core.sizes import parse_size, render_size


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (7, 7),
        ("0", 0),
        ("10", 10),
        ("512B", 512),
        ("64KiB", 65536),
        ("256MiB", 2**28),
        ("1GiB", 2**30),
        ("2TiB", 2**41),
    ],
    ids=repr,
)
def test_size_is_read_in_bytes(value: str | int, count: int) -> None:
    """Units are of 1024, and a bare number is bytes."""
    assert count == parse_size(value)


@pytest.mark.parametrize(
    "value",
    ["", "KiB", "64KB", "64k", "64 KiB", "1.5MiB", "-1", -1, True, "64kib", "٦", "9" * 50],
    ids=repr,
)
def test_text_that_is_no_size_is_refused_by_name(value: str | int) -> None:
    """An ambiguous or broken size is refused with the text itself."""
    with pytest.raises(ValueError, match="expected a size") as caught:
        parse_size(value)
    assert repr(value) in str(caught.value)


@given(st.integers(0, 2**59))
def test_rendered_size_is_read_as_the_same(count: int) -> None:
    """What is written is read back to the byte."""
    assert count == parse_size(render_size(count))


@given(st.text() | st.integers())
def test_any_value_gives_bytes_or_value_error(value: str | int) -> None:
    """No value makes the parser fail in another way."""
    with contextlib.suppress(ValueError):
        assert parse_size(value) >= 0
