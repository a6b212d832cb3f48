"""What a caller may ask of one allocation, by keyword."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Buffer

    from memory_budget_allocator.levels import MemoryTier
    from memory_budget_allocator.prompt_template import PromptTemplate
    from memory_budget_allocator.ranking import Ranking, RankingName
    from memory_budget_allocator.results import ReserveName
    from memory_budget_allocator.tokens import Tokenizer

__all__ = ["AllocationOptions", "MissingRelevance"]

MissingRelevance = Literal["zero", "exclude"]


class AllocationOptions(TypedDict, total=False):
    """Keyword options of `MemoryBudgetAllocator.allocate`; None is the same as left out.

    The first five are for a `MemoryPool` or a snapshot of one alone: other memories carry their own fields.
    """

    relevance: Mapping[str, float] | Buffer | None
    """One float32 or float64 a row of the pool (a NumPy array, an `array.array`, any contiguous
    buffer), which nobody may change during the call; or a mapping from ids to numbers; None for what is
    stored with the rows."""
    relevance_version: int | None
    """The `version` of the pool that the relevance was made for; another one is an error."""
    missing_relevance: MissingRelevance | None
    """What memories get that a mapping leaves out: "zero" relevance (the default), or "exclude" to leave
    them out."""
    user_id: str | None
    """Only memories of that user."""
    tiers: Iterable[MemoryTier | str] | None
    """Only memories of these tiers."""
    tokenizer: Tokenizer | None
    """How the tokens of memories without a count are counted, in place of the workspace's `tokenizer`: what
    `count_tokens` accepts."""
    max_prompt_tokens: int | None
    """Tokens of the whole prompt, reserves included, 0 to 2**53 - 1; left out, what the workspace says. The
    tier budgets are scaled down to what the reserves leave of it, and so is the selection: the text that
    `Allocation.render` gives has no more tokens. With the `estimate` tokenizer, these and texts in `reserves`
    are counted by `upper_bound`. 0 selects nothing."""
    reserves: Mapping[ReserveName, int | str] | None
    """What of `max_prompt_tokens` is spoken for: tokens, or a text to be counted, for "system", "query",
    "history" and "completion". Each name that is given replaces that of the workspace."""
    template: PromptTemplate | None
    """What stands around the memories in `Allocation.render`; None for the default `PromptTemplate`."""
    ranking: RankingName | Ranking | None
    """In which order memories are tried: "weighted", "evidence" or a `Ranking`; left out, what the workspace
    says."""
    receipts: bool | None
    """True keeps everything that `Allocation.explain` and `Allocation.report` tell of: all candidates of a
    pool or of columns, and under a ceiling all texts. False (the default) keeps what there is anyway."""
    dry_run: bool | None
    """True gives the result that the call would have, and nothing else: no memory is written, no access is
    counted, neither statistics nor history know of it, and nothing but warnings is logged."""
