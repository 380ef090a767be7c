"""What an index of so many garments needs: the formulas of docs/SCALE.md, and its table.

python scripts/sizing.py                                          the table of docs/SCALE.md
python scripts/sizing.py --garments 40000000 --dimensions 809     another catalogue, and vectors of another length
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated

import typer

from amgan.commandline import run
from retrieval.stores.qdrant import search_ef

TOP = 10  # hits of a search

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Measured:
    """Of one garment, with weights ``photos``: scripts/bench_scale.py says how each was measured."""

    dimensions: int = 297
    payload: int = 540  # bytes on disk
    fields_on_disk: int = 390  # bytes of the payload's indexes, ids and the rest
    fields_in_memory: int = 520  # bytes of the same, as a process that searches grows by garment
    opening: float = 2.5  # processor milliseconds: read, decode, compare
    cutting_out: float = 35.0
    embedding: float = 27.0
    storing: float = 0.54
    graph: float = 3.4  # of one garment in a store of ``of``
    searching: float = 26.0  # of one search there
    of: int = 1_000_000
    remembered: int = 81  # bytes, by the process that starts a run


@dataclass(frozen=True)
class Machines:
    """What is taken for granted: of the servers, and of the machines that index."""

    replicas: int = 2
    largest_shard: int = 20_000_000  # garments
    links: int = 24  # m of the graph; its lowest layer has twice as many, the others add a tenth
    memory: float = 64e9  # bytes of a server, of which three quarters are filled
    cores: int = 16  # of a server
    indexing: int = 64  # cores that index
    busy: float = 0.7  # the share of a core's time that is counted on


@dataclass(frozen=True)
class Need:
    """Bytes are of all replicas together, hours of the machines that index, searches of all servers together."""

    garments: int
    disk: float
    memory_full: float
    memory_int8: float
    memory_int8_graph_on_disk: float
    memory_binary: float
    shards: int
    servers: int
    core_hours: float
    hours: float
    graph_core_hours: float
    search_ms: float
    searches_a_second: float
    remembered: float


def need(garments: int, m: Measured, on: Machines) -> Need:
    """The formulas, in the order of docs/SCALE.md."""
    full, int8, binary = 4 * m.dimensions, m.dimensions, m.dimensions / 8
    graph = on.links * 2 * 4 * 1.1
    copies = garments * on.replicas
    memory_int8 = copies * (int8 + graph + m.fields_in_memory)
    servers = max(on.replicas, math.ceil(memory_int8 / (0.75 * on.memory)))
    shards = max(1, math.ceil(garments / on.largest_shard))
    if shards > 1:
        shards = math.ceil(shards / servers) * servers  # as many on each
    size = garments / shards
    deeper = math.log(size) / math.log(m.of)  # as the graph's depth
    core_hours = garments * (m.opening + m.cutting_out + m.embedding + m.storing) / 3.6e6
    search = shards * m.searching * deeper * search_ef(TOP, round(size)) / search_ef(TOP, m.of)
    return Need(
        garments=garments,
        disk=2 * copies * (full + int8 + graph + m.payload + m.fields_on_disk),
        memory_full=copies * (full + graph + m.fields_in_memory),
        memory_int8=memory_int8,
        memory_int8_graph_on_disk=copies * (int8 + m.fields_in_memory),
        memory_binary=copies * (binary + graph + m.fields_in_memory),
        shards=shards,
        servers=servers,
        core_hours=core_hours,
        hours=core_hours / (on.indexing * on.busy),
        graph_core_hours=copies * m.graph * deeper / 3.6e6,
        search_ms=search,
        searches_a_second=servers * on.cores * on.busy * 1000 / search,
        remembered=garments * m.remembered,
    )


ROWS = {
    "disk, both replicas, with room to rewrite": "disk",
    "memory, vectors in full": "memory_full",
    "memory, int8 (`QDRANT_QUANTIZATION=int8`)": "memory_int8",
    "memory, int8, graph on disk (`QDRANT_ON_DISK=1` too)": "memory_int8_graph_on_disk",
    "memory, binary (not offered)": "memory_binary",
    "shards (`QDRANT_SHARDS`)": "shards",
    "servers of 64 GB and 16 cores, int8": "servers",
    "core hours to open, cut out, embed, store": "core_hours",
    "hours with 64 cores": "hours",
    "core hours to build graphs, on the servers": "graph_core_hours",
    "processor ms of a search, all shards": "search_ms",
    "searches a second, all servers": "searches_a_second",
    "memory where index-catalog was started": "remembered",
}


def shown(name: str, value: float) -> str:
    """Two digits are sure, and shown."""
    if name.startswith("memory") or name in ("disk", "remembered"):
        unit = 12 if value >= 1e12 else 9
        return f"{two_digits(value / 10**unit)} {'TB' if unit == 12 else 'GB'}"
    return f"{value:,}" if name in ("shards", "servers", "garments") else two_digits(value)


def two_digits(value: float) -> str:
    digits = 1 - math.floor(math.log10(value)) if value > 0 else 0
    rounded = round(value, digits)
    return f"{rounded:,.{max(0, digits)}f}"


@app.command(help=__doc__)
def table(
    garments: Annotated[list[int] | None, typer.Option(help="Repeat for several columns.", min=1000)] = None,
    dimensions: Annotated[int, typer.Option(help="Of a vector, all blocks together.", min=1)] = Measured.dimensions,
    replicas: Annotated[int, typer.Option(help="Copies of each garment.", min=1)] = Machines.replicas,
) -> None:
    print(text(garments or [10**6, 10**7, 10**9], dimensions, replicas))


def text(garments: list[int], dimensions: int = Measured.dimensions, replicas: int = Machines.replicas) -> str:
    needs = [need(n, Measured(dimensions=dimensions), Machines(replicas=replicas)) for n in garments]
    assert {f.name for f in fields(Need)} == {"garments", *ROWS.values()}
    lines = ["| garments | " + " | ".join(f"{n:,}" for n in garments) + " |", "| --- |" + " ---: |" * len(garments)]
    for row, name in ROWS.items():
        lines.append(f"| {row} | " + " | ".join(shown(name, getattr(n, name)) for n in needs) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(app)
