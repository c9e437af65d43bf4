"""The registry's enumerations and flags in readable English."""

from __future__ import annotations

from collections.abc import Iterable

_SPECIAL = {
    "NA": "Not applicable",
    "EARLY_PHASE1": "Early phase 1",
    "PHASE1": "Phase 1",
    "PHASE2": "Phase 2",
    "PHASE3": "Phase 3",
    "PHASE4": "Phase 4",
    "NIH": "NIH",
    "FED": "Federal agency",
    "OTHER_GOV": "Other government",
    "INDIV": "Individual",
    "UNKNOWN": "Unknown",
    "SAP": "Statistical analysis plan (SAP)",
    "ICF": "Informed consent form (ICF)",
    "CSR": "Clinical study report (CSR)",
    "ACTIVE_NOT_RECRUITING": "Active, not recruiting",
    "GT60": "More than 60 days",
    "LTE60": "60 days or less",
    "SAMPLES_WITH_DNA": "Samples with DNA",
    "SAMPLES_WITHOUT_DNA": "Samples without DNA",
    "EUDRACT_NUMBER": "EudraCT number",
    "CTIS": "CTIS",
}


def readable(value: str) -> str:
    """`NOT_YET_RECRUITING` → "Not yet recruiting"; a value that is not an enumeration stays as it is."""
    special = _SPECIAL.get(value)
    if special is not None:
        return special
    if value and value == value.upper() and value.replace("_", "").isalnum():
        return value.replace("_", " ").capitalize()
    return value


def readable_all(values: Iterable[str]) -> str:
    """Several values in one line."""
    return ", ".join(readable(value) for value in values if value)


def yes_no(value: bool | None) -> str:
    """Yes, no, or nothing when the record does not say."""
    return "" if value is None else "Yes" if value else "No"
