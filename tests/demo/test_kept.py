"""Bodies that are written once."""

from consul_edge.demo.kept import Kept


def test_a_body_is_written_once_for_a_version() -> None:
    """The writer is not asked again until the version is another."""
    kept, written = Kept(), []

    def write() -> bytes:
        written.append(1)
        return b"x"

    bodies = [kept.body(("k",), version, write) for version in (1, 1, 2)]
    assert bodies[0] is bodies[1]
    assert bodies[1] is not bodies[2]
    assert len(written) == 2


def test_the_eldest_bodies_go_when_the_bytes_are_used_up() -> None:
    """What is kept stays within the limit."""
    kept = Kept(limit=25)
    for number in range(5):
        kept.body((number,), 1, lambda: b"0123456789")
    assert kept.size <= 25
