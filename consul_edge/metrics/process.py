"""What runs here: its version, its settings, its log, its event loop."""

import logging
import platform
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from consul_edge import __version__
from consul_edge.metrics.revision import revision

# A series for each child that says when it began is read by nobody and upsets older promtools.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped

BUILD_INFO: Final = Gauge(
    "consul_edge_build_info",
    "Always 1; the labels say what is running: version of the package, revision of its source and"
    " version of Python.",
    ["version", "revision", "python"],
)
BUILD_INFO.labels(__version__, revision(), platform.python_version()).set(1)

LOG_MESSAGES: Final = Counter(
    "consul_edge_log_messages_total",
    "Lines of the log, by level: debug, info, warning, error or critical; those below log.level"
    " are not written, and not counted.",
    ["level"],
)
_LEVELS: Final = {
    level: LOG_MESSAGES.labels(name)
    for level, name in (
        (logging.CRITICAL, "critical"),
        (logging.ERROR, "error"),
        (logging.WARNING, "warning"),
        (logging.INFO, "info"),
        (logging.DEBUG, "debug"),
    )
}
"""The highest first."""


def log_message(level: int) -> None:
    """Count a line of the log; a level between two is the lower of them."""
    counter = next((found for least, found in _LEVELS.items() if level >= least), None)
    (counter or _LEVELS[logging.DEBUG]).inc()


CONFIG_RELOAD_SUCCESSFUL: Final = Gauge(
    "consul_edge_config_last_reload_successful",
    "Whether the configuration that was read last is in force: 0 after one that was refused, while"
    " the former one holds.",
)

CONFIG_RELOAD_TIME: Final = Gauge(
    "consul_edge_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, as a Unix time.",
    unit="seconds",
)

EVENT_LOOP_LAG: Final = Histogram(
    "consul_edge_event_loop_lag_seconds",
    "How late the event loop was when it was to wake up, looked at twice a second: for so long"
    " nobody was answered.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
    unit="seconds",
)
