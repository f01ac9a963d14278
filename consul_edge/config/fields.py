"""
The types of settings: what code sees, annotated with how it is read.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from consul_edge.config import cache_kinds, kinds
from consul_edge.core.address import Address, Listen
from consul_edge.core.rules import EndpointRule

Count = Annotated[int, kinds.whole(1)]
MaybeNone = Annotated[int, kinds.whole(0)]
Seconds = Annotated[float, kinds.duration(zero=False)]
SecondsOrZero = Annotated[float, kinds.duration(zero=True)]
Wait = Annotated[float, kinds.duration(zero=False, within=(1.0, 600.0))]
Bytes = Annotated[int, kinds.size(1)]
Switch = Annotated[bool, kinds.BOOLEAN]
Server = Annotated[Address | None, kinds.optional(kinds.SERVER)]
Servers = Annotated[tuple[Address, ...], kinds.many(kinds.SERVER, least=1)]
Listens = Annotated[tuple[Listen, ...], kinds.many(kinds.LISTEN, least=1)]
Hosts = Annotated[tuple[str, ...], kinds.many(kinds.HOST)]
ServerName = Annotated[str | None, kinds.optional(kinds.SERVER_NAME)]
File = Annotated[Path | None, kinds.optional(kinds.FILE)]
Folder = Annotated[Path | None, kinds.optional(kinds.FOLDER)]
NewFile = Annotated[Path | None, kinds.optional(kinds.NEW_FILE)]
MaybeSecret = Annotated[kinds.Secret | None, kinds.optional(kinds.SECRET)]
AgentReads = Annotated[
    Literal["members", "rotate", "deny"], kinds.choice("members", "rotate", "deny")
]
CacheMode = Annotated[Literal["live", "strict"], kinds.choice("live", "strict")]
KvPrefixes = Annotated[tuple[str, ...], kinds.many(cache_kinds.KV_PREFIX)]
EndpointRules = Annotated[tuple[EndpointRule, ...], kinds.many(cache_kinds.RULE)]
AccessList = Annotated[tuple[str, ...], kinds.many(kinds.ACCESS_ENTRY)]
Targets = Annotated[tuple[str, ...], kinds.many(cache_kinds.TARGET)]
KvKey = Annotated[str, cache_kinds.KV_KEY]
Label = Annotated[str, kinds.LABEL]
Level = Annotated[
    Literal["debug", "info", "warning", "error"],
    kinds.choice("debug", "info", "warning", "error"),
]
Format = Annotated[Literal["logfmt", "json"], kinds.choice("logfmt", "json")]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping of the file."""
