"""The shapes of all result dicts."""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "AllocationAverages",
    "AllocationLogEntry",
    "AllocationResult",
    "AllocationStatistics",
    "BudgetName",
    "BudgetSummary",
    "ComplexityAnalysis",
    "ComplexityContribution",
    "LoggedMemory",
    "LoggedTierResult",
    "PromotionResult",
    "ReceiptReason",
    "ReceiptResult",
    "ReceiptTerm",
    "ReserveName",
    "SelectedMemory",
    "TierChange",
    "TierChangeOutcome",
    "TierMove",
    "TierResult",
    "TierStatistics",
    "UnmatchedTierChange",
]

TierName = Literal["working", "project", "long_term", "rag"]
LevelName = Literal["simple", "medium", "complex", "expert"]
ReserveName = Literal["system", "query", "history", "completion"]
ConfigScope = Literal["project", "workspace", "default"]


class BudgetSummary(TypedDict):
    """What the tier budgets were cut from. The last four are there under a ceiling alone."""

    max_total_tokens: int
    tier_percentages: dict[TierName, float]
    complexity_multiplier: float
    max_prompt_tokens: NotRequired[int]
    reserved_tokens: NotRequired[dict[ReserveName, int]]
    available_tokens: NotRequired[int]
    counter: NotRequired[str]


class LoggedMemory(TypedDict):
    """A selected memory as the log keeps it. Scores have four decimals."""

    memory_id: str
    tier: TierName
    text_preview: str
    token_count: int
    combined_score: float
    relevance_score: float
    importance_score: float
    freshness_score: float
    access_count: int
    timestamp: str | None
    truncated: NotRequired[bool]
    """There, and true, where only the beginning of the text was taken; tokens and texts are of that."""


class SelectedMemory(LoggedMemory):
    """A selected memory with its text, as far as it was taken."""

    text: str


class _TierFigures(TypedDict):
    budget_tokens: int
    tokens_used: int
    tokens_remaining: int
    memories_available: int
    memories_selected: int
    utilization_pct: float
    own_budget_tokens: NotRequired[int]
    """The budget before spill-over; there with spill-over alone."""


class TierResult(_TierFigures):
    """What one tier got."""

    selected_memories: list[SelectedMemory]


class LoggedTierResult(_TierFigures):
    """What one tier got, without full texts."""

    selected_memories: list[LoggedMemory]


class _AllocationFigures(TypedDict):
    query: str
    workspace_id: str
    project_id: str | None
    config_scope: ConfigScope
    complexity: LevelName
    timestamp: str
    budget: BudgetSummary
    total_tokens_allocated: int
    total_memories_selected: int
    processing_time_ms: float


ReceiptReason: TypeAlias = Literal[
    "selected",
    "pinned",
    "held",
    "over_tier_budget",
    "over_ceiling",
    "no_room_behind_held",
    "below_minimum",
    "below_ranking_minimum",
    "below_gate",
    "superseded",
    "duplicate",
    "oversized",
    "filtered",
]
BudgetName: TypeAlias = Literal["tier_budget", "max_prompt_tokens"]


class ReceiptTerm(TypedDict):
    """One part of a score: a `ScoreTerm` as a plain dict. None where a number is infinite."""

    component: str
    weight: float
    value: float | None
    product: float | None
    given: float | None


class ReceiptResult(TypedDict):
    """What became of one candidate, and why: a `Receipt` as a plain dict. Scores are not rounded."""

    memory_id: str
    position: int
    tier: TierName
    decision: Literal["selected", "left_out"]
    reason: ReceiptReason
    held: bool
    instead: str | None
    rank: int | None
    token_count: int
    whole_token_count: int
    truncated: bool
    score: float
    combined_score: float
    unclamped_score: float | None
    terms: list[ReceiptTerm]
    cost: ReceiptTerm | None
    key: float
    fits_at: int | None
    fits_at_budget: BudgetName | None
    fits_at_known: bool


class AllocationResult(_AllocationFigures):
    """Result of `MemoryBudgetAllocator.allocate_memory_budget`."""

    tiers: dict[TierName, TierResult]
    receipts: NotRequired[list[ReceiptResult]]
    """There where `Allocation.to_dict` was asked for them."""


class AllocationLogEntry(_AllocationFigures):
    """One allocation as the log and its export keep it."""

    format: int
    tiers: dict[TierName, LoggedTierResult]


class ComplexityContribution(TypedDict):
    """One reason for complexity points."""

    source: Literal["length", "expert keyword", "complex keyword", "domain keyword", "context"]
    detail: str
    points: int


class ComplexityAnalysis(TypedDict):
    """Result of `MemoryBudgetAllocator.analyze_query_complexity`; the contributions sum to the points."""

    complexity: LevelName
    points: int
    word_count: int
    contributions: list[ComplexityContribution]


class TierChange(TypedDict):
    """A recommended move of one step. Scores are not rounded."""

    memory_id: str
    current_tier: TierName
    target_tier: TierName
    promotion_score: float
    access_count: int
    combined_score: float
    reason: str


class PromotionResult(TypedDict):
    """Result of `MemoryBudgetAllocator.evaluate_promotion_demotion`."""

    promotions: list[TierChange]
    demotions: list[TierChange]
    total_evaluated: int
    timestamp: str


class TierMove(TypedDict):
    """A memory that was moved."""

    memory_id: str
    from_tier: TierName
    to_tier: TierName


class UnmatchedTierChange(TypedDict):
    """A recommendation that found no memory to move."""

    memory_id: str
    current_tier: TierName
    target_tier: TierName


class TierChangeOutcome(TypedDict):
    """Result of `MemoryBudgetAllocator.apply_tier_changes`.

    ``stale``: the memory is there but no longer in the tier the recommendation was made for;
    ``unknown``: no memory has that id.
    """

    moved: list[TierMove]
    stale: list[UnmatchedTierChange]
    unknown: list[UnmatchedTierChange]


class AllocationAverages(TypedDict):
    """Averages per allocation."""

    tokens_allocated: float
    memories_selected: float
    processing_time_ms: float


class TierStatistics(TypedDict):
    """Averages per allocation of one tier."""

    avg_utilization_pct: float
    avg_memories_selected: float
    avg_tokens_used: float


class AllocationStatistics(TypedDict):
    """Result of `MemoryBudgetAllocator.get_allocation_statistics`."""

    total_allocations: int
    workspace_id: str
    time_window_hours: float | None
    averages: AllocationAverages
    complexity_distribution: dict[LevelName, int]
    tier_statistics: dict[TierName, TierStatistics]
    timestamp: str
    complete: bool
    message: NotRequired[str]
