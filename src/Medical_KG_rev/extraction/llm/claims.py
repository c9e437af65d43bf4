"""Asks a model about the passages of a document, keeps its answers, and turns what is borne out into claims."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from Medical_KG_rev.errors import UnexpectedContentError
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.llm.answers import SaidClaim, UnreadableAnswerError, read_answer, verified
from Medical_KG_rev.extraction.llm.endpoint import Chat, ChatAnswer
from Medical_KG_rev.extraction.llm.prompt import PROMPT_VERSION, SCHEMA, messages
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.extraction.text import Findings
from Medical_KG_rev.models import Document, StageContext

logger = logging.getLogger(__name__)


class AnswerStore(Protocol):
    """Keeps answers by tenant, document and key, so that nothing is paid for twice."""

    def get(self, tenant_id: str, doc_id: str, key: str) -> bytes | None: ...

    def put(self, tenant_id: str, doc_id: str, key: str, answer: bytes) -> None: ...


class LlmUse(msgspec.Struct, frozen=True):
    """What one document took: requests and tokens that were paid for, kept answers used, and what became of the statements."""

    model: str
    requests: int
    kept: int
    prompt_tokens: int
    completion_tokens: int
    claims: int
    refused: dict[str, int]


class _Unreadable(msgspec.Struct, frozen=True):
    reason: str


class _Reading:
    """The passages of one document, as they are asked about."""

    def __init__(self, ctx: StageContext, document: Document, findings: Findings) -> None:
        self.tenant_id = ctx.tenant_id
        self.doc_id = document.doc_id
        self.text = document.text
        self.findings = findings
        self.tally: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.claims: list[FoundClaim] = []


class LlmClaims:
    """Claims of a language model. Only sentences that name two grounded entities are shown to it.

    Args:
        chat: the model.
        answers: where answers are kept.
        passage_chars: a passage is as many whole sentences as fit.
        record: told what each document took.
    """

    def __init__(
        self,
        chat: Chat,
        answers: AnswerStore,
        *,
        passage_chars: int = 4000,
        record: Callable[[LlmUse], None] | None = None,
    ) -> None:
        self._chat = chat
        self._answers = answers
        self._passage_chars = passage_chars
        self._record = record
        self.fingerprint = f"llm-{PROMPT_VERSION}:{chat.fingerprint}:{passage_chars}"

    def __call__(self, ctx: StageContext, document: Document, findings: Findings) -> list[FoundClaim]:
        """Claims with the quotes that bear them out.

        Raises:
            RemoteError, GpuNotAvailableError: the endpoint cannot be asked.
            UnexpectedContentError: not one of its answers can be read.
        """
        reading = _Reading(ctx, document, findings)
        for first, last in _passages(findings.text, findings.mentions, self._passage_chars):
            self._read(reading, first, last)
        self._account(reading)
        return reading.claims

    def _read(self, reading: _Reading, first: int, last: int) -> None:
        """One passage, sentences ``[first, last)``; where the answer cannot be read or was cut off, each half by itself."""
        text = reading.findings.text
        start, end = text.starts[text.sentences[first][0]], text.ends[text.sentences[last - 1][1] - 1]
        mentions = [m for m in reading.findings.mentions if start <= m.start and m.end <= end and m.id is not None]
        if len({mention.id for mention in mentions}) < 2:
            return
        said = self._answer(reading, reading.text[start:end], sorted({reading.text[m.start : m.end] for m in mentions}))
        if isinstance(said, list):
            self._keep(reading, said, start, end, mentions)
        elif last - first > 1:
            middle = (first + last) // 2
            self._read(reading, first, middle)
            self._read(reading, middle, last)
        else:
            reading.tally["unreadable"] += 1
            reading.refused["unreadable answer"] += 1
            logger.warning("%s gave no readable answer about a sentence: %s", self._chat.name, said.reason)

    def _keep(self, reading: _Reading, said: Sequence[SaidClaim], start: int, end: int, mentions: Sequence[FoundMention]) -> None:
        reading.tally["read"] += 1
        for each in said:
            found = verified(each, reading.text[start:end], start, mentions, reading.text)
            if isinstance(found, str):
                reading.refused[found] += 1
            else:
                reading.claims.append(found)

    def _answer(self, reading: _Reading, passage: str, names: Sequence[str]) -> list[SaidClaim] | _Unreadable:
        asked = messages(passage, names)
        key = hashlib.sha256(msgspec.json.encode([self.fingerprint, asked])).hexdigest()
        kept = self._answers.get(reading.tenant_id, reading.doc_id, key)
        if kept is not None:
            reading.tally["kept"] += 1
            answer = msgspec.json.decode(kept, type=ChatAnswer)
        else:
            answer = self._chat.ask(asked, SCHEMA)
            reading.tally["requests"] += 1
            reading.tally["prompt"] += answer.prompt_tokens
            reading.tally["completion"] += answer.completion_tokens
            self._answers.put(reading.tenant_id, reading.doc_id, key, msgspec.json.encode(answer))
        if not answer.finished:
            return _Unreadable("it was cut off")
        try:
            return read_answer(answer.text)
        except UnreadableAnswerError as error:
            return _Unreadable(str(error))

    def _account(self, reading: _Reading) -> None:
        tally = reading.tally
        if self._record is not None and (tally["requests"] or tally["kept"]):
            self._record(
                LlmUse(
                    self._chat.name,
                    tally["requests"],
                    tally["kept"],
                    tally["prompt"],
                    tally["completion"],
                    len(reading.claims),
                    dict(reading.refused),
                )
            )
        if tally["unreadable"] and not tally["read"]:
            raise UnexpectedContentError(
                f"{self._chat.name} gave no answer about {reading.doc_id} that can be read.",
                remedy="Serve a model that keeps to a JSON schema, or set MK_LLM__SERVER=none.",
                model=self._chat.name,
                doc_id=reading.doc_id,
            )


def _passages(text: AnalysedText, mentions: Sequence[FoundMention], limit: int) -> Iterator[tuple[int, int]]:
    """Ranges of sentences of at most ``limit`` characters that name something; a longer sentence is not shown."""
    named = _sentences_with(text, mentions)
    first: int | None = None
    for index, (begin, end) in enumerate(text.sentences):
        if first is not None and (index not in named or text.ends[end - 1] - text.starts[text.sentences[first][0]] > limit):
            yield first, index
            first = None
        if index in named and first is None and text.ends[end - 1] - text.starts[begin] <= limit:
            first = index
    if first is not None:
        yield first, len(text.sentences)


def _sentences_with(text: AnalysedText, mentions: Sequence[FoundMention]) -> set[int]:
    """Indices of sentences that name something; mentions are in order."""
    found, index = set(), 0
    for mention in mentions:
        while index < len(text.sentences) and text.ends[text.sentences[index][1] - 1] <= mention.start:
            index += 1
        if index < len(text.sentences) and mention.id is not None:
            found.add(index)
    return found
