"""``memory-budget allocate``: what was taken, what was left out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from memory_budget_allocator.command_line.memories import read_memories
from memory_budget_allocator.command_line.prompt import (
    check_prompt_options,
    reserves_of,
    template_of,
    wants_prompt,
    write_prompt,
)
from memory_budget_allocator.command_line.streams import is_terminal, write_json, write_lines
from memory_budget_allocator.command_line.workspaces import check_context, make_allocator, scope_phrase
from memory_budget_allocator.ranking import Ranking
from memory_budget_allocator.receipt_sentences import sentence, why
from memory_budget_allocator.receipts import candidates_of, decisions, receipt_as_dict
from memory_budget_allocator.tables import Column, bar, facts, number, table, terminal_width
from memory_budget_allocator.text_width import displayable, wrapped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from memory_budget_allocator._core import Allocation
    from memory_budget_allocator.item_face import MemoryItem
    from memory_budget_allocator.receipts import Receipt
    from memory_budget_allocator.results import AllocationResult, TierName
    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = ["Verdict", "run_allocate", "verdicts_of"]

LEFT_OUT_SHOWN = 10
"""Memories of a tier that are listed as left out unless all are asked for."""

PREVIEW = 500
"""Characters of a text that can matter to a table, whatever the terminal."""


def run_allocate(arguments: argparse.Namespace) -> None:
    """Allocate and print the result."""
    check_prompt_options(arguments)
    allocator = make_allocator(arguments.config)
    check_context(allocator, arguments.context)
    ranking = arguments.ranking
    if ranking is not None and ranking.endswith(".json"):
        ranking = Ranking.from_file(ranking)
    template, reserves = template_of(arguments), reserves_of(arguments)
    items = read_memories(arguments.memories).items
    config, _ = allocator.resolve_config(arguments.workspace, arguments.project)
    # Configurations are live, and this one is of this run alone.
    if arguments.spill_over:
        config.spill_over = True
    if arguments.minimum_score is not None:
        config.minimum_score = arguments.minimum_score
    if ranking is not None:
        config.ranking = ranking
    with_receipts = arguments.report or arguments.explain is not None
    allocation = allocator.allocate(
        arguments.query,
        items,
        arguments.workspace,
        arguments.context,
        project_id=arguments.project,
        current_time=arguments.now,
        tokenizer=arguments.tokenizer,
        max_prompt_tokens=arguments.max_prompt_tokens,
        reserves=reserves,
        template=template,
        receipts=with_receipts,
    )
    # First, because an unknown id is an error.
    explained = {it: candidates_of(allocation, it) for it in arguments.explain or ()}
    sentences = {it: [sentence(allocation, each) for each in found] for it, found in explained.items()}
    if wants_prompt(arguments):
        write_prompt(allocation, arguments)
    elif arguments.json:
        write_json(_as_json(allocation, explained, sentences, with_report=arguments.report))
    elif with_receipts:
        write_lines(_receipts(allocation, sentences, with_report=arguments.report))
    else:
        verdicts = verdicts_of(items, allocation)
        write_lines(_report(allocation, verdicts, config, list_all=arguments.all))


def _as_json(
    allocation: Allocation,
    explained: dict[str, list[Receipt]],
    sentences: dict[str, list[str]],
    *,
    with_report: bool,
) -> dict[str, object]:
    """The result; with the receipts and the sentences of the ids that were asked for, or all receipts."""
    result: dict[str, object] = {**allocation.to_dict(receipts=with_report)}
    if explained:
        found = [receipt_as_dict(receipt) for receipts in explained.values() for receipt in receipts]
        result.setdefault("receipts", found)
        result["explanations"] = sentences
    return result


def _receipts(allocation: Allocation, sentences: dict[str, list[str]], *, with_report: bool) -> Iterator[str]:
    width = terminal_width()
    for text in chain.from_iterable(sentences.values()):
        yield from wrapped(text, width) if is_terminal() else [text]
    if with_report:
        yield from allocation.report().lines(width)


def _is_ranked(config: WorkspaceConfig) -> bool:
    """Whether something else than the documented score decides the order."""
    return config.ranking != "weighted"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one memory."""

    item: MemoryItem
    receipt: Receipt

    @property
    def taken(self) -> bool:
        """Whether it was selected."""
        return self.receipt.decision == "selected"


def verdicts_of(items: Sequence[MemoryItem], allocation: Allocation) -> dict[TierName, list[Verdict]]:
    """Every memory by tier: what was taken as the allocation has it, the rest in the order of its turns."""
    place = {position: rank for rank, position in enumerate(allocation.selected_positions)}
    verdicts: dict[TierName, list[Verdict]] = {name.value: [] for name in allocation.tiers}
    for receipt in sorted(decisions(allocation), key=lambda it: place.get(it.position, len(place))):
        verdicts[receipt.tier.value].append(Verdict(items[receipt.position], receipt))
    return verdicts


def _report(
    allocation: Allocation,
    verdicts: dict[TierName, list[Verdict]],
    config: WorkspaceConfig,
    *,
    list_all: bool,
) -> Iterator[str]:
    result, width = allocation.to_dict(), terminal_width()
    multiplier = number(result["budget"]["complexity_multiplier"])
    weights = (config.relevance_weight, config.importance_weight, config.freshness_weight)
    relevance, importance, freshness = map(number, weights)
    workspace = scope_phrase(result["workspace_id"], result["project_id"], result["config_scope"], config)
    yield from facts(
        [
            ("Query", displayable(result["query"][:PREVIEW])),
            ("Complexity", f"{result['complexity']}, budgets x {multiplier}"),
            ("Workspace", workspace),
            ("Time", result["timestamp"]),
            *_ranking(config),
            *_ceiling(result),
        ],
        width,
    )
    yield ""
    yield from _tiers(result, width)
    yield ""
    yield from _taken(verdicts, config, width)
    if any(not verdict.taken for tier in verdicts.values() for verdict in tier):
        yield ""
        yield from _left_out(allocation, verdicts, width, None if list_all else LEFT_OUT_SHOWN)
    if any(verdicts.values()):
        yield ""
        if _is_ranked(config):
            yield "SCORE is the documented score; the ranking decides whose turn it is."
        yield f"REL: {relevance} x relevance, IMP: {importance} x importance, FRESH: {freshness} x freshness"


def _ranking(config: WorkspaceConfig) -> Iterator[tuple[str, str]]:
    if _is_ranked(config):
        yield "Ranking", config.ranking if isinstance(config.ranking, str) else config.ranking.kind


def _ceiling(result: AllocationResult) -> Iterator[tuple[str, str]]:
    budget = result["budget"]
    if "max_prompt_tokens" in budget:
        reserved = "".join(
            f", {name} {tokens}" for name, tokens in budget.get("reserved_tokens", {}).items()
        ).removeprefix(", ")
        reserved = f", {reserved} reserved" if reserved else ""
        yield (
            "Ceiling",
            f"{budget['max_prompt_tokens']} tokens{reserved}, {budget.get('available_tokens')} for memories",
        )
        yield "Counted by", str(budget.get("counter"))


def _tiers(result: AllocationResult, width: int) -> list[str]:
    columns = [
        Column("TIER"),
        Column("BUDGET", right=True),
        Column("USED", right=True),
        Column("LEFT", right=True),
        Column("UTILIZATION"),
        Column("TAKEN", right=True),
    ]
    length = 20 if width >= 76 else 8
    rows: list[tuple[str, ...]] = []
    sums = [0, 0, 0, 0]
    for name, tier in result["tiers"].items():
        budget, used = tier["budget_tokens"], tier["tokens_used"]
        taken, available = tier["memories_selected"], tier["memories_available"]
        utilization = f"{bar(used, budget, length)} {tier['utilization_pct']:6.2f} %"
        rows.append(
            (name, str(budget), str(used), str(budget - used), utilization, f"{taken} of {available}")
        )
        sums = [total + part for total, part in zip(sums, (budget, used, taken, available), strict=True)]
    budget, used, taken, available = sums
    percent = used / budget * 100 if budget else 0.0
    utilization = f"{bar(used, budget, length)} {percent:6.2f} %"
    rows.append(("total", str(budget), str(used), str(budget - used), utilization, f"{taken} of {available}"))
    return table(columns, rows, width)


def _taken(verdicts: dict[TierName, list[Verdict]], config: WorkspaceConfig, width: int) -> list[str]:
    groups = {tier: [each for each in tried if each.taken] for tier, tried in verdicts.items()}
    items = [each.item for group in groups.values() for each in group]
    if not items:
        return ["Nothing was taken."]
    heading, sums = _score_sums(items, config)
    columns = [
        Column("TAKEN", least=8),
        Column(heading),
        Column("TOKENS", right=True),
        Column("TEXT", least=12),
    ]
    rows: list[Sequence[str]] = []
    remaining = iter(sums)
    for tier, group in groups.items():
        if group:
            rows.append([tier])
        rows += [
            (_name(each.item), next(remaining), _tokens(each.receipt), displayable(each.item.text[:PREVIEW]))
            for each in group
        ]
    return table(columns, rows, width)


def _left_out(
    allocation: Allocation,
    verdicts: dict[TierName, list[Verdict]],
    width: int,
    most: int | None,
) -> list[str]:
    columns = [Column("LEFT OUT", least=10), Column("SCORE", right=True), Column("WHY", least=20, wraps=True)]
    rows: list[Sequence[str]] = []
    for tier, tried in verdicts.items():
        group = [verdict for verdict in tried if not verdict.taken]
        if group:
            rows.append([tier])
        rows += [
            (_name(each.item), f"{each.item.combined_score:.3f}", _reason(allocation, each.receipt))
            for each in group[:most]
        ]
        if most is not None and len(group) > most:
            rows.append([f"  ... and {len(group) - most} more (--all lists them)"])
    return table(columns, rows, width)


def _reason(allocation: Allocation, receipt: Receipt) -> str:
    return displayable(why(allocation, receipt).removeprefix("it "))


def _tokens(receipt: Receipt) -> str:
    return f"{receipt.tokens} of {receipt.whole_tokens}" if receipt.truncated else str(receipt.tokens)


def _name(item: MemoryItem) -> str:
    return f"  {displayable(item.memory_id[:PREVIEW])}"


def _score_sums(items: Sequence[MemoryItem], config: WorkspaceConfig) -> tuple[str, list[str]]:
    """A heading and for each memory its score as the sum it is, aligned."""
    rows: list[tuple[str, str, list[str]]] = []
    for item in items:
        terms = [
            item.relevance_score * config.relevance_weight,
            item.importance_score * config.importance_weight,
            item.freshness_score * config.freshness_weight,
        ]
        # A sum outside of 0 to 1 is clamped.
        sign = "<" if sum(terms) > 1 and item.combined_score == 1 else "="
        sign = ">" if sum(terms) < 0 else sign
        rows.append((_decimals(item.combined_score), sign, [_decimals(term) for term in terms]))
    headings = ("REL", "IMP", "FRESH")
    score_width = max(5, *(len(score) for score, _, _ in rows))
    widths = [
        max(len(heading), *(len(terms[at]) for _, _, terms in rows)) for at, heading in enumerate(headings)
    ]

    def line(score: str, sign: str, terms: Sequence[str]) -> str:
        parts = (term.rjust(width) for term, width in zip(terms, widths, strict=True))
        return f"{score.rjust(score_width)} {sign} {' + '.join(parts)}"

    return line("SCORE", "=", headings), [line(*row) for row in rows]


def _decimals(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10_000 else f"{value:.2e}"
