"""How many prompts exceed their ceiling, and by how much: the library beside chat memories of others.

    python benches/ceiling.py DATA [--ceilings N,N,...] [--json FILE]

DATA is a folder or file as docs/evaluation.md describes. For each question of each conversation every side
makes a prompt of at most N tokens out of the messages of the conversation. One yardstick for all: the text
that reaches the model (of others the contents of their messages, joined by line breaks, without roles), in
tokens of cl100k_base. Others get that counter where they take one, so that none of them exceeds a
ceiling because it counts otherwise. Those that select by relevance get the cosines of the data, as the
library does. Recall: messages with the answer that are in the prompt whole, as a share, over the questions
that have some.

The others are optional: `pip install cendor-contextkit astromesh-context langchain-core litellm
llama-index-core promptbudget`. One that is absent is named, on standard error too.

Exit code: 0; 1 if the library exceeds a ceiling or the data cannot be used; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ceiling_peers as peers
from memory_budget_allocator import DataError, MissingExtraError, __version__
from program import is_written, run
from prompt_cache import PlainOrder, Session, allocator_for, memories_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ceiling_peers import Maker
    from memory_budget_allocator.evaluation import Conversation, Dataset, JudgedQuestion

CEILINGS = (256, 1_024, 4_096)


def library(conversation: Conversation, ceiling: int) -> Maker:
    return _ours(PlainOrder(allocator_for("cosine", ceiling), ceiling), conversation)


def library_evidence(conversation: Conversation, ceiling: int) -> Maker:
    return _ours(PlainOrder(allocator_for("cosine", ceiling), ceiling, "evidence"), conversation)


def library_session(conversation: Conversation, ceiling: int) -> Maker:
    return _ours(Session(allocator_for("cosine", ceiling), ceiling, 0.5, 0.85), conversation)


def _ours(side: PlainOrder | Session, conversation: Conversation) -> Maker:
    memories = memories_of(conversation.questions[0].candidate_set)

    def make(question: JudgedQuestion) -> str:
        for memory, relevance in zip(memories, question.relevance.tolist(), strict=True):
            memory.relevance_score = relevance
        return side.ask(question, memories).text

    return make


@dataclass(frozen=True)
class Side:
    """Somebody who makes prompts."""

    name: str
    package: str | None
    prepare: Callable[[Conversation, int], Maker]
    is_per_question: bool = True
    """False where the prompt hardly depends on the question and takes seconds: one is made a conversation."""


SIDES = (
    Side("library: allocate", None, library),
    Side("library: evidence", None, library_evidence),
    Side("library: session", None, library_session),
    Side("trim_messages, yardstick", "langchain-core", partial(peers.langchain, is_exact=True)),
    Side("trim_messages, approximate", "langchain-core", partial(peers.langchain, is_exact=False)),
    Side("trim_messages", "litellm", peers.litellm),
    Side("Context", "cendor-contextkit", peers.contextkit),
    Side("ContextEngine", "astromesh-context", peers.astromesh),
    Side("pack", "promptbudget", peers.promptbudget),
    Side(
        "ChatMemoryBuffer",
        "llama-index-core",
        partial(peers.llama_index, name="ChatMemoryBuffer"),
        is_per_question=False,
    ),
    Side("Memory", "llama-index-core", partial(peers.llama_index, name="Memory"), is_per_question=False),
    Side(
        "Memory, relevant block",
        "llama-index-core",
        partial(peers.llama_index, name="Memory", with_block=True),
        is_per_question=False,
    ),
)


@dataclass
class Figures:
    """The prompts of one side under one ceiling."""

    side: str
    version: str
    ceiling: int
    prompts: int = 0
    over: int = 0
    largest: int = 0
    tokens: int = 0
    judged: int = 0
    recalled: float = 0.0

    def add(self, question: JudgedQuestion, text: str) -> None:
        tokens = peers.tokens_of(text)
        self.prompts += 1
        self.over += tokens > self.ceiling
        self.largest = max(self.largest, tokens)
        self.tokens += tokens
        if question.gold:
            texts = question.candidate_set.texts
            self.judged += 1
            self.recalled += sum(texts[place] in text for place in question.gold) / len(question.gold)

    @property
    def row(self) -> str:
        excess = max(0, self.largest - self.ceiling) / self.ceiling
        recall = f"{self.recalled / self.judged:.1%}" if self.judged else "-"
        return (
            f"{self.side:<27} {self.version:<9} {self.ceiling:>7,} {self.prompts:>7} {self.over:>5}"
            f" {self.largest:>8,} {excess:>8.1%} {self.tokens / self.prompts / self.ceiling:>7.1%}"
            f" {recall:>7}"
        )


HEADER = (
    f"{'side':<27} {'version':<9} {'ceiling':>7} {'prompts':>7} {'over':>5} {'largest':>8} {'excess':>8}"
    f" {'used':>7} {'recall':>7}"
)


def measure(dataset: Dataset, side: Side, version: str, ceiling: int) -> Figures:
    """All prompts of one side under one ceiling."""
    figures = Figures(side.name, version, ceiling)
    for conversation in dataset.conversations:
        make = side.prepare(conversation, ceiling)
        questions = conversation.questions if side.is_per_question else conversation.questions[:1]
        for question in questions:
            figures.add(question, make(question))
    return figures


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prompts above their ceiling.")
    parser.add_argument("data", metavar="DATA", help="folder or file of conversations")
    parser.add_argument(
        "--ceilings",
        type=lambda text: [int(each) for each in text.split(",")],
        metavar="N,N,...",
        default=list(CEILINGS),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if not all(ceiling > 0 for ceiling in parsed.ceilings):
        parser.error("--ceilings must be above 0")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    try:
        from memory_budget_allocator.evaluation import load

        dataset = load(parsed.data)
    except (MissingExtraError, DataError) as error:
        print(f"ceiling: {error}", file=sys.stderr)
        return 1
    print(HEADER)
    rows: list[dict[str, Any]] = []
    for side in SIDES:
        try:
            version = __version__ if side.package is None else metadata.version(side.package)
        except metadata.PackageNotFoundError:
            print(f"{side.name:<27} MISSING: pip install {side.package}")
            print(f"ceiling: MISSING: {side.name}: pip install {side.package}", file=sys.stderr)
            rows.append({"side": side.name, "missing": side.package})
            continue
        for ceiling in parsed.ceilings:
            figures = measure(dataset, side, version, ceiling)
            print(figures.row, flush=True)
            rows.append(asdict(figures))
    if not is_written("ceiling", parsed.json, json.dumps(rows, indent=2) + "\n"):
        return 1
    return int(any(row.get("over", 0) for row in rows if row["side"].startswith("library")))


if __name__ == "__main__":
    run(main)
