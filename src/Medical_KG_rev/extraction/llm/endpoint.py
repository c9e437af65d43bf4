"""An OpenAI-compatible chat endpoint (vLLM, llama.cpp, TGI, a provider), asked for JSON under a schema."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import msgspec

from Medical_KG_rev.endpoints.answers import translate
from Medical_KG_rev.endpoints.liveness import Liveness
from Medical_KG_rev.errors import RequestRejectedError, UnexpectedContentError
from Medical_KG_rev.models import Caller

if TYPE_CHECKING:
    from openai import OpenAI

    from Medical_KG_rev.endpoints.gpu import GpuProbe


class ChatAnswer(msgspec.Struct, frozen=True):
    """What the model wrote, whether it came to its end, and what it cost in tokens."""

    text: str
    finished: bool
    prompt_tokens: int
    completion_tokens: int


class Chat(Protocol):
    """A model that can be asked."""

    fingerprint: str
    name: str

    def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> ChatAnswer: ...


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """Bounds of one request."""

    timeout_seconds: float = 60.0
    max_tokens: int = 2048


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class ChatEndpoint:
    """A remote model. Nothing is asked of it before the first passage; then it is probed, and again after a pause.

    Args:
        base_url: up to and with ``/v1``.
        model: as the endpoint calls it; part of the fingerprint with ``version``, by which the operator names its weights.
        require_gpu: a silent endpoint then counts as a missing GPU, and a local one needs a GPU on this machine.
        caller: makes each request under a resilience policy.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        version: str = "",
        api_key: str = "",
        limits: ChatLimits | None = None,
        require_gpu: bool = False,
        caller: Caller | None = None,
        gpu: GpuProbe | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self.name = model
        self._limits = limits or ChatLimits()
        self._api_key = api_key
        self._caller = caller
        self._client: OpenAI | None = None
        self._liveness = Liveness(
            self._base,
            f"{self._base.removesuffix('/v1')}/health",
            section="LLM",
            require_gpu=require_gpu,
            check=self._check_models,
            api_key=api_key,
            gpu=gpu,
        )
        made_of = f"{model};{version};{self._limits.max_tokens}"
        self.fingerprint = f"chat-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"

    def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> ChatAnswer:
        """One answer, at temperature 0.

        Raises:
            GpuNotAvailableError: no GPU behind the endpoint although one is required; never tried twice.
            RemoteError: transient or terminal, by what happened.
            UnexpectedContentError: the answer is not that of a chat.
        """
        self._liveness.ensure()
        request = partial(self._request, messages, schema)
        answer = request() if self._caller is None else self._caller.call(request)
        self._liveness.seen()
        return answer

    def probe(self) -> None:
        """Asks whether the endpoint is alive and serves the model; tries nothing twice. Raises as :meth:`ask` does."""
        self._liveness.probe()

    def close(self) -> None:
        """Closes the connections."""
        self._liveness.close()
        if self._client is not None:
            self._client.close()

    def _request(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> ChatAnswer:
        from openai import OpenAIError

        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": self._limits.max_tokens,
            "response_format": {"type": "json_schema", "json_schema": {"name": "claims", "strict": True, "schema": dict(schema)}},
        }
        try:
            completion = self._opened().chat.completions.create(**arguments)
            choice = completion.choices[0]
            usage = completion.usage
            return ChatAnswer(
                (choice.message.content or "").encode("utf-8", "replace").decode(),
                choice.finish_reason == "stop",
                usage.prompt_tokens if usage else 0,
                usage.completion_tokens if usage else 0,
            )
        except OpenAIError as error:
            raise translate(error, self._base, "LLM") from error
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise UnexpectedContentError(f"{self._base} gave no chat completion: {error}.", endpoint=self._base) from error

    def _opened(self) -> OpenAI:
        if self._client is None:
            from openai import OpenAI

            # openai's types name a copy of httpx; its code takes both.
            client: Any = httpx.Client(timeout=self._limits.timeout_seconds)
            self._client = OpenAI(base_url=self._base, api_key=self._api_key or "EMPTY", max_retries=0, http_client=client)
        return self._client

    def _check_models(self) -> None:
        page = self._liveness.page(f"{self._base}/models")
        try:
            served = [model.id for model in msgspec.json.decode(page, type=_Models).data]
        except msgspec.MsgspecError as error:
            raise UnexpectedContentError(f"{self._base}/models is not a list of models: {error}.", endpoint=self._base) from error
        if self.name not in served:
            raise RequestRejectedError(
                f"{self._base} does not serve {self.name}; it serves {', '.join(served) or 'nothing'}.",
                remedy="Set MK_LLM__API_MODEL.",
                endpoint=self._base,
            )
