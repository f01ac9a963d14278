"""What the application carries, by typed keys."""

from aiohttp import web

from consul_edge.config import Settings
from consul_edge.upstream.rotation import Rotation
from consul_edge.web.hosts import Hosts

SETTINGS = web.AppKey("settings", Settings)
ROTATION = web.AppKey("rotation", Rotation)
HOSTS = web.AppKey("hosts", Hosts)
INSTANCE = web.AppKey("instance", str)
