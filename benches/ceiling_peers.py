"""How others make a prompt of at most so many tokens out of a conversation, each as its documentation has it.

Every function takes a conversation and a ceiling and gives what makes the prompt for one of its questions.
A package is imported where it is used; what it lacks to run is an `ImportError`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import TYPE_CHECKING, Any

from memory_budget_allocator import count_tokens
from prompt_cache import TOKENIZER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memory_budget_allocator.evaluation import Conversation, JudgedQuestion

    Maker = Callable[[JudgedQuestion], str]

INSTRUCTION = "Answer from the conversation."


def tokens_of(text: str) -> int:
    """The yardstick."""
    return count_tokens(text, TOKENIZER)


def roles(conversation: Conversation) -> list[tuple[str, str]]:
    """The messages of a conversation, in its order, each with who wrote it."""
    texts = conversation.questions[0].candidate_set.texts
    return [("assistant" if text.startswith("Assistant:") else "user", text) for text in texts]


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


def litellm(conversation: Conversation, ceiling: int) -> Maker:
    """`trim_messages`, told of a model whose tokens are those of the yardstick."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices, and waits
    trim_messages = importlib.import_module("litellm.utils").trim_messages
    history = [{"role": role, "content": text} for role, text in roles(conversation)]

    def make(question: JudgedQuestion) -> str:
        system = {"role": "system", "content": INSTRUCTION}
        asked = {"role": "user", "content": question.question.text}
        trimmed = trim_messages([system, *history, asked], model="gpt-4", max_tokens=ceiling)
        return _contents(trimmed)

    return make


def contextkit(conversation: Conversation, ceiling: int) -> Maker:
    """`Context` of cendor-contextkit: the messages are one block whose oldest turns go first."""
    kit = importlib.import_module("cendor.contextkit")
    model = "gpt-4"
    # Its own counter fetches a vocabulary; what is counted of messages is what it adds to their texts itself.
    tokens = importlib.import_module("cendor.core.tokens")
    framing = {"priming": tokens.count([], model), "message": 0}
    framing["message"] = tokens.count([{"role": "user", "content": ""}], model) - framing["priming"]

    def count(given: Any, _: str) -> int:
        if isinstance(given, str):
            return tokens_of(given)
        of_messages = sum(framing["message"] + tokens_of(message["content"]) for message in given)
        return framing["priming"] + of_messages

    tokens.register("openai", count)
    history = [{"role": role, "content": text} for role, text in roles(conversation)]

    def make(question: JudgedQuestion) -> str:
        context = kit.Context(budget_tokens=ceiling, model=model)
        context.add(kit.Block(INSTRUCTION, priority=10, pin=True, role="system"))
        context.add(kit.Block(messages=history, priority=3))
        context.add(kit.Block(question.question.text, priority=9, pin=True))
        return _contents(context.assemble())

    return make


def astromesh(conversation: Conversation, ceiling: int) -> Maker:
    """`ContextEngine` of astromesh-context: every message is proposed with its relevance to the question."""
    kit = importlib.import_module("astromesh_context")
    texts = conversation.questions[0].candidate_set.texts

    class Yardstick:
        count = staticmethod(tokens_of)

    def make(question: JudgedQuestion) -> str:
        relevances = question.relevance.tolist()
        items = [
            kit.ContextItem(f"m{place}", text, "messages", "memory", "volatile", score=relevance)
            for place, (text, relevance) in enumerate(zip(texts, relevances, strict=True))
        ]
        engine = kit.ContextEngine(
            [
                kit.StaticSource(INSTRUCTION, pinned=True),
                kit.CallableSource(lambda *_: items, name="messages"),
            ],
            budget=ceiling,
            tokenizer=Yardstick(),
        )
        window = asyncio.run(engine.build(question.question.text))
        return _contents(window.to_messages())

    return make


def promptbudget(conversation: Conversation, ceiling: int) -> Maker:
    """`pack` of promptbudget: the messages are a section that sheds the least relevant ones."""
    kit = importlib.import_module("promptbudget")
    texts = conversation.questions[0].candidate_set.texts

    def make(question: JudgedQuestion) -> str:
        scored = zip(texts, question.relevance.tolist(), strict=True)
        sections = [
            kit.Section("system", INSTRUCTION, priority=100, strategy="all_or_nothing"),
            kit.Section(
                "messages",
                [kit.Item(text, score=relevance) for text, relevance in scored],
                priority=40,
                strategy="lowest_score_first",
            ),
            kit.Section("question", question.question.text, priority=90, strategy="all_or_nothing"),
        ]
        return str(kit.pack(sections, budget=ceiling, tokenizer=tokens_of).text)

    return make


def _contents(messages: Iterable[Any]) -> str:
    return "\n".join(str(message["content"]) for message in messages)
