"""What an evaluation found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from memory_budget_allocator._core import __version__
from memory_budget_allocator.evaluation.bootstrap import SAMPLES

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

__all__ = ["CategoryRecall", "Estimate", "Evaluation", "Row"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An average in percent with its 95 % interval, or a difference of two averages in percentage points."""

    mean: float
    low: float | None
    """None, as `high`, where a single conversation has such questions."""
    high: float | None


Row = tuple[Estimate, ...]
"""An estimate for each budget."""


@dataclass(frozen=True, slots=True)
class CategoryRecall:
    """The recall of the questions of one category."""

    questions: int
    recall: Mapping[str, Row]
    """By policy."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Policies side by side: for each a row, with an estimate for each budget."""

    data: str
    """Name of the file or folder."""
    budgets: tuple[int, ...]
    """Tokens, in the order of the estimates of a row."""
    seed: int
    conversations: int
    """Those with a question that has gold."""
    candidates: int
    questions: int
    """Those with evidence."""
    questions_without_evidence: int
    """Left out: every selection would be right."""
    recall: Mapping[str, Row]
    """By policy: the share of a question's gold that was selected, averaged over questions."""
    all_evidence: Mapping[str, Row]
    """By policy: the share of questions all of whose gold was selected."""
    questions_with_newer_fact: int
    newer_fact: Mapping[str, Row]
    """By policy: the share of questions about something that has changed whose newer fact was selected; empty
    if there is no such question."""
    categories: Mapping[str, CategoryRecall]
    """By category, sorted; questions without one are not among them."""
    baseline: str
    """The policy the others are compared with."""
    differences: Mapping[str, Row]
    """By policy: its recall less that of the baseline, in percentage points, with the interval of the paired
    difference."""

    def to_dict(self) -> dict[str, Any]:
        """Everything as built-in types, ready for JSON."""
        return {
            "version": __version__,
            "data": self.data,
            "seed": self.seed,
            "bootstrap_samples": SAMPLES,
            "budgets": list(self.budgets),
            "conversations": self.conversations,
            "candidates": self.candidates,
            "questions": self.questions,
            "questions_without_evidence": self.questions_without_evidence,
            "questions_with_newer_fact": self.questions_with_newer_fact,
            "baseline": self.baseline,
            "recall_percent": self._plain(self.recall),
            "all_evidence_percent": self._plain(self.all_evidence),
            "newer_fact_percent": self._plain(self.newer_fact),
            "difference_points": self._plain(self.differences),
            "categories": {
                name: {"questions": category.questions, "recall_percent": self._plain(category.recall)}
                for name, category in self.categories.items()
            },
        }

    def table(self, width: int = 80) -> str:
        """The figures as aligned text, at most `width` columns of a terminal wide where that is possible."""
        from memory_budget_allocator.evaluation.table import lines

        return "\n".join(lines(self, width))

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw recall against budget, the intervals as bands; needs the extra ``plot``.

        Args:
            path: a file that ends in .png, .svg or .pdf.

        Raises:
            MissingExtraError: matplotlib is not installed.
            ArgumentValueError: the file has another ending.
            OSError: it cannot be written.
        """
        from memory_budget_allocator.evaluation.plot import draw

        draw(self, path)

    def _plain(self, rows: Mapping[str, Sequence[Estimate]]) -> dict[str, Any]:
        return {
            name: {str(budget): asdict(figure) for budget, figure in zip(self.budgets, row, strict=True)}
            for name, row in rows.items()
        }
