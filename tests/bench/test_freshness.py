"""What the freshness tells, and its witnesses around a server in trouble and a real Consul."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from tests.bench.registration import REGISTER, instance, written
from tests.bench.scenarios.freshness import LATER, NAME, WITNESSES, summary
from tests.bench.sightings import SightingError, witnessed
from tests.consul import ConsulAgent
from tests.edge import EdgeProcess
from tests.processes import fresh_address

MARKS = ("change-000001", "change-000002", "change-000003")


def told(*writes: tuple[float, float, float]) -> dict[str, Any]:
    """Give what the witnesses tell of writes, each with its seconds until it was seen."""
    seconds = [dict(zip(WITNESSES, write, strict=True)) for write in writes]
    status = {"consul-edge; hit; detail=live": len(writes)}
    return {"seconds": seconds, "seen_by": status, "reads": 9, "bytes": 8, "busy": 0.25}


def test_edge_is_told_by_how_much_later_it_is() -> None:
    """The figures are differences of p99s; each write's own difference is in the table."""
    spaced = told((0.010, 0.015, 0.012), (0.030, 0.031, 0.034))
    section = summary({"spaced": spaced, "hurried": told((0.001, 0.041, 0.031))})

    figures = {figure.name: round(figure.value, 6) for figure in section.figures}
    assert figures == {
        "p99, edge read - direct, spaced (aim: at most 50)": 1.0,
        "p99, edge poll - direct, spaced": 4.0,
        "p99, edge read - direct, hurried": 40.0,
        "p99, edge poll - direct, hurried": 30.0,
    }
    rows = {row[:2]: row[2:] for row in section.table.rows}
    assert rows["edge, default-mode reads", "spaced"] == (2, 15.0, 31.0, 31.0)
    assert [round(float(cell), 6) for cell in rows[LATER, "spaced"]] == [2, 1.0, 5.0, 5.0]
    assert len(rows) == 8
    assert section.name == NAME
    assert "2 x consul-edge; hit; detail=live" in section.notes[2]


async def test_server_that_answers_an_error_gives_no_figures() -> None:
    """What went wrong is told in the server's own words."""
    address = (fresh_address(), 8500)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nno leader")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, *address):
        with pytest.raises(SightingError, match=r"(direct|read|poll): 500 no leader"):
            await asyncio.to_thread(witnessed, address, address, "/v1/kv/x", "/", [], None)


@pytest.mark.real
def test_writes_at_a_real_consul_are_seen_through_the_edge(consul_agent: ConsulAgent) -> None:
    """Each write is seen by all three, by none before it was sent, and read from a live entry."""
    consul_agent.put(REGISTER, instance("fresh", 0))
    writes = [(written("fresh", mark), mark) for mark in MARKS]
    with EdgeProcess([consul_agent.server]) as edge:
        consul = (consul_agent.address, consul_agent.port)
        sides = consul, (edge.address, edge.port)
        seen = witnessed(*sides, "/v1/health/service/fresh", REGISTER, writes, (0.0, 0.0))

    assert [set(write) for write in seen["seconds"]] == [set(WITNESSES)] * len(MARKS)
    assert min(second for write in seen["seconds"] for second in write.values()) > 0
    assert seen["seen_by"] == {"consul-edge; hit; detail=live": len(MARKS)}
