"""What the conformance kit of graph stores writes: studies, and articles that agree and disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from Medical_KG_rev.models import Certainty, Claim, Entity, EntityType, Evidence, GraphWriteReceipt, Mention

if TYPE_CHECKING:
    from Medical_KG_rev.graph import GraphStore

TENANT = "tenant-a"
METFORMIN = "MESH:D008687"
DIABETES = "MESH:D003924"


def study(doc_id: str, *, condition: str = DIABETES, marker: str = "") -> tuple[list[Entity], list[Claim]]:
    """A study that tests metformin for a condition: three entities, a claim between entities and one with a value."""
    entities = [
        Entity(id=doc_id, type=EntityType.STUDY, name=f"Study {doc_id}", attributes={"marker": marker, "phase": ["PHASE2"]}),
        Entity(
            id=METFORMIN,
            type=EntityType.CHEMICAL,
            name="Metformin",
            aliases=(f"Glucophage {marker}".strip(),),
            mentions=(Mention(doc_id=doc_id, start=10, end=19, text="metformin", score=0.5),),
        ),
        Entity(
            id=condition,
            type=EntityType.DISEASE,
            name=f"Condition {condition}",
            mentions=(Mention(doc_id=doc_id, start=30, end=38, text="diabetes"),),
        ),
    ]
    quote = Evidence(doc_id=doc_id, start=10, end=38, text="metformin in 'type 2' \"x\" \\n", section="Interventions")
    claims = [
        Claim(
            id=f"{doc_id}#tested",
            doc_id=doc_id,
            subject_id=METFORMIN,
            predicate="biolink:in_clinical_trials_for",
            object_id=condition,
            evidence=(quote,),
        ),
        Claim(
            id=f"{doc_id}#enrolment",
            doc_id=doc_id,
            subject_id=doc_id,
            predicate="MK:enrollment",
            object_id=None,
            value="120",
            qualifiers={"unit": "participants", "marker": marker},
            evidence=(quote, Evidence(doc_id=doc_id, start=40, end=43, text="120")),
        ),
    ]
    return entities, claims


def write(store: GraphStore, doc_ids: Sequence[str], version: str = "1", tenant_id: str = TENANT) -> GraphWriteReceipt:
    """Writes a :func:`study` for each id."""
    parts = [study(doc_id) for doc_id in doc_ids]
    entities = [entity for found, _ in parts for entity in found]
    claims = [claim for _, found in parts for claim in found]
    return store.write(tenant_id, doc_ids, dict.fromkeys(doc_ids, version), entities, claims)


def article(
    doc_id: str,
    *links: tuple[str, str, str],
    method: str = "relations",
    score: float = 1.0,
    negated: bool = False,
    certainty: Certainty = Certainty.STATED,
    retracted: bool = False,
    direction: str = "",
) -> tuple[list[Entity], list[Claim]]:
    """An article whose sentences link entities: ``(subject, predicate, object)`` each, ids of chemicals."""
    attributes = {"retracted": True} if retracted else {}
    entities = [Entity(id=doc_id, type=EntityType.PUBLICATION, name=f"Article {doc_id}", attributes=attributes)]
    claims = []
    for number, (subject, predicate, target) in enumerate(links):
        start = 100 * number
        for offset, entity_id in ((0, subject), (20, target)):
            mention = Mention(doc_id=doc_id, start=start + offset, end=start + offset + 4, text="name", negated=negated)
            entities.append(Entity(id=entity_id, type=EntityType.CHEMICAL, name=f"Name of {entity_id}", mentions=(mention,)))
        claims.append(
            Claim(
                id=f"{doc_id}#{method}-{number}",
                doc_id=doc_id,
                subject_id=subject,
                predicate=predicate,
                object_id=target,
                evidence=(
                    Evidence(doc_id=doc_id, start=start, end=start + 24, text="name causes ... the name", section="Results"),
                ),
                qualifiers={"direction": direction} if direction else {},
                score=score,
                negated=negated,
                certainty=certainty,
                method=method,
            )
        )
    return entities, claims


def write_article(store: GraphStore, doc_id: str, *links: tuple[str, str, str], tenant_id: str = TENANT, **how: object) -> None:
    """Writes one :func:`article`."""
    store.write(tenant_id, [doc_id], {doc_id: "1"}, *article(doc_id, *links, **how), activity="extractor-1")  # type: ignore[arg-type]
