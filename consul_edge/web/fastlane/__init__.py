"""
The fast lane: a request whose exact bytes were answered before is answered without being parsed.

An asyncio protocol stands around aiohttp's own, by composition (``connection``).  It knows
request heads by their bytes (``memo``), and what each of them asks for (``spot``); which heads can
be known so is decided in ``heads``.  What is answered is decided by ``core.policy``, as
everywhere.
"""
