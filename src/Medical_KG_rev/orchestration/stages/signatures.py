"""Whether an implementation really has the methods that its Protocol asks for.

``isinstance`` with a runtime Protocol only looks for names; here parameters and annotations are compared too, so that a wrong
signature is refused when a pipeline is built and not when the first document meets it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any

from Medical_KG_rev.errors import StageContractError

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_signature(protocol: type, implementation: object) -> None:
    """Accepts an object that has the Protocol's attributes and methods, by shape alone.

    A method must be callable as the Protocol calls it: the same positional parameters under the same names (more only with
    defaults), and the same annotations where it has any (``Any`` and names that cannot be resolved pass). A ``fingerprint``,
    where there is one, must be text.

    Args:
        protocol: a Protocol of contracts.py, or any other with methods.
        implementation: an instance (not a class) of whatever type.

    Raises:
        StageContractError: names the class, the method and the expected signature.
    """
    if isinstance(implementation, type):
        raise _broken(protocol, implementation, "", "an instance", f"{implementation.__name__} is a class, not an instance")
    fingerprint = getattr(implementation, "fingerprint", "absent")
    if not isinstance(fingerprint, str) or not fingerprint:
        raise _broken(protocol, type(implementation), "fingerprint", "fingerprint: str", f"it is {fingerprint!r}")
    for name, expected in _methods(protocol):
        _check_method(protocol, implementation, name, expected)


def _check_method(protocol: type, implementation: object, name: str, expected: Any) -> None:
    wanted = f"{name}{inspect.signature(expected)}".replace("(self, ", "(")
    kind = type(implementation)
    method = getattr(implementation, name, None)
    if not callable(method):
        raise _broken(protocol, kind, name, wanted, "it has no such method")
    if inspect.iscoroutinefunction(method):
        raise _broken(protocol, kind, name, wanted, "it is asynchronous")
    try:
        found = inspect.signature(method)
    except (TypeError, ValueError) as error:
        raise _broken(protocol, kind, name, wanted, "its signature cannot be read") from error
    parameters = list(inspect.signature(expected).parameters.values())[1:]
    fault = _parameter_fault(parameters, list(found.parameters.values())) or _annotation_fault(expected, method)
    if fault:
        raise _broken(protocol, kind, name, wanted, f"it is {name}{found}: {fault}")


def _parameter_fault(expected: list[inspect.Parameter], found: list[inspect.Parameter]) -> str:
    """Why the found parameters cannot take the expected call; empty where they can."""
    positional = [parameter for parameter in found if parameter.kind in POSITIONAL]
    takes_more = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in found)
    for index, wanted in enumerate(expected):
        if index >= len(positional):
            return "" if takes_more else f"parameter '{wanted.name}' is missing"
        if positional[index].name != wanted.name:
            return f"parameter '{positional[index].name}' should be '{wanted.name}'"
    extra = [
        parameter.name
        for parameter in (*positional[len(expected) :], *(p for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY))
        if parameter.default is inspect.Parameter.empty
    ]
    return f"parameter '{extra[0]}' has no default" if extra else ""


def _annotation_fault(expected: Any, method: Any) -> str:
    wanted, found = _hints(expected), _hints(method)
    for name, annotation in wanted.items():
        if name in found and Any not in (annotation, found[name]) and found[name] != annotation:
            what = "the result" if name == "return" else f"parameter '{name}'"
            return f"{what} should be {_name(annotation)}, not {_name(found[name])}"
    return ""


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # names only for type checkers: mypy's question then
        return {}


def _methods(protocol: type) -> Iterator[tuple[str, Any]]:
    for name, member in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            yield name, member


def _broken(protocol: type, kind: type, method: str, expected: str, found: str) -> StageContractError:
    where = f"{kind.__name__}.{method}" if method else kind.__name__
    return StageContractError(
        f"{where} does not fulfil {protocol.__name__}: expected {expected}; {found}.",
        remedy="Give it exactly this signature; no base class is needed.",
        implementation=kind.__qualname__,
        method=method,
        expected=expected,
    )


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", str(annotation)) if isinstance(annotation, type) else str(annotation)
