"""The enriched API put together: one archive, one set of readers, and their end."""

from collections.abc import Callable, Mapping

from consul_edge.config import Settings
from consul_edge.enrich.archive import Archive
from consul_edge.upstream.credentials import Credentials
from consul_edge.web.api import Api, RuleBook
from consul_edge.web.api_answer import Answers
from consul_edge.web.api_readers import Readers, Views
from consul_edge.web.events import Events
from consul_edge.web.parked import Parked


def ttls(settings: Settings) -> dict[str, float]:
    """Give the seconds that a document as a whole is kept at most, by its name."""
    return {"nodes": settings.nodes.ttl, "sites": settings.sites.ttl}


class Enriched:
    """Everything that serves it."""

    def __init__(
        self,
        views: Views,
        rules: RuleBook,
        credentials: Credentials,
        identity_of: Callable[[str], str],
        parked: Parked,
        *,
        ttls: Mapping[str, float],
        instance: str,
    ) -> None:
        """
        Serve what *views* shows, inside a running loop.

        Args:
            credentials: Knows in whose name a client looks.

            identity_of: Names a token's identity.

            parked: Counts who waits, here and elsewhere.

            ttls: Seconds that a document as a whole is kept at most, by its name.

            instance: What this edge calls itself.
        """
        self.archive = Archive(ttls)
        readers = Readers(views, credentials, parked)
        answers = Answers(self.archive, instance=instance)
        self.api = Api(readers, answers, rules, identity_of)
        self.events = Events(readers, self.archive, identity_of, instance=instance)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.archive.adopt(ttls(settings))

    def interrupt(self) -> None:
        """End streams, for their readers to be judged anew."""
        self.events.interrupt()

    def drain(self) -> None:
        """End what would go on for ever; who waits for a view is the views' to answer."""
        self.events.drain()

    async def close(self) -> None:
        """End what is still being rendered."""
        await self.archive.close()
