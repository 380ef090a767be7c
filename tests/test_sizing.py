"""The sizes of docs/SCALE.md: the table is what the script prints, and the formulas give what one reckons by hand."""

from __future__ import annotations

import pytest

from scripts.sizing import Machines, Measured, need, text


def test_the_table_of_the_document_is_the_scripts(root):
    assert text([10**6, 10**7, 10**9]) in (root / "docs" / "SCALE.md").read_text(encoding="utf-8")


def test_formulas_by_hand():
    measured = Measured(
        dimensions=100, payload=500, fields_on_disk=300, fields_in_memory=400, opening=10, cutting_out=20, embedding=5,
        storing=1, graph=2, searching=4, of=10_000, remembered=50,
    )  # fmt: skip
    found = need(40_000_000, measured, Machines(replicas=2, largest_shard=10_000_000, links=10, indexing=100, busy=0.5))
    assert found.memory_full == pytest.approx(80e6 * (400 + 88 + 400))
    assert found.memory_int8 == pytest.approx(80e6 * (100 + 88 + 400))
    assert found.memory_binary == pytest.approx(80e6 * (12.5 + 88 + 400))
    assert found.disk == pytest.approx(2 * 80e6 * (500 + 88 + 500 + 300))
    assert (found.shards, found.servers) == (4, 2)  # 47 GB of int8
    assert found.core_hours == pytest.approx(400) and found.hours == pytest.approx(8)
    # Ten million is 10^7, and 10,000 is 10^4; 8,192 candidates and 1,024.
    assert found.search_ms == pytest.approx(4 * 4 * 7 / 4 * 8)
    assert found.searches_a_second == pytest.approx(2 * 16 * 0.5 * 1000 / 224)
    assert found.graph_core_hours == pytest.approx(80e6 * 2 * 7 / 4 / 3.6e6)
    assert found.remembered == 2e9


def test_a_small_catalogue_needs_two_servers_for_two_copies():
    found = need(1000, Measured(), Machines())
    assert (found.shards, found.servers) == (1, 2)
