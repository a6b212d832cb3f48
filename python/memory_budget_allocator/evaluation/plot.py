"""An evaluation as a picture: recall against budget."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory_budget_allocator.durable_write import write_bytes
from memory_budget_allocator.errors import ArgumentValueError, MissingExtraError
from memory_budget_allocator.wording import shown

if TYPE_CHECKING:
    import os

    from memory_budget_allocator.evaluation.report import Evaluation, Row

__all__ = ["FORMATS", "draw", "figure_type", "format_of"]

FORMATS = ("png", "svg", "pdf")

OWN_COLOURS = ("#d62728", "#9467bd", "#e0912f", "#17a2b8", "#b5651d", "#c2508f")
"""For policies that are not built in, and in turn again from the first on."""

STYLES: dict[str, tuple[str, str]] = {
    "oracle": ("#444444", ":"),
    "evidence": ("#c0392b", "-"),
    "cosine": ("#1f77b4", "-"),
    "cosine-cut": ("#1f77b4", "--"),
    "bm25": ("#2a9d5c", "-"),
    "formula": ("#d9a400", "-"),
    "recent": ("#8c8c8c", "-."),
    "random": ("#b8b8b8", ":"),
}
"""Colour and line of the built-in policies, so that they look alike in every picture."""


def format_of(path: str | os.PathLike[str]) -> str:
    """The format a file's ending stands for.

    Raises:
        ArgumentValueError: it is none of those that can be drawn.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        endings = ", ".join(f".{name}" for name in FORMATS)
        raise ArgumentValueError(f"a plot must end in one of {endings}, got {shown(str(path))}")
    return ending


def figure_type() -> Any:
    """Matplotlib's class of figures, which needs no display.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        raise MissingExtraError(
            "a plot needs matplotlib: pip install 'memory-budget-allocator[plot]'", name="matplotlib"
        ) from None
    return Figure


def draw(evaluation: Evaluation, path: str | os.PathLike[str]) -> None:
    """Write the picture; see `Evaluation.plot`."""
    file_format = format_of(path)
    figure = figure_type()(figsize=(9, 5.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    # In the order of the last points, so that the legend stands beside the lines it names.
    last = max(range(len(evaluation.budgets)), key=evaluation.budgets.__getitem__)
    ranked = sorted(evaluation.recall.items(), key=lambda entry: -entry[1][last].mean)
    own = [name for name in evaluation.recall if name not in STYLES]
    for name, row in ranked:
        is_own = name in own
        colour, line = (OWN_COLOURS[own.index(name) % len(OWN_COLOURS)], "-") if is_own else STYLES[name]
        _draw_row(axes, evaluation.budgets, row, name, colour=colour, line=line, is_own=is_own)
    axes.set_xscale("log", base=2)
    budgets = sorted(evaluation.budgets)
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.minorticks_off()
    axes.set_ylim(0, 100)
    axes.grid(visible=True, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("budget in tokens")
    axes.set_ylabel("evidence inside the budget, %")
    figure.suptitle(_title(evaluation), x=0.01, ha="left", fontsize=11, parse_math=False)
    legend = axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name may hold a dollar sign
    picture = io.BytesIO()
    figure.savefig(picture, format=file_format)
    write_bytes(path, [picture.getvalue()])


def _draw_row(
    axes: Any, budgets: tuple[int, ...], row: Row, name: str, *, colour: str, line: str, is_own: bool
) -> None:
    points = sorted(zip(budgets, row, strict=True), key=lambda point: point[0])
    places = [budget for budget, _ in points]
    axes.plot(
        places,
        [figure.mean for _, figure in points],
        line,
        color=colour,
        # Matplotlib leaves labels with a leading underscore out of the legend.
        label=f" {name}" if name.startswith("_") else name,
        marker="o",
        markersize=5 if is_own else 3.5,
        linewidth=2.6 if is_own else 1.6,
        zorder=3 if is_own else 2,
    )
    if all(figure.low is not None for _, figure in points):
        axes.fill_between(
            places,
            [figure.low for _, figure in points],
            [figure.high for _, figure in points],
            color=colour,
            alpha=0.13,
            linewidth=0,
        )


def _title(evaluation: Evaluation) -> str:
    plural = "" if evaluation.conversations == 1 else "s"
    title = (
        f"{evaluation.data}: {evaluation.questions:,} questions about {evaluation.conversations:,} "
        f"conversation{plural}"
    )
    return f"{title}; bands: 95 % intervals" if evaluation.conversations > 1 else title
