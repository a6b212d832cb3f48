"""The figures as a table, as JSON and as a plot."""

from __future__ import annotations

import json
import os
import platform
from statistics import median
from typing import TYPE_CHECKING, Any

from comparison.side import MissingSideError
from comparison.sides import BOUND, LOOP, LOOP_ITEMS, NUMPY_STORED, SIDES
from memory_budget_allocator import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from comparison.rounds import Measured

ROW = "  {:<32} {:>10} {:>10} {:>10}  {:>9} {:>9} {:>9}"
HEADINGS = ROW.format("milliseconds a call", "median", "min", "max", "loop /", "NumPy /", "/ bound")


def times_of(times_ms: Sequence[float]) -> tuple[float, float, float]:
    return median(times_ms), min(times_ms), max(times_ms)


def in_figures(number: float) -> str:
    """Four figures that matter, and no exponent."""
    return f"{number:.4f}" if number < 1 else f"{number:.4g}" if number < 1000 else f"{number:,.0f}"


def factor(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x" if ratio < 100 else f"{ratio:,.0f}x"


def loop_for(name: str) -> str:
    """Which plain loop does the same work: dicts against dicts, items against items."""
    return LOOP if name.endswith(("dicts", "to_dict")) else LOOP_ITEMS


def table(measured: Measured) -> str:
    lines = [f"{measured.rows:,} memories, {measured.selected} selected", HEADINGS]
    for side in SIDES:
        name = side.name
        if name in measured.missing:
            lines.append(f"  {name:<32} MISSING: {measured.missing[name]}")
        elif name in measured.times_ms:
            ratios = [
                measured.ratio(loop_for(name), name),
                measured.ratio(NUMPY_STORED, name),
                measured.ratio(name, BOUND),
            ]
            if measured.is_void(LOOP):
                shown = ["VOID" if ratios[0] is not None else "-", *map(factor, ratios[1:])]
            else:
                shown = [factor(ratio) for ratio in ratios]
            times = map(in_figures, times_of(measured.times_ms[name]))
            lines.append(ROW.format(name, *times, *(["-"] * 3 if name == BOUND else shown)))
    if BOUND in measured.times_ms:
        rate = measured.read_bytes / min(measured.times_ms[BOUND]) / 1e6
        lines.append(f"  (the bound reads {measured.read_bytes:,} bytes, {rate:.1f} GB/s at best)")
    return "\n".join(lines) + "\n"


def as_json(measurements: Sequence[Measured], verdicts: Sequence[str]) -> str:
    sizes: list[dict[str, Any]] = []
    for measured in measurements:
        sides = {
            name: dict(
                zip(("median_ms", "min_ms", "max_ms"), times_of(times), strict=True),
                rounds=len(times),
                loop_ratio=measured.ratio(loop_for(name), name),
                numpy_ratio=measured.ratio(NUMPY_STORED, name),
                bound_ratio=measured.ratio(name, BOUND),
            )
            for name, times in measured.times_ms.items()
        }
        sizes.append(
            {
                "memories": measured.rows,
                "selected": measured.selected,
                "read_bytes": measured.read_bytes,
                "void": measured.is_void(LOOP),
                "missing": measured.missing,
                "sides": sides,
            }
        )
    about = {
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
    }
    return json.dumps({**about, "sizes": sizes, "targets": list(verdicts)}, indent=2) + "\n"


# Side by name: colour and line of the plot. Ours are strong colours, the others pale or grey.
STYLES: dict[str, tuple[str, str]] = {
    "plain loop, dicts": ("#9a9a9a", "-"),
    "NumPy from a list": ("#c49a6c", "-"),
    "NumPy columns": ("#e3a857", "--"),
    "NumPy columns, stored freshness": ("#e07b39", "-"),
    "NumPy columns, sampled cut": ("#e07b39", ":"),
    "Polars columns, top_k": ("#a98bc0", "-"),
    "Rust port, columns": ("#b5651d", "--"),
    "library: list of items": ("#1f77b4", "-"),
    "library: NumPy columns": ("#17a2b8", "-"),
    "library: pool": ("#0b7a3b", "-"),
    "reading the columns once": ("#444444", ":"),
}


def plot(measurements: Sequence[Measured], path: Path) -> None:
    """Write the medians as a PNG, both axes logarithmic.

    Raises:
        MissingSideError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingSideError("a plot needs matplotlib: pip install matplotlib") from None

    figure = Figure(figsize=(10, 6.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, (colour, line) in STYLES.items():
        points = [
            (measured.rows, median(measured.times_ms[name]) * 1e-3)
            for measured in measurements
            if name in measured.times_ms
        ]
        if not points:
            continue
        is_ours = name.startswith("library")
        axes.plot(
            *zip(*points, strict=True),
            line,
            color=colour,
            label=name,
            marker="o",
            markersize=6 if is_ours else 4,
            linewidth=2.8 if is_ours else 1.6,
            zorder=3 if is_ours else 2,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = {
        1e-6: "1 µs",
        1e-5: "10 µs",
        1e-4: "100 µs",
        1e-3: "1 ms",
        1e-2: "10 ms",
        1e-1: "100 ms",
        1.0: "1 s",
    }
    low, high = axes.get_ylim()
    shown = {place: text for place, text in ticks.items() if low <= place <= high}
    axes.set_yticks(list(shown), list(shown.values()))
    rows = [measured.rows for measured in measurements]
    axes.set_xticks(rows, [f"{number:,}" for number in rows])
    axes.minorticks_off()
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("memories to choose from")
    axes.set_ylabel("one allocation (median)")
    axes.set_title("Selecting the best memories within a token budget: lower is faster", loc="left")
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, format="png")
