"""Groups of words that stand in like places, from texts without annotations: abstracts and articles of the folder of real data.

Counts of the words at one and two places to either side, weighed by positive pointwise mutual information (contexts smoothed
by the power 0.75), reduced to 150 dimensions by a singular value decomposition, grouped by spherical k-means.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

import faiss
import numpy as np
from measuring import TEST_DATA
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import svds

GROUPINGS = (100, 500, 1500)
_DIMENSIONS, _CONTEXTS, _SEED = 150, 12_000, 1
_WORD = re.compile(r"[^\W\d_]+|\d+|[.;()]")
_TAG = re.compile(r"<[^>]+>")


def word_clusters(annotated: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """For each word seen three times or more, in lower case, the number of its group in each grouping."""
    texts = [["0" if word.isdigit() else word.lower() for word in _WORD.findall(text)] for text in (*_unlabelled(), *annotated)]
    counts = Counter(word for text in texts for word in text)
    words = [word for word, count in counts.items() if count >= 3]
    vectors = _vectors(texts, words, [word for word, _ in counts.most_common(_CONTEXTS)])
    groups = [_grouped(vectors, number) for number in GROUPINGS]
    return dict(zip(words, zip(*(group.tolist() for group in groups), strict=True), strict=True))


def _unlabelled() -> Iterator[str]:
    with (TEST_DATA / "beir" / "scifact" / "corpus.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            abstract = json.loads(line)
            yield f"{abstract['title']} . {abstract['text']}"
    for path in sorted((TEST_DATA / "jats").glob("*.xml")):
        yield _TAG.sub(" ", path.read_text(encoding="utf-8", errors="ignore"))


def _vectors(texts: list[list[str]], words: list[str], contexts: list[str]) -> NDArray[np.float32]:
    word_numbers = {word: number for number, word in enumerate(words)}
    context_numbers = {word: number for number, word in enumerate(contexts)}
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    for text in texts:
        at = np.array([word_numbers.get(word, -1) for word in text], np.int64)
        near = np.array([context_numbers.get(word, -1) for word in text], np.int64)
        for offset, place in ((1, 0), (2, 1)):
            for word, context, side in ((at[:-offset], near[offset:], 0), (at[offset:], near[:-offset], 1)):
                known = (word >= 0) & (context >= 0)
                rows.append(word[known])
                columns.append(context[known] + len(contexts) * (2 if place else side))
    row, column = np.concatenate(rows), np.concatenate(columns)
    shape = (len(words), 3 * len(contexts))
    counts = csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=shape)
    of_word = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    of_context = np.asarray(counts.sum(axis=0)).ravel() ** 0.75
    of_context /= of_context.sum()
    found = coo_matrix(counts)
    information = np.log(found.data / of_word[found.row] / of_context[found.col])
    positive = information > 0
    matrix = csr_matrix((information[positive].astype(np.float32), (found.row[positive], found.col[positive])), shape=shape)
    left, values, _ = svds(matrix, k=_DIMENSIONS, random_state=0)
    vectors = left * np.sqrt(values)
    scaled: NDArray[np.float32] = (vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)).astype(np.float32)
    return scaled


def _grouped(vectors: NDArray[np.float32], groups: int) -> NDArray[np.int64]:
    faiss.omp_set_num_threads(1)
    means = faiss.Kmeans(vectors.shape[1], groups, niter=12, seed=_SEED, spherical=True, min_points_per_centroid=1)
    means.train(vectors)
    nearest: NDArray[np.int64] = means.index.search(vectors, 1)[1][:, 0]
    return nearest
