"""BM25, for data that brings no scores of its own."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memory_budget_allocator.evaluation.dataset import CandidateSet

__all__ = ["bm25_scores"]

SATURATION = 1.5  # k1
LENGTH_NORMALISATION = 0.75  # b

_WORD = re.compile(r"\w+")


def bm25_scores(text: str, candidates: CandidateSet) -> NDArray[np.float64]:
    """The BM25 score of each candidate, not negative: k1 1.5, b .75, lower-case words, no stemming.

    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with the weight
    log(1 + (N - n + .5) / (n + .5)) of a word that n of N candidates have, which is never negative.
    """
    postings, lengths = _index(candidates.texts)
    scores = np.zeros(len(lengths))
    average = lengths.mean() if lengths.any() else 1.0
    penalties = SATURATION * (1.0 - LENGTH_NORMALISATION + LENGTH_NORMALISATION * lengths / average)
    for word in _words(text):
        if word in postings:
            positions, frequencies = postings[word]
            found = len(positions)
            weight = np.log1p((len(lengths) - found + 0.5) / (found + 0.5))
            scores[positions] += (
                weight * frequencies * (SATURATION + 1.0) / (frequencies + penalties[positions])
            )
    return scores


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


@lru_cache(maxsize=1)
def _index(
    texts: tuple[str, ...],
) -> tuple[dict[str, tuple[NDArray[np.intp], NDArray[np.float64]]], NDArray[np.float64]]:
    """For each word the positions that have it and how often, and the number of words of each text."""
    counts = [Counter(_words(text)) for text in texts]
    occurrences: dict[str, list[tuple[int, int]]] = {}
    for position, words in enumerate(counts):
        for word, frequency in words.items():
            occurrences.setdefault(word, []).append((position, frequency))
    postings = {
        word: (np.array([at for at, _ in found], np.intp), np.array([n for _, n in found], np.float64))
        for word, found in occurrences.items()
    }
    return postings, np.array([words.total() for words in counts], np.float64)
