"""Receipts: why each memory was taken or left out, what would have taken it, and what changed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from memory_budget_allocator import _core
from memory_budget_allocator.arguments import require_text
from memory_budget_allocator.errors import ArgumentTypeError, UnknownMemoryError
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.wording import near_ones, one_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memory_budget_allocator._core import Allocation
    from memory_budget_allocator.results import ReceiptResult

__all__ = [
    "AllocationDiff",
    "AllocationReport",
    "DiffEntry",
    "Receipt",
    "ReceiptReason",
    "ScoreTerm",
    "diff",
    "explain",
    "receipts_as_dicts",
    "report",
]

ReceiptReason: TypeAlias = Literal[
    "selected",
    "pinned",
    "over_tier_budget",
    "over_ceiling",
    "below_minimum",
    "duplicate",
    "oversized",
    "filtered",
]
BudgetName: TypeAlias = Literal["tier_budget", "max_prompt_tokens"]

_TAKEN = ("selected", "pinned")
_HEADINGS = ("TIER", "RANK", "MEMORY", "DECISION", "SCORE", "TOKENS", "FITS AT")


@dataclass(frozen=True, slots=True)
class ScoreTerm:
    """One component of a combined score."""

    component: str
    weight: float
    value: float
    """As it counts: 0.0 where it was NaN or infinite."""

    @property
    def product(self) -> float:
        """What it adds to the score."""
        return self.weight * self.value


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one candidate of an allocation, and why."""

    memory_id: str
    position: int
    """In the caller's sequence or table, or the row in the pool."""
    tier: MemoryTier
    reason: ReceiptReason
    rank: int | None
    """Its place in the order in which its tier's candidates had their turn, from 1; None if it had none."""
    tokens: int
    """What it costs; of a memory that was cut, what its beginning costs."""
    score: float
    """The combined score, 0..1: the sum of the terms, clamped."""
    terms: tuple[ScoreTerm, ...]
    left: int | None
    """Tokens its tier had left when its turn came; None where other tiers or a ceiling decide as well."""
    fits_at: int | None
    """The smallest budget, from the present one on, at which the same call would take it: see
    `fits_at_budget`. None for what was taken, where no budget helps, and where it was not found out."""
    fits_at_known: bool
    """Whether the search for `fits_at` was made to its end: then None says that no budget helps."""

    @property
    def decision(self) -> Literal["selected", "left_out"]:
        """What the reason is for."""
        return "selected" if self.reason in _TAKEN else "left_out"

    @property
    def unclamped(self) -> float:
        """The sum of the terms."""
        total = self.terms[0].product
        for term in self.terms[1:]:
            total += term.product
        return total

    @property
    def fits_at_budget(self) -> BudgetName | None:
        """Which budget `fits_at` is: that of the tier, or of the whole prompt."""
        if self.fits_at is None:
            return None
        return "max_prompt_tokens" if self.reason == "over_ceiling" else "tier_budget"


@dataclass(frozen=True, slots=True, repr=False)
class AllocationReport:
    """A receipt of every candidate: by tier, in the order of their turns; what had none comes last.

    ``str()`` is a table, and so is what a notebook shows. At which budget they would be taken is said of the
    first hundred that were left out; `Allocation.explain` says it of any.
    """

    rows: tuple[Receipt, ...]

    def __iter__(self) -> Iterator[Receipt]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        taken = sum(row.decision == "selected" for row in self.rows)
        return f"<AllocationReport selected={taken}/{len(self.rows)}>"

    def __str__(self) -> str:
        rows = [_HEADINGS, *(_cells(row) for row in self.rows)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        to_the_right = {1, 4, 5, 6}
        lines = (
            "  ".join(
                cell.rjust(width) if column in to_the_right else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        from html import escape  # notebooks alone need it

        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(row(_cells(receipt), "td") for receipt in self.rows)
        head = row((heading.lower() for heading in _HEADINGS), "th")
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True, slots=True)
class DiffEntry:
    """One selected memory."""

    memory_id: str
    tier: MemoryTier
    tokens: int


@dataclass(frozen=True, slots=True, repr=False)
class AllocationDiff:
    """What another allocation selects beside a first one. Memories are told apart by id and tier."""

    added: tuple[DiffEntry, ...]
    """Selected by the other one alone."""
    dropped: tuple[DiffEntry, ...]
    """Selected by the first one alone."""
    kept: tuple[DiffEntry, ...]
    """Selected by both; with the tokens of the other one."""

    @property
    def added_tokens(self) -> int:
        """Tokens of what was added."""
        return sum(entry.tokens for entry in self.added)

    @property
    def dropped_tokens(self) -> int:
        """Tokens of what was dropped."""
        return sum(entry.tokens for entry in self.dropped)

    @property
    def kept_tokens(self) -> int:
        """Tokens of what was kept."""
        return sum(entry.tokens for entry in self.kept)

    def __repr__(self) -> str:
        lines = [
            f"<AllocationDiff added={len(self.added)} (+{self.added_tokens} tokens) "
            f"dropped={len(self.dropped)} (-{self.dropped_tokens} tokens) "
            f"kept={len(self.kept)} ({self.kept_tokens} tokens)>"
        ]
        for sign, entries in (("+", self.added), ("-", self.dropped)):
            lines += [
                f"  {sign} {shown(it.memory_id)} ({it.tier.value}, {it.tokens} tokens)" for it in entries
            ]
        return "\n".join(lines)


def explain(allocation: Allocation, memory_id: str) -> str:
    """A sentence for each candidate of that id."""
    require_text("memory_id", memory_id)
    receipts = _receipts(allocation, memory_id)
    if not receipts:
        near = near_ones(memory_id, allocation._candidate_ids())
        raise UnknownMemoryError(f"no candidate has the id {shown(memory_id)}; {near}")
    return "\n".join(_sentence(allocation, receipt) for receipt in receipts)


def report(allocation: Allocation) -> AllocationReport:
    """Receipts of all candidates."""
    return AllocationReport(tuple(_receipts(allocation, None)))


def diff(allocation: Allocation, other: object) -> AllocationDiff:
    """What `other` selects beside `allocation`."""
    if not isinstance(other, _core.Allocation):
        raise ArgumentTypeError(f"other must be an Allocation, got {shown(other)}")
    first, second = _selected(allocation), _selected(other)
    kept, added = _split(second, first)
    _, dropped = _split(first, second)
    return AllocationDiff(added, dropped, kept)


def receipts_as_dicts(allocation: Allocation) -> list[ReceiptResult]:
    """Receipts of all candidates as plain, JSON-serialisable dicts."""
    return [
        {
            "memory_id": receipt.memory_id,
            "position": receipt.position,
            "tier": receipt.tier.value,
            "decision": receipt.decision,
            "reason": receipt.reason,
            "rank": receipt.rank,
            "token_count": receipt.tokens,
            "combined_score": receipt.score,
            "unclamped_score": _finite(receipt.unclamped),
            "terms": [
                {
                    "component": term.component,
                    "weight": term.weight,
                    "value": term.value,
                    "product": _finite(term.product),
                }
                for term in receipt.terms
            ],
            "fits_at": receipt.fits_at,
            "fits_at_budget": receipt.fits_at_budget,
            "fits_at_known": receipt.fits_at_known,
        }
        for receipt in _receipts(allocation, None)
    ]


def _receipts(allocation: Allocation, memory_id: str | None) -> list[Receipt]:
    return [
        Receipt(
            memory_id=each,
            position=position,
            tier=tier,
            reason=reason,
            rank=rank,
            tokens=tokens,
            score=score,
            terms=tuple(ScoreTerm(*term) for term in terms),
            left=left,
            fits_at=fits_at,
            fits_at_known=known,
        )
        for each, position, tier, reason, rank, tokens, score, terms, left, fits_at, known in (
            allocation._receipts(memory_id)
        )
    ]


def _sentence(allocation: Allocation, receipt: Receipt) -> str:
    tier, name = receipt.tier.value, shown(receipt.memory_id)
    if receipt.reason == "filtered":
        return f"{name} was no candidate: the call asks for other users, tiers or ids."
    of = f"rank {receipt.rank} of {allocation.tiers[receipt.tier].available}"
    if receipt.reason == "selected":
        decision = f"{name} was selected in the {tier} tier, {of}: {_tokens(receipt.tokens)}."
    elif receipt.reason == "pinned":
        decision = f"{name} was selected in the {tier} tier because it is pinned: {_tokens(receipt.tokens)}."
    else:
        why = _why(allocation, receipt)
        decision = f"{name} was left out of the {tier} tier, {of}: {why}. {_remedy(allocation, receipt)}"
    return f"{decision} {_score(receipt)}"


def _why(allocation: Allocation, receipt: Receipt) -> str:
    needs = f"it needs {_tokens(receipt.tokens)}"
    budget = allocation.tiers[receipt.tier].own_budget
    if receipt.reason == "below_minimum":
        return "its score is below the minimum score"
    if receipt.reason == "over_ceiling":
        return (
            f"{needs}, and the ceiling of {_tokens(allocation.max_prompt_tokens or 0)} leaves no room for it"
        )
    if receipt.reason == "oversized":
        return f"{needs}, more than the whole budget of {budget}"
    if receipt.reason == "duplicate":
        return "it says what a selected memory says"
    if receipt.left is None:
        return f"{needs}, more than was left of the budget of {budget}"
    return f"{needs}, and {receipt.left} of the budget of {budget} were left when its turn came"


def _remedy(allocation: Allocation, receipt: Receipt) -> str:
    if receipt.reason == "over_ceiling":
        if receipt.fits_at is not None:
            return f"With max_prompt_tokens={receipt.fits_at} it would be selected."
        return "No ceiling is known at which it would be selected (a list needs receipts=True for that)."
    if receipt.fits_at is not None:
        return f"With a tier budget of {receipt.fits_at} it would be selected."
    if receipt.fits_at_known:
        return "No budget would change that."
    if allocation.max_prompt_tokens is not None:
        return "Under the ceiling, no tier budget is known that would change that."
    return "At which tier budget it would be selected was not found out: the search takes too long."


def _score(receipt: Receipt) -> str:
    terms = " + ".join(f"{_number(it.weight)} x {it.component} {_number(it.value)}" for it in receipt.terms)
    total = receipt.unclamped
    clamped = "" if 0 <= total <= 1 else f" = {_number(total)}, clamped to"
    return f"Its score is {terms}{clamped or ' ='} {_number(receipt.score)}."


def _cells(receipt: Receipt) -> tuple[str, ...]:
    fits_at = ""
    if receipt.fits_at is not None:
        fits_at = f"{receipt.fits_at}{' (prompt)' if receipt.reason == 'over_ceiling' else ''}"
    elif receipt.decision == "left_out":
        fits_at = "-" if receipt.fits_at_known else "?"
    return (
        receipt.tier.value,
        "" if receipt.rank is None else str(receipt.rank),
        one_line(receipt.memory_id),
        receipt.reason,
        f"{receipt.score:.4f}",
        str(receipt.tokens),
        fits_at,
    )


def _selected(allocation: Allocation) -> list[DiffEntry]:
    return [
        DiffEntry(memory["memory_id"], MemoryTier(name), memory["token_count"])
        for name, tier in allocation.to_dict()["tiers"].items()
        for memory in tier["selected_memories"]
    ]


def _split(
    entries: list[DiffEntry], others: list[DiffEntry]
) -> tuple[tuple[DiffEntry, ...], tuple[DiffEntry, ...]]:
    """Those that have a counterpart, one each, and those that have none."""
    free = Counter((entry.memory_id, entry.tier) for entry in others)
    both: list[DiffEntry] = []
    alone: list[DiffEntry] = []
    for entry in entries:
        key = entry.memory_id, entry.tier
        (both if free[key] > 0 else alone).append(entry)
        free[key] -= 1
    return tuple(both), tuple(alone)


def _finite(value: float) -> float | None:
    """JSON knows no infinity, and products of large weights can be infinite."""
    return value if math.isfinite(value) else None


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count} tokens"


def _number(value: float) -> str:
    return f"{value:.4g}"
