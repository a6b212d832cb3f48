"""How much of what a question needs gets into its budget: policies judged on data with known evidence.

`load` reads a data set, `evaluate` lets policies select for each of its questions, and the `Evaluation` it
returns is a table, a dict or a plot. Needs NumPy, which the extra ``evaluate`` brings.
"""

from memory_budget_allocator.errors import MissingExtraError

try:
    from memory_budget_allocator.evaluation.dataset import (
        Candidate,
        CandidateSet,
        Conversation,
        Dataset,
        JudgedQuestion,
        Question,
    )
    from memory_budget_allocator.evaluation.function_policy import PolicyFunction
    from memory_budget_allocator.evaluation.json_lines_format import dataset_from_records
    from memory_budget_allocator.evaluation.learning import Learned, learn
    from memory_budget_allocator.evaluation.loading import load, part_of
    from memory_budget_allocator.evaluation.policies import BUILTIN_POLICIES
    from memory_budget_allocator.evaluation.report import CategoryRecall, Estimate, Evaluation
    from memory_budget_allocator.evaluation.run import DEFAULT_BUDGETS, evaluate
except ModuleNotFoundError as error:
    if error.name != "numpy":
        raise
    raise MissingExtraError(
        "the evaluation needs NumPy: pip install 'memory-budget-allocator[evaluate]'", name="numpy"
    ) from None

__all__ = [
    "BUILTIN_POLICIES",
    "DEFAULT_BUDGETS",
    "Candidate",
    "CandidateSet",
    "CategoryRecall",
    "Conversation",
    "Dataset",
    "Estimate",
    "Evaluation",
    "JudgedQuestion",
    "Learned",
    "PolicyFunction",
    "Question",
    "dataset_from_records",
    "evaluate",
    "learn",
    "load",
    "part_of",
]
