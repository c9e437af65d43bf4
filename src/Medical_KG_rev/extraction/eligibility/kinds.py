"""What a criterion is about, by its words."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a criterion constrains."""

    AGE = "age"
    SEX = "sex"
    LAB = "lab"
    """A measured value or score: laboratory, vital sign, performance status, imaging."""
    CONDITION = "condition"
    TREATMENT = "treatment"
    """Drug, procedure or therapy: past, current or planned."""
    MARKER = "marker"
    """Gene, variant, species, cell line."""
    ALLERGY = "allergy"
    """Hypersensitivity or contraindication."""
    PREGNANCY = "pregnancy"
    """Pregnancy, breastfeeding, contraception."""
    CONSENT = "consent"
    """Consent, willingness, ability to take part."""
    PARTICIPATION = "participation"
    """In other studies."""
    SURVIVAL = "survival"
    """Life expectancy."""
    OTHER = "other"


_WORDS: Final = {
    Kind.PREGNANCY: r"pregnan|lactat|breast[- ]?feed|\bnursing\b|child[- ]?bearing|contracepti|birth control|\bconceive"
    r"|\bwocbp\b",
    Kind.CONSENT: r"\bconsent|\bassent\b|\bwilling|\bunwilling|\babl?e to (?:\w+ )?(?:understand|comply|provide|give|read"
    r"|attend|follow|adhere|complete|cooperate|communicate|speak|sign|participate|undergo|tolerate)|\b(?:un"
    r"|in)able to (?:\w+ )?(?:understand|comply|provide|give|read|attend|follow|adhere|complete|cooperate|communicate|speak)"
    r"|\babilit(?:y|ies) (?:\w+ ){0,4}to (?:understand|comply|read|give|provide|follow|complete|adhere)|\bcapable of\b"
    r"|\bcapacity to\b|\bcan comply|\bcomply with\b|\bcompliance with\b|\bcooperat(?!ive oncology)|\bnon-?complian"
    r"|\bspeak (?:and|or)\b|\bfluent|\blanguage\b|\benglish\b|\bliterate"
    r"|\bfollow-?up visits|\blegal(?:ly)? (?:guardian|representative|authori)"
    r"|\bunder guardianship|\bagree(?:s|d)? to\b|\baffiliat|\bhealth insurance|\bsmart ?phone|\binternet access",
    Kind.PARTICIPATION: r"\b(?:another|other|any) (?:\w+ ){0,3}(?:clinical |interventional |therapeutic |research )?(?:trial"
    r"|stud(?:y|ies)|protocol)\b|\bparticipat\w+ in (?:an? |any |other )?(?:\w+ )?(?:\w+ )?(?:trial|stud)"
    r"|\binvestigational (?:agent|drug|product|device|medic|treatment|therap|study|new)",
    Kind.ALLERGY: r"\ballerg|hypersensitiv|\bintoleran|contra-?indicated|contra-?indications?|anaphyla|\bidiosyncra",
    Kind.SURVIVAL: r"life expectanc|expected (?:survival|lifespan)|(?:estimated|predicted|anticipated) survival"
    r"|survival time|survival of (?:at|more)",
}  # fmt: skip
_PATTERNS: Final = {kind: re.compile(words, re.IGNORECASE) for kind, words in _WORDS.items()}

_TREATMENT: Final = re.compile(
    r"\btreat(?:ed|ing|s)?|treatments?\b|therap|medication|\bdrugs? (?!abuse|addict|depend|use dis)|\btaking\b|\buse of\b"
    r"|\busing\b|\breceiv|surger|surgical|\boperat(?:ion|ed)|transplant|\bradiation\b|vaccin|antibiotic|steroid|\binsulin\b"
    r"|inhibitor|\bimplant|\binjection|\bprocedure\b|anticoagul|\bregimen|\binfusion|\btransfusion|\bagents?\b|\bantibod(?:y"
    r"|ies)\b|\bopioids?\b|\bnsaids?\b|\bresection\b|\bdialysis\b|\bdoses?\b|\bfusion\b|\w(?:mab|nib|statin|cillin|platin"
    r"|taxel|rubicin)\b|immunosuppress",
    re.IGNORECASE,
)
_CONDITION: Final = re.compile(
    r"diseas|disorder|syndrome|cancer|tumou?r|malignan|carcinom|leuk[a]?emi|lymphom|myelom|sarcom|infect|\bfailure\b|fractur"
    r"|\bpain\b|diagnos|symptom|lesion|metasta|stenosis|\w(?:itis|osis|osus|emia|aemia|opathy|oma|uria|algia"
    r"|plegia|trophy|pathy|penia|ectasis|rhea|megaly|phyte\w*|phytes|lysis|listhesis|culopathy)\b|psychos|psychiatr|suicid"
    r"|abuse|addict|alcoholism|dependen|deficit|dysfunction|arrhythm|insufficien|hernia|deform|instabilit|impairment"
    r"|depressi|anxiety|diabet|hypertens|bleed|h[a]?emorrhag|\bstroke\b|seizure|epilep|illness|trauma|injur|prolapse"
    r"|nocturia|obes|asthma|\bcompression\b|relaps|kyphosis|scolios|degenerat|\bedema|ulcer|thromb|embol|\babnormal|comorbid"
    r"|\bcns involvement|involvement|dementia|isch[a]?emi|\bcis\b|allograft"
    r"|rejection|wound|defect|protrusion|herniation|hepatitis|\bhiv\b|tubercul|sepsis|\bmasses\b",
    re.IGNORECASE,
)
_FINDING: Final = re.compile(r"\b(?:history|presence|evidence|signs?) of\b", re.IGNORECASE)
PERMITS: Final = re.compile(
    r"\b(?:is|are|was|were|be) (?:\w+ )?(?:allowed|permitted|acceptable|eligible)\b|\b(?:allowed|permitted|eligible) (?:if"
    r"|provided|when|as long)\b|\bnot (?:be )?(?:excluded|exclusionary)\b|\bmay (?:be enrolled|participate|enroll)\b",
    re.IGNORECASE,
)
_FORBIDS: Final = re.compile(r"\bnot (?:be )?(?:allowed|permitted|acceptable|eligible)\b", re.IGNORECASE)
EXCEPTION: Final = re.compile(
    r"\b(?:except(?:ions?)?(?: for| of| are| include)?|other than|with the exception of|unless|excluding|apart from"
    r"|not including)\b[^.;]*",
    re.IGNORECASE,
)
"""What a criterion leaves out, up to the end of its sentence."""


def kinds_of(text: str) -> set[Kind]:
    """What the words of a criterion tell that it is about, numbers and names aside.

    Consent to contraception is about pregnancy; a disease that hinders compliance is about the disease.
    """
    told = {kind: match.start() for kind, pattern in _PATTERNS.items() if (match := pattern.search(text))}
    consent = told.get(Kind.CONSENT)
    if consent is not None and (Kind.PREGNANCY in told or _begins(_CONDITION, text) < consent):
        del told[Kind.CONSENT]
    return set(told)


def main_kind(text: str) -> Kind | None:
    """Treatment or condition, whichever the words tell of first."""
    treatment, condition = _begins(_TREATMENT, text), _begins(_CONDITION, text)
    if treatment == condition:
        return Kind.CONDITION if _FINDING.search(text) else None
    return Kind.TREATMENT if treatment < condition else Kind.CONDITION


def _begins(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.search(text)
    return match.start() if match else len(text)


def permits(text: str) -> bool:
    """Whether the criterion says that some may take part, rather than that they must or must not."""
    return PERMITS.search(text) is not None and _FORBIDS.search(text) is None
