"""Pipelines, gates and resilience policies as their YAML files state them: frozen, and valid once they exist.

What a file cannot know by itself (which policies, stage types and sources there are) is checked by the loader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from Medical_KG_rev.orchestration.topology.problems import InvalidTopologyError, Problem

PIN_DIGITS = 12

PipelineName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*$", max_length=64)]
StageName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$", max_length=64)]
PolicyName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
BackoffStrategy = Literal["exponential", "linear", "none"]
LedgerFlag = Literal["pdf_downloaded", "pdf_ir_ready"]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


def _as_tuple(value: object) -> object:
    """Strict tuples do not take YAML's lists."""
    return tuple(value) if isinstance(value, list) else value


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, dict | LedgerPredicate) else _as_tuple(value)


class StageDefinition(_Config):
    """One node of a pipeline's graph."""

    name: StageName = Field(description="Unique in the pipeline; the ledger, metrics and events use it.")
    stage_type: StageName = Field(alias="type", description="A registered stage type: which contract is fulfilled here.")
    policy: PolicyName = Field(description="The resilience policy of each call of this stage, by its name in resilience.yaml.")
    depends_on: Annotated[tuple[StageName, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), description="Stages whose output this one takes."
    )
    config: dict[str, JsonValue] = Field(
        default_factory=dict, description="Given to the stage's factory; part of its artifact keys."
    )


class LedgerPredicate(_Config):
    """What the ledger's row of a job must say."""

    ledger_field: LedgerFlag = Field(description="A flag of the job.")
    equals: bool = Field(description="The value that lets the job pass.")


class GateDefinition(_Config):
    """A halt until the ledger says that something outside has happened."""

    name: StageName = Field(description="Unique among the pipeline's gates.")
    condition: Annotated[
        tuple[LedgerPredicate, ...],
        Field(min_length=1),
        BeforeValidator(_one_or_many, json_schema_input_type=LedgerPredicate | tuple[LedgerPredicate, ...]),
    ] = Field(description="One predicate or several that all must hold.")
    resume_stage: StageName = Field(description="The job goes on from this stage; it and all that depends on it wait.")
    timeout_seconds: float = Field(
        default=86_400.0, ge=1, le=2_592_000, description="A gate that is not met by then fails the job."
    )
    poll_interval_seconds: float = Field(
        default=10.0, ge=1, le=3600, description="How often Dagster's sensor asks the ledger; workers do every second."
    )


class PipelineTopologyConfig(_Config):
    """A pipeline: its stages as an acyclic graph, the gates in it and the sources that it is for."""

    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$", max_length=16)] = Field(
        description="Raised with each change; write it in quotes, YAML reads 1.10 as the number 1.1."
    )
    name: PipelineName = Field(description="The same as the file's name.")
    description: str = Field(min_length=1, max_length=2000, description="What it is for, for people.")
    applicable_sources: Annotated[tuple[SourceName, ...], Field(min_length=1), BeforeValidator(_as_tuple)] = Field(
        description="Registered sources whose records may go this way."
    )
    stages: Annotated[tuple[StageDefinition, ...], Field(min_length=1, max_length=64), BeforeValidator(_as_tuple)] = Field(
        description="In the order in which people think of them; `depends_on` decides the order of execution."
    )
    gates: Annotated[tuple[GateDefinition, ...], Field(max_length=16), BeforeValidator(_as_tuple)] = Field(
        default=(), description="Where jobs wait for something outside."
    )

    @model_validator(mode="after")
    def _is_a_graph(self) -> PipelineTopologyConfig:
        from Medical_KG_rev.orchestration.topology.graph import structure_problems

        problems = structure_problems(self)
        if problems:
            raise InvalidTopologyError(problems)
        return self

    def stage(self, name: str) -> StageDefinition:
        """The stage of that name. Raises KeyError where there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    @property
    def pin(self) -> str:
        """``version@digest``: names exactly this content, whatever its file's comments, place or formatting."""
        content = self.model_dump_json(by_alias=True, exclude_defaults=True)  # a new key with a default changes no pin
        return f"{self.version}@{hashlib.sha256(content.encode()).hexdigest()[:PIN_DIGITS]}"


class CircuitBreakerConfig(_Config):
    """When calls are refused without being made."""

    failure_threshold: int = Field(ge=3, le=10, description="Transient failures in a row that open the breaker.")
    reset_seconds: float = Field(ge=30, le=600, description="After this time one call is let through as a probe.")


class RateLimitConfig(_Config):
    """How often calls may start."""

    per_second: float = Field(ge=0.1, le=100, description="Attempts per second, retries included.")


class ResiliencePolicyConfig(_Config):
    """How one call is protected: limiter, breaker and timeout around each attempt, retry around them all."""

    max_attempts: int = Field(ge=1, le=20, description="Attempts in all; the first try counts.")
    backoff_strategy: BackoffStrategy = Field(description="How the wait grows from one retry to the next.")
    initial_backoff_seconds: float = Field(default=1.0, ge=0.1, le=10, description="The wait before the first retry.")
    max_backoff_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="No wait is longer (before jitter), a server's Retry-After included; at most timeout_seconds.",
    )
    jitter_seconds: float = Field(default=0.0, ge=0, le=5, description="A random time of up to this is added to each wait.")
    timeout_seconds: float = Field(ge=1, le=600, description="Per attempt.")
    circuit_breaker: CircuitBreakerConfig | None = Field(default=None, description="No breaker unless stated.")
    rate_limit: RateLimitConfig | None = Field(default=None, description="No limit unless stated.")

    @model_validator(mode="after")
    def _backoff_makes_sense(self) -> ResiliencePolicyConfig:
        problems = list(self._backoff_problems())
        if problems:
            raise InvalidTopologyError(problems)
        return self

    def _backoff_problems(self) -> Iterator[Problem]:
        if self.initial_backoff_seconds > self.max_backoff_seconds:
            yield Problem(("initial_backoff_seconds",), f"is above max_backoff_seconds ({self.max_backoff_seconds:g})")
        yield from self._waits_above_timeout()
        if self.backoff_strategy == "none":
            for name in ("initial_backoff_seconds", "jitter_seconds"):
                if name in self.model_fields_set and getattr(self, name):
                    yield Problem((name,), "has no effect with backoff_strategy none; leave it out")

    def _waits_above_timeout(self) -> Iterator[Problem]:
        """A stated wait that is longer than an attempt may take: one of both is a slip of the pen."""
        if self.backoff_strategy == "none":
            return
        for name in ("initial_backoff_seconds", "max_backoff_seconds"):
            value = getattr(self, name)
            if name in self.model_fields_set and value > self.timeout_seconds:
                least = 0.1 if name == "initial_backoff_seconds" else 1
                valid = f"{least:g} to {self.timeout_seconds:g}"
                yield Problem((name,), f"{value:g} is above timeout_seconds ({self.timeout_seconds:g})", (valid,))


class ResiliencePolicies(_Config):
    """The file resilience.yaml."""

    policies: Annotated[dict[PolicyName, ResiliencePolicyConfig], Field(min_length=1, max_length=64)] = Field(
        description="Policies by the name that stages and settings use."
    )
