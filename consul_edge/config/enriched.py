"""
The settings of the enriched API, by the rules of ``settings``.
"""

from consul_edge.config.fields import File, KvKey, Label, Seconds, Section


class Nodes(Section, frozen=True, kw_only=True):
    """The nodes of the enriched API."""

    ttl: Seconds = 60.0
    """Seconds after which what no watch keeps fresh is read again."""


class Sites(Section, frozen=True, kw_only=True):
    """The document that says which site a node's address belongs to."""

    ttl: Seconds = 300.0
    """Seconds after which it is read again while no watch keeps it fresh."""

    kv_key: KvKey = "skills/eye/metadata/sites"
    """Decoded; read with the edge's own token, and shown to everybody."""

    unmapped: Label = "Nao mapeado"
    """The site's name of a node that is at none."""


class Rules(Section, frozen=True, kw_only=True):
    """The rules that sort services into categories: of the KV key if it exists, else of the file,
    else those of the package.
    """

    kv_key: KvKey = "skills/eye/monitoring-types/categorization/rules"
    """Decoded; read with the edge's own token, and shown to everybody."""

    file: File = None
    """JSON or YAML, read again when it changes."""
