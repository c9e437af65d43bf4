"""The predicates of claims that records and texts state, each with what it says.

Names are Biolink's (https://w3id.org/biolink, 4.4: predicates and, for trials, node properties) where Biolink has one that says
no more than its source does. The rest are this project's own, with the prefix ``MK``.
"""

from __future__ import annotations

from typing import Final

STUDIES_CONDITION: Final = "biolink:clinical_trial_conditions"
TESTS_INTERVENTION: Final = "biolink:clinical_trial_interventions"
IN_PHASE: Final = "biolink:clinical_trial_phase"
STUDIED_FOR: Final = "biolink:in_clinical_trials_for"
HAS_PART: Final = "biolink:has_part"
HAS_PARTICIPANT: Final = "biolink:has_participant"
HAS_VALUE: Final = "biolink:has_quantitative_value"
HAS_TOPIC: Final = "biolink:has_topic"
HAS_AUTHOR: Final = "biolink:has_author"
AFFILIATED_WITH: Final = "biolink:affiliation"
CITES: Final = "MK:cites"
SPONSORED_BY: Final = "MK:sponsored_by"
FUNDED_BY: Final = "MK:funded_by"
MEASURES: Final = "MK:has_outcome"
REPORTS_EVENT: Final = "MK:reports_adverse_event"
EVENT_TOTAL: Final = "MK:reports_event_total"
SAMPLE_SIZE: Final = "biolink:total_sample_size"
COMPARED_BETWEEN: Final = "MK:compared_between_groups"
REQUIRES: Final = "MK:requires"
EXCLUDES: Final = "MK:excludes"
PERMITS: Final = "MK:permits"
CAUSES: Final = "biolink:causes"
TREATS: Final = "biolink:treats_or_applied_or_studied_to_treat"
ASSOCIATED_WITH: Final = "biolink:associated_with"
POSITIVELY_CORRELATED: Final = "biolink:positively_correlated_with"
NEGATIVELY_CORRELATED: Final = "biolink:negatively_correlated_with"
GENE_OF_CONDITION: Final = "biolink:gene_associated_with_condition"
GENETICALLY_ASSOCIATED: Final = "biolink:genetically_associated_with"
MORE_LIKELY_WITH: Final = "biolink:associated_with_increased_likelihood_of"
LESS_LIKELY_WITH: Final = "biolink:associated_with_decreased_likelihood_of"
BINDS: Final = "biolink:binds"
DRUG_INTERACTION: Final = "biolink:pharmacologically_interacts_with"
AFFECTS: Final = "biolink:affects"
CONVERTED: Final = "MK:converted_with"
USED_TOGETHER: Final = "MK:used_together_with"
COMPARED_WITH: Final = "MK:compared_with"

PREDICATES: Final = {
    STUDIES_CONDITION: "a study is about this condition",
    TESTS_INTERVENTION: "a study uses this intervention, as tested or as comparator",
    IN_PHASE: "a trial is in this phase",
    STUDIED_FOR: "an intervention was tested in a trial against a condition; says nothing about whether it helps",
    HAS_PART: "a study has this arm, or reports on this group",
    HAS_PARTICIPANT: "an arm receives this intervention",
    HAS_VALUE: "an outcome was measured with this value in a group",
    HAS_TOPIC: "a publication or study is described by this term: topic, MeSH heading or keyword",
    HAS_AUTHOR: "a publication was written by this person",
    AFFILIATED_WITH: "a person works at this organization, as a publication states it",
    CITES: "a publication or study refers to this work",
    SPONSORED_BY: "a study is run or supported by this organization",
    FUNDED_BY: "a publication acknowledges this funder",
    MEASURES: "a study measures this outcome",
    REPORTS_EVENT: "a study reports participants of a group with this adverse event; says nothing about its cause",
    EVENT_TOTAL: "a study reports so many participants of a group with any event of a kind: death, serious, other",
    SAMPLE_SIZE: "a group of a study had so many participants at a milestone",
    COMPARED_BETWEEN: "an outcome was compared between groups, with this effect, interval or p-value; not who fared better",
    REQUIRES: "a study takes only people for whom this holds",
    EXCLUDES: "a study takes no people for whom this holds",
    PERMITS: "a study says that people for whom this holds may take part",
    CAUSES: "a chemical brings about a disease or symptom",
    TREATS: "a chemical is given for a disease, or was studied for it, or lessens it; says nothing about approval",
    ASSOCIATED_WITH: "two things are related in a way that the text does not tell, or that has no predicate of its own",
    POSITIVELY_CORRELATED: "with more of one there is more of the other: expression, activity, effect, severity",
    NEGATIVELY_CORRELATED: "with more of one there is less of the other",
    GENE_OF_CONDITION: "a gene or its product has to do with a disease",
    GENETICALLY_ASSOCIATED: "a variant has to do with a disease",
    MORE_LIKELY_WITH: "a variant brings about a disease or makes it more likely",
    LESS_LIKELY_WITH: "a variant protects from a disease",
    BINDS: "two molecules bind to each other",
    DRUG_INTERACTION: "one drug changes what another does, or how it is taken up or broken down",
    AFFECTS: "an intervention changes an outcome, in the direction of the claim's qualifier, against its comparator",
    CONVERTED: "one of two chemicals is converted into the other",
    USED_TOGETHER: "two drugs are given together",
    COMPARED_WITH: "two drugs are compared",
}
"""Predicate → what a claim with it says."""
