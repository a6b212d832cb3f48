"""Types of the native module. `MemoryItem` is written as the dataclass it is to every observer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Self, TypedDict, TypeVar, final

from memory_budget_allocator.complexity_rules import ComplexityRules
from memory_budget_allocator.levels import MemoryTier, QueryComplexity
from memory_budget_allocator.protocols import MemoryLike
from memory_budget_allocator.results import (
    AllocationAverages,
    AllocationLogEntry,
    AllocationResult,
    ComplexityAnalysis,
    ConfigScope,
    LevelName,
    PromotionResult,
    TierName,
    TierStatistics,
)
from memory_budget_allocator.workspace import WorkspaceConfig

_Item = TypeVar("_Item", bound=MemoryItem)

PACKAGED_CONFIGURATION: Final[str]
BUILD_PROFILE: Final[Literal["release", "debug"]]
__version__: Final[str]

@dataclass
class MemoryItem:
    memory_id: str
    text: str
    tier: MemoryTier
    timestamp: datetime | None
    user_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    relevance_score: float = 0.0
    importance_score: float = 0.5
    freshness_score: float = 1.0
    combined_score: float = 0.0
    token_count: int = 0
    access_count: int = 0
    last_accessed: datetime | None = None
    promotion_score: float = 0.0

@final
class Allocation:
    @property
    def selected(self) -> list[MemoryLike]: ...
    @property
    def selected_positions(self) -> list[int]: ...
    @property
    def tiers(self) -> dict[MemoryTier, TierAllocation]: ...
    @property
    def complexity(self) -> QueryComplexity: ...
    @property
    def query(self) -> str: ...
    @property
    def workspace_id(self) -> str: ...
    @property
    def project_id(self) -> str | None: ...
    @property
    def config_scope(self) -> ConfigScope: ...
    @property
    def total_tokens(self) -> int: ...
    @property
    def processing_time_ms(self) -> float: ...
    @property
    def non_finite(self) -> tuple[int, str, str] | None: ...
    def to_dict(self) -> AllocationResult: ...
    def _repr_html_(self) -> str: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[MemoryLike]: ...

@final
class TierAllocation:
    @property
    def tier(self) -> MemoryTier: ...
    @property
    def budget(self) -> int: ...
    @property
    def used(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def utilization(self) -> float: ...
    @property
    def available(self) -> int: ...
    @property
    def items(self) -> list[MemoryLike]: ...
    @property
    def positions(self) -> list[int]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[MemoryLike]: ...

@final
class ComplexityScanner:
    def __new__(cls, rules: ComplexityRules) -> Self: ...
    def estimate(self, query: str, context: Mapping[str, Any] | None) -> QueryComplexity: ...
    def analyze(self, query: str, context: Mapping[str, Any] | None) -> ComplexityAnalysis: ...

class _Sums(TypedDict):
    total_allocations: int
    averages: AllocationAverages
    complexity_distribution: dict[LevelName, int]
    tier_statistics: dict[TierName, TierStatistics]

@final
class Journal:
    def __new__(cls, history_limit: int) -> Self: ...
    def entries(self) -> list[AllocationLogEntry]: ...
    def clear(self) -> None: ...
    def statistics(self, workspace_id: str | None, since_us: int | None) -> tuple[_Sums, bool]: ...
    def __len__(self) -> int: ...

def allocate(
    query: str,
    memories: Iterable[MemoryLike],
    config: WorkspaceConfig,
    scanner: ComplexityScanner,
    context: Mapping[str, Any] | None,
    workspace_id: str,
    project_id: str | None,
    config_scope: ConfigScope,
    now_us: int,
    journal: Journal,
    clock_ns: Callable[[], int],
    started_ns: int,
) -> Allocation: ...
def calculate_score(
    item: MemoryLike, config: WorkspaceConfig, now_us: int
) -> tuple[float, tuple[str, str] | None]: ...
def check_complexity_rules(rules: ComplexityRules) -> None: ...
def check_tier_order(tier_order: Iterable[MemoryTier | str]) -> tuple[MemoryTier, ...]: ...
def check_workspace(config: WorkspaceConfig) -> None: ...
def epoch_microseconds(current_time: datetime) -> int: ...
def evaluate_promotions(
    items: Iterable[MemoryLike],
    config: WorkspaceConfig,
    tier_order: Iterable[MemoryTier],
    now_us: int,
) -> PromotionResult: ...
def isoformat(microseconds: int) -> str: ...
def restore_item(item_class: type[_Item], fields: tuple[object, ...]) -> _Item: ...
def tier_budget(
    config: WorkspaceConfig, tier: MemoryTier | str, complexity: QueryComplexity | str
) -> int: ...
