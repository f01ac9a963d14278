"""
What one subject could be at a moment: its writes in the order of its one writer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.torture.history import ANY, Outcome, Read, Via, Write


@dataclass(frozen=True, slots=True)
class Known:
    """The moments before whose last acknowledged writes a read may show nothing."""

    of_all: float
    of_edge: float
    """For writes through the edge, which the edge itself has seen (promise 5)."""


@dataclass(slots=True)
class Subject:
    """The writes of one subject, in the order of its one writer."""

    writes: list[Write] = field(default_factory=list)
    places: dict[str | None, list[int]] = field(default_factory=dict)
    """Of the writes of each value that may have been done."""

    def add(self, write: Write) -> None:
        """Take the next write."""
        if write.outcome is not Outcome.REFUSED:
            for value in (write.value, *(() if write.value is None else (ANY,))):
                self.places.setdefault(value, []).append(len(self.writes))
        self.writes.append(write)

    def could_be(self, value: str | None, read: Read, known: Known) -> bool:
        """Tell whether *value* is what some write, not yet replaced by a known one, left."""
        newest = self._newest(known)
        if value is None and newest < 0:
            return True
        for place in self.places.get(value, ()):
            write = self.writes[place]
            # A conditional write cannot come late: what was written since forbids it.
            floats = write.outcome is Outcome.UNKNOWN and not write.is_conditional
            if (place >= newest or floats) and write.began <= read.ended:
                return True
        return False

    def was_written(self, value: str | None, until: float) -> bool:
        """Tell whether *value* can have come from any write at all."""
        places = self.places.get(value, ())
        return value is None or any(self.writes[place].began <= until for place in places)

    def changes_since(self, began: float) -> Iterator[Write]:
        """Give the writes from a moment on that changed the subject for certain."""
        for write in self.writes:
            if write.began >= began and write.value and write.outcome is Outcome.DONE:
                yield write

    def newest_known(self, known: Known) -> Write | None:
        """Give the newest write that a read had to show."""
        newest = self._newest(known)
        return self.writes[newest] if newest >= 0 else None

    def _newest(self, known: Known) -> int:
        for place in range(len(self.writes) - 1, -1, -1):
            write = self.writes[place]
            since = known.of_edge if write.via is Via.EDGE else known.of_all
            if write.outcome is Outcome.DONE and write.ended < since:
                return place
        return -1
