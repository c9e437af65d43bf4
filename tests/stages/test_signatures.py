"""Right by shape is accepted; a wrong signature is refused, naming class, method and what was expected."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from Medical_KG_rev.errors import StageContractError
from Medical_KG_rev.models import Chunk, Document, StageContext
from Medical_KG_rev.orchestration.stages import StageRegistry, check_signature, contracts
from Medical_KG_rev.orchestration.stages.contracts import ChunkStage

pytestmark = pytest.mark.unit


class Plain:
    """Right, without a base class and without registering."""

    fingerprint = "plain-1"

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return []


class Untyped:
    fingerprint = "untyped-1"

    def execute(self, ctx, document, limit=3, *, verbose=False):  # type: ignore[no-untyped-def]
        return []


class Delegating:
    fingerprint = "delegating-1"

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return []


class Anonymous:
    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return []


class Computed:
    @property
    def fingerprint(self) -> str:
        return "computed-1"

    def execute(self, ctx: Any, document: Any) -> list[Chunk]:
        return []


@pytest.mark.parametrize("implementation", [Plain(), Untyped(), Delegating(), Anonymous(), Computed()])
def test_o3_a_right_class_is_accepted_without_registering(implementation: Any) -> None:
    check_signature(ChunkStage, implementation)


class WrongName:
    fingerprint = "x"

    def execute(self, ctx: StageContext, doc: Document) -> list[Chunk]:
        return []


class TooFew:
    fingerprint = "x"

    def execute(self, ctx: StageContext) -> list[Chunk]:
        return []


class TooMany:
    fingerprint = "x"

    def execute(self, ctx: StageContext, document: Document, size: int) -> list[Chunk]:
        return []


class KeywordOnly:
    fingerprint = "x"

    def execute(self, ctx: StageContext, document: Document, *, size: int) -> list[Chunk]:
        return []


class WrongParameterType:
    fingerprint = "x"

    def execute(self, ctx: StageContext, document: str) -> list[Chunk]:
        return []


class WrongResult:
    fingerprint = "x"

    def execute(self, ctx: StageContext, document: Document) -> Chunk:
        raise NotImplementedError


class Swapped:
    fingerprint = "x"

    def execute(self, document: Document, ctx: StageContext) -> list[Chunk]:
        return []


class Asynchronous:
    fingerprint = "x"

    async def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return []


class NoMethod:
    fingerprint = "x"


class NotCallable:
    fingerprint = "x"
    execute = 3


@pytest.mark.parametrize(
    ("implementation", "fault"),
    [
        (WrongName(), "'doc' should be 'document'"),
        (TooFew(), "'document' is missing"),
        (TooMany(), "'size' has no default"),
        (KeywordOnly(), "'size' has no default"),
        (WrongParameterType(), "'document' should be Document, not str"),
        (WrongResult(), "the result should be list"),
        (Swapped(), "'document' should be 'ctx'"),
        (Asynchronous(), "asynchronous"),
        (NoMethod(), "no such method"),
        (NotCallable(), "no such method"),
    ],
)
def test_o4_a_wrong_signature_names_class_method_and_expectation(implementation: Any, fault: str) -> None:
    with pytest.raises(StageContractError) as caught:
        check_signature(ChunkStage, implementation)
    error = caught.value
    name = type(implementation).__name__
    assert str(error).startswith(f"{name}.execute does not fulfil ChunkStage: expected execute(ctx: 'StageContext', document:")
    assert fault in str(error)
    assert (error.implementation, error.method) == (name, "execute")
    assert error.expected.startswith("execute(ctx")


@pytest.mark.parametrize("fingerprint", ["", None, 7])
def test_a_fingerprint_must_be_text(fingerprint: Any) -> None:
    stage = Plain()
    stage.fingerprint = fingerprint
    with pytest.raises(StageContractError, match=r"Plain\.fingerprint does not fulfil ChunkStage: expected fingerprint: str"):
        check_signature(ChunkStage, stage)


def test_a_class_is_not_an_implementation() -> None:
    with pytest.raises(StageContractError, match="is a class, not an instance"):
        check_signature(ChunkStage, Plain)


def test_o4_the_registry_refuses_it_when_it_is_built() -> None:
    registry = StageRegistry.builtin({"chunk": lambda config: TooFew()})
    with pytest.raises(StageContractError, match=r"TooFew\.execute"):
        registry.build("chunk", {})


def test_any_protocol_can_be_checked() -> None:
    class Sized(Protocol):
        def size(self, unit: str) -> int: ...

    class Box:
        def size(self, unit: str = "kg") -> int:
            return 1

    check_signature(Sized, Box())
    with pytest.raises(StageContractError, match=r"Plain\.size does not fulfil Sized"):
        check_signature(Sized, Plain())


def test_types_known_only_to_the_type_checker_do_not_disturb() -> None:
    class Lazy:
        fingerprint = "lazy-1"

        def execute(self, ctx: StageContext, document: NotImported) -> list[Chunk]:  # type: ignore[name-defined]  # noqa: F821
            return []

    check_signature(ChunkStage, Lazy())


SNIPPET = """
from Medical_KG_rev.models import Chunk, Document, StageContext
from Medical_KG_rev.orchestration.stages.contracts import ChunkStage


class WholeDocument:
    fingerprint = "whole-1"

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return []


class Wrong:
    fingerprint = "wrong-1"

    def execute(self, ctx: StageContext, document: Document) -> str:
        return ""


right: ChunkStage = WholeDocument()
wrong: ChunkStage = Wrong()
"""


def test_o3_mypy_accepts_the_right_class_and_refuses_the_wrong_one(tmp_path: Path) -> None:
    """Only our own modules are followed: with numpy's types the check takes half a minute instead of seconds."""
    (tmp_path / "snippet.py").write_text(SNIPPET)
    package = Path(contracts.__file__).parents[2]
    modules = [*sorted((package / "models").glob("*.py")), package / "errors.py", Path(contracts.__file__)]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=skip", "--cache-dir", str(tmp_path / "cache")]
    answer = subprocess.run(
        [*command, "snippet.py", *map(str, modules)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    errors = [line for line in answer.stdout.splitlines() if line.startswith("snippet.py") and "error:" in line]
    assert len(errors) == 1, answer.stdout + answer.stderr
    assert errors[0].startswith("snippet.py:21: error: Incompatible types in assignment")
