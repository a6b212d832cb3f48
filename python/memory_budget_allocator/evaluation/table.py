"""An evaluation as tables for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from memory_budget_allocator.evaluation.bootstrap import SAMPLES
from memory_budget_allocator.evaluation.learning import parts_of
from memory_budget_allocator.evaluation.logistic import EVIDENCE
from memory_budget_allocator.tables import Column, facts, table
from memory_budget_allocator.text_width import display_width, displayable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memory_budget_allocator.evaluation.learning import Learned
    from memory_budget_allocator.evaluation.report import Estimate, Evaluation, Row

__all__ = ["learned_lines", "lines"]

LONGEST_NAME = 200
LEAST_CATEGORY = 12


def lines(evaluation: Evaluation, width: int) -> Iterator[str]:
    """Facts about the data, then a table for each measure."""
    has_intervals = evaluation.conversations > 1
    yield from facts(
        [
            (
                "Data",
                f"{_name(evaluation.data)}, {_counted(evaluation.conversations, 'conversation')}, "
                f"{_counted(evaluation.candidates, 'candidate')}",
            ),
            (
                "Questions",
                f"{evaluation.questions:,} with evidence, "
                f"{evaluation.questions_without_evidence:,} without are left out",
            ),
            (
                "Intervals",
                f"95 %, {SAMPLES:,} bootstrap samples over conversations, seed {evaluation.seed}"
                if has_intervals
                else "none: they take at least two conversations",
            ),
        ],
        width,
    )
    yield from _section(evaluation, "RECALL, %", evaluation.recall, width, intervals=has_intervals)
    yield from _section(evaluation, "ALL EVIDENCE, %", evaluation.all_evidence, width)
    if evaluation.newer_fact:
        yield from _section(evaluation, "NEWER FACT, %", evaluation.newer_fact, width)
    if evaluation.differences:
        heading = f"- {_name(evaluation.baseline)}"
        yield from _section(
            evaluation, heading, evaluation.differences, width, sign="+", intervals=has_intervals
        )
    if evaluation.categories:
        yield ""
        yield from _categories(evaluation, width)


def learned_lines(learned: Learned, width: int) -> Iterator[str]:
    """What was learned, then how it did on what it had not seen."""
    columns = [Column("PART", least=8)]
    columns += [Column(name, right=True) for name in ("EVIDENCE", "LEARNED", "OVER FOLDS")]
    rows: list[Sequence[str]] = []
    for name, usual in parts_of(EVIDENCE).items():
        folds = [getattr(ranking, name) for ranking in learned.fold_rankings]
        found = getattr(learned.ranking, name)
        rows.append([name, f"{usual:.2f}", f"{found:.2f}", f"{min(folds):.2f}..{max(folds):.2f}"])
    yield from table(columns, rows, width)
    yield ""
    yield f"One standard deviation of the match multiplies the odds by {math.exp(learned.match_weight):.1f}."
    yield f"Judged in {len(learned.fold_rankings)} folds, each by what was learned from the others."
    yield ""
    yield from lines(learned.evaluation, width)


def _section(
    evaluation: Evaluation,
    heading: str,
    rows: Mapping[str, Row],
    width: int,
    *,
    sign: str = "",
    intervals: bool = False,
) -> list[str]:
    columns = [
        Column(heading, least=8),
        *(Column(f"{budget:,}", right=True) for budget in evaluation.budgets),
    ]
    cells: list[Sequence[str]] = []
    for name, row in rows.items():
        cells.append([_name(name), *(f"{figure.mean:{sign}.1f}" for figure in row)])
        if intervals:
            cells.append(["", *(_interval(figure, sign) for figure in row)])
    return ["", *table(columns, cells, width)]


def _categories(evaluation: Evaluation, width: int) -> list[str]:
    """Recall of each category at the budget in the middle; all budgets would not fit a page.

    What does not fit beside the other policies follows below them.
    """
    middle = len(evaluation.budgets) // 2
    blocks: list[list[str]] = [[]]
    room = beside = width - LEAST_CATEGORY - len("  ASKED")
    for name in evaluation.recall:
        needed = 2 + max(display_width(_name(name)), len("100.0"))
        if needed > room and blocks[-1]:
            blocks.append([])
            room = beside
        blocks[-1].append(name)
        room -= needed
    lines = [f"Recall at {evaluation.budgets[middle]:,} tokens, %:"]
    for names in blocks:
        columns = [
            Column("CATEGORY", least=LEAST_CATEGORY),
            Column("ASKED", right=True),
            *(Column(_name(name), right=True) for name in names),
        ]
        rows = [
            [
                _name(category),
                f"{found.questions:,}",
                *(f"{found.recall[name][middle].mean:.1f}" for name in names),
            ]
            for category, found in evaluation.categories.items()
        ]
        lines += [*([""] if len(lines) > 1 else []), *table(columns, rows, width)]
    return lines


def _interval(figure: Estimate, sign: str) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:{sign}.1f}..{figure.high:{sign}.1f}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _name(text: str) -> str:
    return displayable(text[:LONGEST_NAME])
