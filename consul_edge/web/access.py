"""
Who gets through, as the settings in force say: the judge is ``core.access``.

Rule: this judges what clients ask for.  What the edge itself reads (watches, the enriched API's
picture, sites and rules) is on no list.
"""

from consul_edge import metrics
from consul_edge.config import Settings
from consul_edge.core.access import Policy
from consul_edge.core.errors import Refused
from consul_edge.core.request import origin_form


class Access:
    """Refuses what is not to pass."""

    __slots__ = ("policy",)

    policy: Policy
    """Exchanged as a whole: a request is judged by one of them."""

    def __init__(self, settings: Settings) -> None:
        """Judge by *settings*."""
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Judge by others from now on."""
        access = settings.access
        self.policy = Policy(access.read_only, access.allow, access.deny)

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
