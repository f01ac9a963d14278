"""
The configuration: YAML, environment and flags become one frozen value, or every problem at once.

``settings`` says what there is, ``kinds`` how a value is read, ``schema`` lists both by dotted
path; ``yaml_file`` and ``sources`` find what was given, ``load`` puts it together, ``checks``
holds what must be true between settings, ``render`` writes them out again.
"""

from consul_edge.config.kinds import Secret
from consul_edge.config.load import Loaded, load
from consul_edge.config.render import render
from consul_edge.config.settings import Settings

__all__ = ["Loaded", "Secret", "Settings", "load", "render"]
