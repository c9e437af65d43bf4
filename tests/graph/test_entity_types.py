"""Documents that state different types of one entity: which of them counts does not depend on their order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from Medical_KG_rev.graph import LadybugGraphStore
from Medical_KG_rev.models import Entity, EntityType, Mention

pytestmark = pytest.mark.component

SHARED = "mesh:D008687"
STATED = {"x:1": EntityType.INTERVENTION, "x:2": EntityType.CHEMICAL, "x:3": EntityType.CONCEPT}


def write(store: LadybugGraphStore, doc_ids: Sequence[str]) -> None:
    entities = [
        Entity(
            id=SHARED, type=STATED[doc_id], name="Metformin", mentions=(Mention(doc_id=doc_id, start=0, end=9, text="metformin"),)
        )
        for doc_id in doc_ids
    ]
    store.write("t", doc_ids, dict.fromkeys(doc_ids, "1"), entities, [])


def type_of_shared(store: LadybugGraphStore) -> str:
    [[found]] = store.query("t", "MATCH (e:Entity) RETURN e.type").rows
    return str(found)


@pytest.mark.parametrize("order", list(itertools.permutations(STATED)), ids="-".join)
def test_the_type_is_the_same_in_every_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    together = LadybugGraphStore(tmp_path / "together")
    write(together, order)
    assert type_of_shared(together) == "chemical"

    singly = LadybugGraphStore(tmp_path / "singly")
    for doc_id in order:
        write(singly, [doc_id])
    assert type_of_shared(singly) == "chemical"
    singly.delete("t", order[0])
    write(singly, [order[0]])
    assert type_of_shared(singly) == "chemical"


def test_a_vague_type_gives_way_and_stays_where_nobody_knows_better(tmp_path: Path) -> None:
    store = LadybugGraphStore(tmp_path)
    write(store, ["x:3"])
    assert type_of_shared(store) == "concept"
    write(store, ["x:1"])
    assert type_of_shared(store) == "intervention"
    store.delete("t", "x:1")
    store.delete("t", "x:3")
    write(store, ["x:3"])
    assert type_of_shared(store) == "concept", "an entity that nothing supports is gone, and with it its type"
