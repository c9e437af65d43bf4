"""The one table of errors says nothing that the classes or the runner contradict."""

from __future__ import annotations

import re

import pytest

from Medical_KG_rev import errors
from Medical_KG_rev.error_reference import (
    DIES,
    ERROR_FACTS,
    FAILS,
    NOTHING,
    RETRIED,
    WAITS,
    facts_of,
    retry_kind,
)
from Medical_KG_rev.errors import (
    MedicalKGError,
    PayloadError,
    TransientError,
    WorkerLostError,
)
from Medical_KG_rev.orchestration.ledger import JobStatus
from Medical_KG_rev.orchestration.stages.calls import SYSTEMIC

pytestmark = pytest.mark.unit

KINDS = list(ERROR_FACTS)


def test_the_table_has_every_class_in_the_order_of_the_tree() -> None:
    drawn = re.findall(r"^    (?:[│├└─ ]*)(\w+Error)\b", errors.__doc__ or "", flags=re.MULTILINE)
    assert [kind.__name__ for kind in KINDS] == drawn


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tried_again_is_what_is_transient(kind: type[MedicalKGError]) -> None:
    course = ERROR_FACTS[kind].course
    if issubclass(kind, TransientError):
        assert course in (RETRIED, WAITS, NOTHING)
    else:
        assert course is not RETRIED
    assert retry_kind(kind) == ("transient" if issubclass(kind, TransientError) else "terminal")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_stops_for_what_no_document_is_guilty_of(kind: type[MedicalKGError]) -> None:
    course = ERROR_FACTS[kind].course
    if issubclass(kind, SYSTEMIC):
        assert course in (WAITS, NOTHING)
    elif course is WAITS:
        assert kind is WorkerLostError


@pytest.mark.parametrize("kind", KINDS)
def test_reasons_are_names_and_meanings_are_one_line(kind: type[MedicalKGError]) -> None:
    facts = ERROR_FACTS[kind]
    assert re.fullmatch(r"|[a-z]+(_[a-z]+)*", facts.reason)
    for text in (facts.meaning, facts.remedy):
        assert text
        assert not re.search(r"[\n|]", text)


def test_ledger_states_are_states_of_jobs() -> None:
    states = {course.ledger_state for course in (FAILS, RETRIED, WAITS, DIES)}
    assert states <= set(JobStatus)


def test_an_error_of_an_extension_has_the_facts_of_its_nearest_relative() -> None:
    class TruncatedScanError(PayloadError):
        code = "scan_truncated"

    assert facts_of(TruncatedScanError) is ERROR_FACTS[PayloadError]
