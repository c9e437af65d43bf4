"""A graph as articles make one: many mentions an abstract, few entities that everybody names, claims with their sentences."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence, Mention

HUB = "MESH:D000000"
Documents = tuple[list[str], list[Entity], list[Claim]]


def abstracts(count: int, *, first: int = 0, mentions: int = 24, claims: int = 8, entities: int = 20_000) -> Documents:
    """``count`` abstracts from number ``first`` on; entities are drawn so that the first few are named everywhere."""
    chance = random.Random(first)
    named: defaultdict[int, list[Mention]] = defaultdict(list)
    stated: list[Claim] = []
    doc_ids = [f"europepmc:{number}" for number in range(first, first + count)]
    own = [Entity(id=doc_id, type=EntityType.PUBLICATION, name=f"Article {doc_id}") for doc_id in doc_ids]
    for doc_id in doc_ids:
        inside = [int(entities * chance.random() ** 3) for _ in range(mentions)]
        for place, entity in enumerate(inside):
            named[entity].append(Mention(doc_id=doc_id, start=60 * place, end=60 * place + 12, text=f"entity{entity:06d}"))
        for number in range(claims):
            left, right = chance.sample(range(mentions), 2)
            sentence = 60 * min(left, right)
            stated.append(
                Claim(
                    id=f"{doc_id}#{number}",
                    doc_id=doc_id,
                    subject_id=f"MESH:D{inside[left]:06d}",
                    predicate=chance.choice(["biolink:treats", "biolink:causes", "biolink:affects"]),
                    object_id=f"MESH:D{inside[right]:06d}",
                    evidence=(Evidence(doc_id=doc_id, start=sentence, end=sentence + 140, text="s" * 140, section="Results"),),
                    score=round(chance.uniform(0.5, 1), 3),
                    method="relations",
                )
            )
    things = [
        Entity(
            id=f"MESH:D{n:06d}",
            type=EntityType.CHEMICAL,
            name=f"Entity {n}",
            aliases=(f"E{n}", f"Name {n}"),
            mentions=tuple(found),
        )
        for n, found in named.items()
    ]
    return doc_ids, own + things, stated


def star(edges: int, degree: int, *, entities: int = 100_000, batch: int = 100_000) -> Iterator[Documents]:
    """``edges`` assertions in batches, one document each; ``degree`` of them at :data:`HUB`, half of those leading to it."""
    chance = random.Random(1)
    for start in range(0, edges, batch):
        doc_id = f"europepmc:star-{start}"
        claims, used = [], set[int]()
        for n in range(start, min(edges, start + batch)):
            hub = n * degree // edges != (n + 1) * degree // edges
            subject, target = (0 if hub else chance.randrange(1, entities)), 1 + n % (entities - 1)
            if hub and chance.random() < 0.5:
                subject, target = target, subject
            used |= {subject, target}
            claims.append(
                Claim(
                    id=f"{doc_id}#{n}",
                    doc_id=doc_id,
                    subject_id=f"MESH:D{subject:06d}",
                    predicate=chance.choice(["biolink:treats", "biolink:causes", "biolink:affects"]),
                    object_id=f"MESH:D{target:06d}",
                    evidence=(Evidence(doc_id=doc_id, start=n, end=n + 40, text="s" * 40),),
                    score=round(chance.uniform(0.3, 1), 4),
                    method="relations",
                )
            )
        yield [doc_id], [Entity(id=f"MESH:D{n:06d}", type=EntityType.CHEMICAL, name=f"Entity {n}") for n in sorted(used)], claims
