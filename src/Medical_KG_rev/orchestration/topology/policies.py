"""Resilience policies: as the file has them now, and as a running job pinned them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.orchestration.topology.archive import TopologyArchive
from Medical_KG_rev.orchestration.topology.document import YamlDocument, parse_yaml, read_yaml
from Medical_KG_rev.orchestration.topology.models import PIN_DIGITS, ResiliencePolicies, ResiliencePolicyConfig
from Medical_KG_rev.orchestration.topology.problems import unknown_name, validated

POLICY_FILE = "resilience.yaml"


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """The policies at one moment. Given to a batch, it protects all its calls alike, whatever happens to the file.

    ``digest`` names the content; comments, formatting and defaults that are written out change nothing in it.
    """

    path: Path
    digest: str
    policies: Mapping[str, ResiliencePolicyConfig]
    text: str

    @classmethod
    def of(cls, document: YamlDocument) -> PolicySnapshot:
        """The policies of a document. Raises DagsterPipelineConfigError."""
        policies = validated(ResiliencePolicies, document, check="medkg policies list").policies
        content = {name: policy.model_dump(mode="json", exclude_defaults=True) for name, policy in policies.items()}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:PIN_DIGITS]
        return cls(document.path, digest, policies, document.text)

    def names(self) -> tuple[str, ...]:
        """The policies' names, sorted."""
        return tuple(sorted(self.policies))

    def load(self, name: str) -> ResiliencePolicyConfig:
        """The policy of that name. Raises DagsterPipelineConfigError, which lists those there are."""
        if name not in self.policies:
            raise unknown_name(self.path, "policy", name, self.names())
        return self.policies[name]


class ResiliencePolicyLoader:
    """The policies of ``resilience.yaml`` in an orchestration folder (or of that file itself).

    Read at first use, and again when told (:meth:`read`, :meth:`use`; a
    :class:`~Medical_KG_rev.orchestration.topology.ConfigWatch` does so). Every snapshot that was in use stays loadable.

    Args:
        location: the folder or file.
        archive: keeps pinned policies for other processes; without one they are kept in this process alone.
    """

    def __init__(self, location: Path, *, archive: TopologyArchive | None = None) -> None:
        self.path = location / POLICY_FILE if location.is_dir() else location
        self._archive = archive
        self._current: PolicySnapshot | None = None
        self._known: dict[str, PolicySnapshot] = {}

    @property
    def snapshot(self) -> PolicySnapshot:
        """The policies that are in use now.

        Raises:
            DagsterPipelineConfigError: the file is invalid, and none was in use before.
        """
        return self._current or self.use(self.read())

    @property
    def policies_digest(self) -> str:
        """Names the content of :attr:`snapshot`."""
        return self.snapshot.digest

    def names(self) -> tuple[str, ...]:
        """The names of the policies in use, sorted."""
        return self.snapshot.names()

    def load(self, name: str) -> ResiliencePolicyConfig:
        """The policy of that name that is in use now.

        Raises:
            DagsterPipelineConfigError: the file is invalid, or has no such policy (lists those it has).
        """
        return self.snapshot.load(name)

    def read(self) -> PolicySnapshot:
        """What the file says at this moment, checked and not yet in use. Raises DagsterPipelineConfigError."""
        return PolicySnapshot.of(read_yaml(self.path))

    def use(self, snapshot: PolicySnapshot) -> PolicySnapshot:
        """From now on these policies are in use; equal ones stay the object that they are."""
        self._current = self._known.setdefault(snapshot.digest, snapshot)
        return self._current

    def pin(self) -> str:
        """What a batch that is made now records: names the policies in use for ever."""
        snapshot = self.snapshot
        if self._archive is not None:
            self._archive.put(POLICY_FILE, snapshot.digest, snapshot.text)
        return snapshot.digest

    def at(self, digest: str) -> PolicySnapshot:
        """The policies as they were pinned.

        Raises:
            DagsterPipelineConfigError: they were never in use in this process, and no archive has them.
        """
        current = self.snapshot
        if digest not in self._known:
            text = self._archive.get(POLICY_FILE, digest) if self._archive is not None else None
            if text is None:
                raise unknown_name(self.path, "version", digest, (current.digest,))
            self._known[digest] = PolicySnapshot.of(parse_yaml(text, self.path))
        return self._known[digest]
