"""MinerU down, busy, answering garbage, losing tasks, finishing twice, half done, exchanged; and an engine that is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from fault_proxy import MODES, serving, spoiling
from played_mineru import PlayedMineru

from Medical_KG_rev.errors import (
    CircuitOpenError,
    PdfEngineError,
    PdfEngineUnavailableError,
    PdfLimitError,
    PdfPasswordError,
    UnexpectedContentError,
    WorkerStoppedError,
    is_transient,
)
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig
from Medical_KG_rev.parsing.pdf.inspection import open_pdf
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.mineru import MineruEngine
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.testing.pdf import PASSWORD, article
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

pytestmark = pytest.mark.component

URL = "http://mineru.test"
RESULT, SUBMIT = "/result", "/v1/tasks"


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.at: dict[float, Callable[[], object]] = {}

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()
        return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def played() -> Iterator[PlayedMineru]:
    server = PlayedMineru()
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        router.route().mock(side_effect=server.handle)
        yield server


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "article.pdf"
    path.write_bytes(article(3)[0])
    return path


@pytest.fixture
def make(clock: Clock) -> Callable[..., MineruEngine]:
    def engine(limits: PdfLimits | None = None, caller: Any = None, **changes: Any) -> MineruEngine:
        settings = MineruSettings(url=URL, **{"away_seconds": 120.0, **changes})
        return MineruEngine(settings, limits, caller, clock=clock, wait=clock.wait)

    return engine


def is_whole(layout: PdfLayout) -> bool:
    words = article(3)[1]
    text = " ".join(block.text for block in layout.blocks)
    return all(word in text for word in (words[0], words[-1]))


def test_a_server_that_is_down_for_a_minute_is_waited_for(played: PlayedMineru, pdf: Path, clock: Clock, make: Any) -> None:
    played.pending = 3
    down = [httpx.ConnectError("refused")] * 1000
    played.fail(*down, path=RESULT)
    clock.at[60.0] = played._faults.clear
    assert is_whole(make().read(pdf))
    assert (played.submissions, clock.now > 60) == (1, True)


def test_questions_come_ever_less_often(played: PlayedMineru, pdf: Path, clock: Clock, make: Any) -> None:
    played.pending = 12
    make(poll_seconds=2.0).read(pdf)
    assert clock.waits == sorted(clock.waits)
    assert (clock.waits[0], clock.waits[-1]) == (0.25, 2.0)


def test_a_server_that_stays_away_is_a_transient_error_and_the_task_is_not_forgotten(
    played: PlayedMineru, pdf: Path, clock: Clock, make: Any
) -> None:
    played.fail(*[httpx.ConnectError("refused")] * 1000, path=RESULT)
    with pytest.raises(PdfEngineUnavailableError, match="refused"):
        make().read(pdf)
    assert 120 < clock.now < 130
    assert played.tasks == {"job_1": "canceled"}


def test_the_server_may_be_away_when_a_task_is_cancelled(played: PlayedMineru, pdf: Path, make: Any) -> None:
    played.fail(*[httpx.ConnectError("refused")] * 1000, path="job_1")
    with pytest.raises(PdfEngineUnavailableError, match="refused"):
        make().read(pdf)
    assert ("DELETE", "/v1/tasks/job_1") in played.asked


def test_down_before_it_has_the_file_leaves_the_file_to_be_tried_again(played: PlayedMineru, pdf: Path, make: Any) -> None:
    reader = make()
    played.fail(httpx.ConnectError("refused"), path=SUBMIT)
    with pytest.raises(PdfEngineUnavailableError) as caught:
        reader.read(pdf)
    assert is_transient(caught.value)
    assert is_whole(reader.read(pdf))


@pytest.mark.parametrize(
    "garbage",
    [
        httpx.Response(200, text="<html>Maintenance</html>"),
        httpx.Response(202, json=["queued"]),
        httpx.Response(200, content=b"\x00", headers={"content-type": "application/zip"}),
    ],
)
def test_garbage_in_between_is_passed_over(played: PlayedMineru, pdf: Path, make: Any, garbage: httpx.Response) -> None:
    played.fail(*[garbage] * 5, path=RESULT)
    assert is_whole(make().read(pdf))
    assert played.submissions == 1


def test_garbage_without_end_is_named(played: PlayedMineru, pdf: Path, make: Any, clock: Clock) -> None:
    played.fail(*[httpx.Response(200, text="<html>Maintenance</html>")] * 1000, path=RESULT)
    with pytest.raises(UnexpectedContentError, match="Maintenance"):
        make().read(pdf)
    assert clock.now > 120
    assert played.tasks == {"job_1": "canceled"}


def test_a_lost_task_is_submitted_anew_once(played: PlayedMineru, pdf: Path, make: Any) -> None:
    played.forgetful = 1
    assert is_whole(make().read(pdf))
    assert played.submissions == 2
    assert played.tasks == {"job_2": "completed"}


def test_a_file_whose_task_is_lost_twice_is_left_for_later(played: PlayedMineru, pdf: Path, make: Any) -> None:
    played.forgetful = 5
    with pytest.raises(PdfEngineUnavailableError, match="lost a task, and the same file's again"):
        make().read(pdf)
    assert played.submissions == 2


def test_a_task_that_is_lost_while_the_server_was_away_is_submitted_anew(played: PlayedMineru, pdf: Path, make: Any) -> None:
    played.fail(*[httpx.ConnectError("refused")] * 5, path=RESULT)
    played.forgetful = 1  # it came back without its memory
    assert is_whole(make().read(pdf))
    assert played.submissions == 2


def test_finishing_twice_does_no_harm(played: PlayedMineru, pdf: Path, make: Any) -> None:
    reader = make()
    first = reader.read(pdf)
    played.fail(httpx.ReadTimeout("slow"), path=RESULT)  # finished, but the answer was lost on the way
    assert reader.read(pdf) == first
    played.fail(httpx.Response(202, json={"status": "running"}), path=RESULT)  # said to be running after it was done
    assert reader.read(pdf) == first
    assert set(played.tasks.values()) == {"completed"}


def test_half_a_result_is_an_error_that_names_the_pages(played: PlayedMineru, pdf: Path, make: Any) -> None:
    played.missing = {1, 2}
    with pytest.raises(PdfEngineError, match=r"has read 1 of 3 pages; page 2, 3 is missing\..*ACCEPT_PARTIAL"):
        make().read(pdf)
    layout = make(accept_partial=True).read(pdf)
    assert layout.warnings == ("not read: page 2, 3",)
    assert len(layout.pages) == 3
    assert make().fingerprint != make(accept_partial=True).fingerprint


def test_a_server_that_was_exchanged_while_it_read_reads_again(played: PlayedMineru, pdf: Path, make: Any) -> None:
    reader = make()
    before = reader.fingerprint
    played.version = "4.1.0"
    with pytest.raises(PdfEngineUnavailableError, match=r"changed from 4\.0\.12 to 4\.1\.0"):
        reader.read(pdf)
    assert reader.fingerprint != before
    assert reader.read(pdf).engine_version == "4.1.0"


def test_a_task_that_waits_too_long_in_the_queue_is_cancelled(played: PlayedMineru, pdf: Path, clock: Clock, make: Any) -> None:
    played.pending = 10**6
    with pytest.raises(PdfEngineUnavailableError, match="no time for a file within 600 s"):
        make(queue_seconds=600).read(pdf)
    assert 600 < clock.now < 610
    assert played.tasks == {"job_1": "canceled"}


def test_a_file_that_takes_too_long_is_over_its_limit(played: PlayedMineru, pdf: Path, clock: Clock, make: Any) -> None:
    played.fail(*[httpx.Response(202, json={"status": "queued"})] * 30, path=RESULT)  # two minutes in the queue do not count
    played.fail(*[httpx.Response(202, json={"status": "running"})] * 1000, path=RESULT)
    with pytest.raises(PdfLimitError, match=r"article\.pdf was not read by MinerU within 60 s") as caught:
        make(PdfLimits(max_seconds=60)).read(pdf)
    assert caught.value.limit == "max_seconds"
    assert clock.now > 150
    assert played.tasks == {"job_1": "canceled"}


def test_a_breaker_that_is_open_is_a_server_that_is_away(played: PlayedMineru, pdf: Path, make: Any, clock: Clock) -> None:
    policy = ResiliencePolicyConfig.model_validate(
        {
            "max_attempts": 1,
            "backoff_strategy": "none",
            "timeout_seconds": 30,
            "circuit_breaker": {"failure_threshold": 3, "reset_seconds": 50},
        }
    )
    reader = make(caller=ResilientCaller(policy, name="mineru", clock=clock, sleep=clock.wait))
    played.fail(*[httpx.ConnectError("refused")] * 3, path=RESULT)
    assert is_whole(reader.read(pdf))
    assert clock.now > 50
    played.fail(*[httpx.ConnectError("refused")] * 3, path=SUBMIT)
    for _ in range(3):
        with pytest.raises(PdfEngineUnavailableError):
            reader.read(pdf)
    with pytest.raises(PdfEngineUnavailableError) as caught:
        reader.read(pdf)
    assert isinstance(caught.value.__cause__, CircuitOpenError)


def test_closing_breaks_off_what_is_read_and_cancels_it(played: PlayedMineru, pdf: Path) -> None:
    played.pending = 10**6
    engine = MineruEngine(MineruSettings(url=URL, poll_seconds=30))
    raised: list[BaseException] = []

    def read() -> None:
        try:
            engine.read(pdf)
        except WorkerStoppedError as error:
            raised.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    while not played.tasks:
        reader.join(0.01)
    engine.close()
    reader.join(10)
    assert not reader.is_alive()
    assert "article.pdf" in str(raised[0])
    assert played.tasks == {"job_1": "canceled"}
    with pytest.raises(WorkerStoppedError, match="closed"):
        engine.read(pdf)


def test_several_threads_read_at_once(played: PlayedMineru, pdf: Path, make: Any) -> None:
    reader, found = make(), []
    played.pending = 2
    threads = [threading.Thread(target=lambda: found.append(reader.read(pdf))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 4
    assert all(layout == found[0] for layout in found)
    assert list(played.tasks.values()) == ["completed"] * 4


def test_an_encrypted_file_is_sent_without_its_encryption(played: PlayedMineru, tmp_path: Path) -> None:
    path = tmp_path / "hidden.pdf"
    path.write_bytes(text_pdf([Page([Line(50, 700, "A line that was hidden.", 12)])], password=PASSWORD))
    with pytest.raises(PdfPasswordError, match=r"hidden\.pdf"):
        MineruEngine(MineruSettings(url=URL)).read(path)
    assert not played.submissions
    layout = MineruEngine(MineruSettings(url=URL), passwords=["other", PASSWORD]).read(path)
    assert "that was hidden" in layout.blocks[0].text
    sent = tmp_path / "sent.pdf"
    sent.write_bytes(played._files["job_1"])
    document, opened_by = open_pdf(sent)
    document.close()
    assert opened_by is None


@pytest.mark.chaos
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", ["/v1/health", SUBMIT, RESULT])
def test_whatever_becomes_of_an_answer_the_file_is_read_or_the_error_is_transient(mode: Any, place: str, pdf: Path) -> None:
    """Over a real connection. Garbled JSON where a file is taken is an answer of another kind: that is final."""
    played = PlayedMineru()
    settings = {"timeout_seconds": 0.3, "away_seconds": 30.0, "poll_seconds": 0.05}
    with serving(played) as upstream, spoiling(upstream, seconds=0.6) as proxy:
        engine = MineruEngine(MineruSettings(url=proxy.url, **settings))
        ends = place if place != SUBMIT else "POST"
        proxy.spoil(mode, 2, where=lambda asked: ends in f"{asked.method} {asked.target}")
        if place == RESULT:
            assert is_whole(engine.read(pdf))
        else:
            with pytest.raises((PdfEngineUnavailableError, UnexpectedContentError)) as caught:
                engine.read(pdf)
            assert is_transient(caught.value) or mode == "garbled"
        proxy.mend()
        assert is_whole(engine.read(pdf))
        engine.close()
