"""An allocation as a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from memory_budget_allocator.wording import counted, one_line

if TYPE_CHECKING:
    from memory_budget_allocator._core import Allocation

__all__ = ["allocation_as_html"]

BAR = (
    '<div style="background:#ddd;width:8em">'
    '<div style="background:#4a7;height:.8em;width:{:.2f}%"></div></div>'
)


def allocation_as_html(allocation: Allocation) -> str:
    """Two tables: the budgets of the tiers, and the selected memories. Texts are escaped."""
    result = allocation.to_dict()
    tiers = [
        _row(
            _cell(name),
            _number(f"{tier['tokens_used']:,} / {tier['budget_tokens']:,}"),
            f"<td>{BAR.format(tier['utilization_pct'])}</td>",
            _number(f"{tier['memories_selected']:,} / {tier['memories_available']:,}"),
        )
        for name, tier in result["tiers"].items()
    ]
    memories = [
        _row(
            _cell(name),
            _cell(memory["memory_id"]),
            _number(f"{memory['combined_score']:.4f}"),
            _number(f"{memory['token_count']:,}"),
            _cell(memory["text_preview"]),
        )
        for name, tier in result["tiers"].items()
        for memory in tier["selected_memories"]
    ]
    return (
        f"<p>{_text(result['query'])}<br><b>{result['complexity']}</b>, workspace "
        f"<b>{_text(result['workspace_id'])}</b>: "
        f"{counted(result['total_memories_selected'], 'memory', 'memories')}, "
        f"{counted(result['total_tokens_allocated'], 'token', 'tokens')}</p>"
        + _table(("tier", "tokens", "used", "memories"), tiers)
        + _table(("tier", "memory", "score", "tokens", "text"), memories)
    )


def _text(value: str) -> str:
    return escape(one_line(value))


def _cell(value: str) -> str:
    return f'<td style="text-align:left">{_text(value)}</td>'


def _number(value: str) -> str:
    return f'<td style="text-align:right">{value}</td>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _table(headings: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
