"""What keeps a large LadybugDB graph as quick as a small one, and what a write that needed too much memory leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from Medical_KG_rev.errors import StoreOutOfMemoryError
from Medical_KG_rev.graph import EngineLimits, LadybugGraphStore
from Medical_KG_rev.graph.session import GraphSession
from Medical_KG_rev.testing.graph import METFORMIN, TENANT, write

pytestmark = pytest.mark.component

MEBIBYTE = 1024 * 1024


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What is run for each of many keys."""
    seen = set[str]()
    run = GraphSession.for_each

    def for_each(self: GraphSession, statement: str, rows: Iterable[str]) -> list[list[object]]:
        seen.add(statement)
        return run(self, statement, rows)

    monkeypatch.setattr(GraphSession, "for_each", for_each)
    return seen


def test_every_statement_for_many_keys_matches_a_node_by_its_key_and_nothing_else(statements: set[str], tmp_path: Path) -> None:
    """With a relationship in the same MATCH the engine joins whole tables, which fails for lack of memory at a million claims."""
    store = LadybugGraphStore(tmp_path)
    write(store, [f"x:{n}" for n in range(30)])
    write(store, [f"x:{n}" for n in range(30)])
    store.show(TENANT, METFORMIN)
    list(store.dump(TENANT))
    list(store.dump(TENANT, entity=METFORMIN))
    store.documents_naming(TENANT, [METFORMIN])
    store.delete(TENANT, "x:1", purge=False)
    list(store.dump(TENANT))
    store.delete(TENANT, "x:2")
    assert len(statements) > 25
    by_key = re.compile(
        r"MATCH \(\w:\w+ \{\w+: \$r\}\) (RETURN|WHERE|DETACH DELETE|OPTIONAL MATCH) (?!.*(?<!OPTIONAL )(?<!EXISTS \{ )MATCH)"
    )
    assert [each for each in sorted(statements) if not by_key.match(each)] == []


def test_a_write_that_needed_too_much_memory_does_not_harm_the_next(tmp_path: Path) -> None:
    store = LadybugGraphStore(tmp_path)
    write(store, ["x:1"])
    small = LadybugGraphStore(tmp_path, EngineLimits(buffer_bytes=4 * MEBIBYTE, write_buffer_bytes=4 * MEBIBYTE))
    with pytest.raises(StoreOutOfMemoryError, match="memory") as kept:  # and the error is not forgotten until the end
        write(small, [f"y:{n}" for n in range(200)])
    assert store.live_versions(TENANT, ["x:1", "y:0"]) == {"x:1": "1"}
    write(store, ["x:2"])
    del kept
    write(store, ["x:3"])
    assert store.live_versions(TENANT, ["x:1", "x:2", "x:3", "y:0"]) == {"x:1": "1", "x:2": "1", "x:3": "1"}
