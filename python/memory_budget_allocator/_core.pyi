"""Types of the native module. `MemoryItem` is written as the dataclass it is to every observer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Self, TypedDict, TypeVar, Unpack, final

from typing_extensions import Buffer

from memory_budget_allocator.complexity_rules import ComplexityRules
from memory_budget_allocator.levels import MemoryTier, QueryComplexity
from memory_budget_allocator.protocols import Columns, MemoryLike
from memory_budget_allocator.results import (
    AllocationAverages,
    AllocationLogEntry,
    AllocationResult,
    ComplexityAnalysis,
    ConfigScope,
    LevelName,
    MissingRelevance,
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
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
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

class _Changes(TypedDict, total=False):
    text: str
    tier: MemoryTier | str
    timestamp: datetime | None
    user_id: str | None
    metadata: dict[str, Any]
    relevance_score: float
    importance_score: float
    token_count: int
    access_count: int
    last_accessed: datetime | None
    promotion_score: float

@final
class MemoryPool:
    def __new__(cls) -> Self: ...
    @classmethod
    def from_items(cls, items: Iterable[MemoryLike]) -> MemoryPool: ...
    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> MemoryPool: ...
    def add(self, item: MemoryLike) -> int: ...
    def add_many(self, items: Iterable[MemoryLike]) -> list[int]: ...
    def update(self, memory_id: str, /, **changes: Unpack[_Changes]) -> None: ...
    def remove(self, memory_id: str) -> None: ...
    def get(self, memory_id: str) -> MemoryItem | None: ...
    def __getitem__(self, memory_id: str, /) -> MemoryItem: ...
    def __contains__(self, memory_id: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[MemoryItem]: ...
    def compact(self) -> list[int]: ...
    def snapshot(self) -> PoolSnapshot: ...
    @property
    def version(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def ids(self) -> list[str | None]: ...
    @property
    def nbytes(self) -> int: ...
    def _change_tiers(
        self, changes: list[tuple[str, MemoryTier, MemoryTier]]
    ) -> list[Literal["moved", "stale", "unknown"]]: ...

@final
class PoolSnapshot:
    @property
    def ids(self) -> list[str | None]: ...
    @property
    def rows(self) -> int: ...
    @property
    def version(self) -> int: ...
    def __len__(self) -> int: ...

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
    memories: Iterable[MemoryLike] | Columns,
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
def allocate_from_pool(
    query: str,
    pool: MemoryPool | PoolSnapshot,
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
    relevance: Mapping[str, float] | Buffer | None,
    relevance_version: int | None,
    user_id: str | None,
    tiers: Iterable[MemoryTier | str] | None,
    missing_relevance: MissingRelevance,
) -> Allocation: ...
def calculate_score(
    item: MemoryLike, config: WorkspaceConfig, now_us: int
) -> tuple[float, tuple[str, str] | None]: ...
def check_complexity_rules(rules: ComplexityRules) -> None: ...
def check_tier_order(tier_order: Iterable[MemoryTier | str]) -> tuple[MemoryTier, ...]: ...
def check_workspace(config: WorkspaceConfig) -> None: ...
def epoch_microseconds(current_time: datetime) -> int: ...
def evaluate_pool_promotions(
    pool: MemoryPool | PoolSnapshot,
    config: WorkspaceConfig,
    tier_order: Iterable[MemoryTier],
    now_us: int,
    relevance: Mapping[str, float] | Buffer | None,
) -> PromotionResult: ...
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
