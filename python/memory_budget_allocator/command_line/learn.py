"""``memory-budget learn``: a ranking learned from judgements, beside `evidence` on what it has not seen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from memory_budget_allocator.command_line.evaluate import writing
from memory_budget_allocator.command_line.problems import DataError, UsageError
from memory_budget_allocator.command_line.progress import with_progress
from memory_budget_allocator.command_line.streams import write_lines
from memory_budget_allocator.errors import ArgumentValueError
from memory_budget_allocator.tables import terminal_width
from memory_budget_allocator.wording import one_line

if TYPE_CHECKING:
    import argparse

    from memory_budget_allocator.evaluation import Learned

__all__ = ["run_learn"]


def run_learn(arguments: argparse.Namespace) -> None:
    """Learn, print the report and write the ranking, unless it kept less than `evidence`."""
    from memory_budget_allocator.evaluation import learn, load
    from memory_budget_allocator.evaluation.run import check_whole
    from memory_budget_allocator.evaluation.table import learned_lines

    try:
        check_whole("folds", arguments.folds, least=2)
        check_whole("seed", arguments.seed, least=0)
    except ArgumentValueError as error:
        raise UsageError(str(error)) from error
    data = load(
        arguments.data,
        conversations=arguments.conversations,
        half=arguments.split,
        progress=partial(with_progress, what="conversations read"),
    )
    learned = learn(
        data,
        budgets=arguments.budgets,
        folds=arguments.folds,
        seed=arguments.seed,
        progress=partial(with_progress, what="conversations learned from or judged"),
    )
    write_lines(learned_lines(learned, terminal_width()))
    if arguments.output is None:
        return
    if not (learned.is_no_worse or arguments.anyway):
        raise DataError(f"{one_line(arguments.output)}: not written: {_what_was_lost(learned)}")
    with writing(arguments.output):
        learned.save(arguments.output)


def _what_was_lost(learned: Learned) -> str:
    losses = [-difference.mean for difference in learned.evaluation.differences["learned"]]
    loss, budget = max(zip(losses, learned.evaluation.budgets, strict=True))
    return (
        f"at {budget:,} tokens it kept {loss:.2f} points less than evidence of what it had not seen "
        "(--anyway writes it)"
    )
