"""
The times in which Consul itself promises little, found in the servers' own words.

A leader just elected answers default-mode reads before it has applied all that the one before it
acknowledged; a proxy can only pass that on.  If it was dead just before, and started again sooner
than the others elected one of themselves, it has applied next to nothing.
"""

import math
from dataclasses import dataclass
from typing import Final

from tests.torture.history import History

APPLY_SECONDS: Final = 2.0
"""How long before the end of a leader its successor may have applied the last it acknowledged:
followers are told with its next heartbeat, ten a second."""

CLOCK_SECONDS: Final = 0.3
"""Between the clock of the servers' logs and that of the history, at most."""


@dataclass(frozen=True, slots=True)
class Turmoil:
    """From the last sign of one leader to the first good answer of the next."""

    lost: float
    elected: float
    settled: float
    forgets: bool
    """Whether its successor had to learn everything anew from its log."""

    def overlaps(self, began: float, ended: float) -> bool:
        """Tell whether between two moments there may have been nobody to answer."""
        return began <= self.settled and ended >= self.lost

    def excuses(self, began: float, ended: float) -> bool:
        """Tell whether what was learned between two moments may be what a new leader, not yet at
        its work, has said: before its election nobody said anything.
        """
        return began <= self.settled and ended >= self.elected - CLOCK_SECONDS


def turmoils(history: History) -> list[Turmoil]:
    """Find the times in which Consul itself promises little."""
    served = [probe for probe in history.probes if probe.was_served]
    # The election that made the cluster was over before anybody acted.
    began = min((probe.began for probe in history.probes), default=-math.inf)
    found = []
    elections = sorted(history.elections, key=lambda election: election.at)
    for elected, winner in [(one.at, one.server) for one in elections if one.at > began]:
        lost = max((one.ended for one in served if one.ended < elected), default=-math.inf)
        settled = min((one.ended for one in served if one.began > elected), default=math.inf)
        forgets = any(
            death.server == winner and death.began < elected and death.ended > lost
            for death in history.deaths
        )
        found.append(Turmoil(lost - APPLY_SECONDS, elected, settled, forgets))
    return found
