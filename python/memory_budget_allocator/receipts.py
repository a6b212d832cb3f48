"""Receipts: why each memory was taken or left out, what would have taken it, and what changed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from memory_budget_allocator import _core
from memory_budget_allocator.arguments import require_text
from memory_budget_allocator.errors import ArgumentTypeError, UnknownMemoryError
from memory_budget_allocator.levels import MemoryTier
from memory_budget_allocator.receipt_sentences import sentence
from memory_budget_allocator.wording import near_ones, one_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memory_budget_allocator._core import Allocation
    from memory_budget_allocator.results import BudgetName, ReceiptReason, ReceiptResult, ReceiptTerm

__all__ = [
    "AllocationDiff",
    "AllocationReport",
    "DiffEntry",
    "Receipt",
    "ScoreTerm",
    "candidates_of",
    "decisions",
    "diff",
    "explain",
    "receipt_as_dict",
    "receipts_as_dicts",
    "report",
]

_TAKEN = ("selected", "pinned", "held")
_OF_THE_CEILING = ("over_ceiling", "no_room_behind_held")
_HEADINGS = ("TIER", "RANK", "MEMORY", "DECISION", "SCORE", "KEY", "TOKENS", "FITS AT")


@dataclass(frozen=True, slots=True)
class ScoreTerm:
    """One part of a score, or what the cost takes from it."""

    component: str
    weight: float
    value: float
    """As it counts: 0.0 where it was NaN or infinite; normalised, where a ranking normalises it."""
    given: float | None
    """Before it was normalised, also an infinity; None where it is not known (NaN). Of neighbours: their mean
    score; of the cost: the tokens that count."""

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
    held: bool
    """Whether it is in the text of a session because an earlier call put it there: its reason is ``held``
    then, or ``pinned``."""
    instead: str | None
    """The id of the memory that a ``superseded`` one is replaced by, or that a ``duplicate`` repeats."""
    rank: int | None
    """Its place in the order in which its tier's candidates had their turn, from 1; None if it had none."""
    tokens: int
    """What it costs; of a memory that was cut, what its beginning costs."""
    whole_tokens: int
    """What all of it costs."""
    truncated: bool
    """Whether only its beginning was taken."""
    score: float
    """What decided: the sum of the terms. The combined score, 0..1, with the documented formula, which clamps
    the sum; with another ranking any number, and the sum of the terms but for rounding."""
    combined_score: float
    """The score of the documented formula, whatever the ranking."""
    terms: tuple[ScoreTerm, ...]
    cost: ScoreTerm | None
    """What the ranking takes from the score for the tokens: -exponent x ln(max(tokens, floor)); None where
    the score alone decides."""
    left: int | None
    """Tokens its tier had left when its turn came; None where other tiers or a ceiling decide as well."""
    fits_at: int | None
    """The smallest budget, from the present one on, at which the same call would take it: see
    `fits_at_budget`. In a session that is the same step, from what was held before it. None for what was
    taken, where no budget helps, and where it was not found out."""
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
    def key(self) -> float:
        """What the memories of a tier are ordered by, greatest first: the score less the cost."""
        return self.score if self.cost is None else self.score + self.cost.product

    @property
    def fits_at_budget(self) -> BudgetName | None:
        """Which budget `fits_at` is: that of the tier, or of the whole prompt."""
        if self.fits_at is None:
            return None
        return "max_prompt_tokens" if self.reason in _OF_THE_CEILING else "tier_budget"


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
        return "\n".join(self.lines(None))

    def lines(self, width: int | None) -> list[str]:
        """The table; long ids are cut where it would be wider than that."""
        from memory_budget_allocator.tables import Column, table  # where somebody looks at it, not at import

        headings, rows = self._table()
        to_the_left = {"TIER", "MEMORY", "DECISION"}
        columns = [
            Column(heading, right=heading not in to_the_left, least=8 if heading == "MEMORY" else None)
            for heading in headings
        ]
        return table(columns, rows, width)

    def _repr_html_(self) -> str:
        from html import escape  # notebooks alone need it

        def row(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        headings, rows = self._table()
        body = "".join(row(cells, "td") for cells in rows)
        head = row((heading.lower() for heading in headings), "th")
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows; keys only where the order is another one than that of the scores."""
        with_keys = any(receipt.cost for receipt in self.rows)
        headings = [heading for heading in _HEADINGS if with_keys or heading != "KEY"]
        return headings, [[_cells(receipt)[heading] for heading in headings] for receipt in self.rows]


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
    receipts = candidates_of(allocation, memory_id)
    return "\n".join(sentence(allocation, receipt) for receipt in receipts)


def candidates_of(allocation: Allocation, memory_id: str) -> list[Receipt]:
    """Receipts of the candidates of an id that is one."""
    require_text("memory_id", memory_id)
    receipts = _receipts(allocation, memory_id)
    if not receipts:
        near = near_ones(memory_id, allocation._candidate_ids())
        raise UnknownMemoryError(f"no candidate has the id {shown(memory_id)}; {near}")
    return receipts


def decisions(allocation: Allocation) -> list[Receipt]:
    """Receipts of all candidates, without the search for what would have taken them."""
    return _receipts(allocation, None, with_fits=False)


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
    return [receipt_as_dict(receipt) for receipt in _receipts(allocation, None)]


def receipt_as_dict(receipt: Receipt) -> ReceiptResult:
    """A receipt as a plain, JSON-serialisable dict."""
    return {
        "memory_id": receipt.memory_id,
        "position": receipt.position,
        "tier": receipt.tier.value,
        "decision": receipt.decision,
        "reason": receipt.reason,
        "held": receipt.held,
        "instead": receipt.instead,
        "rank": receipt.rank,
        "token_count": receipt.tokens,
        "whole_token_count": receipt.whole_tokens,
        "truncated": receipt.truncated,
        "score": receipt.score,
        "combined_score": receipt.combined_score,
        "unclamped_score": _finite(receipt.unclamped),
        "terms": [_term(term) for term in receipt.terms],
        "cost": _term(receipt.cost) if receipt.cost else None,
        "key": receipt.key,
        "fits_at": receipt.fits_at,
        "fits_at_budget": receipt.fits_at_budget,
        "fits_at_known": receipt.fits_at_known,
    }


def _term(term: ScoreTerm) -> ReceiptTerm:
    return {
        "component": term.component,
        "weight": term.weight,
        "value": _finite(term.value),
        "product": _finite(term.product),
        "given": None if term.given is None else _finite(term.given),
    }


def _receipts(allocation: Allocation, memory_id: str | None, *, with_fits: bool = True) -> list[Receipt]:
    return [
        Receipt(
            memory_id=parts["memory_id"],
            position=parts["position"],
            tier=parts["tier"],
            reason=parts["reason"],
            held=parts["held"],
            instead=parts["instead"],
            rank=parts["rank"],
            tokens=parts["tokens"],
            whole_tokens=parts["whole_tokens"],
            truncated=parts["truncated"],
            score=parts["score"],
            combined_score=parts["combined_score"],
            terms=tuple(ScoreTerm(*term) for term in parts["terms"]),
            cost=ScoreTerm(*parts["cost"]) if parts["cost"] else None,
            left=parts["left"],
            fits_at=parts["fits_at"],
            fits_at_known=parts["fits_at_known"],
        )
        for parts in allocation._receipts(memory_id, with_fits)
    ]


def _cells(receipt: Receipt) -> dict[str, str]:
    fits_at = ""
    if receipt.fits_at is not None:
        fits_at = f"{receipt.fits_at}{' (prompt)' if receipt.reason in _OF_THE_CEILING else ''}"
    elif receipt.decision == "left_out":
        fits_at = "-" if receipt.fits_at_known else "?"
    return {
        "TIER": receipt.tier.value,
        "RANK": "" if receipt.rank is None else str(receipt.rank),
        "MEMORY": one_line(receipt.memory_id),
        "DECISION": f"{receipt.reason} (cut)" if receipt.truncated else receipt.reason,
        "SCORE": f"{receipt.score:.4f}",
        "KEY": f"{receipt.key:.4f}",
        "TOKENS": str(receipt.tokens),
        "FITS AT": fits_at,
    }


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
