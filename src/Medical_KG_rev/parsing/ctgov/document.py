"""Puts a study's parts together in reading order, with the metadata that other rooms use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from Medical_KG_rev.errors import HostileContentError
from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.ctgov import administration, protocol, results
from Medical_KG_rev.parsing.ctgov.adverse import adverse_events
from Medical_KG_rev.parsing.ctgov.decode import decode_study
from Medical_KG_rev.parsing.ctgov.derived import derived, mesh_id
from Medical_KG_rev.parsing.ctgov.markup import unescape
from Medical_KG_rev.parsing.ctgov.protocol_schema import Record
from Medical_KG_rev.parsing.ctgov.results_schema import DerivedSection, Study

SOURCE = "clinicaltrials"
VERSION = "ctgov-2"

M = TypeVar("M", bound=Record)


def parse(payload: RawPayload, *, parsed_at: datetime) -> Document:
    """The study of a payload as a document. See :func:`decode_study` for the errors."""
    study = decode_study(payload)
    identity = study.protocol_section.identification_module
    nct_id = identity.nct_id.strip()
    title = unescape(identity.brief_title or identity.official_title or identity.acronym or nct_id)
    builder = DocumentBuilder(doc_id=f"{SOURCE}:{nct_id}", source=SOURCE, title=title)
    builder.title()
    try:
        _add_parts(builder, study)
    except HostileContentError as error:
        raise HostileContentError(
            f"{payload.source_id}: {error.message}", remedy=error.remedy, source_id=payload.source_id
        ) from error
    return builder.build(
        metadata=_metadata(study, nct_id),
        adapter_version=payload.adapter_version,
        parser_version=VERSION,
        parsed_at=parsed_at,
    )


def _add_parts(builder: DocumentBuilder, study: Study) -> None:
    """Every part that the study has: first what it is about, then its results, then its administration and references."""
    told, posted = study.protocol_section, study.results_section
    _add(builder, told.identification_module, protocol.identification)
    _add(builder, told.description_module, protocol.description)
    _add(builder, told.conditions_module, protocol.conditions)
    _add(builder, told.design_module, protocol.design)
    _add(builder, told.arms_interventions_module, protocol.arms_and_interventions)
    _add(builder, told.outcomes_module, protocol.outcomes)
    _add(builder, told.eligibility_module, protocol.eligibility)
    _add(builder, posted.participant_flow_module, results.participant_flow)
    _add(builder, posted.baseline_characteristics_module, results.baseline)
    _add(builder, posted.outcome_measures_module, results.outcome_measures)
    _add(builder, posted.adverse_events_module, adverse_events)
    _add(builder, posted.more_info_module, results.more_info)
    _add(builder, told.status_module, administration.status)
    _add(builder, told.identification_module, protocol.identifiers)
    _add(builder, told.sponsor_collaborators_module, administration.sponsors)
    _add(builder, told.oversight_module, administration.oversight)
    _add(builder, told.contacts_locations_module, administration.contacts_and_locations)
    _add(builder, told.ipd_sharing_statement_module, administration.ipd_sharing)
    _add(builder, study.document_section.large_document_module, administration.documents)
    _add(builder, study.annotation_section, administration.registry_notes)
    _add(builder, study.derived_section, derived)
    _add(builder, told.references_module, administration.references)


def _add(builder: DocumentBuilder, module: M, add: Callable[[DocumentBuilder, M], None]) -> None:
    """The module's text, unless the study lacks it."""
    if module != type(module)():
        add(builder, module)


def _metadata(study: Study, nct_id: str) -> Mapping[str, Any]:
    told = study.protocol_section
    status, design = told.status_module, told.design_module
    start = status.start_date_struct.date
    values: dict[str, Any] = {
        "kind": "study",
        "date": start or status.study_first_post_date_struct.date,
        "year": int(start[:4]) if start[:4].isdecimal() and start[:4].isascii() else None,
        "updated": status.last_update_post_date_struct.date,
        "identifiers": {"nct": nct_id},
        "aliases": list(told.identification_module.nct_id_aliases),
        "acronym": told.identification_module.acronym,
        "status": status.overall_status,
        "phase": list(design.phases),
        "study_type": design.study_type,
        "primary_purpose": design.design_info.primary_purpose,
        "enrollment": design.enrollment_info.count,
        "has_results": study.has_results,
        "countries": sorted({place.country for place in told.contacts_locations_module.locations if place.country}),
        "mesh": _mesh_ids(study.derived_section),
        "url": f"https://clinicaltrials.gov/study/{nct_id}",
    }
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _mesh_ids(section: DerivedSection) -> list[str]:
    modules = (section.condition_browse_module, section.intervention_browse_module)
    return list(dict.fromkeys(mesh_id(mesh.id) for module in modules for mesh in module.meshes if mesh.id))
