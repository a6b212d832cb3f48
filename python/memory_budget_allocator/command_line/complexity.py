"""``memory-budget complexity``: level, points and where each point comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_budget_allocator.command_line.streams import write_json, write_lines
from memory_budget_allocator.command_line.workspaces import check_context, make_allocator
from memory_budget_allocator.levels import QueryComplexity
from memory_budget_allocator.tables import Column, facts, table, terminal_width
from memory_budget_allocator.text_width import displayable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from memory_budget_allocator.complexity_rules import ComplexityRules
    from memory_budget_allocator.results import ComplexityAnalysis

__all__ = ["run_complexity"]


def run_complexity(arguments: argparse.Namespace) -> None:
    """Analyze one query and print the result."""
    allocator = make_allocator(arguments.config)
    check_context(allocator, arguments.context)
    analysis = allocator.analyze_query_complexity(arguments.text, arguments.context)
    if arguments.json:
        write_json(analysis)
    else:
        write_lines(_report(arguments.text, analysis, allocator.complexity_rules))


def _report(query: str, analysis: ComplexityAnalysis, rules: ComplexityRules) -> Iterator[str]:
    width = terminal_width()
    points = analysis["points"]
    yield from facts(
        [
            ("Query", displayable(query[:500])),
            ("Complexity", f"{analysis['complexity']}, {points} {'point' if points == 1 else 'points'}"),
            ("Levels", _levels(rules)),
        ],
        width,
    )
    yield ""
    rows: list[tuple[str, str, str]] = [
        (str(entry["points"]), entry["source"], displayable(entry["detail"]))
        for entry in analysis["contributions"]
    ]
    if not rows:
        words = analysis["word_count"]
        yield f"Nothing earns a point: {words} {'word' if words == 1 else 'words'}, no keyword, no context."
        return
    rows.append((str(points), "total", ""))
    columns = [Column("POINTS", right=True), Column("FROM"), Column("NAMELY", least=12)]
    yield from table(columns, rows, width)


def _levels(rules: ComplexityRules) -> str:
    """Which points make which level; a level that no number of points reaches is left out."""
    starts = (0, *rules.level_thresholds)
    ends = (*rules.level_thresholds, None)
    phrases: list[str] = []
    for level, start, end in zip(QueryComplexity, starts, ends, strict=True):
        if end is None:
            phrases.append(f"{level.value} {start}+")
        elif end > start:
            span = str(start) if end - 1 == start else f"{start}-{end - 1}"
            phrases.append(f"{level.value} {span}")
    return ", ".join(phrases)
