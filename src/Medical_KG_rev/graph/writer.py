"""The kg stage: entities and claims of many documents into the graph, each document whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.graph.constraints import by_document, owning_documents, violations
from Medical_KG_rev.graph.port import GraphStore
from Medical_KG_rev.graph.schema import SCHEMA_VERSION
from Medical_KG_rev.models import Claim, Entity, GraphWriteReceipt, Outcome, StageContext, Violation

TOLD_AT_MOST = 100
"""Violations that an error carries; the receipt of a call has all of those left out."""
_REMEDY = "Nothing of the document was written. Correct what extracts it, then `medkg jobs retry`."


class GraphWriter:
    """Checks the constraints, leaves out documents that break them, and writes the others in one transaction.

    With the claims it records what made them: the fingerprint of the extractor (``ctx.producer``), or where it is not known the
    pipeline and its version.
    """

    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self.fingerprint = f"graph-writer-2:schema-{SCHEMA_VERSION}"

    def execute(self, ctx: StageContext, entities: list[Entity], claims: list[Claim]) -> GraphWriteReceipt:
        """Writes the documents of ``ctx.documents`` with their ``ctx.versions``.

        ``per_document`` counts each document's entities and claims; those left out are ``failed``, and ``violations`` says which
        constraint each row of them breaks.

        Raises:
            GraphConstraintError: the only document of the call breaks a constraint, or no document can be held responsible.
        """
        documents = ctx.documents or ((ctx.doc_id,) if ctx.doc_id else ())
        broken = by_document(violations(documents, entities, claims, self._elsewhere(ctx.tenant_id, entities, claims)))
        if broken and (len(documents) == 1 or "" in broken):
            raise _constraint_error(broken)
        valid = [doc_id for doc_id in documents if doc_id not in broken]
        failed = {doc_id: _failed(doc_id, found) for doc_id, found in broken.items()}
        left_out = tuple(violation for found in broken.values() for violation in found)
        if not valid:
            return GraphWriteReceipt(0, 0, failed, left_out)
        activity = ctx.producer or "@".join(filter(None, (ctx.pipeline_name, ctx.pipeline_version)))
        written = self._store.write(ctx.tenant_id, valid, ctx.versions, *_kept(valid, entities, claims), activity=activity)
        return GraphWriteReceipt(written.nodes, written.relationships, {**written.per_document, **failed}, left_out)

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        """The version of each of these documents that the graph holds now; absent ids are absent."""
        return self._store.live_versions(tenant_id, doc_ids)

    def _elsewhere(self, tenant_id: str, entities: Sequence[Entity], claims: Sequence[Claim]) -> frozenset[str]:
        """Ends of claims that only the store can know."""
        ends = {end for claim in claims for end in (claim.subject_id, claim.object_id) if end is not None}
        outside = ends - {entity.id for entity in entities}
        return self._store.existing_entities(tenant_id, sorted(outside)) if outside else frozenset()


def _kept(valid: Sequence[str], entities: list[Entity], claims: list[Claim]) -> tuple[list[Entity], list[Claim]]:
    """What the valid documents support, without a trace of the others."""
    own = frozenset(valid)
    kept_claims = [claim for claim in claims if claim.doc_id in own]
    owners = owning_documents(valid, entities, kept_claims)
    return [entity for entity in entities if entity.id in owners], kept_claims


def _failed(doc_id: str, found: Sequence[Violation]) -> Outcome:
    message = f"{doc_id} breaks a constraint of the graph: {_told(found)}. {_REMEDY}"
    return Outcome("failed", 0, GraphConstraintError.code, message)


def _constraint_error(broken: dict[str, list[Violation]]) -> GraphConstraintError:
    found = [violation for violations_of in broken.values() for violation in violations_of]
    names = ", ".join(sorted(filter(None, broken))) or "The call"
    return GraphConstraintError(
        f"{names} breaks a constraint of the graph: {_told(found)}.",
        remedy=_REMEDY,
        violations=tuple(violation.to_dict() for violation in found[:TOLD_AT_MOST]),
        documents=tuple(sorted(filter(None, broken))),
    )


def _told(found: Sequence[Violation]) -> str:
    return "; ".join(violation.reason for violation in found[:5])
