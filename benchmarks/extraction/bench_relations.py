"""How well relations are found in the development parts of BC5CDR and BioRED, with the annotators' mentions and from raw text.

    python benchmarks/extraction/bench_relations.py [--lexicon FILE] [--errors NUMBER]

Also: treatments in sentences of our own and in BioRED, direction of chemical-gene relations in ChemProt (never trained on),
quotes, texts with nothing to find, time. ``--errors`` lists relations missed and found wrongly, drawn at random.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import TEST_DATA, heading, skip, table, targets

sys.path.insert(0, str(Path(__file__).parent))

from bench_mentions import NOTHING
from corpora import GoldDocument, corpora_are_there, read_corpus
from relation_pairs import Key, MeshTree, Score, gold_mentions, gold_relations, pair_set, score
from tagger_scores import open_lexicon, shipped_tagger

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.context import ContextFinder
from Medical_KG_rev.extraction.grounding import MentionFinder
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.relations import WEIGHTS, RelationFinder, RelationModel
from Medical_KG_rev.extraction.relations.pairs import PAIR_TYPES
from Medical_KG_rev.extraction.relations.units import RELATED_TYPES
from Medical_KG_rev.extraction.spans import Candidate, FoundClaim, FoundMention
from Medical_KG_rev.models import Certainty, EntityType

TREATS = Path(__file__).with_name("treats.tsv")
CHEMPROT = TEST_DATA / "relations" / "ChemProt" / "dev.jsonl"
UP = {"ACTIVATOR", "AGONIST", "AGONIST-ACTIVATOR", "UPREGULATOR", "INDIRECT-UPREGULATOR"}
DOWN = {"INHIBITOR", "ANTAGONIST", "DOWNREGULATOR", "INDIRECT-DOWNREGULATOR"}
LETTERS = {"c": EntityType.CHEMICAL, "d": EntityType.DISEASE}
FULL_TEXT = 40_000
"""Characters."""

Row = tuple[str, ...]


def row(name: str, given: Score) -> Row:
    return name, str(given.wanted), str(given.found), f"{given.precision:.3f}", f"{given.recall:.3f}", f"{given.f1:.3f}"


def causes(document: GoldDocument, claims: Sequence[FoundClaim]) -> dict[Key, str]:
    ends = [(c.subject, c.object) for c in claims if c.predicate == p.CAUSES and not c.negated]
    return {(document.id, frozenset((subject, str(target)))): "CID" for subject, target in ends}


class Raw:
    """From text to claims, as the extract stage does it."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.mentions = MentionFinder(lexicon, shipped_tagger("fast", lexicon))
        self.contexts = ContextFinder()
        self.relations = RelationFinder(lexicon)

    def read(self, text: str, convention: str) -> tuple[list[FoundMention], list[FoundClaim]]:
        analysed = analyse(text)
        mentions = self.contexts.annotate(analysed, self.mentions.find(analysed, convention))
        return mentions, self.relations.find(analysed, mentions)

    def induced(self, convention: str) -> Score:
        """Chemical-induced diseases from raw abstracts; ids that the lexicon knows as one are one."""
        right = found = wanted = 0
        for document in read_corpus("bc5cdr", "dev"):
            mentions, claims = self.read(document.text, convention)
            names = {alias: one for mention in mentions for one in mention.ids for alias in self._aliases(one)}
            gold = {
                (document.id, frozenset(names.get(one, self.lexicon.resolve(one) or one) for one in (r.subject, r.object)))
                for r in document.relations
            }
            given = causes(document, claims).keys()
            right, found, wanted = right + len(gold & given), found + len(given), wanted + len(gold)
        return Score(right, found, wanted)

    def _aliases(self, curie: str) -> Iterator[str]:
        concept = self.lexicon.concept(curie)
        yield curie
        yield from concept.xrefs if concept else ()

    def nothing(self) -> tuple[int, list[str]]:
        """How many texts in which there is nothing to find, and the claims found in them."""
        texts = [json.loads(line) for line in NOTHING.read_text(encoding="utf-8").splitlines()]
        found = [f"{text['id']}: {claim}" for text in texts for claim in self.read(text["text"], "")[1]]
        return len(texts), found


def induced_with_gold(finder: RelationFinder, errors: list[str]) -> Score:
    found: dict[Key, str] = {}
    gold: dict[Key, str] = {}
    for document in read_corpus("bc5cdr", "dev"):
        given = causes(document, finder.find(analyse(document.text), gold_mentions(document)))
        wanted = gold_relations(document)
        found |= given
        gold |= wanted
        errors += [f"missed {shown(document, key)}" for key in wanted.keys() - given.keys()]
        errors += [f"wrong {shown(document, key)}" for key in given.keys() - wanted.keys()]
    return score(found, gold, typed=False)


def shown(document: GoldDocument, key: Key) -> str:
    names = {one: document.text[m.start : m.end] for m in document.mentions for one in m.ids}
    return f"{document.id} {' | '.join(names.get(one, one) for one in sorted(key[1]))} — {document.title}"


def related_with_gold(model: RelationModel) -> tuple[dict[Key, str], dict[Key, str], dict[Key, int]]:
    """Types found, types annotated, and kinds of pair, by pair."""
    pairs = pair_set(read_corpus("biored", "dev"))
    found: dict[Key, str] = {}
    kinds: dict[Key, int] = {}
    at = 0
    for _, part in pairs.units:
        keys = pairs.keys[at : at + len(part.first)]
        at += len(part.first)
        kinds |= zip(keys, part.kind.tolist(), strict=True)
        rows = model.related.rows(part)
        chosen = np.nonzero(model.related.probabilities(rows) >= model.related.threshold)[0]
        if len(chosen):
            types = model.typer.probabilities(part, rows, chosen).argmax(axis=1)
            found |= {keys[pair]: model.typer.labels[best] for pair, best in zip(chosen.tolist(), types.tolist(), strict=True)}
    return found, pairs.gold, kinds


def biored_rows(found: dict[Key, str], gold: dict[Key, str], kinds: dict[Key, int]) -> Iterator[Row]:
    for kind, (first, second) in enumerate(PAIR_TYPES):
        here = {key: label for key, label in found.items() if kinds[key] == kind}
        wanted = {key: label for key, label in gold.items() if kinds.get(key) == kind}
        name = f"{RELATED_TYPES[first]}, {RELATED_TYPES[second]}"
        yield row(name, score(here, wanted, typed=False))
        yield row(f"{name}, type too", score(here, wanted, typed=True))
    for label in sorted(set(gold.values())):
        here = {key: given for key, given in found.items() if given == label}
        yield row(label, score(here, {key: given for key, given in gold.items() if given == label}, typed=True))


def marked(line: str) -> tuple[str, list[FoundMention]]:
    """``[c:aspirin] for [d:pain]`` as text and mentions."""
    plain, mentions = "", []
    for index, part in enumerate(re.split(r"(\[[cd]:[^\]]*\])", line)):
        name = part[3:-1] if index % 2 else part
        if index % 2:
            known = (Candidate(f"MK:{name}", name, 1.0, "given"),)
            mentions.append(FoundMention(len(plain), len(plain) + len(name), LETTERS[part[1]], 1.0, "given", known))
        plain += name
    return plain, mentions


def treatment_sentences(finder: RelationFinder) -> Score:
    """Our own sentences: treats, is denied or doubted to treat (each must be told as such), or does not treat."""
    right = found = wanted = 0
    for line in TREATS.read_text(encoding="utf-8").splitlines():
        label, sentence = line.split("\t")
        text, mentions = marked(sentence)
        told = [c for c in finder.find(analyse(text), mentions) if c.predicate == p.TREATS and c.method == "relation-rule"]
        said = "no"
        if told:
            doubted = all(claim.certainty is not Certainty.STATED for claim in told)
            said = "denied" if any(claim.negated for claim in told) else "doubted" if doubted else "treats"
        right += said == label != "no"
        found += said != "no"
        wanted += label != "no"
    return Score(right, found, wanted)


def treatments_in_biored(finder: RelationFinder, method: str | None) -> Score:
    """Claims that a chemical treats a disease, against negative correlations of the two in BioRED."""
    found: dict[Key, str] = {}
    gold: dict[Key, str] = {}
    for document in read_corpus("biored", "dev"):
        types = {one: mention.type for mention in document.mentions for one in mention.ids}
        gold |= {
            key: label
            for key, label in gold_relations(document).items()
            if label == "Negative_Correlation" and {types.get(one) for one in key[1]} == set(LETTERS.values())
        }
        found |= {
            (document.id, frozenset((claim.subject, str(claim.object)))): "Negative_Correlation"
            for claim in finder.find(analyse(document.text), gold_mentions(document))
            if claim.predicate == p.TREATS and not claim.negated and method in (None, claim.method)
        }
    return score(found, gold, typed=False)


def chemprot(finder: RelationFinder, lexicon: Lexicon | None) -> Iterator[Row]:
    """Sentences with a chemical and a gene that are related: how many relations are found, and of those the direction."""
    counts: Counter[tuple[str, str]] = Counter()
    for line in CHEMPROT.read_text(encoding="utf-8").splitlines():
        example = json.loads(line)
        way = "more" if example["label"] in UP else "less" if example["label"] in DOWN else "other"
        claims = finder.find(*chemprot_mentions(example["text"], lexicon))
        counts[way, "all"] += 1
        if claims:
            best = max(claims, key=lambda claim: claim.score).predicate
            said = {p.POSITIVELY_CORRELATED: "more", p.NEGATIVELY_CORRELATED: "less"}.get(best, "other")
            counts[way, said] += 1
    for way in ("more", "less", "other"):
        found = sum(counts[way, said] for said in ("more", "less", "other"))
        shares = [f"{counts[way, said] / max(1, found):.2f}" for said in ("more", "less", "other")]
        yield way, str(counts[way, "all"]), f"{found / max(1, counts[way, 'all']):.2f}", *shares


def chemprot_mentions(example: str, lexicon: Lexicon | None):  # type: ignore[no-untyped-def]
    """Text and two mentions; the lexicon tells which of the two is the gene."""
    plain, spans = "", []
    for part in re.split(r"(<< .*? >>|\[\[ .*? \]\])", example):
        name = part[3:-3] if part.startswith(("<< ", "[[ ")) else part
        if name is not part:
            spans.append((len(plain), len(plain) + len(name)))
        plain += name
    genes = [
        any(known.type is EntityType.GENE for known in lexicon.lookup(plain[start:end])) if lexicon else False
        for start, end in spans
    ]
    gene = genes.index(True) if any(genes) else 1
    mentions = [
        FoundMention(start, end, kind, 1.0, "given", (Candidate(f"MK:{kind}", "", 1.0, "given"),))
        for at, (start, end) in enumerate(spans)
        for kind in [EntityType.GENE if at == gene else EntityType.CHEMICAL]
    ]
    return analyse(plain), sorted(mentions, key=lambda mention: mention.start)


def quoted(finder: RelationFinder) -> tuple[int, int]:
    """Claims, and those whose every evidence is a whole sentence of the text, without white space at its ends."""
    claims = exact = 0
    for corpus in ("bc5cdr", "biored"):
        for document in read_corpus(corpus, "dev"):
            text = analyse(document.text)
            sentences = {(text.starts[first], text.ends[last - 1]) for first, last in text.sentences}
            for claim in finder.find(text, gold_mentions(document)):
                claims += 1
                exact += bool(claim.evidence) and set(claim.evidence) <= sentences
    return claims, exact


def milliseconds(finder: RelationFinder) -> tuple[float, float]:
    """CPU time of an abstract, and of a full text made of abstracts."""
    documents = [(analyse(d.text), gold_mentions(d)) for d in read_corpus("bc5cdr", "dev")]
    for text, mentions in documents[:100]:
        finder.find(text, mentions)
    started = time.process_time()
    for text, mentions in documents[100:]:
        finder.find(text, mentions)
    abstract = 1000 * (time.process_time() - started) / len(documents[100:])
    long, known = "", []
    for document in read_corpus("biored", "dev"):
        if len(long) < FULL_TEXT:
            at = len(long)
            known += [FoundMention(m.start + at, m.end + at, m.type, 1.0, "gold", m.candidates) for m in gold_mentions(document)]
            long += document.text + "\n"
    analysed = analyse(long)
    started = time.process_time()
    finder.find(analysed, known)
    print(f"Full text: {len(long):,} characters, {len(known)} mentions.\n")
    return abstract, 1000 * (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lexicon", type=Path, help="the lexicon's file (default: the installed one)")
    parser.add_argument("--errors", type=int, default=0, help="how many errors to list")
    options = parser.parse_args()
    if not corpora_are_there():
        skip("the corpora are not there; point MK_TEST_DATA at the folder of real data")
    raw = Raw(open_lexicon(options.lexicon))
    finder, model = RelationFinder(MeshTree()), RelationModel.open(WEIGHTS)
    heading("Relations, development parts")
    columns = ("", "wanted", "found", "precision", "recall", "F1")
    errors: list[str] = []
    given = induced_with_gold(finder, errors)
    from_text, as_users = raw.induced("bc5cdr"), raw.induced("")
    table(
        columns,
        [
            row("BC5CDR chemical-induced disease, annotated mentions", given),
            row("the same from raw text, as the corpus annotates", from_text),
            row("the same from raw text, as by default", as_users),
        ],
    )
    found, gold, kinds = related_with_gold(model)
    untyped, typed = score(found, gold, typed=False), score(found, gold, typed=True)
    total = [row("BioRED, annotated mentions", untyped), row("BioRED, type too", typed)]
    table(columns, [*total, *biored_rows(found, gold, kinds)])
    sentences = treatment_sentences(finder)
    table(
        columns,
        [
            row("treatments, our own sentences, rules", sentences),
            row("treatments in BioRED, rules", treatments_in_biored(finder, "relation-rule")),
            row("treatments in BioRED, all", treatments_in_biored(finder, None)),
        ],
    )
    table(("ChemProt: with the chemical", "pairs", "found", "more", "less", "other"), chemprot(finder, raw.lexicon))
    claims, exact = quoted(finder)
    texts, invented = raw.nothing()
    print(f"Claims in {texts} texts with nothing to find:", "; ".join(invented) or "none", "\n")
    abstract, full = milliseconds(finder)
    targets(
        [
            ("BC5CDR chemical-induced disease, annotated mentions, F1", given.f1, ">=", 0.58, ""),
            ("BC5CDR chemical-induced disease, raw text, F1", from_text.f1, ">=", 0.45, ""),
            ("BioRED relations, annotated mentions, F1", untyped.f1, ">=", 0.60, ""),
            ("BioRED relations, annotated mentions, type too, F1", typed.f1, ">=", 0.45, ""),
            ("treatments, our own sentences, F1", sentences.f1, ">=", 0.90, ""),
            (f"share of {claims} claims that quote whole sentences", exact / claims, ">=", 1, ""),
            ("claims with nothing to find", len(invented), "<=", 0, ""),
            ("an abstract, CPU time", abstract, "<=", 4, " ms"),
            ("a full text, CPU time", full, "<=", 200, " ms"),
        ]
    )
    if options.errors:
        errors += [f"missed {label} {key}" for key, label in gold.items() if key not in found]
        errors += [f"wrong type {found[key]} for {label} {key}" for key, label in gold.items() if found.get(key, label) != label]
        errors += [f"wrong {label} {key}" for key, label in found.items() if key not in gold]
        Random(0).shuffle(errors)
        print("\n".join(errors[: options.errors]))


if __name__ == "__main__":
    main()
