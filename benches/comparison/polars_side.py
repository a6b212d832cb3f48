"""The allocation in Polars: scores as an expression, `top_k` for each tier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comparison.side import MissingSideError, Prepared
from comparison.workload import BUDGETS, CONFIG, NOW_US, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars

    from comparison.workload import Selection, Workload

WIDEN = 8
ROOM = 1.5


def walk(rows: Iterable[int], tokens: Iterable[int], budget: int) -> tuple[list[int], int]:
    taken = []
    for row, cost in zip(rows, tokens, strict=True):
        if cost <= budget:
            taken.append(row)
            budget -= cost
    return taken, budget


def top_k(workload: Workload) -> Prepared:
    """Grouped by tier beforehand, a frame each; times as stored freshness would give Polars no exp to do,
    so the age is what it starts from, as NumPy's first row does."""
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise MissingSideError("pip install polars") from None

    everything = pl.DataFrame(
        {
            "row": range(workload.rows),
            "tier": workload.tier,
            "relevance": workload.relevance,
            "importance": workload.importance,
            "timestamp_us": workload.timestamp_us,
            "tokens": workload.tokens,
        }
    )
    tiers = [everything.filter(pl.col("tier") == number).lazy() for number in range(len(BUDGETS))]
    counted = [tier.select(pl.col("tokens").min().alias("least"), pl.len().alias("rows")) for tier in tiers]
    known = [frame.collect().row(0) for frame in counted]
    mean = max(1.0, float(workload.tokens.mean()))
    w_relevance, w_importance, w_freshness = WEIGHTS
    age_hours = (NOW_US - pl.col("timestamp_us")).cast(pl.Float64) / 1e6 / 3600.0
    freshness = (-0.693 * age_hours / CONFIG.freshness_half_life_hours).exp()
    score = (
        pl.col("relevance").cast(pl.Float64) * w_relevance
        + pl.col("importance") * w_importance
        + freshness * w_freshness
    ).alias("score")
    scored = [tier.select("row", "tokens", score) for tier in tiers]

    def best(tier: polars.LazyFrame, count: int) -> polars.LazyFrame:
        return tier.top_k(count, by=["score", "row"], reverse=[False, True])

    def allocate() -> Selection:
        counts = [int(ROOM * budget / mean) + 8 for budget in BUDGETS]
        frames = pl.collect_all([best(tier, count) for tier, count in zip(scored, counts, strict=True)])
        selection: Selection = []
        for number, (frame, budget) in enumerate(zip(frames, BUDGETS, strict=True)):
            least, rows = known[number]
            candidates, count = frame, counts[number]
            while True:
                ordered = candidates.sort(["score", "row"], descending=[True, False])
                taken, rest = walk(ordered["row"].to_list(), ordered["tokens"].to_list(), budget)
                if count >= rows or rest < least:
                    break
                count *= WIDEN
                candidates = best(scored[number], count).collect()
            selection.append(taken)
        return selection

    return Prepared(allocate, lambda selection: selection)
