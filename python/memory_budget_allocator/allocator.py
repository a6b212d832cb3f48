"""`MemoryBudgetAllocator`: the public face of the library."""

from __future__ import annotations

import logging
import time
from copy import copy
from typing import TYPE_CHECKING, Any, NoReturn

from memory_budget_allocator import _core
from memory_budget_allocator.arguments import check_config, check_history_limit, require_text
from memory_budget_allocator.complexity_rules import ComplexityRules
from memory_budget_allocator.errors import ArgumentValueError
from memory_budget_allocator.history import allocation_statistics, write_history
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.log_lines import log_allocation, warn_of_non_finite
from memory_budget_allocator.tier_changes import apply_tier_changes
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence
    from datetime import datetime
    from typing import Unpack

    from typing_extensions import Buffer

    from memory_budget_allocator._core import Allocation, MemoryPool, PoolSnapshot
    from memory_budget_allocator.levels import QueryComplexity
    from memory_budget_allocator.options import AllocationOptions
    from memory_budget_allocator.protocols import Columns, MemoryLike
    from memory_budget_allocator.results import (
        AllocationLogEntry,
        AllocationResult,
        AllocationStatistics,
        ComplexityAnalysis,
        ConfigScope,
        PromotionResult,
        TierChangeOutcome,
    )
    from memory_budget_allocator.session import AllocationSession
    from memory_budget_allocator.workspace import WorkspaceConfig

__all__ = ["MemoryBudgetAllocator"]

DEFAULT_WORKSPACE = "default"

logger = logging.getLogger("memory_budget_allocator")


class MemoryBudgetAllocator:
    """Allocates token budgets over memory tiers and selects the best memories within them.

    Thread-safe: any number of threads may call any method at the same time, over the same memories.

    Args:
        default_config: configuration of the workspace "default", whatever its own id.
        log_allocations: whether each allocation writes log lines (logger ``memory_budget_allocator``,
            one INFO line and four DEBUG lines). The history and the statistics go on regardless.
        complexity: rules of the complexity estimate; None for the documented ones.
        tier_order: the ladder of promotion, lowest tier first; two to four different tiers. A tier
            that is left out neither rises nor falls.
        history_limit: allocations the detailed history keeps; 0 for all of them. Statistics without
            a time window are exact whatever the limit.

    The six packaged workspaces (default, development, research, production, conversation,
    code_analysis) are registered.

    Attributes:
        workspace_configs: configurations by workspace id. Live: a changed field or an assigned entry
            counts from the next call and is checked there.
        project_configs: configurations by (workspace id, project id); live as well.
        log_allocations: as above; may be changed at any time.
    """

    def __init__(
        self,
        default_config: WorkspaceConfig | None = None,
        log_allocations: bool = True,
        *,
        complexity: ComplexityRules | None = None,
        tier_order: Sequence[MemoryTier | str] = (
            MemoryTier.LONG_TERM,
            MemoryTier.RAG,
            MemoryTier.PROJECT,
            MemoryTier.WORKING,
        ),
        history_limit: int = 10_000,
    ) -> None:
        from memory_budget_allocator.loader import MemoryBudgetConfigLoader

        self.workspace_configs: MutableMapping[str, WorkspaceConfig] = MemoryBudgetConfigLoader.load_default()
        self.project_configs: MutableMapping[tuple[str, str], WorkspaceConfig] = {}
        self.log_allocations = log_allocations
        self._complexity_rules = ComplexityRules() if complexity is None else complexity
        self._scanner = _core.ComplexityScanner(self._complexity_rules)
        self._tier_order = _core.check_tier_order(tier_order)
        self._history_limit = check_history_limit(history_limit)
        self._journal = _core.Journal(self._history_limit)
        self._engine = _core.Engine(self._scanner, self._journal, time.perf_counter_ns)
        self._unknown_workspaces: dict[str, object] = {}
        if default_config is not None:
            check_config(default_config, "default_config")
            self.workspace_configs[DEFAULT_WORKSPACE] = default_config

    @classmethod
    def from_yaml(
        cls,
        path: str | os.PathLike[str],
        *,
        log_allocations: bool = True,
        tier_order: Sequence[MemoryTier | str] | None = None,
        history_limit: int = 10_000,
    ) -> MemoryBudgetAllocator:
        """An allocator with the workspaces, project overrides and complexity rules of a file.

        The packaged workspaces stay registered where the file does not replace them. The other
        arguments are those of the constructor.

        Raises:
            ConfigurationNotFoundError: there is no such file.
            ConfigurationError: the file cannot be used; the message names file, line, key and value.
        """
        from memory_budget_allocator.loader import read_configuration_file

        options: dict[str, Any] = {} if tier_order is None else {"tier_order": tier_order}
        file = read_configuration_file(path)
        allocator = cls(
            log_allocations=log_allocations,
            complexity=file.complexity,
            history_limit=history_limit,
            **options,
        )
        allocator.workspace_configs.update(file.workspace_configs())
        for workspace_id, projects in file.project_configs().items():
            for project_id, config in projects.items():
                allocator.project_configs[workspace_id, project_id] = config
        return allocator

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a MemoryBudgetAllocator cannot be pickled or copied: it holds a journal and locks; "
            "pickle its configurations and make another one from them"
        )

    def __repr__(self) -> str:
        return (
            f"<MemoryBudgetAllocator workspaces={len(self.workspace_configs)} "
            f"projects={len(self.project_configs)} history={len(self._journal)}/"
            f"{self._history_limit or 'unlimited'}>"
        )

    @property
    def complexity_rules(self) -> ComplexityRules:
        """The rules of the complexity estimate."""
        return self._complexity_rules

    @property
    def tier_order(self) -> tuple[MemoryTier, ...]:
        """The ladder of promotion, lowest tier first."""
        return self._tier_order

    # Configurations

    def register_workspace(self, config: WorkspaceConfig) -> None:
        """Register a configuration under its ``workspace_id``, replacing an earlier one.

        Shares or weights that do not sum to 1 are accepted with a warning.

        Raises:
            ConfigurationError: a field has an impossible value; ConfigurationTypeError, also a
                `TypeError`, for a wrong type.
        """
        check_config(config, "config")
        self.workspace_configs[config.workspace_id] = config

    def register_project(self, workspace_id: str, project_id: str, config: WorkspaceConfig) -> None:
        """Register a configuration for one project of a workspace.

        Raises:
            ConfigurationError: as `register_workspace`.
        """
        require_text("workspace_id", workspace_id)
        require_text("project_id", project_id)
        check_config(config, "config")
        self.project_configs[workspace_id, project_id] = config

    def resolve_config(
        self, workspace_id: str, project_id: str | None = None
    ) -> tuple[WorkspaceConfig, ConfigScope]:
        """The configuration a call would use, and where it comes from.

        Scope "project": registered for that project; "workspace": for that workspace; "default": the
        workspace is unknown (one warning per id and allocator) and the default is used.
        """
        require_text("workspace_id", workspace_id)
        if project_id is not None:
            require_text("project_id", project_id)
            if (workspace_id, project_id) in self.project_configs:
                return self.project_configs[workspace_id, project_id], "project"
        if workspace_id in self.workspace_configs:
            return self.workspace_configs[workspace_id], "workspace"
        # setdefault is one step: of several threads, one finds its own mark.
        mark = object()
        if self._unknown_workspaces.setdefault(workspace_id, mark) is mark:
            logger.warning("unknown workspace %s: using the default configuration", one_line(workspace_id))
        if DEFAULT_WORKSPACE not in self.workspace_configs:
            raise ArgumentValueError(
                f"unknown workspace {shown(workspace_id)}, and workspace_configs has no 'default'"
            )
        return self.workspace_configs[DEFAULT_WORKSPACE], "default"

    # Queries and scores

    def estimate_query_complexity(
        self, query: str, context: Mapping[str, Any] | None = None
    ) -> QueryComplexity:
        """How much context a query is worth, from its length, its keywords and its context.

        Args:
            query: any text; "" is simple.
            context: ``history_length`` (above 5: 1 point), ``turn_count`` (above 3: 1 point),
                ``requires_retrieval`` (truthy: 2 points), or their aliases. Other keys are ignored.

        Raises:
            ArgumentTypeError: the query is no str, or a context value has the wrong type.
            ArgumentValueError: a context value is negative or NaN.
        """
        return self._scanner.estimate(query, context)

    def analyze_query_complexity(
        self, query: str, context: Mapping[str, Any] | None = None
    ) -> ComplexityAnalysis:
        """As `estimate_query_complexity`, with the points and where each of them comes from."""
        return self._scanner.analyze(query, context)

    def calculate_memory_score(
        self, item: MemoryLike, config: WorkspaceConfig, current_time: datetime | None = None
    ) -> float:
        """Score one memory: ``relevance * w_r + importance * w_i + freshness * w_f``, in 0..1.

        Freshness is ``exp(-0.693 * age_hours / half_life_hours)``. Writes ``freshness_score`` and
        ``combined_score`` to the memory and returns the latter.

        Raises:
            ItemTypeError, ItemValueError: the memory cannot be scored; it is unchanged.
            ConfigurationError: the configuration cannot be used.
        """
        return _core.calculate_score(item, config, _core.epoch_microseconds(current_time), warn_of_non_finite)

    # Allocation

    def allocate(
        self,
        query: str,
        available_memories: Iterable[MemoryLike] | Columns | MemoryPool | PoolSnapshot,
        workspace_id: str = DEFAULT_WORKSPACE,
        context: Mapping[str, Any] | None = None,
        *,
        project_id: str | None = None,
        current_time: datetime | None = None,
        **options: Unpack[AllocationOptions],
    ) -> Allocation:
        """Select memories for a query: per tier the best that fit its budget.

        Per tier, memories are taken in descending score (ties in input order); one that does not fit
        is skipped and the next is tried, so that no tier ever exceeds its budget. Pinned memories come
        first. A ceiling, floors, caps, spill-over and a minimum score change what the tiers may use.

        Args:
            query: the query; its complexity scales the budgets.
            available_memories: `MemoryItem`s or objects with the same attributes, any iterable: it is
                copied first, the caller's own sequence is never reordered. Or `Columns`: a table that
                speaks Arrow, or a mapping of arrays, with columns named as the fields of
                `MemoryItem`. Required are ``relevance_score``, and ``token_count`` or ``text``. Or a
                `MemoryPool`, or a snapshot of one.
            workspace_id: which configuration to use; an unknown one gets the default.
            context: signals for the complexity, see `estimate_query_complexity`.
            project_id: a project of the workspace with a configuration of its own, if registered.
            current_time: the time of the call; None for now. Naive means UTC.
            options: ``tokenizer``, ``max_prompt_tokens``, ``reserves``, ``template``, ``ranking``,
                ``receipts``, ``dry_run``; for pools ``relevance``, ``relevance_version``,
                ``missing_relevance``, ``user_id``, ``tiers``. `AllocationOptions` says what each does.

        Written to all memories of a list: ``freshness_score``, ``combined_score`` and, where it was 0,
        ``token_count``. To the selected ones also ``access_count`` + 1 and ``last_accessed``; of a pool
        nothing but that. Nothing is written to columns; the result shows what it would show of items
        with the same values. With ``dry_run=True`` nothing is written or noted, and nothing but warnings
        is logged.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument, or a column as a whole, cannot be used.
            ItemTypeError, ItemValueError: a memory cannot be used; the message names it, or its
                column and row.
            ConfigurationError: the configuration cannot be used.
            PinnedOverflowError: the pinned memories of a tier exceed its budget, or all of them the ceiling.
            In every case nothing has changed.
        """
        return self._allocate(
            query,
            available_memories,
            workspace_id,
            context,
            project_id=project_id,
            current_time=current_time,
            options=options,
        )

    def _allocate(
        self,
        query: str,
        available_memories: Iterable[MemoryLike] | Columns | MemoryPool | PoolSnapshot,
        workspace_id: str,
        context: Mapping[str, Any] | None,
        *,
        project_id: str | None,
        current_time: datetime | None,
        options: AllocationOptions,
        resolved: tuple[WorkspaceConfig, ConfigScope] | None = None,
        epoch: _core.Epoch | None = None,
    ) -> Allocation:
        allocation = self._engine.allocate(
            query,
            available_memories,
            workspace_id,
            project_id,
            context,
            resolved or self.resolve_config(workspace_id, project_id),
            _core.epoch_microseconds(current_time),
            options,
            epoch,
        )
        if allocation.non_finite is not None:
            warn_of_non_finite(*allocation.non_finite)
        if self.log_allocations and logger.isEnabledFor(logging.INFO) and not allocation.dry_run:
            log_allocation(allocation)
        return allocation

    def what_if(
        self,
        query: str,
        available_memories: Iterable[MemoryLike] | Columns | MemoryPool | PoolSnapshot,
        workspace: WorkspaceConfig | str = DEFAULT_WORKSPACE,
        context: Mapping[str, Any] | None = None,
        *,
        max_total_tokens: int | None = None,
        project_id: str | None = None,
        current_time: datetime | None = None,
        **options: Unpack[AllocationOptions],
    ) -> Allocation:
        """What `allocate` would give with another budget, workspace, time or option; nothing else happens.

        A dry run, whatever ``options`` say: no memory is written, no access is counted, neither statistics
        nor history know of it, and nothing but warnings is logged. `Allocation.diff` compares the result
        with another.

        Args:
            query, available_memories, context, project_id, current_time, options: as `allocate`.
            workspace: the id of a workspace, or a configuration that need not be registered; with that,
                ``project_id`` is refused.
            max_total_tokens: takes the place of that of the workspace; None leaves it.

        Raises:
            As `allocate`.
        """
        if isinstance(workspace, str):
            workspace_id: str = workspace
            config, scope = self.resolve_config(workspace_id, project_id)
        else:
            check_config(workspace, "workspace")
            if project_id is not None:
                raise ArgumentValueError(
                    f"project_id goes with the id of a workspace, and workspace is a WorkspaceConfig; "
                    f"got {shown(project_id)}"
                )
            config, scope, workspace_id = workspace, "workspace", workspace.workspace_id
        if max_total_tokens is not None:
            config = copy(config)
            config.max_total_tokens = max_total_tokens
        options["dry_run"] = True
        return self._allocate(
            query,
            available_memories,
            workspace_id,
            context,
            project_id=project_id,
            current_time=current_time,
            options=options,
            resolved=(config, scope),
        )

    def allocate_memory_budget(
        self,
        query: str,
        available_memories: Iterable[MemoryLike] | Columns | MemoryPool | PoolSnapshot,
        workspace_id: str = DEFAULT_WORKSPACE,
        context: Mapping[str, Any] | None = None,
        *,
        project_id: str | None = None,
        current_time: datetime | None = None,
        **options: Unpack[AllocationOptions],
    ) -> AllocationResult:
        """As `allocate`, as a plain JSON-serialisable dict; with receipts if ``receipts=True``."""
        return self.allocate(
            query,
            available_memories,
            workspace_id,
            context,
            project_id=project_id,
            current_time=current_time,
            **options,
        ).to_dict(receipts=options.get("receipts") is True)

    def session(
        self,
        *,
        workspace_id: str = DEFAULT_WORKSPACE,
        fill: float = 0.85,
        rebuild_share: float = 0.5,
        **options: Unpack[AllocationOptions],
    ) -> AllocationSession:
        """Successive allocations for one conversation, whose texts begin alike where they can.

        A provider's prompt cache reuses what a text has in common with the one before, from its beginning.
        So a session keeps what the prompt holds, in its place, and appends what is newly wanted while it
        fits under the ceiling.

        Args:
            workspace_id: as `allocate`.
            fill: share of the ceiling that a new text fills, 0 to 1; the rest is room to append. Pinned
                memories may use the whole ceiling, and so may the best of the others where none has room
                in the share.
            rebuild_share: 0 to 1; a new text is built when the sum of score times tokens of what the prompt
                would hold falls below this share of that of a new text.
            options: `AllocationOptions` of every call. There has to be a ceiling: ``max_prompt_tokens``
                here or in the workspace. The order of a ``template`` holds within what one call appends.

        Raises:
            ArgumentTypeError, ArgumentValueError: ``fill`` or ``rebuild_share`` is no share. Everything
                else is checked by the first `AllocationSession.allocate`.
        """
        from memory_budget_allocator.session import AllocationSession

        return AllocationSession(
            self._allocate, options, workspace_id=workspace_id, fill=fill, rebuild_share=rebuild_share
        )

    # Promotion and demotion

    def evaluate_promotion_demotion(
        self,
        items: Iterable[MemoryLike] | MemoryPool | PoolSnapshot,
        config: WorkspaceConfig,
        current_time: datetime | None = None,
        *,
        relevance: Mapping[str, float] | Buffer | None = None,
    ) -> PromotionResult:
        """Recommend which memories should move one tier up or down. Nothing is moved.

        ``promotion_score = .5 * combined_score + .3 * min(1, access_count / access_threshold) +
        .2 * exp(-.1 * days since the last access)`` is written to each memory. Scores are taken as
        they stand; nothing is rescored.

        The memories of a `MemoryPool` have no score that stands: they are scored first, with the
        ``relevance`` given (as for `allocate`; memories that a mapping leaves out get zero) or else with
        the one stored. Nothing but ``promotion_score`` is written.

        Raises:
            ItemTypeError, ItemValueError, ConfigurationError: as `allocate`; nothing has changed.
        """
        return _core.evaluate_promotions(
            items, config, self._tier_order, _core.epoch_microseconds(current_time), relevance
        )

    def apply_tier_changes(
        self, items: Iterable[MemoryLike] | MemoryPool, result: PromotionResult
    ) -> TierChangeOutcome:
        """Move memories as `evaluate_promotion_demotion` recommended.

        A recommendation applies to every item that has its id and still is in its ``current_tier``. All
        moves within a `MemoryPool` become visible as one step.

        Returns:
            What was moved; what was stale (the id is there, but in another tier) or unknown.
        """
        return apply_tier_changes(items, result)

    # Statistics and history

    def get_allocation_statistics(
        self,
        workspace_id: str | None = None,
        time_window_hours: float | None = None,
        *,
        current_time: datetime | None = None,
    ) -> AllocationStatistics:
        """Averages over all allocations, or those of one workspace or of the last hours.

        Args:
            workspace_id: only allocations that asked for this workspace; None for all.
            time_window_hours: only allocations within that many hours before ``current_time``, read
                from the detailed history; None or 0 for everything, from exact running totals.
            current_time: the end of the window; None for now.

        ``complete`` is False when the window reaches past what the history still holds.
        """
        return allocation_statistics(self._journal, workspace_id, time_window_hours, current_time)

    @property
    def allocation_history(self) -> list[AllocationLogEntry]:
        """The detailed history, oldest first: results without the full texts. A new list each time."""
        return self._journal.entries()

    def clear_allocation_history(self) -> None:
        """Empty the detailed history. The running totals behind the statistics go on."""
        self._journal.clear()

    def export_allocation_log(self, filepath: str | os.PathLike[str]) -> None:
        """Write the detailed history as a JSON array, UTF-8, one entry a line.

        The file is written aside, flushed to the disk and renamed into place: a reader finds the old one or
        the new one, whole, whenever the process is killed.

        Raises:
            ArgumentTypeError, ArgumentValueError: ``filepath`` is no path.
            OSError: the file cannot be written; an old one is untouched.
        """
        write_history(self._journal, filepath)
