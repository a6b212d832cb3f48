"""A ranking learned from judgements, beside `evidence` on conversations that it has not seen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memory_budget_allocator.durable_write import write_text
from memory_budget_allocator.errors import DataError
from memory_budget_allocator.evaluation.dataset import Dataset
from memory_budget_allocator.evaluation.library_policy import LibraryPolicy
from memory_budget_allocator.evaluation.loading import load
from memory_budget_allocator.evaluation.logistic import Weights, fit
from memory_budget_allocator.evaluation.run import DEFAULT_BUDGETS, check_whole, checked_budgets, judge
from memory_budget_allocator.evaluation.signals import Signals, signals_of
from memory_budget_allocator.ranking import Ranking
from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from memory_budget_allocator.evaluation.dataset import JudgedQuestion
    from memory_budget_allocator.evaluation.policy import Policy
    from memory_budget_allocator.evaluation.report import Evaluation
    from memory_budget_allocator.evaluation.run import Progress

__all__ = ["DEFAULT_FOLDS", "Learned", "learn", "parts_of"]

DEFAULT_FOLDS = 5

DIGITS = 4
"""Decimals of a learned weight: what lies behind them says nothing, and may differ between machines."""

ROUNDING = 1e-9
"""Percentage points by which sums of equal recalls may differ."""


def parts_of(weights: Weights) -> dict[str, float]:
    """The parts of a ranking that are learned; the match is their unit."""
    parts = {
        "lexical_weight": weights.lexical,
        "importance_weight": weights.importance,
        "freshness_weight": weights.freshness,
        "smoothing": weights.neighbours / (1.0 + weights.neighbours),
    }
    return {name: round(value, DIGITS) for name, value in parts.items()}


@dataclass(frozen=True, slots=True)
class Learned:
    """A ranking learned from all conversations, and how those learned from some of them did on the rest."""

    ranking: Ranking
    """``evidence`` with learned weights; goes wherever a ranking goes."""
    match_weight: float
    """By how much the log-odds of being evidence grow with one standard deviation of the match. Not part of
    the ranking, in which the match is the unit."""
    fold_rankings: tuple[Ranking, ...]
    """What was learned without the conversations of each fold."""
    evaluation: Evaluation
    """"learned" beside "evidence", the baseline: each question is answered by a ranking that was learned
    without its conversation."""

    @property
    def is_no_worse(self) -> bool:
        """Whether it kept at least as much as `evidence` at every budget on what it had not seen."""
        return all(difference.mean >= -ROUNDING for difference in self.evaluation.differences["learned"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as built-in types, ready for JSON."""
        return {
            "ranking": self.ranking.to_dict(),
            "match_weight": self.match_weight,
            "fold_rankings": [ranking.to_dict() for ranking in self.fold_rankings],
            "is_no_worse": self.is_no_worse,
            "evaluation": self.evaluation.to_dict(),
        }

    def table(self, width: int = 80) -> str:
        """The weights and the figures as aligned text."""
        from memory_budget_allocator.evaluation.table import learned_lines

        return "\n".join(learned_lines(self, width))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ranking to a JSON file that a workspace can name and `Ranking.from_file` reads.

        Raises:
            OSError: it cannot be written; an old file is then as it was.
        """
        write_text(path, [json.dumps(self.ranking.to_dict(), indent=2) + "\n"])


class UnseenPolicy:
    """Each question goes to the ranking that was learned without its conversation."""

    def __init__(self, rankings: Sequence[Ranking], fold_of: dict[int, int]) -> None:
        self._policies = [LibraryPolicy(ranking=ranking) for ranking in rankings]
        self._fold_of = fold_of

    def select(self, question: JudgedQuestion, budgets: Sequence[int]) -> Sequence[Sequence[Sequence[int]]]:
        """One selection for each budget."""
        return self._policies[self._fold_of[id(question)]].select(question, budgets)


def learn(
    data: Dataset | str | os.PathLike[str],
    *,
    budgets: Iterable[int] = DEFAULT_BUDGETS,
    folds: int = DEFAULT_FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Learned:
    """Learn the weights of a ranking from questions whose evidence is known, and judge it on unseen ones.

    The weights are those of a logistic model over the signals of `evidence`: BM25 beside relevance,
    importance, freshness, neighbours. Length and punctuation are no signals, as they do not carry over to
    other data. The same data give the same weights.

    Args:
        data: a data set, or what `load` reads; at least two conversations with evidence.
        budgets: tokens, each at least 1, at which it is judged.
        folds: parts of the data, at least 2, each of which is judged by what was learned from the others. The
            conversations go round them in turn, so that none is in two; with fewer conversations there are
            fewer folds.
        seed: of the bootstrap; not negative.
        progress: wraps the list of conversations, once for learning and once for judging; ``tqdm`` will do.

    Raises:
        DataError: the data cannot be used, or fewer than two conversations have evidence.
        ArgumentTypeError: a number has the wrong type.
        ArgumentValueError: a number cannot be.
    """
    tokens = checked_budgets(budgets)
    check_whole("folds", folds, least=2)
    check_whole("seed", seed, least=0)
    dataset = data if isinstance(data, Dataset) else load(data)
    judged: list[list[Signals]] = []
    fold_of: dict[int, int] = {}
    for conversation in dataset.conversations if progress is None else progress(dataset.conversations):
        questions = [question for question in conversation.questions if question.gold]
        if questions:
            fold_of.update((id(question), len(judged) % folds) for question in questions)
            judged.append([signals_of(question) for question in questions])
    if len(judged) < 2:
        raise DataError(
            f"{one_line(dataset.name)}: learning takes two conversations with evidence or more, one to learn "
            f"from and one to judge by; there is {len(judged) or 'none'}"
        )
    unseen = [
        fit([each for number, some in enumerate(judged) if number % folds != fold for each in some])
        for fold in range(min(folds, len(judged)))
    ]
    weights = fit([each for some in judged for each in some])
    rankings = tuple(map(_ranking, unseen))
    policies: dict[str, Policy] = {
        "evidence": LibraryPolicy(ranking="evidence"),
        "learned": UnseenPolicy(rankings, fold_of),
    }
    return Learned(
        ranking=_ranking(weights),
        match_weight=round(weights.match, DIGITS),
        fold_rankings=rankings,
        evaluation=judge(dataset, policies, tokens, baseline="evidence", seed=seed, progress=progress),
    )


def _ranking(weights: Weights) -> Ranking:
    return Ranking.from_dict({"kind": "evidence", **parts_of(weights)})
