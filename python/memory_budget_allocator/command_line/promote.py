"""``memory-budget promote``: which memories should move one tier up or down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memory_budget_allocator.command_line.memories import read_memories
from memory_budget_allocator.command_line.streams import write_json, write_lines
from memory_budget_allocator.command_line.workspaces import make_allocator, scope_phrase
from memory_budget_allocator.tables import Column, facts, number, table, terminal_width
from memory_budget_allocator.text_width import displayable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from memory_budget_allocator.results import PromotionResult, TierChange
    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = ["run_promote"]


def run_promote(arguments: argparse.Namespace) -> None:
    """Evaluate the memories of a file and print the recommendations."""
    allocator = make_allocator(arguments.config)
    memories = read_memories(arguments.memories)
    config, scope = allocator.resolve_config(arguments.workspace, arguments.project)
    now = arguments.now or datetime.now(UTC)  # one time for scores and recency
    for item in memories.unscored:
        allocator.calculate_memory_score(item, config, now)
    result = allocator.evaluate_promotion_demotion(memories.items, config, now)
    if arguments.json:
        write_json(result)
        return
    workspace = scope_phrase(arguments.workspace, arguments.project, scope, config)
    write_lines(_report(result, workspace, config, len(memories.unscored)))


def _report(result: PromotionResult, workspace: str, config: WorkspaceConfig, scored: int) -> Iterator[str]:
    width = terminal_width()
    total = result["total_evaluated"]
    accesses = config.promotion_access_threshold
    evaluated = f"{total} {'memory' if total == 1 else 'memories'}"
    if scored:
        evaluated += f", {scored} of them scored first (no combined_score in the file)"
    promote_from = f"{number(config.promotion_threshold)} with {accesses} or more accesses"
    yield from facts(
        [
            ("Workspace", workspace),
            ("Rules", f"up from {promote_from}, down below {number(config.demotion_threshold)}"),
            ("Evaluated", evaluated),
            ("Time", result["timestamp"]),
        ],
        width,
    )
    yield ""
    changes = [*result["promotions"], *result["demotions"]]
    if not changes:
        yield "No memory should move."
        return
    rows: list[Sequence[str]] = []
    for heading, group in (("up", result["promotions"]), ("down", result["demotions"])):
        if group:
            rows += [[heading], *map(_row, group)]
    columns = [Column("MOVE", least=10), Column("FROM"), Column("TO"), Column("WHY")]
    yield from table(columns, rows, width)
    yield ""
    stay = total - len(changes)
    yield f"{len(result['promotions'])} up, {len(result['demotions'])} down, {stay} stay where they are."


def _row(change: TierChange) -> Sequence[str]:
    return (
        f"  {displayable(change['memory_id'][:500])}",
        change["current_tier"],
        change["target_tier"],
        change["reason"],
    )
