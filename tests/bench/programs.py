"""
The other programs of a bench, each with the configuration that is fastest on one core.

Rule 1: one process with one worker, no access log, and connections that are never closed for
having been used often.
Rule 2: a cache keeps what it holds in memory, and for longer than any bench; it is told to, since
Consul's answers say nothing of how long they may be kept.
Rule 3: configurations are plain text with words such as ``@LISTEN@`` in place of what varies.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.peers import peer
from tests.processes import Launched, Process, fresh_address

PORT: Final = 8510

MEMORY: Final = Path("/dev/shm")
"""Files there are in memory."""

NGINX: Final = """
daemon off;
master_process off;
pid @FOLDER@/pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path @FOLDER@/body;
  proxy_temp_path @FOLDER@/proxy;
  fastcgi_temp_path @FOLDER@/fastcgi;
  uwsgi_temp_path @FOLDER@/uwsgi;
  scgi_temp_path @FOLDER@/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  sendfile @SENDFILE@;
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  @HTTP@
}
"""
"""One process: a second one, the master, would only outlive a bench that is killed.  Small files
are faster read than sent (by a fifth), large ones sent, and those slower with ``tcp_nopush``."""

NGINX_PROXY: Final = """
  upstream consul {
    server @UPSTREAM@;
    keepalive 256;
    keepalive_requests 1000000000;
  }
  @KEEP@
  server {
    listen @LISTEN@;
    location / {
      proxy_pass http://consul;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      @USE@
    }
  }
"""

NGINX_KEEP: Final = """
  proxy_cache_path @FOLDER@/cache keys_zone=bench:64m max_size=1g inactive=1h use_temp_path=off;
"""

NGINX_USE: Final = """
      proxy_cache bench;
      proxy_cache_key $request_uri$http_x_consul_token;
      proxy_cache_valid 200 1h;
      proxy_ignore_headers Vary;
      add_header X-Cache $upstream_cache_status;
"""

HAPROXY: Final = """
global
  nbthread 1
  maxconn 1000
  tune.bufsize @BUFFER@
defaults
  mode http
  maxconn 1000
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  http-reuse always
@KEEP@
frontend clients
  bind @LISTEN@
  @USE@
  default_backend consul
backend consul
  @STORE@
  server consul @UPSTREAM@ pool-max-conn 512
"""

HAPROXY_KEEP: Final = """
cache bench
  total-max-size 256
  max-object-size 8000000
  max-age 3600
"""
"""Megabytes of all, and bytes of one: the default of those is a 256th of the whole."""

HAPROXY_STORE: Final = """
  http-response set-header Cache-Control max-age=3600
  http-response del-header Vary
  http-response cache-store bench
"""
"""HAProxy keeps nothing without an age, and nothing that varies."""

VARNISH: Final = """
vcl 4.1;
backend consul {
  .host = "@HOST@";
  .port = "@PORT@";
}
sub vcl_recv { return (hash); }
sub vcl_hash {
  hash_data(req.url);
  hash_data(req.http.X-Consul-Token);
  return (lookup);
}
sub vcl_backend_response {
  unset beresp.http.Vary;
  set beresp.ttl = 1h;
  return (deliver);
}
"""

_UNSAID: Final = (
    *("Begin", "End", "Link", "Timestamp", "Filters", "Hit", "ReqAcct", "ReqStart", "ReqMethod"),
    *("ReqURL", "ReqProtocol", "ReqHeader", "ReqUnset", "RespProtocol", "RespStatus"),
    *("RespReason", "RespHeader", "RespUnset", "VCL_call", "VCL_return", "VCL_use"),
    *("SessOpen", "SessClose"),
)

VARNISH_WORDS: Final = (
    *("-F", "-j", "none", "-T", "none", "-s", "malloc,256m"),
    *("-p", "thread_pools=1", "-p", "thread_pool_min=400", "-p", "thread_pool_max=1000"),
    *("-p", "timeout_idle=3600", "-p", f"vsl_mask={','.join(f'-{tag}' for tag in _UNSAID)}"),
    # Its configuration is compiled; this way by a compiler alone, without the C library's files.
    *("-p", "cc_command=exec gcc -O2 -w -fpic -shared -nostdlib -Wl,-x -o %o %s"),
)
"""A thread for each of 256 connections; what would be logged is not even made."""


class Program(Launched):
    """A server with files of its own on an address of its own."""

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        files: Mapping[str, str | bytes],
    ) -> None:
        """
        Prepare, but start nothing.

        Args:
            program: Of ``tests.peers``.

            arguments: With the same words to be replaced as in the files.

            files: By name; what is bytes is left as it is.
        """
        self.address = fresh_address()
        self.port = PORT
        self.http = f"http://{self.address}:{PORT}"
        self.server = f"{self.address}:{PORT}"
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix=f"{program}-", dir=memory))
        self.process: Process | None = None
        self._program, self._arguments, self._files = program, arguments, files

    def launch(self) -> None:
        """Start the process without waiting for it."""
        for name, text in self._files.items():
            data = text if isinstance(text, bytes) else self._filled(text).encode()
            (self.folder / name).write_bytes(data)
        starter = peer(self._program)
        command: list[str | Path] = [starter, *map(self._filled, self._arguments)]
        # What came with it, such as the compiler, is beside it.
        beside = starter.parent / "root" / "usr" / "bin"
        path = {"PATH": f"{os.environ.get('PATH', os.defpath)}:{beside}"}
        self.process = Process(self._program, command, self.folder / "log", path)

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        if self.process is not None and not self.process.alive:
            raise AssertionError(f"{self!r} ended:\n{self.process.tail()}")
        with socket.create_connection((self.address, self.port), timeout=2):
            return True

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.process is not None, f"{self!r} was not started"
        return self.process.pid

    def stop(self) -> None:
        """End it and remove what it wrote."""
        if self.process is not None:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _filled(self, text: str) -> str:
        return text.replace("@FOLDER@", str(self.folder)).replace("@LISTEN@", self.server)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._program} at {self.server}>"


def nginx_server(
    http: str, files: Mapping[str, str | bytes] | None = None, *, large: bool = False
) -> Program:
    """Prepare nginx with *http* as the inner of its ``http`` block, for *large* bodies or not."""
    text = NGINX.replace("@HTTP@", http).replace("@SENDFILE@", "on" if large else "off")
    # Its error log is given here: the built-in one may not be ours to write.
    arguments = ["-e", "@FOLDER@/log", "-p", "@FOLDER@", "-c", "@FOLDER@/nginx.conf"]
    return Program("nginx", arguments, {"nginx.conf": text} | dict(files or {}))


def nginx(upstream: str, *, caches: bool = False, large: bool = False) -> Program:
    """Prepare nginx as a reverse proxy that keeps its connections, and answers if it *caches*."""
    text = NGINX_PROXY.replace("@KEEP@", NGINX_KEEP.strip() if caches else "")
    text = text.replace("@USE@", NGINX_USE.strip() if caches else "")
    return nginx_server(text.replace("@UPSTREAM@", upstream), large=large)


def haproxy(upstream: str, *, caches: bool = False, large: bool = False) -> Program:
    """Prepare HAProxy as one."""
    text = HAPROXY.replace("@KEEP@", HAPROXY_KEEP if caches else "")
    text = text.replace("@USE@", "http-request cache-use bench" if caches else "")
    text = text.replace("@STORE@", HAPROXY_STORE.strip() if caches else "")
    text = text.replace("@UPSTREAM@", upstream).replace("@BUFFER@", "65536" if large else "16384")
    return Program("haproxy", ("-db", "-f", "@FOLDER@/cfg"), {"cfg": text})


def varnish(upstream: str) -> Program:
    """Prepare Varnish, which keeps what it is asked for."""
    host, _, port = upstream.rpartition(":")
    text = VARNISH.replace("@HOST@", host).replace("@PORT@", port)
    words = (*VARNISH_WORDS, "-n", "@FOLDER@", "-a", "@LISTEN@", "-f", "@FOLDER@/vcl")
    return Program("varnishd", words, {"vcl": text})
