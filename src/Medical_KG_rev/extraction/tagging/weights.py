"""The tagger's weights in one file: arrays compressed as NumPy writes them, never unpickled, checked before they are read."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction.tagging.attributes import Clusters
from Medical_KG_rev.extraction.tagging.states import StateGroups

__all__ = ["DIGESTS", "Facts", "TaggerWeights"]

DIGESTS = "SHA256SUMS"
"""Beside the weights, in the form that `sha256sum --check` reads."""

_FOLDER = Path(__file__).parent / "weights"
_REMEDY = "Install this package again: its files were changed."


class Facts(msgspec.Struct, frozen=True):
    """What the arrays mean. ``columns``: for each column of weights, the corpus that it is of ("" for all) and its label.

    ``conventions``: how a text is tagged in the way of a corpus, or of several: the share of each corpus' columns. For a label
    that only some of them have, their shares are made up to one.
    ``bonuses``: for each convention, what is added to the weight of a beginning mention, for each type that is looked for.
    ``lexicon``: fingerprint of the lexicon that the training texts were matched with.
    """

    types: list[str]
    passes: int
    columns: list[tuple[str, str]]
    conventions: dict[str, dict[str, float]]
    bonuses: dict[str, dict[str, float]]
    lexicon: str


@dataclass(frozen=True)
class TaggerWeights:
    """``attributes``: first row of an attribute; the rows after it are for the further places of its window.

    ``values`` (rows x passes x columns) times ``scales`` (rows) are the weights. ``transitions``: passes x (labels + 1) x labels,
    the last row for the start of a sentence. ``groups``: where an encoder's states are seen.
    """

    facts: Facts
    attributes: Mapping[str, int]
    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    transitions: NDArray[np.float32]
    clusters: Clusters
    digest: str
    groups: StateGroups | None = None

    @classmethod
    def open(cls, name: str, folder: Path = _FOLDER) -> TaggerWeights:
        """The weights ``<name>.npz`` of a folder, by default those of this package.

        Raises:
            ModelCorruptError: they are not there or not those that the folder's digests name.
        """
        path = folder / f"{name}.npz"
        try:
            raw, lines = path.read_bytes(), (folder / DIGESTS).read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise _corrupt(path, "the file or its digest cannot be read") from error
        digest = hashlib.sha256(raw).hexdigest()
        if f"{digest}  {path.name}" not in lines:
            raise _corrupt(path, f"its bytes are not those that {DIGESTS} names")
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
                return cls._of(arrays, digest)
        except (ValueError, KeyError, zipfile.BadZipFile, msgspec.DecodeError) as error:
            raise _corrupt(path, str(error)) from error

    @classmethod
    def _of(cls, arrays: Mapping[str, NDArray[Any]], digest: str) -> TaggerWeights:
        facts = msgspec.json.decode(arrays["facts"].tobytes(), type=Facts)
        names, widths = _words(arrays["attributes"]), arrays["widths"]
        first = np.concatenate(([0], np.cumsum(2 * widths.astype(np.int64) + 1)))
        words, groups = _words(arrays["cluster_words"]), arrays["clusters"]
        values, scales, transitions = arrays["values"], arrays["scales"], arrays["transitions"]
        labels = 4 * len(facts.types) + 1
        if (
            len(names) != len(widths)
            or len(words) != len(groups)
            or values.shape != (first[-1], facts.passes, len(facts.columns))
            or scales.shape != (first[-1],)
            or transitions.shape != (facts.passes, labels + 1, labels)
        ):
            raise ValueError("its arrays do not fit together")
        clusters = dict(zip(words, map(tuple, groups.tolist()), strict=True))
        return cls(
            facts,
            dict(zip(names, first.tolist(), strict=False)),
            values,
            scales.astype(np.float32),
            transitions,
            clusters,
            digest,
            StateGroups.of_arrays(arrays),
        )

    def save(self, name: str, widths: NDArray[np.uint8], folder: Path = _FOLDER) -> Path:
        """Writes ``<name>.npz`` and its line in the folder's digests. ``widths``: half width of each attribute, in order."""
        words = sorted(self.clusters)
        path = folder / f"{name}.npz"
        groups: dict[str, Any] = dict(self.groups.arrays()) if self.groups else {}
        np.savez_compressed(
            path,
            facts=np.frombuffer(msgspec.json.encode(self.facts, order="deterministic"), np.uint8),
            attributes=_joined(self.attributes),
            widths=widths,
            values=self.values,
            scales=self.scales.astype(np.float16),
            transitions=self.transitions,
            cluster_words=_joined(words),
            clusters=np.array([self.clusters[word] for word in words], np.int16),
            **groups,
        )
        digests = folder / DIGESTS
        kept = digests.read_text(encoding="ascii").splitlines() if digests.exists() else []
        lines = {line for line in kept if line.partition("  ")[2] != path.name}
        lines.add(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
        digests.write_text("".join(f"{line}\n" for line in sorted(lines, key=lambda line: line[66:])), encoding="ascii")
        return path


def _words(raw: NDArray[np.uint8]) -> list[str]:
    return raw.tobytes().decode("utf-8").split("\n") if raw.size else []


def _joined(words: Mapping[str, int] | list[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(words).encode("utf-8"), np.uint8)


def _corrupt(path: Path, reason: str) -> ModelCorruptError:
    return ModelCorruptError(f"{path} cannot be used: {reason}.", remedy=_REMEDY, model="tagger")
