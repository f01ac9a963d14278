"""The configuration: YAML, environment and flags become one frozen value, or every problem."""

from consul_edge.config.kinds import Secret
from consul_edge.config.settings import Settings

__all__ = ["Secret", "Settings"]
