"""How sentences of trial reports tell what a comparison gave: words of difference and of none, their direction, their sides."""

from __future__ import annotations

import re
from typing import Final

NO_DIFFERENCE: Final = re.compile(
    r"\bno (?:\w+ ){0,4}?(?:differe\w+|effects?|changes?|association|benefits?|improvement|reduction|increase|interactions?"
    r"|evidence)\b"
    r"|\b(?:not|n't|never|nor|neither) (?:\w+ ){0,5}?(?:differ\w*|significa\w+|affect\w*|reach\w*|alter\w*|chang\w+|improv\w+"
    r"|reduc\w+|increa\w+"
    r"|influenc\w*|superior|detect\w*|show\w*|observe\w*|found|seen)\b"
    r"|\b(?:non|in)-?\s?significa\w+|\bnone of\b|\bwithout (?:\w+ ){0,3}differe\w+"
    r"|\b(?:similar|comparable|identical|equivalent|unaffected|unchanged|non-?inferior\w*|the same|equally|failed to|lack of)\b"
    r"|\bp\s?=\s?n\.?s|\bn\.s\.|\(ns\)|\btrend(?:s|ed)?\b",
    re.IGNORECASE,
)
"""Words that say that there is no difference."""

SIGNIFICANT: Final = re.compile(r"\bsignifica\w+", re.IGNORECASE)

MORE: Final = re.compile(
    r"\b(?:higher|greater|more|longer|larger|increa\w+|rais(?:e|es|ed)|elevated|rose|rise|gain(?:ed|s)?|enhanc\w+"
    r"|improv\w+"
    r"|better|superior|faster|earlier|exceeded|prolonged|doubled)\b",
    re.IGNORECASE,
)
LESS: Final = re.compile(
    r"\b(?:lower(?:ed|s)?|less|fewer|shorter|smaller|decrea\w+|reduc(?:e|es|ed|ing|tion|tions)|declin\w+|fell"
    r"|drop(?:ped|s)?"
    r"|diminish\w*|attenuat\w+|suppress\w+|prevent\w*|worse\w*|inferior|slower|shorten\w*|los[st]|alleviat\w+)\b",
    re.IGNORECASE,
)
BETTER: Final = re.compile(r"\b(?:improv\w+|better|superior|benefi\w+|favou?r\w*)\b", re.IGNORECASE)
WORSE: Final = re.compile(r"\b(?:worse\w*|inferior|deteriorat\w+)\b", re.IGNORECASE)
"""Of these the outcome tells whether there is more or less of it: pain that is better is less."""

BURDEN: Final = re.compile(
    r"\b(?:pain|symptom\w*|severity|mortality|deaths?|morbidity|complications?|adverse|events?|depress\w*|anxiety|stress"
    r"|fatigue|disability|burden"
    r"|distress|failure|relapse\w*|recurren\w+|infections?|bleeding|nausea|vomiting|exacerbation\w*|insomnia|impairment"
    r"|dysfunction|handicap"
    r"|interference|latency|duration|time to|length of|hospitali[sz]ation\w*|errors?|weight|bmi|blood pressure|cholesterol"
    r"|glucose|hba1c"
    r"|craving|smoking|womac|haq|ccq|sgrq|ptsd|reaction time|walk time|score on the)\b",
    re.IGNORECASE,
)
"""Outcomes of which less is better."""

THAN: Final = re.compile(
    r"\b(?:than|compared (?:with|to)|comparison (?:with|to)|versus|vs\.?|relative to|as opposed to|over)(?=\s)", re.IGNORECASE
)
AGAINST: Final = frozenset({"control", "placebo", "comparison", "usual", "conventional", "standard", "sham", "alone", "routine"})
"""Words for the group that is compared with."""
FOR: Final = frozenset({"intervention", "treatment", "experimental", "active", "study"})
"""Words for the group that is tested."""
