"""Entities and assertions in the words of the Biolink Model, release 4.4.6 (https://w3id.org/biolink, CC0)."""

from __future__ import annotations

from collections.abc import Iterable

from Medical_KG_rev.graph.exports.curies import split
from Medical_KG_rev.graph.results import ClaimRow
from Medical_KG_rev.models import EntityType

VERSION = "4.4.6"

_PREDICATES = """
active_in actively_involved_in actively_involves acts_upstream_of acts_upstream_of_negative_effect
acts_upstream_of_or_within acts_upstream_of_or_within_negative_effect acts_upstream_of_or_within_positive_effect
acts_upstream_of_positive_effect adverse_event_of affected_by affects affects_likelihood_of affects_sensitivity_to
ameliorates_condition applied_to_treat associated_with associated_with_decreased_likelihood_of
associated_with_increased_likelihood_of associated_with_likelihood_of associated_with_resistance_to
associated_with_response_to associated_with_sensitivity_to author beneficial_in_models_for biomarker_for broad_match
can_be_carried_out_by capable_of catalyzes caused_by causes chemically_similar_to close_match coexists_with
coexpressed_with colocalizes_with completed_by composed_primarily_of condition_ameliorated_by
condition_associated_with_gene condition_exacerbated_by condition_predisposed_by condition_promoted_by consumed_by
consumes contains_process contraindicated_in contributes_to contribution_from contributor correlated_with
decreased_amount_in decreased_likelihood_associated_with decreases_sensitivity_to derives_from derives_into
develops_from develops_into diagnoses directly_physically_interacts_with disease_has_basis_in disease_has_location
disrupted_by disrupts editor enabled_by enables exacerbates_condition exact_match expressed_in expresses
food_component_of gene_associated_with_condition gene_fusion_with gene_product_of genetic_neighborhood_of
genetically_interacts_with has_active_component has_active_ingredient has_adverse_event has_author has_biomarker
has_catalyst has_chemical_role has_completed has_contraindication has_contributor has_decreased_amount has_editor
has_excipient has_food_component has_frameshift_variant has_gene_product has_increased_amount has_input
has_manifestation has_member has_metabolite has_missense_variant has_mode_of_inheritance has_molecular_consequence
has_nearby_variant has_negative_upstream_actor has_negative_upstream_or_within_actor has_non_coding_variant
has_nonsense_variant has_not_completed has_nutrient has_output has_part has_participant has_phenotype
has_plasma_membrane_part has_positive_upstream_actor has_positive_upstream_or_within_actor
has_preventative_intervention has_provider has_publisher has_sequence_location has_sequence_variant has_side_effect
has_splice_site_variant has_substrate has_synonymous_variant has_target has_upstream_actor
has_upstream_or_within_actor has_variant_part homologous_to in_cell_population_with in_clinical_trials_for
in_complex_with in_linkage_disequilibrium_with in_pathway_with in_preclinical_trials_for in_taxon increased_amount_of
increased_likelihood_associated_with increases_sensitivity_to indirectly_physically_interacts_with interacts_with
is_active_ingredient_of is_chemical_role_of is_diagnosed_by is_excipient_of is_frameshift_variant_of is_input_of
is_metabolite_of is_missense_variant_of is_molecular_consequence_of is_nearby_variant_of is_non_coding_variant_of
is_nonsense_variant_of is_output_of is_sequence_variant_of is_side_effect_of is_splice_site_variant_of is_substrate_of
is_synonymous_variant_of lacks_part likelihood_affected_by likelihood_associated_with located_in location_of
location_of_disease manifestation_of member_of mentioned_by mentions missing_from mode_of_inheritance_of model_of
models models_demonstrating_benefits_for narrow_match negatively_correlated_with not_completed_by nutrient_of
occurs_in occurs_in_disease occurs_together_in_literature_with opposite_of orthologous_to overlaps paralogous_to
part_of participates_in pharmacologically_interacts_with phenotype_of physically_interacts_with
plasma_membrane_part_of positively_correlated_with preceded_by precedes predisposes_to_condition
preventative_for_condition primarily_composed_of produced_by produces promotes_condition provider publisher
regulated_by regulates related_condition related_to related_to_at_concept_level related_to_at_instance_level
resistance_associated_with response_associated_with same_as sensitivity_affected_by sensitivity_associated_with
sensitivity_decreased_by sensitivity_increased_by sequence_location_of similar_to studied_to_treat subclass_of
subject_of_treatment_application_or_study_for_treatment_by superclass_of target_for taxon_of temporally_related_to
tested_by_clinical_trials_of tested_by_preclinical_trials_of transcribed_from transcribed_to translates_to
translation_of treated_by treated_in_studies_by treatment_applications_from treats
treats_or_applied_or_studied_to_treat variant_part_of xenologous_to
"""
PREDICATES = frozenset(f"biolink:{name}" for name in _PREDICATES.split())
"""`related_to` and all below it that are not deprecated: what may stand between two nodes."""

_QUALIFIERS = """
anatomical_context_qualifier association_basis_qualifier causal_mechanism_qualifier disease_context_qualifier
frequency_qualifier object_activity_qualifier object_aspect_qualifier object_context_qualifier
object_derivative_qualifier object_direction_qualifier object_form_or_variant_qualifier object_part_qualifier
object_process_qualifier object_specialization_qualifier onset_qualifier population_context_qualifier
qualified_predicate response_context_qualifier response_target_context_qualifier severity_qualifier sex_qualifier
species_context_qualifier stage_qualifier statement_qualifier statistical_significance_qualifier
subject_activity_qualifier subject_aspect_qualifier subject_context_qualifier subject_derivative_qualifier
subject_direction_qualifier subject_form_or_variant_qualifier subject_part_qualifier subject_process_qualifier
subject_specialization_qualifier temporal_context_qualifier temporal_interval_qualifier
"""
QUALIFIERS = frozenset(_QUALIFIERS.split())
"""Properties of an association that change its meaning."""

RELATED_TO = "biolink:related_to"

_CATEGORIES = {
    EntityType.DISEASE: "Disease",
    EntityType.CHEMICAL: "ChemicalEntity",
    EntityType.GENE: "Gene",
    EntityType.VARIANT: "SequenceVariant",
    EntityType.SPECIES: "OrganismTaxon",
    EntityType.CELL_LINE: "CellLine",
    EntityType.PHENOTYPE: "PhenotypicFeature",
    EntityType.ANATOMY: "AnatomicalEntity",
    EntityType.PROCEDURE: "Procedure",
    EntityType.STUDY: "Study",
    EntityType.PUBLICATION: "Publication",
    EntityType.TEXT: "InformationContentEntity",
    EntityType.PERSON: "Agent",
    EntityType.ORGANIZATION: "Agent",
    EntityType.CONCEPT: "NamedThing",
    EntityType.INTERVENTION: "ClinicalIntervention",
    EntityType.STUDY_ARM: "Cohort",
    EntityType.OUTCOME: "ClinicalAttribute",
}

_SOURCES = {"clinicaltrials": "infores:clinicaltrials", "openalex": "infores:openalex", "pmc-fulltext": "infores:pubmed-central"}
OWN_SOURCE = "infores:medical-kg-rev"


def category(entity_id: str, kind: EntityType) -> str:
    """The most exact category, as a CURIE; a study of ClinicalTrials.gov is a trial."""
    if kind is EntityType.STUDY and split(entity_id)[0] == "clinicaltrials":
        return "biolink:ClinicalTrial"
    return f"biolink:{_CATEGORIES[kind]}"


def predicate(stated: str) -> str:
    """The predicate itself where Biolink lets it stand between two nodes, else `related_to`."""
    return stated if stated in PREDICATES else RELATED_TO


def provenance(claims: Iterable[ClaimRow]) -> dict[str, str]:
    """`primary_knowledge_source`, `knowledge_level` and `agent_type` of what these claims say together.

    What a record states, people have entered: its registry is the source. What was read from text is ours.
    """
    sources = {claim.source for claim in claims if claim.method == "record"}
    if not sources:
        return {
            "primary_knowledge_source": OWN_SOURCE,
            "knowledge_level": "not_provided",
            "agent_type": "text_mining_agent",
        }
    source = _SOURCES.get(next(iter(sources)), OWN_SOURCE) if len(sources) == 1 else OWN_SOURCE
    return {"primary_knowledge_source": source, "knowledge_level": "knowledge_assertion", "agent_type": "manual_agent"}
