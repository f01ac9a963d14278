"""What the application carries, by typed keys."""

from aiohttp import web

from consul_edge.cache.cache import Cache
from consul_edge.enrich.archive import Archive
from consul_edge.enrich.rule_source import RuleSource
from consul_edge.enrich.site_source import SiteSource
from consul_edge.enrich.views import Views
from consul_edge.upstream.upstream import Upstream
from consul_edge.web.access import Access
from consul_edge.web.generation import Generation
from consul_edge.web.hosts import Hosts
from consul_edge.web.parked import Parked
from consul_edge.web.rendering import Rendering
from consul_edge.web.under_way import UnderWay

GENERATION = web.AppKey("generation", Generation)
CACHE = web.AppKey("cache", Cache)
UPSTREAM = web.AppKey("upstream", Upstream)
SITES = web.AppKey("sites", SiteSource)
RULES = web.AppKey("rules", RuleSource)
VIEWS = web.AppKey("views", Views)
ARCHIVE = web.AppKey("archive", Archive)
HOSTS = web.AppKey("hosts", Hosts)
ACCESS = web.AppKey("access", Access)
UNDER_WAY = web.AppKey("under_way", UnderWay)
PARKED = web.AppKey("parked", Parked)
RENDERING = web.AppKey("rendering", Rendering)
INSTANCE = web.AppKey("instance", str)

UNTYPED = web.ResponseKey("untyped", bool)
"""Whether Consul gave its answer no Content-Type; aiohttp would add one."""
