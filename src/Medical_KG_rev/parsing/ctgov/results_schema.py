"""Results, documents and derived parts of a ClinicalTrials.gov v2 study, and the study as a whole.

Measured values are text in the API ("7.0", "NA", "<0.001") and stay text here.
"""

from __future__ import annotations

from Medical_KG_rev.parsing.ctgov.protocol_schema import Count, ProtocolSection, Record


class Group(Record, frozen=True):
    id: str = ""
    title: str = ""
    description: str = ""


class Achievement(Record, frozen=True):
    group_id: str = ""
    num_subjects: str = ""
    num_units: str = ""
    comment: str = ""


class Milestone(Record, frozen=True):
    type: str = ""
    comment: str = ""
    achievements: tuple[Achievement, ...] = ()


class DropWithdraw(Record, frozen=True):
    type: str = ""
    comment: str = ""
    reasons: tuple[Achievement, ...] = ()


class Period(Record, frozen=True):
    title: str = ""
    milestones: tuple[Milestone, ...] = ()
    drop_withdraws: tuple[DropWithdraw, ...] = ()


class ParticipantFlowModule(Record, frozen=True):
    pre_assignment_details: str = ""
    recruitment_details: str = ""
    type_units_analyzed: str = ""
    groups: tuple[Group, ...] = ()
    periods: tuple[Period, ...] = ()


class DenomCount(Record, frozen=True):
    group_id: str = ""
    value: str = ""


class Denom(Record, frozen=True):
    units: str = ""
    counts: tuple[DenomCount, ...] = ()


class Measurement(Record, frozen=True):
    group_id: str = ""
    value: str = ""
    spread: str = ""
    lower_limit: str = ""
    upper_limit: str = ""
    comment: str = ""


class Category(Record, frozen=True):
    title: str = ""
    measurements: tuple[Measurement, ...] = ()


class MeasureClass(Record, frozen=True):
    title: str = ""
    denoms: tuple[Denom, ...] = ()
    categories: tuple[Category, ...] = ()


class Measure(Record, frozen=True):
    """What baseline characteristics and outcome measures have in common: numbers by class, category and group."""

    title: str = ""
    description: str = ""
    population_description: str = ""
    param_type: str = ""
    dispersion_type: str = ""
    unit_of_measure: str = ""
    denom_units_selected: str = ""
    denoms: tuple[Denom, ...] = ()
    classes: tuple[MeasureClass, ...] = ()


class BaselineCharacteristicsModule(Record, frozen=True):
    population_description: str = ""
    type_units_analyzed: str = ""
    groups: tuple[Group, ...] = ()
    denoms: tuple[Denom, ...] = ()
    measures: tuple[Measure, ...] = ()


class Analysis(Record, frozen=True):
    group_ids: tuple[str, ...] = ()
    group_description: str = ""
    tested_non_inferiority: bool | None = None
    non_inferiority_type: str = ""
    non_inferiority_comment: str = ""
    p_value: str = ""
    p_value_comment: str = ""
    statistical_method: str = ""
    statistical_comment: str = ""
    param_type: str = ""
    param_value: str = ""
    ci_pct_value: str = ""
    ci_num_sides: str = ""
    ci_lower_limit: str = ""
    ci_upper_limit: str = ""
    ci_lower_limit_comment: str = ""
    ci_upper_limit_comment: str = ""
    dispersion_type: str = ""
    dispersion_value: str = ""
    estimate_comment: str = ""
    other_analysis_description: str = ""


class OutcomeMeasure(Measure, frozen=True):
    type: str = ""
    reporting_status: str = ""
    anticipated_posting_date: str = ""
    time_frame: str = ""
    type_units_analyzed: str = ""
    groups: tuple[Group, ...] = ()
    analyses: tuple[Analysis, ...] = ()


class OutcomeMeasuresModule(Record, frozen=True):
    outcome_measures: tuple[OutcomeMeasure, ...] = ()


class EventGroup(Group, frozen=True):
    deaths_num_affected: Count | None = None
    deaths_num_at_risk: Count | None = None
    serious_num_affected: Count | None = None
    serious_num_at_risk: Count | None = None
    other_num_affected: Count | None = None
    other_num_at_risk: Count | None = None


class EventStats(Record, frozen=True):
    group_id: str = ""
    num_events: Count | None = None
    num_affected: Count | None = None
    num_at_risk: Count | None = None


class AdverseEvent(Record, frozen=True):
    term: str = ""
    organ_system: str = ""
    source_vocabulary: str = ""
    assessment_type: str = ""
    notes: str = ""
    stats: tuple[EventStats, ...] = ()


class AdverseEventsModule(Record, frozen=True):
    frequency_threshold: str = ""
    time_frame: str = ""
    description: str = ""
    all_cause_mortality_comment: str = ""
    event_groups: tuple[EventGroup, ...] = ()
    serious_events: tuple[AdverseEvent, ...] = ()
    other_events: tuple[AdverseEvent, ...] = ()


class CertainAgreement(Record, frozen=True):
    pi_sponsor_employee: bool | None = None
    restrictive_agreement: bool | None = None
    restriction_type: str = ""
    other_details: str = ""


class LimitationsAndCaveats(Record, frozen=True):
    description: str = ""


class PointOfContact(Record, frozen=True):
    """E-mail address and telephone number are not read."""

    title: str = ""
    organization: str = ""


class MoreInfoModule(Record, frozen=True):
    limitations_and_caveats: LimitationsAndCaveats = LimitationsAndCaveats()
    certain_agreement: CertainAgreement = CertainAgreement()
    point_of_contact: PointOfContact = PointOfContact()


class ResultsSection(Record, frozen=True):
    participant_flow_module: ParticipantFlowModule = ParticipantFlowModule()
    baseline_characteristics_module: BaselineCharacteristicsModule = BaselineCharacteristicsModule()
    outcome_measures_module: OutcomeMeasuresModule = OutcomeMeasuresModule()
    adverse_events_module: AdverseEventsModule = AdverseEventsModule()
    more_info_module: MoreInfoModule = MoreInfoModule()


class Mesh(Record, frozen=True):
    id: str = ""
    term: str = ""


class BrowseLeaf(Record, frozen=True):
    name: str = ""
    as_found: str = ""


class BrowseBranch(Record, frozen=True):
    name: str = ""


class BrowseModule(Record, frozen=True):
    meshes: tuple[Mesh, ...] = ()
    ancestors: tuple[Mesh, ...] = ()
    browse_leaves: tuple[BrowseLeaf, ...] = ()
    browse_branches: tuple[BrowseBranch, ...] = ()


class MiscInfoModule(Record, frozen=True):
    version_holder: str = ""
    removed_countries: tuple[str, ...] = ()


class DerivedSection(Record, frozen=True):
    misc_info_module: MiscInfoModule = MiscInfoModule()
    condition_browse_module: BrowseModule = BrowseModule()
    intervention_browse_module: BrowseModule = BrowseModule()


class LargeDoc(Record, frozen=True):
    label: str = ""
    date: str = ""
    filename: str = ""


class LargeDocumentModule(Record, frozen=True):
    large_docs: tuple[LargeDoc, ...] = ()


class DocumentSection(Record, frozen=True):
    large_document_module: LargeDocumentModule = LargeDocumentModule()


class UnpostedAnnotation(Record, frozen=True):
    unposted_responsible_party: str = ""


class ViolationEvent(Record, frozen=True):
    type: str = ""
    description: str = ""


class ViolationAnnotation(Record, frozen=True):
    violation_events: tuple[ViolationEvent, ...] = ()


class AnnotationModule(Record, frozen=True):
    unposted_annotation: UnpostedAnnotation = UnpostedAnnotation()
    violation_annotation: ViolationAnnotation = ViolationAnnotation()


class AnnotationSection(Record, frozen=True):
    annotation_module: AnnotationModule = AnnotationModule()


class Study(Record, frozen=True):
    protocol_section: ProtocolSection = ProtocolSection()
    results_section: ResultsSection = ResultsSection()
    annotation_section: AnnotationSection = AnnotationSection()
    document_section: DocumentSection = DocumentSection()
    derived_section: DerivedSection = DerivedSection()
    has_results: bool | None = None
