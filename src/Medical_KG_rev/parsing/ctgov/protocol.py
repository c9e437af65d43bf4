"""What a study is and does: identification, description, conditions, design, arms, interventions, outcomes, eligibility."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.models import SectionKind
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.parsing.ctgov.criteria import criteria
from Medical_KG_rev.parsing.ctgov.labels import readable, readable_all, yes_no
from Medical_KG_rev.parsing.ctgov.markup import prose, unescape
from Medical_KG_rev.parsing.ctgov.protocol_schema import (
    ArmsInterventionsModule,
    ConditionsModule,
    DescriptionModule,
    DesignModule,
    EligibilityModule,
    IdentificationModule,
    IdInfo,
    Outcome,
    OutcomesModule,
)
from Medical_KG_rev.parsing.phrase import Phrase, facts, listing, paragraph


def identification(builder: DocumentBuilder, module: IdentificationModule) -> None:
    """Official title and acronym beside the title; the identifiers are metadata."""
    builder.block(module.official_title)
    facts(builder, [("Acronym", module.acronym)])


def identifiers(builder: DocumentBuilder, module: IdentificationModule) -> None:
    """The numbers by which the study is known."""
    with builder.section("Identifiers", SectionKind.METADATA):
        facts(
            builder,
            [
                ("NCT id", module.nct_id),
                ("Former NCT ids", ", ".join(module.nct_id_aliases)),
                ("Organization", _join(module.organization.full_name, readable(module.organization.class_))),
                ("Organization's study id", _identifier(module.org_study_id_info)),
                *(("Secondary id", _identifier(info)) for info in module.secondary_id_infos),
            ],
        )


def _identifier(info: IdInfo) -> str:
    return _join(info.id, readable(info.type), info.domain, info.link)


def _join(first: str, *details: str) -> str:
    """`first (detail, detail)`, leaving out what is empty."""
    known = ", ".join(detail for detail in details if detail)
    return f"{first} ({known})" if first and known else first or known


def description(builder: DocumentBuilder, module: DescriptionModule) -> None:
    """Summary and detailed description."""
    if module.brief_summary:
        with builder.section("Summary"):
            prose(builder, module.brief_summary)
    if module.detailed_description:
        with builder.section("Detailed description"):
            prose(builder, module.detailed_description)


def conditions(builder: DocumentBuilder, module: ConditionsModule) -> None:
    """What is studied, and the keywords of the sponsor."""
    if module.conditions:
        with builder.section("Conditions"):
            listing(builder, [Phrase().add(unescape(name), "condition") for name in module.conditions])
    if module.keywords:
        with builder.section("Keywords"):
            listing(builder, [Phrase().add(unescape(name), "keyword") for name in module.keywords])


def design(builder: DocumentBuilder, module: DesignModule) -> None:
    """Type, phases, allocation, masking, enrollment."""
    info, masking, enrollment = module.design_info, module.design_info.masking_info, module.enrollment_info
    count = "" if enrollment.count is None else str(enrollment.count)
    access = module.expanded_access_types
    with builder.section("Study design"):
        phrases = [Phrase().add(readable(module.study_type), before="Study type: ")]
        phrases += [_phase(phase) for phase in module.phases]
        listing(builder, phrases)
        facts(
            builder,
            [
                ("Allocation", readable(info.allocation)),
                ("Intervention model", _join(readable(info.intervention_model), unescape(info.intervention_model_description))),
                ("Primary purpose", readable(info.primary_purpose)),
                ("Observational model", readable(info.observational_model)),
                ("Time perspective", readable(info.time_perspective)),
                ("Masking", _join(readable(masking.masking), readable_all(masking.who_masked))),
                ("Masking description", unescape(masking.masking_description)),
                ("Enrollment", _join(count, readable(enrollment.type))),
                ("Patient registry", yes_no(module.patient_registry)),
                ("Target duration", module.target_duration),
                ("Biospecimens", _join(readable(module.bio_spec.retention), unescape(module.bio_spec.description))),
                ("Expanded access for individuals", yes_no(access.individual)),
                ("Expanded access for intermediate-size populations", yes_no(access.intermediate)),
                ("Expanded access under a treatment protocol", yes_no(access.treatment)),
            ],
        )


def _phase(phase: str) -> Phrase:
    return Phrase().add(readable(phase), "" if phase == "NA" else "phase", before="Phase: ")


def arms_and_interventions(builder: DocumentBuilder, module: ArmsInterventionsModule) -> None:
    """Each with a line of its own, followed by its description."""
    if module.arm_groups:
        with builder.section("Arms"):
            for arm in module.arm_groups:
                kind = readable(arm.type)
                phrase = Phrase(f"{kind}:" if kind else "")
                names = [unescape(name) for name in arm.intervention_names]
                phrase.add(unescape(arm.label), "arm", after=".", type=arm.type, interventions=names)
                phrase.add("; ".join(names), before="Interventions: ", after=".")
                paragraph(builder, phrase)
                prose(builder, arm.description)
    if module.interventions:
        with builder.section("Interventions"):
            for intervention in module.interventions:
                kind = readable(intervention.type)
                phrase = Phrase(f"{kind}:" if kind else "")
                names = [unescape(name) for name in intervention.other_names]
                arms = [unescape(label) for label in intervention.arm_group_labels]
                name = unescape(intervention.name)
                phrase.add(name, "intervention", after=".", type=intervention.type, other_names=names, arms=arms)
                phrase.add("; ".join(names), before="Other names: ", after=".")
                phrase.add("; ".join(arms), before="Arms: ", after=".")
                paragraph(builder, phrase)
                prose(builder, intervention.description)


def outcomes(builder: DocumentBuilder, module: OutcomesModule) -> None:
    """What is measured, by role, with time frames."""
    for role, title, measures in (
        ("primary", "Primary outcomes", module.primary_outcomes),
        ("secondary", "Secondary outcomes", module.secondary_outcomes),
        ("other", "Other outcomes", module.other_outcomes),
    ):
        if measures:
            with builder.section(title):
                _outcomes(builder, role, measures)


def _outcomes(builder: DocumentBuilder, role: str, measures: Sequence[Outcome]) -> None:
    for outcome in measures:
        time_frame = unescape(outcome.time_frame)
        phrase = Phrase().add(unescape(outcome.measure), "outcome", role=role, time_frame=time_frame)
        paragraph(builder, phrase.add(time_frame, before="(Time frame: ", after=")"))
        prose(builder, outcome.description)


def eligibility(builder: DocumentBuilder, module: EligibilityModule) -> None:
    """Who may take part."""
    with builder.section("Eligibility"):
        told = [
            ("Sex", readable(module.sex), "sex"),
            ("Gender based", yes_no(module.gender_based), ""),
            ("Gender", unescape(module.gender_description), ""),
            ("Minimum age", module.minimum_age, "minimum_age"),
            ("Maximum age", module.maximum_age, "maximum_age"),
            ("Age groups", readable_all(module.std_ages), ""),
            ("Healthy volunteers", yes_no(module.healthy_volunteers), "healthy_volunteers"),
            ("Sampling method", readable(module.sampling_method), ""),
        ]
        listing(
            builder,
            [
                Phrase().add(value, "eligibility" if field else "", before=f"{name}: ", field=field)
                for name, value, field in told
                if value
            ],
        )
        if module.study_population:
            with builder.section("Study population"):
                prose(builder, module.study_population)
        criteria(builder, module.eligibility_criteria)
