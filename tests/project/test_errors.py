"""The error tree as drawn is the tree as built, and every error travels between processes whole."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from Medical_KG_rev import errors
from Medical_KG_rev.errors import InvalidDocumentError, MedicalKGError, TerminalError, TransientError, is_transient

pytestmark = pytest.mark.unit


def classes() -> list[type[MedicalKGError]]:
    return [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, MedicalKGError)]


def drawn() -> list[tuple[str, str, str]]:
    """(class, the class it hangs from, its remark) for every line of the tree in the docstring."""
    path: list[str] = []
    rows = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ((?:│   |    )*(?:[├└]── )?)(\w+Error)\b(.*)$", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            rows.append((match[2], path[depth - 1] if depth else "", match[3]))
    return rows


def parent(kind: type[MedicalKGError]) -> str:
    return next((base.__name__ for base in kind.__bases__ if issubclass(base, MedicalKGError)), "")


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    assert sorted((name, above) for name, above, _ in drawn()) == sorted((kind.__name__, parent(kind)) for kind in classes())


def test_remarks_on_retry_and_exit_codes_are_true() -> None:
    for name, _, remark in drawn():
        kind = getattr(errors, name)
        if "transient" in remark:
            assert issubclass(kind, TransientError), name
        if "terminal" in remark:
            assert issubclass(kind, TerminalError), name
        if code := re.search(r"exit code (\d)", remark):
            assert kind.exit_code == int(code[1]), name


def test_codes_are_stable_names_and_unique() -> None:
    codes = [kind.code for kind in classes()]
    assert len(set(codes)) == len(codes)
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)] == []


@pytest.mark.parametrize("kind", classes())
def test_no_error_is_both_transient_and_terminal(kind: type[MedicalKGError]) -> None:
    assert not (issubclass(kind, TransientError) and issubclass(kind, TerminalError))
    assert is_transient(kind("It failed.")) == issubclass(kind, TransientError)


@pytest.mark.parametrize("kind", classes())
def test_every_error_pickles_with_its_subject(kind: type[MedicalKGError]) -> None:
    error = kind("Study NCT00000000 failed.", remedy="Try again.", doc_id="clinicaltrials:NCT00000000", attempt=2)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "Study NCT00000000 failed. Try again."
    assert (copy.doc_id, copy.attempt, copy.subject) == ("clinicaltrials:NCT00000000", 2, error.subject)


def test_reasons_survive_pickling() -> None:
    error = InvalidDocumentError("Not valid.", reasons=["a", "b"], doc_id="local:1")
    assert pickle.loads(pickle.dumps(error)).reasons == ("a", "b")


def test_what_an_error_does_not_carry_reads_as_none_and_nothing_overwrites_its_message() -> None:
    error = MedicalKGError("It failed.", code="own")
    assert error.endpoint is None
    assert (error.message, error.subject) == ("It failed.", {"code": "own"})
