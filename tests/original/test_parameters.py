"""
What no route takes: each slip of the pen is a 400 that names the parameter and what is allowed.

Every route has its lines in the table; a route without any is a failing test.
"""

from typing import Final

import pytest

from consul_edge.web import routes
from tests.original.ground import BEARER, ground

POLL: Final = {
    "index=x": ["index", "'x'", "expected"],
    "index=-1": ["index", "'-1'"],
    "index=1&index=2": ["index", "'2'", "once"],
    "wait=5": ["wait", "'5'", "s"],
    "wait=-5s": ["wait", "'-5s'", "from 0s"],
    "wait=1s&wait=2s": ["wait", "once"],
    "token=5ec2e7": ["token", "X-Consul-Token"],
}
"""Of all documents."""

ROWS: Final = POLL | {
    "page=0": ["page", "'0'", "from 1 to 1000000"],
    "page=x": ["page", "'x'", "from 1"],
    "page=1&page=2": ["page", "once"],
    "page_size=0": ["page_size", "'0'", "from 1 to 1000"],
    "page_size=1001": ["page_size", "'1001'", "from 1 to 1000"],
    "sort=nope": ["sort", "'nope'", "expected one of", "status", "meta.KEY"],
    "sort=status,dc,site,type": ["sort", "at most 3"],
    "sort=status&order=up": ["order", "'up'", "asc, ascend, desc, descend"],
    "sort=status&order=asc,desc": ["order", "one for each column"],
    "sort_order=sideways": ["order", "'sideways'", "asc, ascend, desc, descend"],
    "q=status:": ["q:", "status"],
    "q=Node:/(/": ["q:", "at character 6", "missing )"],
    "q=nope:x": ["q:", "at character 1", "no field is called nope"],
    "status=sick": ["status", "'sick'", "expected one of"],
    "site=%22a": ["site", "double quotes"],
    "%21=x": ["'!'", "no such parameter", "known are"],
    "pagesize=10": ["pagesize", "did you mean page_size?"],
    "Page=1": ["Page", "did you mean page?"],
}
"""Of what lists rows."""

FORMATS: Final = {
    "format=xml": ["format", "'xml'", "json, columns, csv"],
    "facets=nope": ["facets", "'nope'", "expected one of", "status"],
}

ONLY_POLL: Final = POLL | {
    "q=x": ["'q'", "no such parameter", "index, wait"],
    "indx=1": ["'indx'", "did you mean index?"],
}

JSON_ONLY: Final = {"format=csv": ["format", "'csv'", "expected one of json"]}

PORT: Final = {"Port=http": ["Port", "'http'", "number"]}

NONE: Final = {"key=": ["key", "expected"], "nope=1": ["'nope'", "unknown parameter", "expected"]}

TABLE: Final = {
    "/api/v1/nodes": ROWS | FORMATS | {"adr=x": ["'adr'", "did you mean addr?"]},
    "/api/v1/nodes/": ROWS | FORMATS,
    "/api/v1/services": ROWS | FORMATS | PORT,
    "/api/v1/sites": ONLY_POLL,
    "/api/v1/categories": ONLY_POLL,
    "/api/v1/sd": ROWS | JSON_ONLY | PORT,
    "/api/v1/monitoring/data": ROWS
    | JSON_ONLY
    | PORT
    | {"company=x": ["category", "expected one of", "/api/v1/categories"]},
    "/api/v1/monitoring/summary": ROWS | JSON_ONLY | PORT,
    "/api/v1/monitoring/categories": ONLY_POLL,
    "/api/v1/nodes/{node}/services": ONLY_POLL,
    "/api/v1/nodes/{node}/service-names": ONLY_POLL,
    "/api/v1/categorize": {
        "": ["service", "expected"],
        "service=": ["service", "expected"],
        "service=a&service=b": ["service", "'b'", "once"],
        "service=a&modul=b": ["'modul'", "did you mean module?"],
        "service=a&index=1": ["'index'", "service, module, metrics_path"],
        f"service={'a' * 16_385}": ["service", "at most 16,384 characters"],
        "service=a&token=5ec2e7": ["token", "X-Consul-Token"],
    },
    "/api/v1/events": {
        "index=x": ["index", "'x'"],
        "q=x": ["'q'", "no such parameter", "index"],
        "token=5ec2e7": ["token", "X-Consul-Token"],
    },
    "/api/v1/admin/cache/{name}/flush": NONE | {"key=a&key=b": ["key"], "key=a&prefix=b": ["key"]},
    "/api/v1/admin/cache/{name}/info": NONE,
    "/api/v1/admin/rules": {"key=x": ["'key'", "expected none"]},
}

OWN: Final = {
    *routes.DOCUMENTS,
    *routes.NODE_DOCUMENTS,
    *routes.ADMIN,
    routes.CATEGORIZE,
    routes.EVENTS,
}


def test_table_has_each_route_that_takes_parameters() -> None:
    """Whoever adds one adds what it refuses."""
    assert OWN - set(TABLE) == set()


@pytest.mark.parametrize("route", TABLE)
async def test_parameter_is_wrong_the_refusal_names_it_and_what_is_allowed(route: str) -> None:
    """A 400 before anything is done; no secret stands in the answer."""
    path = route.replace("{node}", "n1").replace("{name}", "nodes")
    method = "POST" if path.endswith("flush") else "GET"
    async with ground() as one:
        lacking = {}
        for query, words in TABLE[route].items():
            answer = await one.get(f"{path}?{query}", BEARER, method=method)
            text = answer.body.decode()
            missing = [word for word in words if word not in _unescaped(text)]
            if answer.status != 400 or missing or "5ec2e7" in text:
                lacking[query] = (answer.status, text[:300], missing)
        assert lacking == {}
        # None of them was a reason to ask Consul.
        assert [seen for seen in one.standins[0].seen if "/v1/catalog/" in seen.target] == []


def _unescaped(text: str) -> str:
    return text.replace('\\"', '"')
