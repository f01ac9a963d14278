"""How the edge is, in one line for people: what ``systemctl status`` shows."""

from aiohttp import web

from consul_edge.web.keys import CACHE, UPSTREAM


def status_line(app: web.Application) -> str:
    """
    Tell who answers, how much is kept, and how far the warming is until it is done.

    Names of servers are in it, and nothing of Consul's data.
    """
    servers, cache = app[UPSTREAM].servers, app[CACHE]
    up = sum(not server.is_out for server in servers)
    total = sum(1 for _ in servers)
    parts = [f"{up} of {total} servers up", f"{len(cache.lines.store)} answers kept"]
    if up:
        parts.insert(1, f"{servers.active.name} asked first")
    warm, wanted = cache.warmth
    if warm < wanted:
        parts.append(f"{warm} of {wanted} targets warm")
    return ", ".join(parts)
