"""How many prompts exceed their ceiling, and by how much: the library beside chat memories of others.

    python benches/ceiling.py DATA [--ceilings N,N,...] [--json FILE]

DATA is a folder or file as docs/evaluation.md describes. For each question of each conversation every side
makes a prompt of at most N tokens out of the messages of the conversation. One yardstick for all: the text
that reaches the model (of others the contents of their messages, joined by line breaks, without roles), in
tokens of cl100k_base. Others get that counter where they take one, so that none of them exceeds a
ceiling because it counts otherwise.

The others are optional: `pip install langchain-core llama-index-core`. One that is absent is named, on
standard error too.

Exit code: 0; 1 if the library exceeds a ceiling or the data cannot be used; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory_budget_allocator import DataError, MissingExtraError, __version__, count_tokens
from memory_budget_allocator.durable_write import write_text
from prompt_cache import TOKENIZER, PlainOrder, Session, allocator_for, memories_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memory_budget_allocator.evaluation import Conversation, Dataset, JudgedQuestion

    Maker = Callable[[JudgedQuestion], str]

CEILINGS = (256, 1_024, 4_096)
INSTRUCTION = "Answer from the conversation."


def tokens_of(text: str) -> int:
    """The yardstick."""
    return count_tokens(text, TOKENIZER)


def roles(conversation: Conversation) -> list[tuple[str, str]]:
    """The messages of a conversation, in its order, each with who wrote it."""
    texts = conversation.questions[0].candidate_set.texts
    return [("assistant" if text.startswith("Assistant:") else "user", text) for text in texts]


def library(conversation: Conversation, ceiling: int) -> Maker:
    return _ours(PlainOrder(allocator_for("cosine", ceiling), ceiling), conversation)


def library_session(conversation: Conversation, ceiling: int) -> Maker:
    return _ours(Session(allocator_for("cosine", ceiling), ceiling, 0.5, 0.85), conversation)


def _ours(side: PlainOrder | Session, conversation: Conversation) -> Maker:
    memories = memories_of(conversation.questions[0].candidate_set)

    def make(question: JudgedQuestion) -> str:
        for memory, relevance in zip(memories, question.relevance.tolist(), strict=True):
            memory.relevance_score = relevance
        return side.ask(question, memories).text

    return make


def langchain(conversation: Conversation, ceiling: int, *, is_exact: bool) -> Maker:
    """`trim_messages` as its documentation has it: the last messages, the system message included."""
    messages = importlib.import_module("langchain_core.messages")
    kinds = {"user": messages.HumanMessage, "assistant": messages.AIMessage}
    history = [kinds[role](text) for role, text in roles(conversation)]

    def joined(given: Sequence[Any]) -> str:
        return "\n".join(str(message.content) for message in given)

    def count(given: Sequence[Any]) -> int:
        return tokens_of(joined(given))

    def make(question: JudgedQuestion) -> str:
        every = [messages.SystemMessage(INSTRUCTION), *history, messages.HumanMessage(question.question.text)]
        return joined(
            messages.trim_messages(
                every,
                max_tokens=ceiling,
                token_counter=count if is_exact else messages.utils.count_tokens_approximately,
                strategy="last",
                include_system=True,
            )
        )

    return make


def llama_index(conversation: Conversation, ceiling: int, *, name: str, with_block: bool = False) -> Maker:
    """A memory with a token limit: everything is put, then it is asked for the messages of the prompt.

    With a block, it also holds the ten most relevant messages as a `StaticMemoryBlock`, whose priority is
    left at its default: the block is never shortened.
    """
    memories = importlib.import_module("llama_index.core.memory")
    message = importlib.import_module("llama_index.core.llms").ChatMessage
    history = [message(role=role, content=text) for role, text in roles(conversation)]

    def make(question: JudgedQuestion) -> str:
        options: dict[str, Any] = {}
        if with_block:
            texts = question.candidate_set.texts
            relevant = "\n".join(texts[position] for position in question.most_relevant_first[:10])
            options["memory_blocks"] = [memories.StaticMemoryBlock(name="relevant", static_content=relevant)]
        memory = getattr(memories, name).from_defaults(
            token_limit=ceiling, tokenizer_fn=lambda text: [0] * tokens_of(text), **options
        )
        memory.put_messages([*history, message(role="user", content=question.question.text)])
        return "\n".join(str(each.content) for each in memory.get())

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
    Side("library: session", None, library_session),
    Side("trim_messages, yardstick", "langchain-core", partial(langchain, is_exact=True)),
    Side("trim_messages, approximate", "langchain-core", partial(langchain, is_exact=False)),
    Side(
        "ChatMemoryBuffer", "llama-index-core", lambda *on: llama_index(*on, name="ChatMemoryBuffer"), False
    ),
    Side("Memory", "llama-index-core", partial(llama_index, name="Memory"), False),
    Side(
        "Memory, relevant block",
        "llama-index-core",
        partial(llama_index, name="Memory", with_block=True),
        False,
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

    def add(self, text: str) -> None:
        tokens = tokens_of(text)
        self.prompts += 1
        self.over += tokens > self.ceiling
        self.largest = max(self.largest, tokens)
        self.tokens += tokens

    @property
    def row(self) -> str:
        excess = max(0, self.largest - self.ceiling) / self.ceiling
        return (
            f"{self.side:<27} {self.version:<9} {self.ceiling:>7,} {self.prompts:>7} {self.over:>5}"
            f" {self.largest:>8,} {excess:>8.1%} {self.tokens / self.prompts / self.ceiling:>7.1%}"
        )


HEADER = (
    f"{'side':<27} {'version':<9} {'ceiling':>7} {'prompts':>7} {'over':>5} {'largest':>8} {'excess':>8}"
    f" {'used':>7}"
)


def measure(dataset: Dataset, side: Side, version: str, ceiling: int) -> Figures:
    """All prompts of one side under one ceiling."""
    figures = Figures(side.name, version, ceiling)
    for conversation in dataset.conversations:
        make = side.prepare(conversation, ceiling)
        questions = conversation.questions if side.is_per_question else conversation.questions[:1]
        for question in questions:
            figures.add(make(question))
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
    if parsed.json is not None:
        try:
            write_text(parsed.json, [json.dumps(rows, indent=2) + "\n"])
        except OSError as error:
            print(f"ceiling: cannot write {parsed.json}: {error.strerror}", file=sys.stderr)
            return 1
    return int(any(row.get("over", 0) for row in rows if row["side"].startswith("library")))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
