"""CURIEs in the spellings that other systems know: IRIs, Biolink prefixes, FHIR code systems.

IRIs are those of the Biolink Model's prefix map (release 4.4.6, CC0) where it has the prefix, so that KGX and RDF name the same
things; of the Bioregistry (CC0) where it has not. What no registry names is ours: ``urn:medkg:…``.
"""

from __future__ import annotations

import re
from urllib.parse import quote

OWN = "urn:medkg:"
BIOREGISTRY = "https://bioregistry.io/"

_OBO = "BFO CHEBI CL CLO DOID ECO GO HP MAXO MONDO MP NCBITaxon NCIT OBI PATO PR RO SO UBERON UO"
NAMESPACES: dict[str, str] = {
    **{prefix: f"http://purl.obolibrary.org/obo/{prefix}_" for prefix in _OBO.split()},
    "CAS": "http://identifiers.org/cas/",
    "CHEMBL.COMPOUND": "http://identifiers.org/chembl.compound/",
    "CID": "http://pubchem.ncbi.nlm.nih.gov/compound/",
    "DBSNP": "http://identifiers.org/dbsnp/",
    "DOI": "https://doi.org/",
    "DRUGBANK": "http://identifiers.org/drugbank/",
    "DrugCentral": "http://drugcentral.org/drugcard/",
    "EFO": "http://www.ebi.ac.uk/efo/EFO_",
    "ENSEMBL": "http://identifiers.org/ensembl/",
    "HGNC": "http://identifiers.org/hgnc/",
    "ICD10": "https://bioregistry.io/icd10:",
    "INCHIKEY": "http://identifiers.org/inchikey/",
    "LOINC": "http://loinc.org/rdf/",
    "MEDDRA": "http://identifiers.org/meddra/",
    "MESH": "http://id.nlm.nih.gov/mesh/",
    "MK": OWN,
    "NCBIGene": "http://identifiers.org/ncbigene/",
    "OMIM": "http://purl.obolibrary.org/obo/OMIM_",
    "ORCID": "https://orcid.org/",
    "ORDO": "http://www.orpha.net/ORDO/Orphanet_",
    "PMID": "http://www.ncbi.nlm.nih.gov/pubmed/",
    "PUBCHEM.COMPOUND": "http://identifiers.org/pubchem.compound/",
    "ROR": "https://ror.org/",
    "RXNORM": "http://purl.bioontology.org/ontology/RXNORM/",
    "SNOMEDCT": "http://snomed.info/id/",
    "UMLS": "http://identifiers.org/umls/",
    "UNII": "http://identifiers.org/unii/",
    "UniProtKB": "http://purl.uniprot.org/uniprot/",
    "WIKIDATA": "https://www.wikidata.org/entity/",
    "biolink": "https://w3id.org/biolink/vocab/",
    "cellosaurus": "https://www.cellosaurus.org/",
    "clinicaltrials": "https://www.clinicaltrials.gov/study/",
    "local": f"{OWN}local:",
    "openalex": "https://openalex.org/",
    "pmc-fulltext": "http://www.ncbi.nlm.nih.gov/pmc/",
}
_BY_LOWER_CASE = {prefix.lower(): prefix for prefix in NAMESPACES}

FHIR_SYSTEMS: dict[str, str] = {
    "CHEBI": "http://purl.obolibrary.org/obo/chebi.owl",
    "CL": "http://purl.obolibrary.org/obo/cl.owl",
    "DOI": "https://doi.org",
    "GO": "http://purl.obolibrary.org/obo/go.owl",
    "HGNC": "http://www.genenames.org",
    "HP": "http://human-phenotype-ontology.org",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "LOINC": "http://loinc.org",
    "MESH": "https://www.nlm.nih.gov/mesh",
    "MONDO": "http://purl.obolibrary.org/obo/mondo.owl",
    "NCBIGene": "http://www.ncbi.nlm.nih.gov/gene",
    "NCIT": "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
    "ORCID": "https://orcid.org",
    "PMID": "https://pubmed.ncbi.nlm.nih.gov",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "SNOMEDCT": "http://snomed.info/sct",
    "UBERON": "http://purl.obolibrary.org/obo/uberon.owl",
    "UNII": "http://fdasis.nlm.nih.gov",
    "clinicaltrials": "http://clinicaltrials.gov",
    "pmc-fulltext": "https://www.ncbi.nlm.nih.gov/pmc",
}
"""What FHIR and HL7's terminology call these code systems and identifier spaces."""

_BIOLINK_SPELLING = {"DOI": "doi", "clinicaltrials": "CLINICALTRIALS", "pmc-fulltext": "PMCID"}
_OUR_SPELLING = {biolink: ours for ours, biolink in _BIOLINK_SPELLING.items()}
_NOT_IN_BIOLINK = ("MK", "ROR", "cellosaurus", "clinicaltrials", "local", "openalex")

_LITERALLY = "-._~:/?#[]@!$&'()*+,;="
"""What an IRI may hold besides letters and digits (RFC 3986); anything else is escaped as UTF-8 octets."""
_PLAIN = re.compile(r"[A-Za-z0-9._~:/-]*")
_FORM = re.compile(r"[A-Za-z][\w.-]*:[^\s:]\S*")


def split(curie: str) -> tuple[str, str]:
    """Prefix and local part; a prefix that we know, in our spelling."""
    prefix, _, local = curie.partition(":")
    return _BY_LOWER_CASE.get(prefix.lower(), prefix), local


def iri(curie: str) -> str:
    """The IRI of a CURIE: legal, whatever characters the CURIE has.

    >>> iri("MESH:D008687")
    'http://id.nlm.nih.gov/mesh/D008687'
    """
    prefix, local = split(curie)
    if prefix in NAMESPACES:
        return NAMESPACES[prefix] + escaped(local)
    return f"{BIOREGISTRY}{escaped(prefix)}:{escaped(local)}"


def own_iri(*parts: str) -> str:
    """`urn:medkg:<part>:<part>…`, the parts escaped."""
    return OWN + ":".join(map(escaped, parts))


def escaped(text: str) -> str:
    """Percent-encodes what an IRI must not hold, `#` and `%` included: a local part never reaches into a fragment."""
    if _PLAIN.fullmatch(text):
        return text
    return quote(text, safe=_LITERALLY.replace("#", "").replace("[", "").replace("]", ""))


def biolink_curie(curie: str) -> str:
    """The CURIE as the Biolink Model spells its prefix."""
    prefix, local = split(curie)
    return f"{_BIOLINK_SPELLING.get(prefix, prefix)}:{local}"


def namespace_to_declare(prefix: str) -> str | None:
    """The namespace of a prefix in Biolink's spelling, where the Biolink Model's prefix map lacks it."""
    ours = _OUR_SPELLING.get(prefix, prefix)
    if ours in NAMESPACES:
        return NAMESPACES[ours] if ours in _NOT_IN_BIOLINK else None
    return f"{BIOREGISTRY}{escaped(prefix)}:"


def fhir_system(curie: str) -> tuple[str, str]:
    """Code system and code: the system's own URI, else the namespace that its IRIs have."""
    prefix, local = split(curie)
    if prefix in FHIR_SYSTEMS:
        return FHIR_SYSTEMS[prefix], local
    return NAMESPACES.get(prefix, f"{BIOREGISTRY}{escaped(prefix)}:").rstrip("/:_"), local


def is_curie(text: str) -> bool:
    """Whether it has a prefix and a local part, and no white space."""
    return _FORM.fullmatch(text) is not None
