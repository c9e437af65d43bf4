"""The graph's tables.

::

    (Document)-[:MENTIONS {start_offset, end_offset, text, score}]->(Entity)
    (Document)-[:DESCRIBES]->(Entity)           the study or publication that the document is about: the same id
    (Claim)-[:SUBJECT]->(Entity), (Claim)-[:OBJECT]->(Entity)
    (Evidence)-[:SUPPORTS]->(Claim), (Evidence)-[:DERIVED_FROM]->(Document)

A Document is the record as ingested (its version); the Entity of the same id is the study or publication itself, which other
documents may cite before it is ingested, or after it was deleted. ``search_keys`` holds id, name and aliases in lower case;
``attributes`` and ``qualifiers`` are JSON objects.
"""

from __future__ import annotations

SCHEMA_VERSION = 1

NODE_KEYS = {"Document": "document_id", "Entity": "entity_id", "Claim": "claim_id", "Evidence": "evidence_id"}

RELATIONSHIPS = ("MENTIONS", "DESCRIBES", "SUBJECT", "OBJECT", "SUPPORTS", "DERIVED_FROM")

STATEMENTS = (
    "CREATE NODE TABLE Document(document_id STRING PRIMARY KEY, source STRING, version STRING)",
    (
        "CREATE NODE TABLE Entity(entity_id STRING PRIMARY KEY, type STRING, name STRING, aliases STRING[], xrefs STRING[], "
        "attributes STRING, search_keys STRING[])"
    ),
    (
        "CREATE NODE TABLE Claim(claim_id STRING PRIMARY KEY, document_id STRING, predicate STRING, value STRING, "
        "qualifiers STRING, score DOUBLE, negated BOOLEAN, method STRING)"
    ),
    (
        "CREATE NODE TABLE Evidence(evidence_id STRING PRIMARY KEY, document_id STRING, start_offset INT64, end_offset INT64, "
        "text STRING, section STRING, page INT64)"
    ),
    "CREATE REL TABLE MENTIONS(FROM Document TO Entity, start_offset INT64, end_offset INT64, text STRING, score DOUBLE)",
    "CREATE REL TABLE DESCRIBES(FROM Document TO Entity)",
    "CREATE REL TABLE SUBJECT(FROM Claim TO Entity)",
    "CREATE REL TABLE OBJECT(FROM Claim TO Entity)",
    "CREATE REL TABLE SUPPORTS(FROM Evidence TO Claim)",
    "CREATE REL TABLE DERIVED_FROM(FROM Evidence TO Document)",
)
