"""What a trial's record states: conditions, interventions, arms, outcomes, results, adverse events, sponsors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.names import Meaning, mesh_curie, normal, own_id, short_hash, word_key
from Medical_KG_rev.extraction.statements import Statements
from Medical_KG_rev.extraction.trial_results import ResultReader, arm_id
from Medical_KG_rev.models import Annotation, EntityType

MAX_TESTED_PAIRS = 2_000
"""Above this many (intervention, condition) pairs a record says nothing about any single one, and none is claimed."""

_TREATING_PURPOSES = frozenset({"TREATMENT", "PREVENTION", "SUPPORTIVE_CARE"})
_COMPARATOR_ARMS = frozenset({"PLACEBO_COMPARATOR", "SHAM_COMPARATOR", "NO_INTERVENTION"})
_INTERVENTION_TYPES = {
    **dict.fromkeys(("DRUG", "BIOLOGICAL", "DIETARY_SUPPLEMENT", "COMBINATION_PRODUCT"), EntityType.CHEMICAL),
    **dict.fromkeys(("PROCEDURE", "RADIATION", "DEVICE", "BEHAVIORAL", "DIAGNOSTIC_TEST"), EntityType.PROCEDURE),
}


class TrialReader:
    """Reads the annotations of one trial.

    MeSH terms of the derived section ground the names that the sponsor wrote; else ``meaning`` may know a name.
    """

    def __init__(self, statements: Statements, by_kind: Mapping[str, list[Annotation]], meaning: Meaning | None = None) -> None:
        self._meaning = meaning
        self._say = statements
        self._study = statements.document.doc_id
        self._by_kind = by_kind
        self._mesh: dict[str, dict[str, tuple[str, str]]] = {"condition": {}, "intervention": {}}
        self._conditions: dict[str, Annotation] = {}
        self._interventions: dict[str, tuple[str, Annotation]] = {}
        self._tested: dict[str, Annotation] = {}
        self._arms: dict[str, str] = {}

    def read(self) -> None:
        """States everything: names first, since arms, results and events refer to them."""
        self._collect_mesh()
        for annotation in self._of("condition"):
            self._condition(annotation)
        for annotation in self._of("arm"):
            self._arms[normal(self._quote(annotation))] = str(annotation.attributes.get("type", ""))
        for annotation in self._of("intervention"):
            self._intervention(annotation)
        for annotation in self._of("mesh"):
            self._derived_term(annotation)
        self._tested_pairs()
        for kind, read in (
            ("arm", self._arm),
            ("phase", self._phase),
            ("outcome", self._outcome),
            ("sponsor", self._sponsor),
        ):
            for annotation in self._of(kind):
                read(annotation)
        ResultReader(self._say, self._arms, self._outcome_id, self._event).read(self._by_kind)

    def _of(self, kind: str) -> list[Annotation]:
        return self._by_kind.get(kind, [])

    def _quote(self, annotation: Annotation) -> str:
        return self._say.document.text[annotation.start : annotation.end]

    def _collect_mesh(self) -> None:
        """Names by which each MeSH term may be written: its own, then those that the registry found it by."""
        terms = []
        for annotation in self._of("mesh"):
            names = self._mesh.get(annotation.attributes.get("role", ""))
            mesh = mesh_curie(annotation.attributes.get("id"))
            if names is not None and mesh is not None:
                term = self._quote(annotation)
                names.setdefault(word_key(term), (mesh, term))
                terms.append((names, mesh, term, annotation.attributes.get("as_found", ())))
        for names, mesh, term, as_found in terms:
            for name in as_found:
                names.setdefault(word_key(name), (mesh, term))

    def _ground(self, role: str, name: str, type: EntityType, *mentions: Annotation, **details: Any) -> str:
        """The entity of a name: the MeSH term that it is a variant of, else what it is known to mean, else one of our own."""
        known = self._mesh[role].get(word_key(name)) or (self._meaning(name, type) if self._meaning is not None else None)
        if known is None:
            return self._say.entity(own_id(type, name), type, name, *mentions, **details)
        return self._say.entity(
            known[0], type, known[1], *mentions, **{**details, "aliases": (name, *details.get("aliases", ()))}
        )

    def _condition(self, annotation: Annotation) -> None:
        condition = self._ground("condition", self._quote(annotation), EntityType.DISEASE, annotation)
        self._conditions.setdefault(condition, annotation)
        self._say.claim(self._study, p.STUDIES_CONDITION, condition, annotation)

    def _intervention(self, annotation: Annotation) -> None:
        kind = str(annotation.attributes.get("type", ""))
        name = self._quote(annotation)
        entity_type = _INTERVENTION_TYPES.get(kind, EntityType.INTERVENTION)
        aliases = annotation.attributes.get("other_names", ())
        entity = self._ground("intervention", name, entity_type, annotation, aliases=aliases, intervention_type=kind)
        self._interventions.setdefault(normal(name), (entity, annotation))
        self._say.claim(self._study, p.TESTS_INTERVENTION, entity, annotation)
        if not self._is_comparator(name, annotation):
            self._tested.setdefault(entity, annotation)

    def _is_comparator(self, name: str, annotation: Annotation) -> bool:
        """Whether it only stands beside what is tested: a placebo or sham, or used in such arms alone."""
        arms = [self._arms.get(normal(label), "") for label in annotation.attributes.get("arms", ())]
        words = word_key(name).split()
        return "placebo" in words or "sham" in words or (bool(arms) and all(arm in _COMPARATOR_ARMS for arm in arms))

    def _derived_term(self, annotation: Annotation) -> None:
        """A MeSH term that the registry assigned to the study, whether or not a name was matched to it."""
        role, term = annotation.attributes.get("role"), self._quote(annotation)
        mesh = mesh_curie(annotation.attributes.get("id"))
        if mesh is None or role not in self._mesh:
            return
        if role == "condition":
            self._say.entity(mesh, EntityType.DISEASE, term, annotation)
            self._conditions.setdefault(mesh, annotation)
            self._say.claim(self._study, p.STUDIES_CONDITION, mesh, annotation)
        else:
            known = mesh in self._say
            self._say.entity(mesh, self._common_type(), term, annotation)
            if not known:
                self._tested.setdefault(mesh, annotation)
            self._say.claim(self._study, p.TESTS_INTERVENTION, mesh, annotation)

    def _common_type(self) -> EntityType:
        """The type that all the study's interventions share, since a derived term does not say which it belongs to."""
        kinds = {str(annotation.attributes.get("type", "")) for _, annotation in self._interventions.values()}
        types = {_INTERVENTION_TYPES.get(kind, EntityType.INTERVENTION) for kind in kinds}
        return types.pop() if len(types) == 1 else EntityType.INTERVENTION

    def _tested_pairs(self) -> None:
        """Which intervention was tested for which condition; only trials whose stated purpose is to treat or prevent say so."""
        metadata = self._say.document.metadata
        treats = metadata.get("study_type") == "INTERVENTIONAL" and metadata.get("primary_purpose") in _TREATING_PURPOSES
        if not treats or len(self._tested) * len(self._conditions) > MAX_TESTED_PAIRS:
            return
        phases = list(metadata.get("phase", ()))
        for (intervention, tested), (condition, studied) in product(self._tested.items(), self._conditions.items()):
            if intervention != condition:
                self._say.claim(intervention, p.STUDIED_FOR, condition, tested, studied, study=self._study, phase=phases)

    def _arm(self, annotation: Annotation) -> None:
        label, kind = self._quote(annotation), annotation.attributes.get("type")
        arm = arm_id(self._study, label)
        self._say.entity(arm, EntityType.STUDY_ARM, label, annotation, arm_type=kind)
        self._say.claim(self._study, p.HAS_PART, arm, annotation)
        for name in annotation.attributes.get("interventions", ()):
            found = self._interventions.get(normal(name.partition(": ")[2] or name))
            if found is not None:
                self._say.claim(arm, p.HAS_PARTICIPANT, found[0], annotation, found[1])

    def _phase(self, annotation: Annotation) -> None:
        self._say.claim(self._study, p.IN_PHASE, None, annotation, value=self._quote(annotation))

    def _outcome_id(self, name: str, attributes: Mapping[str, Any]) -> str:
        """Derived from study, measure and time frame, so that a posted result meets the outcome that the protocol planned."""
        return f"{self._study}:outcome:{short_hash(normal(name), normal(str(attributes.get('time_frame', ''))))}"

    def _outcome(self, annotation: Annotation) -> None:
        name, stated = self._quote(annotation), annotation.attributes
        role, time_frame = stated.get("role"), stated.get("time_frame")
        outcome = self._outcome_id(name, stated)
        self._say.entity(outcome, EntityType.OUTCOME, name, annotation, role=role, time_frame=time_frame)
        self._say.claim(self._study, p.MEASURES, outcome, annotation, role=role, time_frame=time_frame)

    def _event(self, term: str, organ_system: str) -> str:
        return self._ground("condition", term, EntityType.PHENOTYPE, organ_system=organ_system)

    def _sponsor(self, annotation: Annotation) -> None:
        name, stated = self._quote(annotation), annotation.attributes
        organization = own_id(EntityType.ORGANIZATION, name)
        self._say.entity(organization, EntityType.ORGANIZATION, name, annotation, sponsor_class=stated.get("class"))
        self._say.claim(self._study, p.SPONSORED_BY, organization, annotation, role=stated.get("role"))
