"""What is wrong with a configuration file, and the error that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from Medical_KG_rev.errors import DagsterPipelineConfigError

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.topology.document import YamlDocument

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
SHOWN_CHARACTERS = 80
SHOWN_PROBLEMS = 20
_RANGE_TYPES = ("greater_than_equal", "less_than_equal")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (a path of keys and list positions), what, and which values would be right."""

    location: Location
    message: str
    valid: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The location as people write it: ``stages[2].policy``."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.location)
        return text.removeprefix(".")


class InvalidTopologyError(ValueError):
    """Carries problems out of a pydantic validator, which knows values but not lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Pydantic's findings on a model, in our words."""
    return [problem for item in error.errors(include_url=False) for problem in _problems_of_item(item, model)]


def _problems_of_item(item: Any, model: type[BaseModel]) -> Iterator[Problem]:
    location: Location = tuple(part for part in item["loc"] if part != "[key]")
    context = item.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, InvalidTopologyError):
        for problem in cause.problems:
            yield Problem((*location, *problem.location), problem.message, problem.valid)
    elif item["type"] == "literal_error":
        yield Problem(location, f"{_shown(item['input'])} is unknown", tuple(re.findall(r"'([^']*)'", context["expected"])))
    elif item["type"] == "extra_forbidden":
        yield Problem(location, "is not a known key", _keys_at(model, location[:-1]))
    elif item["type"] == "missing":
        yield Problem(location, "is missing")
    else:
        message = f"{_shown(item['input'])}: {_in_yaml_words(item['msg'])}{_hint(item)}"
        yield Problem(location, message, _range_at(model, location) if item["type"] in _RANGE_TYPES else ())


def _range_at(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """The numbers that may stand at a location, as ``0.1 to 100``."""
    field = _model_at(model, location[:-1]).model_fields.get(str(location[-1]))
    limits = {type(item).__name__: getattr(item, type(item).__name__.lower()) for item in (field.metadata if field else ())}
    return (f"{limits['Ge']:g} to {limits['Le']:g}",) if {"Ge", "Le"} <= limits.keys() else ()


def _keys_at(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """The keys of the mapping that stands at a location of the model's YAML."""
    model = _model_at(model, location)
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    for part in location:
        field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
        if field is not None:  # otherwise a list position or a free key, in which the model stays the same
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _hint(item: Any) -> str:
    is_number_for_text = item["type"] == "string_type" and isinstance(item["input"], int | float)
    return " (put it in quotes)" if is_number_for_text else ""


def validated(model: type[M], document: YamlDocument, *, check: str = "medkg pipelines validate FILE") -> M:
    """A document's values as a model. ``check`` is the command that checks such a file.

    Raises:
        DagsterPipelineConfigError: with file, line, field and the valid values.
    """
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise config_error(document, problems_of(error, model), check=check) from error


def unknown_name(path: Path, what: str, name: str, valid: tuple[str, ...]) -> DagsterPipelineConfigError:
    """The error for a name that is not among those there are."""
    return file_error(path, f"there is no {what} '{name}'", remedy=f"There are: {', '.join(valid) or 'none'}.", valid=valid)


def config_error(
    document: YamlDocument, problems: Iterable[Problem], *, check: str = "medkg pipelines validate FILE"
) -> DagsterPipelineConfigError:
    """The error for a file: every problem on a line of its own, the first one as the error's subject."""
    found = list(problems)
    lines = [_line(document, problem) for problem in found[:SHOWN_PROBLEMS]]
    if len(found) > SHOWN_PROBLEMS:
        lines.append(f"… and {len(found) - SHOWN_PROBLEMS} more")
    first = found[0]
    return DagsterPipelineConfigError(
        "\n".join(lines),
        remedy=f"Correct the file; `{check}` checks it.",
        file=str(document.path),
        line=document.line_of(first.location),
        field=first.field,
        valid=first.valid,
    )


def file_error(
    path: Path, message: str, *, line: int | None = None, remedy: str = "", valid: tuple[str, ...] = ()
) -> DagsterPipelineConfigError:
    """The error for a file as a whole: it cannot be read as YAML, or is not there."""
    where = f"{path}:{line}" if line else str(path)
    return DagsterPipelineConfigError(f"{where}: {message}.", remedy=remedy, file=str(path), line=line, valid=valid)


def _line(document: YamlDocument, problem: Problem) -> str:
    where = f"{document.path}:{document.line_of(problem.location)}"
    field = f"{problem.field}: " if problem.field else ""
    valid = f"; valid: {', '.join(problem.valid)}" if problem.valid else ""
    return f"{where}: {field}{problem.message}{valid}."


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _in_yaml_words(message: str) -> str:
    words = re.sub(r" or instance of \w+", "", message).replace("dictionary", "mapping").replace("tuple", "list")
    return words[:1].lower() + words[1:]
