"""No file takes the host of an engine down, holds it up, or costs the next file anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pdf_engines import LyingEngine, MisbehavingEngine, MissingEngine, PlainEngine

from Medical_KG_rev.errors import PartUnavailableError, PdfLimitError, PdfUnreadableError, WorkerStoppedError
from Medical_KG_rev.parsing.pdf import isolation
from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits
from Medical_KG_rev.testing.pdf import (
    CHECKS,
    MakeEngine,
    article,
    check_article,
    check_password,
    check_progress,
    check_refusals,
)
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.component

MEMORY = 128 * MEBIBYTE
MakeIsolated = Callable[..., IsolatedEngine]


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[MakeIsolated]:
    """An isolated engine that does what its file says."""
    made: list[IsolatedEngine] = []

    def make(**limits: float) -> IsolatedEngine:
        allowed = PdfLimits(**{"max_memory_bytes": MEMORY, "max_seconds": 20.0, **limits})  # type: ignore[arg-type]
        made.append(IsolatedEngine(MisbehavingEngine, {"folder": str(tmp_path)}, limits=allowed))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def order(tmp_path: Path) -> Callable[[str], Path]:
    """A file that tells its engine what to do."""

    def write(text: str) -> Path:
        path = tmp_path / f"{text}.pdf"
        path.write_bytes(text_pdf([Page([Line(50, 700, text)])]))
        return path

    return write


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_plain_engine_passes_the_kit(check: Callable[[MakeEngine, Path], None], tmp_path: Path) -> None:
    check(PlainEngine, tmp_path)


@pytest.mark.parametrize("check", [check_article, check_password, check_progress, check_refusals])
def test_an_engine_passes_the_kit_in_isolation_as_it_does_without(
    check: Callable[[MakeEngine, Path], None], tmp_path: Path
) -> None:
    check(lambda: IsolatedEngine(PlainEngine), tmp_path)


def test_one_child_reads_many_files(make_engine: MakeIsolated, order: Callable[[str], Path]) -> None:
    engine = make_engine()
    told: list[tuple[int, int]] = []
    layouts = [engine.read(order("read"), progress=lambda pages, total: told.append((pages, total))) for _ in range(2)]
    child = engine.process_id
    assert layouts[0] == layouts[1]
    assert layouts[0].engine == "misbehaving"
    assert told[-1] == (3, 3)
    assert child not in (None, os.getpid())
    engine.read(order("read"))
    assert engine.process_id == child


def test_a_crash_costs_one_file(make_engine: MakeIsolated, order: Callable[[str], Path], tmp_path: Path) -> None:
    engine = make_engine()
    with pytest.raises(PdfUnreadableError, match=r"crash\.pdf .* crashes at it, 2 times: it ended with SIGSEGV"):
        engine.read(order("crash"))
    assert calls(tmp_path) == 2
    assert engine.read(order("read")).blocks


def test_a_crash_that_does_not_happen_again_costs_nothing(
    make_engine: MakeIsolated, order: Callable[[str], Path], tmp_path: Path
) -> None:
    assert make_engine().read(order("stumble")).blocks
    assert calls(tmp_path) == 2


def test_a_child_that_leaves_is_a_crash(make_engine: MakeIsolated, order: Callable[[str], Path]) -> None:
    with pytest.raises(PdfUnreadableError, match="it ended with code 3"):
        make_engine().read(order("leave"))


def test_a_file_that_takes_too_long_is_ended(make_engine: MakeIsolated, order: Callable[[str], Path], tmp_path: Path) -> None:
    engine = make_engine(max_seconds=1.0)
    engine.read(order("read"))
    child = engine.process_id
    began = time.monotonic()
    with pytest.raises(PdfLimitError, match=r"takes more than 1 seconds .* MK_PDF__MAX_SECONDS") as caught:
        engine.read(order("hang"))
    assert time.monotonic() - began < 10
    assert caught.value.limit == "max_seconds"
    assert calls(tmp_path) == 2, "a file that is too slow is not tried again"
    assert child is not None
    assert not psutil.pid_exists(child)
    assert engine.read(order("read")).blocks


@pytest.mark.parametrize("appetite", ["swell", "gulp"])
def test_a_file_that_needs_too_much_memory_is_ended(
    appetite: str, make_engine: MakeIsolated, order: Callable[[str], Path]
) -> None:
    engine = make_engine()
    with pytest.raises(PdfLimitError, match=r"more than 128 MiB of memory .* MK_PDF__MAX_MEMORY_MB"):
        engine.read(order(appetite))
    assert engine.read(order("read")).blocks


def test_a_child_that_leaked_is_replaced(make_engine: MakeIsolated, order: Callable[[str], Path]) -> None:
    engine = make_engine(max_memory_bytes=300 * MEBIBYTE)
    engine.read(order("leak"))
    assert engine.process_id is None
    assert engine.read(order("read")).blocks


def test_a_child_is_replaced_after_many_files(
    make_engine: MakeIsolated, order: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "FILES_PER_PROCESS", 2)
    engine = make_engine()
    engine.read(order("read"))
    assert engine.process_id is not None
    engine.read(order("read"))
    assert engine.process_id is None


@pytest.mark.parametrize(("defect", "said"), [("fail", "ZeroDivisionError: a defect"), ("recurse", "RecursionError")])
def test_a_defect_of_the_engine_is_told_with_its_place(
    defect: str, said: str, make_engine: MakeIsolated, order: Callable[[str], Path]
) -> None:
    engine = make_engine()
    with pytest.raises(PdfUnreadableError, match=rf"the engine misbehaving failed with {said}.*pdf_engines\.py:\d+"):
        engine.read(order(defect))
    child = engine.process_id
    assert engine.read(order("read")).blocks
    assert engine.process_id == child, "an error is an answer, not a crash"


def test_what_progress_raises_ends_the_reading(make_engine: MakeIsolated, order: Callable[[str], Path]) -> None:
    def cancel(pages: int, total: int) -> None:
        raise KeyboardInterrupt

    engine = make_engine()
    with pytest.raises(KeyboardInterrupt):
        engine.read(order("hang"), progress=cancel)
    assert engine.read(order("read")).blocks


def test_closing_ends_a_reading_under_way(make_engine: MakeIsolated, order: Callable[[str], Path]) -> None:
    engine = make_engine()
    closing = threading.Thread(target=engine.close)
    with pytest.raises(WorkerStoppedError, match="stopped"):
        engine.read(order("hang"), progress=lambda pages, total: closing.start())
    closing.join()
    with pytest.raises(WorkerStoppedError, match="closed"):
        engine.read(order("read"))


def test_an_engine_that_cannot_be_built_is_named(order: Callable[[str], Path]) -> None:
    engine = IsolatedEngine(MissingEngine, {"parent": os.getpid()})
    with pytest.raises(PartUnavailableError, match=r"the engine is not installed.*medical-kg-rev\[pdf\]"):
        engine.read(order("read"))
    engine.close()


def test_what_is_no_layout_is_not_taken(order: Callable[[str], Path]) -> None:
    engine = IsolatedEngine(LyingEngine)
    with pytest.raises(PdfUnreadableError, match="its answer is none"):
        engine.read(order("read"))
    engine.close()


def test_passwords_of_the_settings_are_tried(tmp_path: Path) -> None:
    path = tmp_path / "hidden.pdf"
    path.write_bytes(text_pdf([Page([Line(50, 700, "hidden")])], password="sesame"))
    engine = IsolatedEngine(PlainEngine, passwords=("open", "sesame"))
    assert engine.read(path).blocks[0].text == "hidden"
    engine.close()


def test_the_child_ends_with_its_parent(tmp_path: Path, order: Callable[[str], Path]) -> None:
    """A host that is killed leaves nobody behind, even in the midst of a file."""
    program = (
        "import sys; sys.path[:] = eval(sys.argv[1])\n"
        "from pathlib import Path\n"
        "from pdf_engines import MisbehavingEngine\n"
        "from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine\n"
        "engine = IsolatedEngine(MisbehavingEngine, {'folder': sys.argv[2]})\n"
        "engine.read(Path(sys.argv[3]), progress=lambda pages, total: print(engine.process_id, flush=True))\n"
    )
    command = [sys.executable, "-c", program, repr(sys.path), str(tmp_path), str(order("hang"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        child = psutil.Process(int(host.stdout.readline()))
        host.send_signal(signal.SIGKILL)
        assert child.wait(10) is None or not child.is_running()


def test_the_layout_of_an_article_passes_through(tmp_path: Path) -> None:
    path = tmp_path / "article.pdf"
    path.write_bytes(article(3)[0])
    engine = IsolatedEngine(PlainEngine)
    assert engine.read(path) == PlainEngine().read(path)
    assert (engine.name, engine.version, engine.fingerprint) == ("plain", "1", "plain-1()")
    engine.close()
