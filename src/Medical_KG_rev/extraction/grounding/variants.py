"""Sequence variants by their notation: rs numbers, HGVS for DNA and protein, and what texts write instead (`V600E`, `C677T`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from Medical_KG_rev.extraction.spans import Candidate

__all__ = ["find_variants", "variant_candidates"]

_AMINO = "Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Ser|Thr|Trp|Tyr|Val|Ter|Sec"
_POSITION = r"[-*]?\d{1,7}(?:[+-]\d{1,6})?"
_PATTERNS = (
    r"[rR]s\d{2,10}",
    rf"[cgmnr]\.\s?(?:{_POSITION})(?:_{_POSITION})?\s?(?:[ACGTUacgtu]\s?(?:>|-->|→|&gt;)\s?[ACGTUacgtu]|(?:del|ins|dup|inv)[ACGTUacgtu\d]{{0,30}}(?:ins[ACGTU]{{1,30}})?)",
    rf"p\.\s?\(?(?:{_AMINO}|[A-Z*])\d{{1,5}}(?:_(?:{_AMINO}|[A-Z])\d{{1,5}})?(?:{_AMINO}|[A-Z*=X]|fs(?:Ter|\*|X)?\d{{0,4}}|del|dup|ins[A-Za-z]{{1,20}})?(?:fs(?:Ter|\*|X)?\d{{0,4}})?\)?",
    rf"(?:{_AMINO})-?\d{{1,5}}-?(?:{_AMINO}|Stop|\*|X|fs(?:X\d{{1,4}})?)",
    r"IVS\d{1,3}\s?[+-]\s?\d{1,4}\s?[ACGT]\s?(?:>|-->)\s?[ACGT]",
    r"[+-]?\d{1,6}\s?[ACGT]\s?(?:>|-->|→)\s?[ACGT]",
    r"[ACDEFGHIKLMNPQRSTVWY][1-9]\d{1,4}[ACDEFGHIKLMNPQRSTVWYX*]",
    r"\d{2,6}(?:_\d{2,6})?(?:del|ins|dup)[ACGT]{0,12}\d{0,3}",
    r"(?:del|Del)F508|F508del",
)  # fmt: skip
_VARIANT = re.compile(rf"(?<![\w.])(?:{'|'.join(f'(?:{pattern})' for pattern in _PATTERNS)})(?![\w*])")
_DIGIT = re.compile(r"\d")
_RS = re.compile(r"[rR]s\d+")
_SHORT_FORM = re.compile(r"[A-Z][1-9]\d{1,4}[A-Z*]")
_CUES = re.compile(
    r"mutat|variant|polymorphi|allele|substitut|genotyp|SNP|codon|missense|nonsense|homozyg|heterozyg|haplotyp|carrier|amino acid"
    r"|residue|exon|gene\b",
    re.IGNORECASE,
)


def find_variants(text: str) -> Iterator[tuple[int, int]]:
    """Ranges of variants, in order. `V600E` counts only where mutations are spoken of: catalogue numbers look the same."""
    if not _DIGIT.search(text):
        return
    speaks: bool | None = None
    for found in _VARIANT.finditer(text):
        if _SHORT_FORM.fullmatch(found.group()):
            if speaks is None:
                speaks = _CUES.search(text) is not None
            if not speaks:
                continue
        yield found.span()


def variant_candidates(name: str) -> tuple[Candidate, ...]:
    """The dbSNP id of an rs number; other notations are no ids."""
    if _RS.fullmatch(name):
        return (Candidate(f"dbSNP:{name.lower()}", name.lower(), 1.0, "an rs number is the id itself"),)
    return ()
