"""After any writes, replacements, withdrawals and deletions the assertions are what a full computation gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Medical_KG_rev.graph import AssertionRow, LadybugGraphStore
from Medical_KG_rev.graph.assertions import Stated, assertion_key, belief_model
from Medical_KG_rev.models import Certainty, Claim, Entity
from Medical_KG_rev.testing.graph_samples import TENANT, article

pytestmark = pytest.mark.component

DOCUMENTS = ("x:1", "x:2", "y:3")
LINKS = st.tuples(
    st.sampled_from(["MESH:C1", "MESH:C2"]),
    st.sampled_from(["biolink:causes", "biolink:treats"]),
    st.sampled_from(["MESH:C2", "MESH:C3"]),
)
ARTICLES = st.fixed_dictionaries(
    {
        "links": st.lists(LINKS, max_size=3),
        "method": st.sampled_from(["record", "relations"]),
        "score": st.sampled_from([1.0, 0.7]),
        "negated": st.booleans(),
        "certainty": st.sampled_from(Certainty),
        "retracted": st.booleans(),
        "direction": st.sampled_from(["", "increased"]),
    }
)
Held = dict[str, tuple[str, list[Claim]]]
"""Status and claims of each document."""


def expected(held: Mapping[str, tuple[str, list[Claim]]]) -> dict[str, dict[str, Any]]:
    claims: defaultdict[str, list[Stated]] = defaultdict(list)
    for doc_id, (status, stated) in held.items():
        for c in stated:
            key = assertion_key(c)
            assert key is not None
            claims[key.id].append(
                Stated(c.id, doc_id, doc_id.partition(":")[0], c.method, c.score, c.negated, c.certainty.value, status)
            )
    tallies = {key: belief_model().tally(stated) for key, stated in claims.items()}
    return {
        key: {name: getattr(tally, name) for name in tally.__struct_fields__} for key, tally in tallies.items() if tally.visible
    }


def found(store: LadybugGraphStore) -> dict[str, dict[str, Any]]:
    rows = [record for record in store.dump(TENANT) if isinstance(record, AssertionRow)]
    names = ("belief", "belief_against", "claims_for", "claims_against", "claims_hypothetical", "claims_retracted", "documents")
    return {row.id: {name: getattr(row, name) for name in names} for row in rows}


def steps(store: LadybugGraphStore) -> set[tuple[Any, ...]]:
    query = "MATCH (a:Entity)-[s:RELATED_TO]->(b:Entity) RETURN s.number, s.belief, s.belief_against, a.entity_id, b.entity_id"
    rows = store.query(TENANT, query).rows
    assert len(rows) == len(set(rows))
    return set(rows)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "both", "delete", "withdraw"]), st.sampled_from(DOCUMENTS), ARTICLES),
        min_size=2,
        max_size=6,
    )
)
def test_assertions_are_what_the_claims_say(changes: list[tuple[str, str, dict[str, Any]]]) -> None:
    held: Held = {}
    with TemporaryDirectory() as folder:
        store = LadybugGraphStore(Path(folder))
        for what, doc_id, how in changes:
            if what in ("write", "both"):
                doc_ids = [doc_id] if what == "write" else sorted({doc_id, DOCUMENTS[0]})
                entities, claims = list[Entity](), list[Claim]()
                for each in doc_ids:
                    options = {name: value for name, value in how.items() if name != "links"}
                    said = article(each, *how["links"], **options)
                    held[each] = ("retracted" if how["retracted"] else "live", said[1])
                    entities, claims = entities + said[0], claims + said[1]
                store.write(TENANT, doc_ids, dict.fromkeys(doc_ids, "1"), entities, claims)
            elif what == "delete":
                store.delete(TENANT, doc_id)
                held.pop(doc_id, None)
            else:
                store.delete(TENANT, doc_id, purge=False)
                if doc_id in held:
                    held[doc_id] = ("withdrawn", held[doc_id][1])
            wanted = expected(held)
            assert found(store) == wanted
            assert {(f"{number:016x}", belief, against) for number, belief, against, _, _ in steps(store)} == {
                (key, row["belief"], row["belief_against"]) for key, row in wanted.items()
            }
            assert store.stats(TENANT).claims == sum(len(claims) for _, claims in held.values())
