"""`AllocationSession`: successive allocations whose rendered text keeps its beginning."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from memory_budget_allocator import _core
from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError, SessionBusyError
from memory_budget_allocator.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from typing import Unpack

    from memory_budget_allocator._core import Allocation, MemoryPool, PoolSnapshot
    from memory_budget_allocator.options import AllocationOptions
    from memory_budget_allocator.protocols import Columns, MemoryLike

__all__ = ["AllocationSession", "RebuildReason", "SessionAllocation"]

RebuildReason: TypeAlias = Literal["first", "changed", "full", "value"]

OF_THE_SESSION = ("max_prompt_tokens", "template")


@dataclass(frozen=True)
class SessionAllocation:
    """One call of a session: what the prompt holds, and how much of the text is that of the call before."""

    allocation: Allocation
    """The allocation of what the prompt holds, held memories included. Its ``render()`` is this text; by
    tier and score, as always, are only its ``selected``. A tier whose held memories have more tokens than
    the query gives it reports what it uses as its budget. Its receipts tell what was kept from what was
    appended, and what does not fit behind what was kept."""
    _epoch: _core.Epoch

    def render(self) -> str:
        """The text for the model; never more tokens than the ceiling leaves."""
        return self._epoch.text

    @property
    def rendered_tokens(self) -> int:
        """Tokens of `render`, by the counter of the call."""
        return self._epoch.tokens

    @property
    def reused_tokens(self) -> int:
        """Tokens of the beginning that the text has in common with that of the call before."""
        return self._epoch.reused_tokens

    @property
    def reused_share(self) -> float:
        """`reused_tokens` over `rendered_tokens`; 1.0 for an empty text, of which nothing has to be read."""
        return self.reused_tokens / self.rendered_tokens if self.rendered_tokens else 1.0

    @property
    def rebuilt(self) -> RebuildReason | None:
        """None if the text goes on with the one before; else why it does not.

        "first": nothing was held; "changed": a held memory is gone, or would now be written or counted
        differently; "full": a pinned memory or the best of the others does not fit behind what is held;
        "value": what is held is worth too little.
        """
        return self._epoch.rebuilt

    @cached_property
    def selected(self) -> list[MemoryLike]:
        """The memories in the order of the text."""
        every = self.allocation.selected
        return [every[rank] for rank in self._epoch.ranks]

    @property
    def appended(self) -> list[MemoryLike]:
        """Those that this call wrote behind what it kept, in the order of the text; all after a rebuild."""
        return self.selected[self._epoch.kept :]

    def __repr__(self) -> str:
        return (
            f"<SessionAllocation memories={len(self._epoch.ranks)} "
            f"tokens={self.rendered_tokens} reused={self.reused_tokens} rebuilt={self.rebuilt}>"
        )


class AllocationSession:
    """Successive allocations for one conversation; made by `MemoryBudgetAllocator.session`.

    One conversation, one thread at a time: a call while another one is under way raises `SessionBusyError`,
    because the order of the two would decide what both of them return.
    """

    def __init__(
        self,
        call: Callable[..., Allocation],
        options: AllocationOptions,
        *,
        workspace_id: str,
        fill: float,
        rebuild_share: float,
    ) -> None:
        self._call = call
        self._options = options
        self._workspace_id = workspace_id
        self._fill = _share("fill", fill)
        self._rebuild_share = _share("rebuild_share", rebuild_share)
        self._busy = threading.Lock()
        self._epoch = _core.Epoch(self._fill, self._rebuild_share)

    @property
    def fill(self) -> float:
        """Share of the ceiling that a rebuilt text fills; where none has room in it, one may use all."""
        return self._fill

    @property
    def rebuild_share(self) -> float:
        """Least share of a rebuilt text's value with which the present one goes on."""
        return self._rebuild_share

    def allocate(
        self,
        query: str,
        available_memories: Iterable[MemoryLike] | Columns | MemoryPool | PoolSnapshot,
        context: Mapping[str, Any] | None = None,
        *,
        project_id: str | None = None,
        current_time: datetime | None = None,
        **options: Unpack[AllocationOptions],
    ) -> SessionAllocation:
        """Select memories for the next query of the conversation.

        The arguments are those of `MemoryBudgetAllocator.allocate`; options replace those of the session.
        After a dry run the session still holds what it held before. `Allocation.explain` and
        `Allocation.report` tell of the result's ``allocation`` as they do of any; the budgets that they name
        are those with which the same step, from what was held before it, takes a memory.
        Every memory in the prompt counts as accessed, once a call, whether it was kept or appended: the
        model reads it again.

        Raises:
            SessionBusyError: another call is under way.
            ArgumentTypeError: ``max_prompt_tokens`` or ``template`` was given, which are the session's.
            ArgumentValueError: there is no ceiling, or columns have no text.
            PinnedOverflowError: the pinned memories do not fit.
            What `MemoryBudgetAllocator.allocate` raises. In every case nothing has changed, and the next
            call goes on with the last that succeeded.
        """
        for name in OF_THE_SESSION:
            if options.get(name) is not None:
                raise ArgumentTypeError(f"{name} is one for the whole session: give it to session()")
        given = {name: value for name, value in options.items() if value is not None}
        if not self._busy.acquire(blocking=False):
            raise SessionBusyError("another call of this session is under way; one conversation, one call")
        try:
            allocation = self._call(
                query,
                available_memories,
                self._workspace_id,
                context,
                project_id=project_id,
                current_time=current_time,
                options={**self._options, **given},
                epoch=self._epoch,
            )
            epoch = allocation._epoch
            assert epoch is not None, "a call with an epoch has one"
            if not allocation.dry_run:
                self._epoch = epoch
            return SessionAllocation(allocation, epoch)
        finally:
            self._busy.release()

    def restart(self) -> None:
        """Let the next call build a new text: when the provider's cache has expired anyway.

        Raises:
            SessionBusyError: a call is under way.
        """
        if not self._busy.acquire(blocking=False):
            raise SessionBusyError("a call of this session is under way; restart it afterwards")
        try:
            self._epoch = _core.Epoch(self._fill, self._rebuild_share)
        finally:
            self._busy.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an AllocationSession cannot be pickled or copied: it holds a lock and its allocator's journal; "
            "pickle the configurations and start another session"
        )

    def __repr__(self) -> str:
        return f"<AllocationSession fill={self._fill} rebuild_share={self._rebuild_share}>"


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentTypeError(f"{name} must be a number, got {shown(value)}")
    if not 0 <= value <= 1:  # not true of NaN
        raise ArgumentValueError(f"{name} must be a share from 0 to 1, got {shown(value)}")
    return float(value)
