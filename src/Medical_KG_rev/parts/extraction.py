"""What reads texts: the lexicon, the finders that stand on it, and a language model where one is configured."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.models import Document, StageContext, document_folder
from Medical_KG_rev.settings_extraction import TaggerName

if TYPE_CHECKING:
    from Medical_KG_rev.extraction.document import DocumentClaims, Xrefs
    from Medical_KG_rev.extraction.lexicon import Lexicon
    from Medical_KG_rev.extraction.llm import ChatEndpoint, LlmUse
    from Medical_KG_rev.extraction.spans import FoundClaim
    from Medical_KG_rev.extraction.tagging import Tagger
    from Medical_KG_rev.extraction.text import Findings, TextReader
    from Medical_KG_rev.models import Caller
    from Medical_KG_rev.parts.components import ComponentParts
    from Medical_KG_rev.settings_extraction import LlmSettings
    from Medical_KG_rev.storage import ObjectStore

logger = logging.getLogger(__name__)

ANSWERS = "llm"
"""Where answers of language models lie in the object store."""


def open_reader(parts: ComponentParts, tagger: TaggerName) -> TextReader:
    """What reads texts with this tagger (``fast``, ``accurate`` or ``none``).

    Raises:
        ModelNotInstalledError: the lexicon, or a model of the tagger, was never fetched.
    """
    from Medical_KG_rev.extraction.context import ContextFinder
    from Medical_KG_rev.extraction.grounding import MentionFinder
    from Medical_KG_rev.extraction.relations import RelationFinder
    from Medical_KG_rev.extraction.text import TextReader
    from Medical_KG_rev.extraction.trial_prose import TrialProse

    lexicon = parts.lexicon
    mentions = MentionFinder(lexicon, _tagger(parts, tagger))
    contexts, relations, prose = ContextFinder(), RelationFinder(lexicon), TrialProse()
    versions = [part.fingerprint for part in (mentions, contexts, relations, prose)]
    return TextReader(mentions, contexts, [relations.find, prose.find], versions)


def _tagger(parts: ComponentParts, name: TaggerName) -> Tagger | None:
    from Medical_KG_rev.extraction.tagging import open_tagger

    if name == "none":
        return None
    if name == "fast":
        return open_tagger(name, parts.lexicon)
    from Medical_KG_rev.text.token_states import TokenStates

    return open_tagger(name, parts.lexicon, TokenStates("bge-small", parts.models, threads=parts.settings.embedding.threads))


def open_extractor(parts: ComponentParts) -> Any:
    """The extract stage as the settings describe it. Raises as :func:`open_reader` does."""
    from Medical_KG_rev.extraction.document import DocumentExtractor
    from Medical_KG_rev.extraction.meaning import LexiconMeaning
    from Medical_KG_rev.extraction.record import RecordExtractor

    settings = parts.settings.extraction
    if not settings.text:
        return RecordExtractor()
    claims: list[DocumentClaims] = [_eligibility]
    versions = ["eligibility-1"]
    if parts.settings.llm.server != "none":
        model = _llm_claims(parts)
        claims.append(model)
        versions.append(model.fingerprint)
    meaning = LexiconMeaning(parts.lexicon)
    record = RecordExtractor(meaning, meaning.fingerprint)
    return DocumentExtractor(record, parts.text_reader(settings.tagger), _xrefs_of(parts.lexicon), claims, versions)


def _eligibility(_ctx: StageContext, document: Document, findings: Findings) -> list[FoundClaim]:
    from Medical_KG_rev.extraction.eligibility import eligibility_claims

    return eligibility_claims(document, findings.text, findings.mentions)


def _xrefs_of(lexicon: Lexicon) -> Xrefs:
    """Asked for every mention: a concept is read once."""

    @lru_cache(maxsize=20_000)
    def xrefs(curie: str) -> tuple[str, ...]:
        concept = lexicon.concept(curie)
        return tuple(concept.xrefs) if concept is not None else ()

    return xrefs


def open_chat(settings: LlmSettings, caller: Caller | None = None) -> ChatEndpoint:
    """The language model that the settings name."""
    from Medical_KG_rev.extraction.llm import ChatEndpoint, ChatLimits

    return ChatEndpoint(
        str(settings.base_url),
        settings.api_model,
        version=settings.version,
        api_key=settings.api_key.get_secret_value(),
        limits=ChatLimits(settings.timeout_seconds, settings.max_tokens),
        require_gpu=settings.require_gpu,
        caller=caller,
    )


def _llm_claims(parts: ComponentParts) -> Any:
    from Medical_KG_rev.extraction.llm import LlmClaims

    settings = parts.settings.llm
    chat = open_chat(settings, parts.caller_for(settings.policy))

    def note(use: LlmUse) -> None:
        cost = (use.prompt_tokens * settings.prompt_price + use.completion_tokens * settings.completion_price) / 1_000_000
        refused = sum(use.refused.values())
        parts.metrics.llm(use.prompt_tokens, use.completion_tokens, cost, kept=use.claims, refused=refused)
        logger.info(
            "%s: %d requests, %d answers kept from before, %d + %d tokens, cost %.6f; %d claims, refused %s",
            use.model,
            use.requests,
            use.kept,
            use.prompt_tokens,
            use.completion_tokens,
            cost,
            use.claims,
            use.refused or "none",
        )

    return LlmClaims(chat, StoredAnswers(parts.store), passage_chars=settings.passage_chars, record=note)


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """Answers in the object store, in a folder of the document: deleting it takes them along."""

    store: ObjectStore

    def get(self, tenant_id: str, doc_id: str, key: str) -> bytes | None:
        """The answer; None where there is none, or only a broken one."""
        try:
            content = self.store.read(_place(tenant_id, doc_id, key))
        except KeyError:
            return None
        digest, answer = content[:32], content[32:]
        return answer if hashlib.sha256(answer).digest() == digest else None

    def put(self, tenant_id: str, doc_id: str, key: str, answer: bytes) -> None:
        """Keeps it, with a digest before it."""
        self.store.put(_place(tenant_id, doc_id, key), hashlib.sha256(answer).digest() + answer)


def _place(tenant_id: str, doc_id: str, key: str) -> str:
    return f"{document_folder(ANSWERS, tenant_id, doc_id)}{key}"
