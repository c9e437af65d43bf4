"""The lexicon's file: the same from the same terms, and never anything but what was written."""

from __future__ import annotations

import bz2
import hashlib
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.lexicon.builder import build_lexicon
from Medical_KG_rev.extraction.lexicon.readers import read_collected_drugs, read_hgnc
from Medical_KG_rev.extraction.lexicon.sources import SOURCES
from Medical_KG_rev.extraction.lexicon.storage import ArrayFile, write_arrays
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.text.artefacts import ARTEFACTS, Artefact, ArtefactFile, Package

pytestmark = pytest.mark.component

TEXT = "Parkinson's disease, breast cancers and metformin in E. coli, IL-6, EGFR and HeLa"


def answers(lexicon: Lexicon) -> tuple[object, ...]:
    read = analyse(TEXT)
    return (
        lexicon.match(read),
        lexicon.lookup("breast cancer"),
        lexicon.concept("MESH:D001943"),
        lexicon.narrower("MESH:D009369"),
        lexicon.broader("MESH:D001943"),
    )


def test_the_same_terms_give_the_same_bytes(term_files: dict[str, Path], tiny_lexicon_file: Path, tmp_path: Path) -> None:
    said: list[str] = []
    build_lexicon(dict(reversed(term_files.items())), tmp_path / "again.bin", said.append)
    assert (tmp_path / "again.bin").read_bytes() == tiny_lexicon_file.read_bytes()
    assert said[0] == "HGNC 2024-07-23: 5 terms"
    assert Lexicon.open(tmp_path / "again.bin").fingerprint == Lexicon.open(tiny_lexicon_file).fingerprint


def test_other_terms_give_another_fingerprint(term_files: dict[str, Path], tiny_lexicon: Lexicon, tmp_path: Path) -> None:
    build_lexicon(term_files, tmp_path / "fewer.bin", sources=SOURCES[:2])
    assert Lexicon.open(tmp_path / "fewer.bin").fingerprint != tiny_lexicon.fingerprint


def test_a_lexicon_of_no_terms_answers(term_files: dict[str, Path], tmp_path: Path) -> None:
    build_lexicon(term_files, tmp_path / "empty.bin", sources=())
    assert answers(Lexicon.open(tmp_path / "empty.bin")) == ([], (), None, frozenset(), ())


def test_a_flipped_bit_is_noticed_and_never_answered(tiny_lexicon_file: Path, tmp_path: Path) -> None:
    right = answers(Lexicon.open(tiny_lexicon_file))
    content = bytearray(tiny_lexicon_file.read_bytes())
    chance = random.Random(7)
    places = {0, 8, 20, 60, len(content) - 1, *(chance.randrange(len(content)) for _ in range(150))}
    noticed: list[str] = []
    for place in sorted(places):
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        path = tmp_path / "changed.bin"
        path.write_bytes(changed)
        try:
            assert answers(Lexicon.open(path)) == right  # the part was not read, or it was space between parts
            Lexicon.open(path).check()
        except ModelCorruptError as error:
            noticed.append(str(error))
    assert len(noticed) > 0.8 * len(places)
    assert all("medkg models fetch lexicon" in said for said in noticed)


@pytest.mark.parametrize(
    "change", [lambda content: b"", lambda content: content[:1000], lambda content: content[:-3000], lambda content: b"x" * 90]
)
def test_a_cut_file_is_refused(tiny_lexicon_file: Path, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    (tmp_path / "cut.bin").write_bytes(change(tiny_lexicon_file.read_bytes()))
    with pytest.raises(ModelCorruptError, match=r"cut\.bin"):
        Lexicon.open(tmp_path / "cut.bin")


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {"a": np.arange(5, dtype=np.int32), "none": np.empty(0, np.uint8), "b": np.array([1, 2**63], np.uint64)}
    write_arrays(tmp_path / "arrays.bin", arrays, {"fact": 1})
    opened = ArrayFile(tmp_path / "arrays.bin")
    for name, array in arrays.items():
        assert (opened.array(name) == array).all()
        assert not opened.array(name).flags.writeable
    assert opened.facts == {"fact": 1}


class _Mischief:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path.home, ())  # type: ignore[return-value]  # any callable does


@pytest.mark.parametrize("content", [bz2.compress(pickle.dumps(_Mischief())), b"no bz2", bz2.compress(b"no pickle")])
def test_a_collection_that_is_no_plain_dictionary_is_refused(term_files: dict[str, Path], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "drugs").write_bytes(content)
    with pytest.raises(ModelCorruptError, match="drugs is no plain dictionary"):
        list(read_collected_drugs(tmp_path / "drugs", term_files["mesh"], term_files["mesh-supplementary"]))


def test_a_table_with_too_many_fields_names_the_line(term_files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "hgnc").write_text("header\n" + "\t" * 40 + "\n")
    with pytest.raises(ModelCorruptError, match="hgnc, line 2: 41 fields, expected 13"):
        list(read_hgnc(tmp_path / "hgnc", term_files["families-relations"]))


def test_every_source_has_its_files_in_the_table_of_models() -> None:
    (artefact,) = (artefact for artefact in ARTEFACTS if artefact.name == "lexicon")
    assert {file.role for file in artefact.files} == {role for source in SOURCES for role in source.files}
    assert len({source.name for source in SOURCES}) == len(SOURCES)


def test_the_store_builds_it_of_fetched_files(
    term_files: dict[str, Path], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    from Medical_KG_rev.parts.stores import StoreParts

    def file(role: str, path: Path) -> ArtefactFile:
        content = path.read_bytes()
        return ArtefactFile(role, Package("pypi", "tiny", "1", 1), role, len(content), hashlib.sha256(content).hexdigest())

    folder = tmp_path / "files"
    shutil.copytree(next(iter(term_files.values())).parent, folder)
    files = tuple(file(role, path) for role, path in term_files.items())
    builders = StoreParts(make_settings()).models.builders
    store = ModelStore(tmp_path / "models", [Artefact("lexicon", "1", "for tests", "MIT", files, built="lexicon.bin")], builders)
    store.fetch(["lexicon"], source_dir=folder)
    assert answers(Lexicon.open(store.path("lexicon", "lexicon")))[0] != []
    assert store.verify() == ()
