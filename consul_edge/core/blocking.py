"""
How long a blocking query may take.

Consul adds up to a sixteenth of the wait as jitter, *after* capping it, and holds a query for some
seconds more while there is no leader (``agent/consul/rpc.go``).  Both caps can be configured at
Consul, so a client's own longer wait is believed.
"""

from typing import Final

LONGEST_DEFAULT_WAIT: Final = 600.0
"""Seconds that a server may hold a query whose client named no wait."""

HOLD: Final = 7.0
"""Consul's ``rpc_hold_timeout``: seconds that a query without a leader is kept."""

MARGIN: Final = 5.0
"""Seconds for the network, and for a server that is slow to write."""


def longest_hold(wait: float | None) -> float:
    """
    Bound the seconds that Consul keeps a blocking query, and with it the query's connection.

    An abandoned query occupies its connection for as long: closing it frees nothing
    (CONSUL.md A.1.3).

    >>> longest_hold(60.0)
    70.75
    """
    return (wait or LONGEST_DEFAULT_WAIT) * 17 / 16 + HOLD


def longest_patience(wait: float | None) -> float:
    """
    Bound the seconds to wait for the answer of a blocking query that is not lost.

    Never less than for Consul's longest default: a server whose cap is lower answers sooner, and
    one that died is noticed by its heartbeat, not by this.

    >>> longest_patience(600.0), longest_patience(None), longest_patience(1.0)
    (649.5, 649.5, 649.5)
    """
    return longest_hold(max(wait or 0.0, LONGEST_DEFAULT_WAIT)) + MARGIN
