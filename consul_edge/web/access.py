"""
Who gets through, as the settings in force say: the judge is ``core.access``.

Rule 1: this judges what clients ask for.  What the edge itself reads (watches, the enriched API's
picture, sites and rules) is on no list.
Rule 2: who waits or reads a stream while others are put in force is judged by those, too, before
anything more is told.
"""

from collections.abc import Callable

from consul_edge import metrics
from consul_edge.config import Settings
from consul_edge.core.access import Policy
from consul_edge.core.errors import Refused
from consul_edge.core.request import origin_form


class Access:
    """Refuses what is not to pass."""

    __slots__ = ("_rights", "heard", "policy")

    def __init__(self, settings: Settings) -> None:
        """Judge by *settings*."""
        self._rights = _rights(settings)
        self.policy = _policy(settings)
        """Exchanged as a whole, and only for another: whoever holds it was judged by it."""
        self.heard: list[Callable[[], None]] = []
        """Called after each exchange."""

    def adopt(self, settings: Settings) -> None:
        """Judge by others from now on."""
        rights = _rights(settings)
        if rights != self._rights:
            self._rights, self.policy = rights, _policy(settings)
            for heard in self.heard:
                heard()

    def check(self, method: str, target: str) -> None:
        """
        Let a request through.

        Args:
            target: As it stands on the wire, in whatever form.

        Raises:
            Refused: 403, with the setting that does not let it.
        """
        if self.policy.is_open:
            return
        refusal = self.policy.why_not(method, origin_form(target))
        if refusal is not None:
            metrics.ACCESS_REFUSED.labels(refusal.setting).inc()
            raise Refused(403, refusal.text)


def _policy(settings: Settings) -> Policy:
    access = settings.access
    return Policy(access.read_only, access.allow, access.deny)


def _rights(settings: Settings) -> tuple[object, ...]:
    """Give what decides who may see what: the rights that the edge lends belong to it."""
    consul = settings.consul
    return settings.access, consul.token_for_clients, consul.token, consul.token_file
