"""How much of a prompt a provider's cache can reuse from question to question, and what recall that costs.

    python benches/prompt_cache.py DATA [--ceilings N,N,...] [--shares S,S,...] [--json FILE]

DATA is a folder or file as docs/evaluation.md describes. The questions of each conversation are asked in the
order of the data: once by themselves, in plain score order, and once in a session, for each share of the
value below which it rebuilds. All candidates are of one tier, which gets the whole ceiling, and their scores
are the cosines of the data, or, as "formula", the default weights.

Reused: tokens of what a text has in common with the one before, from its beginning, over tokens of the text;
summed over all questions but the first of each conversation. Recall: as in docs/evaluation.md. Tokens of
texts are those of cl100k_base.

Exit code: 0; 1 if the data cannot be used or a text exceeds its ceiling; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from memory_budget_allocator import (
    DataError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    MissingExtraError,
    QueryComplexity,
    WorkspaceConfig,
    __version__,
    count_tokens,
)
from program import is_written, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memory_budget_allocator.evaluation import CandidateSet, Conversation, Dataset, JudgedQuestion

TOKENIZER = "cl100k_base"
CEILINGS = (1_024, 2_048, 4_096, 8_192)
SHARES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
COSINE: dict[str, float] = {"relevance_weight": 1.0, "importance_weight": 0.0, "freshness_weight": 0.0}
WEIGHTS: dict[str, dict[str, float]] = {"cosine": COSINE, "formula": {}}


class OvershootError(Exception):
    """A text has more tokens than its ceiling."""


@dataclass(frozen=True)
class Asked:
    """What one question got."""

    text: str
    tokens: int
    reused: int
    rebuilt: bool
    selected: frozenset[str]


class Side(Protocol):
    """One way to answer the questions of a conversation."""

    def ask(self, question: JudgedQuestion, memories: list[MemoryItem]) -> Asked: ...


class PlainOrder:
    """Every question by itself, best score first, or in the order of a ranking."""

    def __init__(self, allocator: MemoryBudgetAllocator, ceiling: int, ranking: str | None = None) -> None:
        self._allocator = allocator
        self._ceiling = ceiling
        self._ranking = ranking
        self._before = ""

    def ask(self, question: JudgedQuestion, memories: list[MemoryItem]) -> Asked:
        allocation = self._allocator.allocate(
            question.question.text,
            memories,
            current_time=question.question.now,
            max_prompt_tokens=self._ceiling,
            tokenizer=TOKENIZER,
            ranking=self._ranking,
        )
        text = allocation.render()
        same = takewhile(lambda pair: pair[0] == pair[1], zip(self._before, text, strict=False))
        reused = count_tokens(text[: sum(1 for _ in same)], TOKENIZER)
        self._before = text
        selected = frozenset(memory.memory_id for memory in allocation)
        return Asked(text, allocation.rendered_tokens, reused, True, selected)


class Session:
    """All questions in one session."""

    def __init__(
        self, allocator: MemoryBudgetAllocator, ceiling: int, rebuild_share: float, fill: float
    ) -> None:
        self._session = allocator.session(
            max_prompt_tokens=ceiling, rebuild_share=rebuild_share, fill=fill, tokenizer=TOKENIZER
        )

    def ask(self, question: JudgedQuestion, memories: list[MemoryItem]) -> Asked:
        result = self._session.allocate(question.question.text, memories, current_time=question.question.now)
        return Asked(
            result.render(),
            result.rendered_tokens,
            result.reused_tokens,
            result.rebuilt is not None,
            frozenset(memory.memory_id for memory in result.selected),
        )


@dataclass
class Figures:
    """Sums over the questions of a data set."""

    scores: str
    ceiling: int
    rebuild_share: float | None
    """None in plain score order."""
    followed: int = 0
    """Questions with one before them."""
    rebuilds: int = 0
    tokens: int = 0
    reused: int = 0
    judged: int = 0
    recalled: float = 0.0

    def add(self, question: JudgedQuestion, asked: Asked, *, is_first: bool) -> None:
        if asked.tokens > self.ceiling:
            raise OvershootError(f"{asked.tokens} tokens of at most {self.ceiling}")
        if not is_first:
            self.followed += 1
            self.rebuilds += asked.rebuilt
            self.tokens += asked.tokens
            self.reused += asked.reused
        if question.gold:
            found = sum(question.candidate_set.ids[position] in asked.selected for position in question.gold)
            self.judged += 1
            self.recalled += found / len(question.gold)

    @property
    def row(self) -> str:
        share = "plain" if self.rebuild_share is None else f"{self.rebuild_share:g}"
        return (
            f"{self.scores:<8} {self.ceiling:>7,} {share:>7}  {self.reused / max(self.tokens, 1):>7.1%}"
            f" {self.rebuilds / max(self.followed, 1):>8.1%} {self.tokens / max(self.followed, 1):>7,.0f}"
            f" {(self.tokens - self.reused) / max(self.followed, 1):>7,.0f}"
            f" {self.recalled / max(self.judged, 1):>7.1%}"
        )


HEADER = (
    f"{'scores':<8} {'ceiling':>7} {'share':>7}  {'reused':>7} {'rebuilt':>8} {'tokens':>7} {'new':>7}"
    f" {'recall':>7}"
)


def allocator_for(scores: str, ceiling: int) -> MemoryBudgetAllocator:
    """One tier with the whole ceiling, whatever the complexity."""
    config = WorkspaceConfig(
        "default",
        max_total_tokens=ceiling,
        working_memory_pct=1.0,
        project_memory_pct=0.0,
        long_term_memory_pct=0.0,
        rag_memory_pct=0.0,
        complexity_multipliers={level.value: 1.0 for level in QueryComplexity},
        **WEIGHTS[scores],  # type: ignore[arg-type]
    )
    return MemoryBudgetAllocator(config, log_allocations=False, history_limit=1)


def memories_of(candidates: CandidateSet) -> list[MemoryItem]:
    """The candidates as memories, relevance still to come."""
    columns = (candidates.ids, candidates.texts, candidates.timestamps, candidates.tokens)
    return [
        MemoryItem(memory_id, text, MemoryTier.WORKING, timestamp, token_count=tokens)
        for memory_id, text, timestamp, tokens in zip(*columns, strict=True)
    ]


def ask_all(conversation: Conversation, side: Side, figures: Figures) -> None:
    """Ask the questions of a conversation one after another."""
    candidates: CandidateSet | None = None
    memories: list[MemoryItem] = []
    for position, question in enumerate(conversation.questions):
        if question.candidate_set is not candidates:
            candidates = question.candidate_set
            memories = memories_of(candidates)
        for memory, relevance in zip(memories, question.relevance.tolist(), strict=True):
            memory.relevance_score = relevance
        figures.add(question, side.ask(question, memories), is_first=position == 0)


def measure(
    dataset: Dataset, scores: str, ceiling: int, rebuild_share: float | None, fill: float = 0.85
) -> Figures:
    """One row of the table; plain score order where there is no share."""
    figures = Figures(scores, ceiling, rebuild_share)
    for conversation in dataset.conversations:
        allocator = allocator_for(scores, ceiling)
        if rebuild_share is None:
            ask_all(conversation, PlainOrder(allocator, ceiling), figures)
        else:
            ask_all(conversation, Session(allocator, ceiling, rebuild_share, fill), figures)
    return figures


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    def whole(text: str) -> list[int]:
        return [int(each) for each in text.split(",")]

    def shares(text: str) -> list[float]:
        return [float(each) for each in text.split(",")]

    parser = argparse.ArgumentParser(description="Reused prefix and recall from question to question.")
    parser.add_argument("data", metavar="DATA", help="folder or file of conversations with known evidence")
    parser.add_argument("--ceilings", type=whole, metavar="N,N,...", default=list(CEILINGS))
    parser.add_argument("--shares", type=shares, metavar="S,S,...", default=list(SHARES))
    parser.add_argument("--fill", type=float, metavar="S", default=0.85, help="of a new text (default: 0.85)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if not all(ceiling > 0 for ceiling in parsed.ceilings):
        parser.error("--ceilings must be above 0")
    if not all(0 <= share <= 1 for share in [*parsed.shares, parsed.fill]):
        parser.error("--shares and --fill must be 0 to 1")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    try:
        from memory_budget_allocator.evaluation import load

        dataset = load(parsed.data)
    except (MissingExtraError, DataError) as error:
        print(f"prompt_cache: {error}", file=sys.stderr)
        return 1
    questions = sum(len(conversation.questions) for conversation in dataset.conversations)
    print(
        f"memory-budget-allocator {__version__}, Python {platform.python_version()}; {dataset.name}: "
        f"{len(dataset.conversations)} conversations, {questions} questions in turn; new texts fill "
        f"{parsed.fill:g}\n"
    )
    print(HEADER)
    rows: list[dict[str, Any]] = []
    for scores in WEIGHTS:
        for ceiling in parsed.ceilings:
            for share in [None, *parsed.shares]:
                try:
                    figures = measure(dataset, scores, ceiling, share, parsed.fill)
                except OvershootError as error:
                    print(f"prompt_cache: {scores}, share {share}: {error}", file=sys.stderr)
                    return 1
                print(figures.row, flush=True)
                rows.append(asdict(figures))
    if not is_written("prompt_cache", parsed.json, json.dumps(rows, indent=2) + "\n"):
        return 1
    return 0


if __name__ == "__main__":
    run(main)
