"""The conformance kit of lexical stores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.ports import LexicalStore, Row
from Medical_KG_rev.testing.expect import expect

K1, B = 1.2, 0.75
_NAME = "lexicon-1"
_TOLERANCE = 1e-4

ROWS = (
    Row(1, "aspirin prevent stroke", ("section=results", "source=local"), 20200115),
    Row(2, "aspirin aspirin cause bleed in stroke", ("mesh=aspirin", "section=methods", "source=pmc"), 20210331),
    Row(3, "metformin lower glucos in diabet and more word of it", ("mesh=metformin", "phase=2", "source=ctgov"), 20211231),
    Row(4, "stroke", ("section=results", "source=pmc"), 0),
    Row(5, "Stroke UPPER il6 β 5ht2a 0.05", (), 20220101),
    Row(6, "metformin and aspirin", ("mesh=aspirin", "mesh=metformin", "section=results", "source=local"), 20191231),
)


CASES: tuple[tuple[str, str, bool], ...] = (
    ("IL-6", "serum IL6 rose", True),
    ("IL6", "serum IL-6 rose", True),
    ("IL 6", "serum IL-6 rose", True),
    ("il-6", "serum IL 6 rose", True),
    ("IL-6", "serum IL-2 rose", False),
    ("IL-6", "serum IL-16 rose", False),
    ("IL-1\u03b2", "secretion of IL-1beta", True),
    ("IL1B", "secretion of IL-1\u03b2", True),
    ("p53", "P53 mutant tumours", True),
    ("p53", "p63 mutant tumours", False),
    ("BRCA1", "carriers of BRCA-1 variants", True),
    ("BRCA1", "carriers of BRCA2 variants", False),
    ("5-HT2A", "the 5HT2A receptor", True),
    ("5-HT2A", "the 5-HT3 receptor", False),
    ("TNF-\u03b1", "inhibitors of TNF-alpha", True),
    ("TNF\u03b1", "inhibitors of TNF-\u03b1", True),
    ("TNF alpha", "inhibitors of TNF\u03b1", True),
    ("TNFa", "inhibitors of TNF-\u03b1", True),
    ("IFNG", "release of IFN-\u03b3", True),
    ("\u03b2-blocker", "given beta blockers", True),
    ("beta-blockers", "given a \u03b2-blocker", True),
    ("NF-\u03baB", "the NF-kappaB pathway", True),
    ("NFkB", "the NF-\u03baB pathway", True),
    ("NF-kB", "the NF-kappaB pathway", True),
    ("TGFB1", "TGF-\u03b21 signalling", True),
    ("\u03b11-antitrypsin", "alpha-1-antitrypsin deficiency", True),
    ("\u03949-THC", "inhaled delta-9-THC", True),
    ("omega-3", "\u03c9-3 fatty acids", True),
    ("10 mg/kg", "a dose of 10mg/kg", True),
    ("5 \u00b5g", "5\u03bcg of protein", True),
    ("mcg", "in \u00b5g a day", True),
    ("10\u201320 mg", "a dose of 20mg", True),
    ("0.05", "p < 0.05", True),
    ("0.05", "p < 0.5", False),
    ("10000", "among 10,000 women", True),
    ("CD4", "CD4+ lymphocytes", True),
    ("CD4+", "CD4-positive lymphocytes", True),
    ("CD4", "CD8+ lymphocytes", False),
    ("HbA1c", "HBA1C below 7%", True),
    ("Hb A1c", "HbA1c below 7%", True),
    ("COVID-19", "patients with covid19", True),
    ("COVID", "patients with COVID-19", True),
    ("SARS-CoV-2", "SARS\u2013CoV\u20112 infection", True),
    ("SARS CoV 2", "SARS-CoV-2 infection", True),
    ("PD-1", "anti-PD-1 antibodies", True),
    ("anti-PD1", "anti-PD-1 antibodies", True),
    ("PD-1", "PD-L1 expression", False),
    ("CTLA - 4", "CTLA-4 recycling", True),
    ("5-FU", "leucovorin with 5FU", True),
    ("mercaptopurine", "6-mercaptopurine daily", True),
    ("B12", "vitamin B-12 levels", True),
    ("B12", "vitamin B6 levels", False),
    ("H2O2", "H\u2082O\u2082 exposure", True),
    ("H2O2", "H2O exposure", False),
    ("miR-21", "hsa-miR-21-5p in plasma", True),
    ("miR-21", "miR-210 in plasma", False),
    ("HLA-B27", "HLA B27 positive", True),
    ("V600E", "BRAF(p.V600E) melanoma", True),
    ("type 2", "type-2 diabetes", True),
    ("E.coli", "E. coli sepsis", True),
    ("metformin", "Metformin hydrochloride tablets", True),
    ("imatinib mesylate", "imatinib resistance", True),
    ("amoxicillin-clavulanate", "amoxicillin/clavulanate", True),
    ("inhibitors", "an inhibitor", True),
    ("metastases", "one metastasis", True),
    ("mice", "a mouse", True),
    ("Crohn disease", "Crohn\u2019s flares", True),
    ("Alzheimer's", "Alzheimer dementia", True),
    ("Sjogren", "primary Sj\u00f6gren syndrome", True),
    ("Behcet", "Beh\u00e7et uveitis", True),
    ("tumor", "the tumour grew", True),
    ("hemoglobin", "low haemoglobin", True),
    ("estrogen", "oestrogens", True),
    ("randomized", "randomised trials", True),
    ("aspirin", "naproxen", False),
)
"""Query, text, and whether the lexical leg finds the text by the query."""


def check_lexical_store(make: Callable[[], LexicalStore], *, is_shared: bool = False) -> None:
    """Holds a store against its port.

    Args:
        make: gives a store without lexicons at each call.
        is_shared: word statistics are those of many tenants together, so that scores are not the tenant's own.

    Raises:
        ConformanceError: a promise is broken; says which.
    """
    checks = (_names, _limits, _tokens, _spellings, _filters, _removal, _generations, _long_queries, _later_rows)
    for check in checks if is_shared else (_ranking, *checks):
        check(make())


def write(store: LexicalStore, rows: Iterable[Row], generation: int = 1, name: str = _NAME) -> None:
    """Adds rows and commits them."""
    writer = store.writer(name)
    try:
        writer.add(generation, rows)
        writer.commit()
    finally:
        writer.close()


def _remove(store: LexicalStore, vids: Sequence[int]) -> None:
    writer = store.writer(_NAME)
    try:
        writer.remove(vids)
        writer.commit()
    finally:
        writer.close()


def _found(store: LexicalStore, query: str, wanted: Filter = EVERYTHING, name: str = _NAME) -> set[int]:
    return {vid for vid, _ in store.reader(name).search(query.split(), 100, wanted)}


def _expect_found(store: LexicalStore, query: str, expected: set[int], wanted: Filter = EVERYTHING) -> None:
    found = _found(store, query, wanted)
    expect(found == expected, f"{query!r} under {wanted} gave {sorted(found)}, not {sorted(expected)}")


def _names(store: LexicalStore) -> None:
    expect(store.names() == [], f"a new store has the lexicons {store.names()}")
    store.drop("lexicon-9")
    write(store, ROWS[:2])
    write(store, ROWS[2:], name="lexicon-2")
    expect(store.names() == [_NAME, "lexicon-2"], f"after writing lexicon-1 and lexicon-2 the store lists {store.names()}")
    expect(_found(store, "stroke") == {1, 2}, "a lexicon must hold its own rows and no other's")
    store.drop(_NAME)
    expect(store.names() == ["lexicon-2"], "a dropped lexicon is still listed")
    expect(_found(store, "metformin", name="lexicon-2") == {3, 6}, "dropping one lexicon touched another")


def _ranking(store: LexicalStore) -> None:
    """Scores are those of BM25 up to one factor for all of them."""
    write(store, ROWS)
    for query in ("stroke", "aspirin stroke", "metformin metformin aspirin", "in and of glucos", "absent stroke"):
        found = store.reader(_NAME).search(query.split(), 100)
        expected = bm25(ROWS, query.split())
        expect([vid for vid, _ in found] == [vid for vid, _ in expected], f"{query!r} gave the order {found}, not {expected}")
        ratios = [score / right for (_, score), (_, right) in zip(found, expected, strict=True)]
        expect(max(ratios) <= min(ratios) * (1 + _TOLERANCE), f"{query!r} gave the scores {found}, not {expected} times a factor")


def _limits(store: LexicalStore) -> None:
    write(store, ROWS)
    expect(
        store.reader(_NAME).search(["stroke"], 1) == store.reader(_NAME).search(["stroke"], 100)[:1], "limit 1 is not the best"
    )
    expect(store.reader(_NAME).search([], 10) == [], "no tokens must find nothing")
    expect(store.reader(_NAME).search(["absent"], 10) == [], "a token of no row must find nothing")


def _tokens(store: LexicalStore) -> None:
    """Tokens are indexed as they are: nothing is folded, split or stemmed again."""
    write(store, ROWS)
    for query, expected in {
        "Stroke": {5},
        "stroke": {1, 2, 4},
        "upper": set(),
        "β": {5},
        "5ht2a": {5},
        "0.05": {5},
        "0": set(),
    }.items():
        _expect_found(store, query, expected)


def _spellings(store: LexicalStore) -> None:
    analyser = Analyser()
    write(store, [Row(vid, analyser.joined(text), (), 0) for vid, (_, text, _) in enumerate(CASES)])
    reader = store.reader(_NAME)
    for vid, (query, text, expected) in enumerate(CASES):
        found = vid in dict(reader.search(analyser.tokens(query), len(CASES)))
        expect(found == expected, f"{query!r} must {'' if expected else 'not '}find {text!r}")


def _filters(store: LexicalStore) -> None:
    write(store, ROWS)
    every = "aspirin metformin stroke Stroke"
    for facets, expected in (
        ((("source=local",),), {1, 6}),
        ((("source=local", "source=ctgov"),), {1, 3, 6}),
        ((("mesh=aspirin",), ("source=local", "source=ctgov")), {6}),
        ((("mesh=aspirin",), ("mesh=metformin",)), {6}),
        ((("source=nowhere",),), set()),
    ):
        _expect_found(store, every, expected, Filter(facets))
    for first, last, expected in (
        (20200115, None, {1, 2, 3, 5}),
        (None, 20191231, {6}),
        (20210101, 20211231, {2, 3}),
        (20211231, 20211231, {3}),
        (20211231, 20210101, set()),
    ):
        _expect_found(store, every, expected, Filter((), first, last))
    _expect_found(store, every, {1}, Filter((("source=local",),), 20200101, None))
    whole = dict(store.reader(_NAME).search(every.split(), 100))
    for vid, score in store.reader(_NAME).search(every.split(), 100, Filter((("mesh=metformin",),), 20190101, 20221231)):
        expect(math.isclose(score, whole[vid], rel_tol=_TOLERANCE), f"under a filter row {vid} scores {score}, else {whole[vid]}")


def _removal(store: LexicalStore) -> None:
    write(store, ROWS)
    _remove(store, [1, 2, 2, 77])
    _remove(store, [])
    _remove(store, [1])
    _expect_found(store, "aspirin stroke", {4, 6})
    found = store.vids(_NAME).tolist()
    expect(found == [3, 4, 5, 6], f"after removing 1 and 2 the lexicon has the rows {found}")


def _generations(store: LexicalStore) -> None:
    write(store, ROWS[:3], generation=4)
    write(store, ROWS[3:], generation=5)
    writer = store.writer(_NAME)
    writer.remove_generation(4)
    writer.remove_generation(99)
    writer.commit()
    writer.close()
    _expect_found(store, "aspirin stroke metformin", {4, 6})


def _long_queries(store: LexicalStore) -> None:
    """However many tokens a query has, it is answered."""
    write(store, ROWS)
    found = store.reader(_NAME).search(["stroke", "x" * 64, *(f"w{number}" for number in range(5_000))], 10)
    expect({vid for vid, _ in found} == {1, 2, 4}, f"a query of 5,002 tokens gave {found}")


def _later_rows(store: LexicalStore) -> None:
    """A lexicon grows commit by commit, and rows without a single token do no harm."""
    write(store, [Row(10, "", (), 0)])
    for number, row in enumerate(ROWS, start=2):
        write(store, [row], generation=number)
    _expect_found(store, "stroke", {1, 2, 4})


def bm25(rows: Sequence[Row], query: Sequence[str]) -> list[tuple[int, float]]:
    """Rows with their scores by Lucene's BM25 (k1 1.2, b 0.75), best first, equal ones by vid. The oracle of the kit.

    Lengths up to 40 tokens are exact in every store; longer ones are kept in one byte.
    """
    counts = {row.vid: Counter(row.tokens.split()) for row in rows}
    average = sum(count.total() for count in counts.values()) / len(counts)
    scores: dict[int, float] = {}
    for token in query:
        holders = [vid for vid, count in counts.items() if token in count]
        idf = math.log(1 + (len(counts) - len(holders) + 0.5) / (len(holders) + 0.5))
        for vid in holders:
            frequency = counts[vid][token]
            norm = K1 * (1 - B + B * counts[vid].total() / average)
            scores[vid] = scores.get(vid, 0.0) + idf * frequency * (K1 + 1) / (frequency + norm)
    return sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))
