"""What every provoked error is held against: its row in the reference, the policy of a call, the end of a command."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import pytest

from Medical_KG_rev.cli.main import main, medkg
from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.orchestration.resilience import PolicyRunner
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"
ATTEMPTS = 3


def page_row(kind: type[MedicalKGError]) -> list[str]:
    """The cells of the error's row in the reference."""
    found = re.search(rf"^\| `{kind.__name__}` \|.*$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert found is not None
    return [cell.strip(" `") for cell in found[0].strip("|").split(" | ")]


def attempts(error: MedicalKGError) -> int:
    """How often a policy of three attempts tries a call that meets the error."""
    calls = []

    def call() -> NoReturn:
        calls.append(1)
        raise error

    policy = {"max_attempts": ATTEMPTS, "backoff_strategy": "none", "timeout_seconds": 30.0}
    runner = PolicyRunner(ResiliencePolicyConfig.model_validate(policy), "embed", sleep=lambda seconds: None)
    with pytest.raises(type(error)):
        runner.call(call)
    runner.close()
    return len(calls)


def exit_code(error: MedicalKGError) -> int:
    """What a command ends with."""
    with patch.object(medkg, "main", side_effect=error), pytest.raises(SystemExit) as ended:
        main([])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def check_row(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[MedicalKGError], None]]:
    """Compares an error that was met with its row: code, whether it is tried again, what a command says and ends with."""
    before = signal.getsignal(signal.SIGTERM)  # the command line answers it; the tests do not

    def check(error: MedicalKGError) -> None:
        _, code, _, kind, *_, exits, _ = page_row(type(error))
        assert error.code == code
        assert attempts(error) == {"transient": ATTEMPTS, "terminal": 1}[kind]
        assert exit_code(error) == int(exits)
        said = capsys.readouterr().err
        assert error.message in said
        assert error.remedy in said
        assert "Traceback" not in said

    yield check
    signal.signal(signal.SIGTERM, before)
