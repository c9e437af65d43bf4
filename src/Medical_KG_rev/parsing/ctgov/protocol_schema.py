"""The protocol part of a ClinicalTrials.gov v2 study, as far as it is read.

Field names and nesting follow the API's own data model (https://clinicaltrials.gov/data-api/about-api/study-data-structure).
A module that is absent reads as an empty one.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""A number of people, events or bytes; bounded so that it fits every store."""


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of every object in a study: camel case in JSON, unknown keys ignored."""


class IdInfo(Record, frozen=True):
    id: str = ""
    type: str = ""
    domain: str = ""
    link: str = ""


class Organization(Record, frozen=True):
    full_name: str = ""
    name: str = ""
    class_: str = msgspec.field(default="", name="class")


class IdentificationModule(Record, frozen=True):
    nct_id: str = ""
    nct_id_aliases: tuple[str, ...] = ()
    org_study_id_info: IdInfo = IdInfo()
    secondary_id_infos: tuple[IdInfo, ...] = ()
    brief_title: str = ""
    official_title: str = ""
    acronym: str = ""
    organization: Organization = Organization()


class DateStruct(Record, frozen=True):
    date: str = ""
    type: str = ""


class ExpandedAccessInfo(Record, frozen=True):
    has_expanded_access: bool | None = None
    nct_id: str = ""
    status_for_nct_id: str = ""


class StatusModule(Record, frozen=True):
    status_verified_date: str = ""
    overall_status: str = ""
    last_known_status: str = ""
    delayed_posting: bool | None = None
    why_stopped: str = ""
    expanded_access_info: ExpandedAccessInfo = ExpandedAccessInfo()
    start_date_struct: DateStruct = DateStruct()
    primary_completion_date_struct: DateStruct = DateStruct()
    completion_date_struct: DateStruct = DateStruct()
    study_first_post_date_struct: DateStruct = DateStruct()
    results_first_post_date_struct: DateStruct = DateStruct()
    disp_first_post_date_struct: DateStruct = DateStruct()
    last_update_post_date_struct: DateStruct = DateStruct()


class ResponsibleParty(Record, frozen=True):
    type: str = ""
    investigator_full_name: str = ""
    investigator_title: str = ""
    investigator_affiliation: str = ""
    old_name_title: str = ""
    old_organization: str = ""


class SponsorCollaboratorsModule(Record, frozen=True):
    responsible_party: ResponsibleParty = ResponsibleParty()
    lead_sponsor: Organization = Organization()
    collaborators: tuple[Organization, ...] = ()


class OversightModule(Record, frozen=True):
    oversight_has_dmc: bool | None = None
    is_fda_regulated_drug: bool | None = None
    is_fda_regulated_device: bool | None = None
    is_unapproved_device: bool | None = None
    is_ppsd: bool | None = None
    is_us_export: bool | None = None


class DescriptionModule(Record, frozen=True):
    brief_summary: str = ""
    detailed_description: str = ""


class ConditionsModule(Record, frozen=True):
    conditions: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


class MaskingInfo(Record, frozen=True):
    masking: str = ""
    masking_description: str = ""
    who_masked: tuple[str, ...] = ()


class DesignInfo(Record, frozen=True):
    allocation: str = ""
    intervention_model: str = ""
    intervention_model_description: str = ""
    primary_purpose: str = ""
    observational_model: str = ""
    time_perspective: str = ""
    masking_info: MaskingInfo = MaskingInfo()


class BioSpec(Record, frozen=True):
    retention: str = ""
    description: str = ""


class EnrollmentInfo(Record, frozen=True):
    count: Count | None = None
    type: str = ""


class ExpandedAccessTypes(Record, frozen=True):
    individual: bool | None = None
    intermediate: bool | None = None
    treatment: bool | None = None


class DesignModule(Record, frozen=True):
    study_type: str = ""
    expanded_access_types: ExpandedAccessTypes = ExpandedAccessTypes()
    patient_registry: bool | None = None
    target_duration: str = ""
    phases: tuple[str, ...] = ()
    design_info: DesignInfo = DesignInfo()
    bio_spec: BioSpec = BioSpec()
    enrollment_info: EnrollmentInfo = EnrollmentInfo()


class ArmGroup(Record, frozen=True):
    label: str = ""
    type: str = ""
    description: str = ""
    intervention_names: tuple[str, ...] = ()


class Intervention(Record, frozen=True):
    type: str = ""
    name: str = ""
    description: str = ""
    arm_group_labels: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()


class ArmsInterventionsModule(Record, frozen=True):
    arm_groups: tuple[ArmGroup, ...] = ()
    interventions: tuple[Intervention, ...] = ()


class Outcome(Record, frozen=True):
    measure: str = ""
    description: str = ""
    time_frame: str = ""


class OutcomesModule(Record, frozen=True):
    primary_outcomes: tuple[Outcome, ...] = ()
    secondary_outcomes: tuple[Outcome, ...] = ()
    other_outcomes: tuple[Outcome, ...] = ()


class EligibilityModule(Record, frozen=True):
    eligibility_criteria: str = ""
    healthy_volunteers: bool | None = None
    sex: str = ""
    gender_based: bool | None = None
    gender_description: str = ""
    minimum_age: str = ""
    maximum_age: str = ""
    std_ages: tuple[str, ...] = ()
    study_population: str = ""
    sampling_method: str = ""


class Contact(Record, frozen=True):
    """A person named by the record. E-mail addresses and telephone numbers are not read: they are personal and of no use here."""

    name: str = ""
    role: str = ""
    affiliation: str = ""


class Location(Record, frozen=True):
    facility: str = ""
    status: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    country: str = ""
    contacts: tuple[Contact, ...] = ()


class ContactsLocationsModule(Record, frozen=True):
    """``locations_nested`` occurs in re-exported records; it repeats ``locations``."""

    central_contacts: tuple[Contact, ...] = ()
    overall_officials: tuple[Contact, ...] = ()
    locations: tuple[Location, ...] = ()
    locations_nested: tuple[Location, ...] = msgspec.field(default=(), name="locations_nested")


class Retraction(Record, frozen=True):
    pmid: str = ""
    source: str = ""


class Reference(Record, frozen=True):
    pmid: str = ""
    type: str = ""
    citation: str = ""
    retractions: tuple[Retraction, ...] = ()


class SeeAlsoLink(Record, frozen=True):
    label: str = ""
    url: str = ""


class AvailIpd(Record, frozen=True):
    id: str = ""
    type: str = ""
    url: str = ""
    comment: str = ""


class ReferencesModule(Record, frozen=True):
    references: tuple[Reference, ...] = ()
    see_also_links: tuple[SeeAlsoLink, ...] = ()
    avail_ipds: tuple[AvailIpd, ...] = ()


class IpdSharingStatementModule(Record, frozen=True):
    ipd_sharing: str = ""
    description: str = ""
    info_types: tuple[str, ...] = ()
    time_frame: str = ""
    access_criteria: str = ""
    url: str = ""


class ProtocolSection(Record, frozen=True):
    identification_module: IdentificationModule = IdentificationModule()
    status_module: StatusModule = StatusModule()
    sponsor_collaborators_module: SponsorCollaboratorsModule = SponsorCollaboratorsModule()
    oversight_module: OversightModule = OversightModule()
    description_module: DescriptionModule = DescriptionModule()
    conditions_module: ConditionsModule = ConditionsModule()
    design_module: DesignModule = DesignModule()
    arms_interventions_module: ArmsInterventionsModule = ArmsInterventionsModule()
    outcomes_module: OutcomesModule = OutcomesModule()
    eligibility_module: EligibilityModule = EligibilityModule()
    contacts_locations_module: ContactsLocationsModule = ContactsLocationsModule()
    references_module: ReferencesModule = ReferencesModule()
    ipd_sharing_statement_module: IpdSharingStatementModule = IpdSharingStatementModule()
