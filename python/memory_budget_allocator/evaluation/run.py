"""One evaluation from data and policies to the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from memory_budget_allocator.configuration_keys import LARGEST_COUNT
from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError, DataError
from memory_budget_allocator.evaluation.bootstrap import Averages, averages
from memory_budget_allocator.evaluation.dataset import Conversation, Dataset
from memory_budget_allocator.evaluation.function_policy import FunctionPolicy, PolicyFunction
from memory_budget_allocator.evaluation.library_policy import LibraryPolicy
from memory_budget_allocator.evaluation.loading import load
from memory_budget_allocator.evaluation.policies import BUILTIN_POLICIES
from memory_budget_allocator.evaluation.recall import Measurements, measure
from memory_budget_allocator.evaluation.report import CategoryRecall, Estimate, Evaluation, Row
from memory_budget_allocator.ranking import Ranking
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from memory_budget_allocator.evaluation.policy import Policy

    Progress: TypeAlias = Callable[[Sequence[Conversation]], Iterable[Conversation]]

__all__ = [
    "DEFAULT_BUDGETS",
    "Progress",
    "check_whole",
    "checked_budgets",
    "choose_policies",
    "evaluate",
    "judge",
]

DEFAULT_BUDGETS = (256, 512, 1024, 2048, 4096)

USUAL_BASELINE = "cosine"


def evaluate(
    data: Dataset | str | os.PathLike[str],
    *,
    policies: Mapping[str, PolicyFunction | Ranking] | None = None,
    builtin: Iterable[str] = tuple(BUILTIN_POLICIES),
    budgets: Iterable[int] = DEFAULT_BUDGETS,
    baseline: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Let policies select for every question of a data set and see how much of the gold they take.

    The same data, policies, budgets and seed give the same report.

    Args:
        data: a data set, or what `load` reads.
        policies: functions of your own by name, beside the built-in ones. Each gets a `Question`, its
            `Candidate` objects and a budget in tokens, and returns ids in the order in which they are to be
            taken; what does not fit into what is left is passed over. A `Ranking` is the library with it.
        builtin: which of `BUILTIN_POLICIES`.
        budgets: tokens, each at least 1.
        baseline: the policy the others are compared with; cosine if it is among them, else the first.
        seed: of the random orders and of the bootstrap; not negative.
        progress: wraps the list of conversations; ``tqdm`` will do.

    Raises:
        DataError: the data cannot be used, or no question has gold.
        ArgumentTypeError: an argument or what a policy returned has the wrong type.
        ArgumentValueError: a budget, a name or the seed cannot be, or a policy returned what is no candidate.
    """
    tokens = checked_budgets(budgets)
    chosen, baseline = choose_policies(policies or {}, builtin, baseline, seed)
    dataset = data if isinstance(data, Dataset) else load(data)
    return judge(dataset, chosen, tokens, baseline=baseline, seed=seed, progress=progress)


def judge(
    dataset: Dataset,
    policies: Mapping[str, Policy],
    budgets: tuple[int, ...],
    *,
    baseline: str,
    seed: int,
    progress: Progress | None,
) -> Evaluation:
    """What `evaluate` does once its arguments are checked.

    Raises:
        DataError: no question has gold.
        ArgumentTypeError, ArgumentValueError: a policy returned what is no candidate.
    """
    questions = [question for each in dataset.conversations for question in each.questions]
    with_gold = sum(bool(question.gold) for question in questions)
    if not with_gold:
        raise DataError(f"{one_line(dataset.name)}: no question has evidence")
    steps = dataset.conversations if progress is None else progress(dataset.conversations)
    measured = measure(steps, policies, budgets)
    return Evaluation(
        data=dataset.name,
        budgets=budgets,
        seed=seed,
        conversations=int(measured.conversations.max()) + 1,
        candidates=sum(map(len, {id(each.candidate_set): each.candidate_set for each in questions}.values())),
        questions=with_gold,
        questions_without_evidence=len(questions) - with_gold,
        baseline=baseline,
        **_summary(measured, tuple(policies), len(budgets), baseline, seed),
    )


def choose_policies(
    own: Mapping[str, PolicyFunction | Ranking], builtin: Iterable[str], baseline: str | None, seed: int
) -> tuple[dict[str, Policy], str]:
    """The policies by name, and which of them is the baseline; see `evaluate`.

    Raises:
        ArgumentTypeError: a policy is no function, or the seed no whole number.
        ArgumentValueError: a name is unknown or stands twice, or the seed is negative.
    """
    check_whole("seed", seed, least=0)
    chosen: dict[str, Policy] = {}
    for name in builtin:
        if name not in BUILTIN_POLICIES:
            raise ArgumentValueError(f"there is no policy {shown(name)}, only {', '.join(BUILTIN_POLICIES)}")
        chosen[name] = BUILTIN_POLICIES[name](seed)
    for name, policy in own.items():
        if name in chosen:
            raise ArgumentValueError(f"policy {shown(name)}: another one has this name")
        if isinstance(policy, Ranking):
            chosen[name] = LibraryPolicy(ranking=policy)
        elif callable(policy):
            chosen[name] = FunctionPolicy(name, policy)
        else:
            raise ArgumentTypeError(
                f"policy {shown(name)} must be a function or a Ranking, got {shown(policy)}"
            )
    if not chosen:
        raise ArgumentValueError("there is no policy to evaluate")
    if baseline is None:
        baseline = USUAL_BASELINE if USUAL_BASELINE in chosen else next(iter(chosen))
    elif baseline not in chosen:
        raise ArgumentValueError(f"baseline {shown(baseline)} is none of the policies: {', '.join(chosen)}")
    return chosen, baseline


def checked_budgets(budgets: Iterable[int]) -> tuple[int, ...]:
    """The budgets without repetitions, in their order.

    Raises:
        ArgumentTypeError: one is no whole number.
        ArgumentValueError: one is not above 0, or there is none.
    """
    checked = tuple(dict.fromkeys(check_whole("budgets", budget, least=1) for budget in budgets))
    if not checked:
        raise ArgumentValueError("budgets must name at least one number of tokens")
    return checked


def check_whole(name: str, value: object, least: int) -> int:
    """The value, if it is a whole number of at least `least`.

    Raises:
        ArgumentTypeError, ArgumentValueError: it is not; `name` says which argument that is.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentTypeError(f"{name}: must be a whole number, got {shown(value)}")
    if not least <= value <= LARGEST_COUNT:
        raise ArgumentValueError(f"{name}: must be from {least} to {LARGEST_COUNT}, got {shown(value)}")
    return value


def _summary(
    measured: Measurements, policies: tuple[str, ...], budgets: int, baseline: str, seed: int
) -> dict[str, Any]:
    """The estimates of a report, all from the same draws."""
    every = np.ones(len(measured.categories), np.bool_)
    categories = sorted({name for name in measured.categories if name is not None})
    of_category = [np.array([each == name for each in measured.categories]) for name in categories]
    at = policies.index(baseline)
    groups = [
        (measured.recall, every),
        (measured.all_evidence, every),
        (measured.newer_fact, measured.has_newer_fact),
        (measured.recall - measured.recall[:, at : at + 1], every),
        *((measured.recall, members) for members in of_category),
    ]
    found = averages(
        [(values.reshape(len(every), -1), members) for values, members in groups],
        measured.conversations,
        seed,
    )
    recall, all_evidence, newer_fact, differences, *by_category = (
        _rows(figures, policies, budgets) for figures in found
    )
    return {
        "recall": recall,
        "all_evidence": all_evidence,
        "questions_with_newer_fact": int(measured.has_newer_fact.sum()),
        "newer_fact": newer_fact if measured.has_newer_fact.any() else {},
        "differences": {name: row for name, row in differences.items() if name != baseline},
        "categories": {
            name: CategoryRecall(int(members.sum()), rows)
            for name, members, rows in zip(categories, of_category, by_category, strict=True)
        },
    }


def _rows(figures: Averages, policies: Sequence[str], budgets: int) -> dict[str, Row]:
    """The columns of a group, policy after policy, as estimates in percent."""
    estimates = [_estimate(*each) for each in zip(figures.mean, figures.low, figures.high, strict=True)]
    return {
        name: tuple(estimates[number * budgets : (number + 1) * budgets])
        for number, name in enumerate(policies)
    }


def _estimate(mean: np.float64, low: np.float64, high: np.float64) -> Estimate:
    if np.isnan(low):
        return Estimate(100.0 * float(mean), None, None)
    return Estimate(100.0 * float(mean), 100.0 * float(low), 100.0 * float(high))
