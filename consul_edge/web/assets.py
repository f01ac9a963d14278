"""
The page's own files: read once, compressed once, and kept by browsers for good.

Rule 1: all files share one edition, a digest of them all, and it stands in the path: modules
import each other relatively, and never get a neighbour of another edition.
Rule 2: what has the edition in its path never changes; without it a browser asks each time.
"""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web
from msgspec import Struct

from consul_edge.web.api_answer import has_tag
from consul_edge.web.hits import accepts_gzip

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FOR_GOOD: Final = "public, max-age=31536000, immutable"


class _File(Struct, frozen=True):
    content_type: str
    plain: bytes
    zipped: bytes


class Assets:
    """The files, by their names."""

    def __init__(self, folder: Path) -> None:
        """Read all files of *folder* that a browser may have."""
        paths = sorted(path for path in folder.iterdir() if path.suffix in TYPES)
        self._files: Mapping[str, _File] = {path.name: _read(path) for path in paths}
        digest = hashlib.blake2b(digest_size=8)
        for name, file in self._files.items():
            digest.update(b"%s\0%d\0%s" % (name.encode(), len(file.plain), file.plain))
        self.edition = digest.hexdigest()

    def path(self, name: str) -> str:
        """Give the path of a file that exists."""
        if name not in self._files:
            raise KeyError(name)
        return f"/static/{self.edition}/{name}"

    async def give(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file, if there is one of that name and edition."""
        file = self._files.get(request.match_info["name"])
        edition = request.match_info.get("edition")
        if file is None or edition not in (None, self.edition):
            raise web.HTTPNotFound
        headers = {
            hdrs.CACHE_CONTROL: FOR_GOOD if edition else "no-cache",
            hdrs.ETAG: f'"{self.edition}"',
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if has_tag(request, self.edition):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = file.content_type
        if not accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))):
            return web.Response(headers=headers, body=file.plain)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(headers=headers, body=file.zipped)


ASSETS: Final = web.AppKey("assets", Assets)


def _read(path: Path) -> _File:
    plain = path.read_bytes()
    return _File(TYPES[path.suffix], plain, gzip.compress(plain, 9, mtime=0))
