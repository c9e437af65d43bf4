"""A large language model as one more finder of claims: asked under a schema, believed only where it quotes the text."""

from Medical_KG_rev.extraction.llm.claims import AnswerStore, LlmClaims, LlmUse
from Medical_KG_rev.extraction.llm.endpoint import Chat, ChatEndpoint, ChatLimits

__all__ = ["AnswerStore", "Chat", "ChatEndpoint", "ChatLimits", "LlmClaims", "LlmUse"]
