"""A logistic model of which candidates hold the answer, fitted to judgements.

::

    s = match * (z(z(relevance) + lexical * z(BM25)) + importance * i + freshness * f)
    logit = s + neighbours * (s of the message before + s of the message after) / 2
    P(candidate | question) = exp(logit) / sum of exp(logit) over the candidates of the question

That is the order of `evidence`, whose score is the logit divided by ``1 + neighbours``. It is conditional on
the question: what all its candidates share cancels out, so that neighbours have no say where there are none,
and a question counts once, however many candidates or pieces of evidence it has. Source of the model:
McFadden, Conditional logit analysis of qualitative choice behavior (1974).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memory_budget_allocator.evaluation.signals import Signals

__all__ = ["EVIDENCE", "Weights", "fit"]


class Weights(NamedTuple):
    """What the model learns; none is negative."""

    match: float
    """By how much the log-odds grow with one standard deviation of the match."""
    lexical: float
    """Of BM25 beside the relevance, both in standard deviations."""
    importance: float
    """What the greatest importance is worth, in standard deviations of the match."""
    freshness: float
    """What the greatest freshness is worth, in standard deviations of the match."""
    neighbours: float
    """Of the mean of the neighbours beside a score of its own."""


EVIDENCE = Weights(match=0.7, lexical=0.5, importance=0.25, freshness=0.0, neighbours=0.3 / 0.7)
"""The weights of `evidence`, from which few judgements do not lead far away."""

TRUST = 4.0
"""How strongly the weights are drawn to those of `evidence`: one over the square of the half by which they
would differ from them as a rule. Some hundred questions outweigh it, a handful do not."""

LEAST = np.array([0.25, 0.0, 0.0, 0.0, 0.0])
"""The match is the unit of the others, and so worth something, even where relevance misleads."""
STEPS = 100
HALVINGS = 40
ENOUGH = 1e-10
"""A step that gains less than this part of the likelihood is the last one."""


def fit(questions: Sequence[Signals]) -> Weights:
    """The weights of the greatest likelihood, less half `TRUST` times their squared distance from `EVIDENCE`.

    Fisher scoring: Newton's method with the expected curvature, from `EVIDENCE` on. A step that
    overshoots is halved, so that every step gains; the same questions give the same weights.

    Args:
        questions: those with evidence; at least one.
    """
    weights = np.array(EVIDENCE)
    value, slope, curvature = _objective(questions, weights)
    for _ in range(STEPS):
        step = _step(slope, curvature, is_least=weights <= LEAST)
        for halving in range(HALVINGS):
            reached = np.clip(weights + step / 2**halving, LEAST, None)
            found = _objective(questions, reached)
            if found[0] > value:
                break
        else:
            break
        gain = found[0] - value
        weights, (value, slope, curvature) = reached, found
        if gain <= ENOUGH * abs(value):
            break
    return Weights(*weights.tolist())


def _step(
    slope: NDArray[np.float64], curvature: NDArray[np.float64], *, is_least: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Newton's step; what is as small as it can be and would become smaller stays as it is."""
    is_free = ~(is_least & (slope < 0.0))
    while True:
        step = np.zeros_like(slope)
        step[is_free] = np.linalg.solve(curvature[np.ix_(is_free, is_free)], slope[is_free])
        is_stopped = is_least & (step < 0.0)
        if not is_stopped.any():
            return step
        is_free &= ~is_stopped


def _objective(
    questions: Sequence[Signals], weights: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The penalised log-likelihood, its gradient and its expected curvature, the sign turned."""
    distance = weights - np.array(EVIDENCE)
    value = -0.5 * TRUST * float(distance @ distance)
    slope = -TRUST * distance
    curvature = TRUST * np.eye(len(weights))
    for question in questions:
        score, change = _score(question, Weights(*weights.tolist()))
        shifted = score - score.max()
        odds = np.exp(shifted)
        chance = odds / odds.sum()
        value += float(question.gold @ shifted) - float(np.log(odds.sum()))
        slope += change.T @ (question.gold - chance)
        centred = change - chance @ change
        curvature += (centred * chance[:, np.newaxis]).T @ centred
    return value, slope, curvature


def _score(question: Signals, weights: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The logit of each candidate, and by how much it changes with each weight."""
    match, match_change = _match(question, weights.lexical)
    inner = match + weights.importance * question.importance + weights.freshness * question.freshness
    plain = weights.match * inner
    lowest = int(np.argmin(plain))
    before = np.where(question.before < 0, lowest, question.before)
    after = np.where(question.after < 0, lowest, question.after)

    def around(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values[before] + values[after]) / 2.0

    def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values + weights.neighbours * around(values)

    change = np.column_stack(
        (
            smoothed(inner),
            smoothed(weights.match * match_change),
            smoothed(weights.match * question.importance),
            smoothed(weights.match * question.freshness),
            around(plain),
        )
    )
    return smoothed(plain), change


def _match(question: Signals, lexical: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Relevance and BM25 together, in standard deviations, and the change with the weight of BM25."""
    fused = question.relevance + lexical * question.lexical
    deviation = float(fused.std())
    if deviation < 1e-9:  # all candidates are alike
        return np.zeros_like(fused), np.zeros_like(fused)
    match = (fused - fused.mean()) / deviation
    centred = question.lexical - question.lexical.mean()
    return match, (centred - match * float((match * centred).mean())) / deviation
