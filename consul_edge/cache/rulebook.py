"""Which rule holds for a request: the settings, laid over the table of endpoints."""

from consul_edge.config import Settings
from consul_edge.core.endpoints import Endpoint, decode_path
from consul_edge.core.policy import Rule
from consul_edge.core.request import Call
from consul_edge.core.rules import treatment_of


class Rulebook:
    """Finds rules; those of endpoints that no setting speaks of are made once."""

    def __init__(self, settings: Settings) -> None:
        """Take what *settings* say of the cache."""
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._settings = settings
        self._by_endpoint: dict[Endpoint, Rule] = {}
        self._plain = not settings.cache.endpoints

    def of(self, call: Call) -> Rule:
        """Give the rule for a request."""
        return self.at(call.endpoint, call.target)

    def at(self, endpoint: Endpoint, target: str) -> Rule:
        """Give the rule for what is asked of *endpoint* by *target*."""
        if self._plain and not (endpoint.name == "kv" and self._settings.cache.stale_kv):
            rule = self._by_endpoint.get(endpoint)
            if rule is None:
                rule = self._by_endpoint[endpoint] = self._make(endpoint, endpoint.path)
            return rule
        return self._make(endpoint, decode_path(target.partition("?")[0]))

    def _make(self, endpoint: Endpoint, path: str) -> Rule:
        cache = self._settings.cache
        treatment, ttl = treatment_of(cache.endpoints, endpoint, path)
        is_kv = endpoint.name == "kv"
        kv_path = path.removeprefix("/v1/kv/")
        return Rule(
            endpoint=endpoint,
            treatment=treatment,
            ttl=cache.ttl if ttl is None else ttl,
            is_strict=cache.mode == "strict",
            stale_if_error=cache.stale_if_error,
            may_outlive_consul=not is_kv or kv_path.startswith(cache.stale_kv),
        )
