"""What a trial's posted results state: groups and their sizes, values, analyses, adverse events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.names import normal, short_hash
from Medical_KG_rev.extraction.statements import Statements
from Medical_KG_rev.models import Annotation, EntityType

_P_VALUE = re.compile(r"\s*(?:p\s*)?(<=|>=|[<>=≤≥])?\s*((?:\d{0,9}\.)?\d{1,12}(?:[eE]-?\d{1,3})?)\s*")
_NUMBER = re.compile(r"[-+]?(?:\d{1,15}\.?\d{0,12}|\.\d{1,12})(?:[eE][-+]?\d{1,3})?")
_ASCII = {"≤": "<=", "≥": ">="}


def arm_id(study: str, label: str) -> str:
    """The id of an arm of a study."""
    return f"{study}:arm:{short_hash(normal(label))}"


class ResultReader:
    """Reads the annotations of the results section. A reporting group that has the name of an arm is that arm."""

    def __init__(
        self,
        statements: Statements,
        arms: Collection[str],
        outcome_id: Callable[[str, Mapping[str, Any]], str],
        event: Callable[[str, str], str],
    ) -> None:
        self._say = statements
        self._study = statements.document.doc_id
        self._arms = arms
        self._outcome_id = outcome_id
        self._event = event

    def read(self, by_kind: Mapping[str, list[Annotation]]) -> None:
        """States everything; groups first, since the rest refers to them."""
        for kind, read in (
            ("group", self._group),
            ("group_size", self._group_size),
            ("result", self._result),
            ("analysis", self._analysis),
            ("adverse_event", self._adverse_event),
            ("event_total", self._event_total),
        ):
            for annotation in by_kind.get(kind, []):
                read(annotation)

    def _known(self, title: str) -> str | None:
        """The id of a group that the record describes."""
        for entity in (arm_id(self._study, title), self._group_id(title)):
            if entity in self._say:
                return entity
        return None

    def _group_id(self, title: str) -> str:
        return f"{self._study}:group:{short_hash(normal(title))}"

    def _group(self, annotation: Annotation) -> None:
        title = self._say.document.text[annotation.start : annotation.end]
        is_arm = normal(title) in self._arms
        group = arm_id(self._study, title) if is_arm else self._group_id(title)
        description = annotation.attributes.get("description")
        self._say.entity(group, EntityType.STUDY_ARM, title, annotation, description=description)
        self._say.claim(self._study, p.HAS_PART, group, annotation)

    def _group_size(self, annotation: Annotation) -> None:
        stated = dict(annotation.attributes)
        group, participants = self._known(str(stated.pop("group", ""))), str(stated.pop("participants", ""))
        if group is not None and participants.isdecimal():
            self._say.claim(group, p.SAMPLE_SIZE, None, annotation, value=participants, **stated)

    def _result(self, annotation: Annotation) -> None:
        stated = dict(annotation.attributes)
        name, value = str(stated.pop("outcome", "")), str(stated.pop("value", ""))
        outcome = self._outcome_id(name, stated)
        if outcome in self._say and value and value != "NA":
            group = self._known(str(stated.get("group", "")))
            self._say.claim(outcome, p.HAS_VALUE, None, annotation, value=value, group_id=group, **stated)

    def _analysis(self, annotation: Annotation) -> None:
        """The value is the effect, or the p-value of a test without one; numbers are stated as such where they are numbers."""
        stated = dict(annotation.attributes)
        outcome = self._outcome_id(str(stated.pop("outcome", "")), stated)
        effect, p_value = str(stated.pop("effect", "")), str(stated.pop("p_value", ""))
        value = effect if effect and effect != "NA" else p_value
        if outcome not in self._say or not value:
            return
        for name in ("ci_level", "ci_low", "ci_high", "dispersion"):
            if name in stated:
                stated[name] = _number(stated[name])
        groups = [self._known(title) for title in stated.get("groups", ())]
        group_ids = [group for group in groups if group is not None]
        test = _test(p_value)
        self._say.claim(
            outcome,
            p.COMPARED_BETWEEN,
            None,
            annotation,
            value=value,
            group_ids=group_ids,
            effect_value=_number(effect) if _NUMBER.fullmatch(effect) else None,
            **test,
            **stated,
        )

    def _adverse_event(self, annotation: Annotation) -> None:
        """An event that nobody of a group had is in the table, and no claim."""
        stated = dict(annotation.attributes)
        term = str(stated.pop("term", ""))
        if not term or not stated.get("affected"):
            return
        event = self._event(term, str(stated.get("organ_system", "")))
        group = self._known(str(stated.get("group", "")))
        self._say.claim(self._study, p.REPORTS_EVENT, event, annotation, group_id=group, **stated)

    def _event_total(self, annotation: Annotation) -> None:
        stated = dict(annotation.attributes)
        affected = stated.get("affected")
        group = self._known(str(stated.get("group", "")))
        if affected is not None:
            self._say.claim(self._study, p.EVENT_TOTAL, None, annotation, value=str(affected), group_id=group, **stated)


def _number(text: Any) -> Any:
    """A number where the text is one, else the text (`NA`, `Infinity`)."""
    text = str(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _test(p_value: str) -> dict[str, Any]:
    """The p-value as a number with its comparator; as text when it is none."""
    found = _P_VALUE.fullmatch(p_value)
    if found is None:
        return {"p_value": p_value}
    comparator = _ASCII.get(found[1], found[1])
    return {"p_value": float(found[2]), "p_comparator": None if comparator == "=" else comparator}
