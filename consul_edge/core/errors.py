"""
Every error that is the edge's own, each with the HTTP status it becomes.

Consul's 4xx and 5xx are answers, not errors: they are values and never appear here.  Foreign
exceptions are translated to these where the foreign library is called, and only there.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class EdgeError(Exception):
    """The root: its text is shown to the client as ``consul-edge: <text>``."""

    status = 500
    """Consul's clients retry nothing but 500, so it is the default."""


class BadRequest(EdgeError):
    """Raised when a request cannot be what its sender meant."""

    status = 400


class Refused(EdgeError):
    """Raised when a request is understood and not allowed here (403, 404, 421, 508)."""

    def __init__(self, status: int, text: str) -> None:
        """Say no with *status* because of *text*."""
        super().__init__(text)
        self.status = status


class LimitReached(EdgeError):
    """Raised when one of the edge's own bounds is met (413, 414, 431, 503)."""

    def __init__(self, status: int, limit: str, text: str) -> None:
        """
        Say which limit, with the *status* for its kind.

        Args:
            limit: The setting that is the bound, as metrics name it.

            text: What happened; it names the setting, too.
        """
        super().__init__(text)
        self.status = status
        self.limit = limit


class ServerFailed(EdgeError):
    """Raised when one server gave no usable answer to one attempt."""

    def __init__(self, server: str, reason: str, *, sent: bool, timed_out: bool = False) -> None:
        """
        Describe one failed attempt.

        Args:
            server: The server's name, ``host:port``.

            reason: What happened, to be read behind the name: ``refused``, ``timed out after 2s``.

            sent: Whether a byte of the request may have reached the server.  Only False makes
                it safe to repeat a write.

            timed_out: Whether waiting ended it, rather than the server or the network.
        """
        super().__init__(f"{server} {reason}")
        self.server = server
        self.reason = reason
        self.sent = sent
        self.timed_out = timed_out


class NoServer(EdgeError):
    """Raised when every server that may be asked was, and none gave a usable answer."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        """
        Tell what each server did, in the order of asking.

        >>> print(NoServer({"a:8500": "refused", "b:8500": "timed out after 2s"}))
        no Consul server answered: a:8500 refused; b:8500 timed out after 2s
        """
        did = "; ".join(f"{server} {reason}" for server, reason in failures.items())
        super().__init__(f"no Consul server answered: {did}")
        self.timed_out = any(reason.startswith("timed out") for reason in failures.values())
        """Whether waiting for one of them was in vain, rather than knocking."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration."""

    where: str
    """File or environment variable or flag that holds it."""

    path: str
    """Dotted path of the setting, ``consul.timeout``."""

    value: object
    """What was found, already masked if it is a secret."""

    expected: str
    """What would have been right, with the nearest known key for an unknown one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.path}: {self.value!r}: {self.expected}"


class ConfigError(EdgeError):
    """Raised with every problem of a configuration at once."""

    def __init__(self, problems: list[Problem]) -> None:
        """Hold *problems*, in the order of their discovery."""
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
