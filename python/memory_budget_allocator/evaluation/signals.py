"""What a ranking sees of a question's candidates, as arrays: the same signals that the core weighs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from memory_budget_allocator import _core
from memory_budget_allocator.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memory_budget_allocator.evaluation.dataset import JudgedQuestion

__all__ = ["Signals", "signals_of"]

UNWEIGHTED = Ranking(kind="evidence", lexical_weight=1.0, importance_weight=1.0, freshness_weight=1.0)


@dataclass(frozen=True, slots=True)
class Signals:
    """One value for each candidate of a question."""

    relevance: NDArray[np.float64]
    """In standard deviations from the mean of the candidates, as `lexical`."""
    lexical: NDArray[np.float64]
    """BM25."""
    importance: NDArray[np.float64]
    """0 to 1."""
    freshness: NDArray[np.float64]
    """0 to 1."""
    before: NDArray[np.intp]
    """Position of the candidate before it in its session; -1 for none. `after` likewise."""
    after: NDArray[np.intp]
    gold: NDArray[np.float64]
    """The share of the evidence that a candidate is: 0 for most, 1 in all."""


def signals_of(question: JudgedQuestion) -> Signals:
    """The signals of the candidates of a question that has evidence, as the core computes them."""
    every = question.candidate_set
    count = len(every)
    numbers: dict[str, int] = {}
    sessions = [
        None if session is None else numbers.setdefault(session, len(numbers)) for session in every.sessions
    ]
    columns: dict[str, list[Any]] = {
        "text": list(every.texts),
        "tier": ["working"] * count,
        "relevance_score": question.relevance.tolist(),
        "importance_score": list(every.importances),
        "timestamp": [None if time is None else _core.epoch_microseconds(time) for time in every.timestamps],
        "token_count": list(every.tokens),
        "session": sessions,
        "position": list(every.places),
        "identity": list(range(count)),
        "replaces": [None] * count,
    }
    asked = question.question
    now = _core.epoch_microseconds(asked.now)
    # The budgets of no token and the weights of the formula have no part in the terms.
    rated = _core.rate_candidates(asked.text, columns, UNWEIGHTED, [0] * 4, now, (0.5, 0.3, 0.2), 168.0)
    terms = [dict(each) for each in rated["terms"]]
    at = {key: position for position, key in enumerate(zip(sessions, every.places, strict=True))}
    gold = np.zeros(count)
    gold[sorted(question.gold)] = 1.0 / len(question.gold)

    def neighbours(distance: int) -> NDArray[np.intp]:
        found = (
            -1 if session is None else at.get((session, place + distance), -1)
            for session, place in zip(sessions, every.places, strict=True)
        )
        return np.fromiter(found, np.intp, count)

    def values(name: str) -> NDArray[np.float64]:
        return np.array([value for _, value in (each[name] for each in terms)])

    return Signals(
        relevance=values("relevance"),
        lexical=values("bm25"),
        importance=values("importance"),
        freshness=values("freshness"),
        before=neighbours(-1),
        after=neighbours(1),
        gold=gold,
    )
