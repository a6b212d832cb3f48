"""The allocation in Polars: scores as an expression, `top_k` for the score at which to cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from comparison.numpy_sides import WIDEN, Known
from comparison.side import MissingSideError, Prepared
from comparison.workload import BUDGETS, CONFIG, NOW_US, WEIGHTS

if TYPE_CHECKING:
    from comparison.workload import Selection, Workload


def top_k(workload: Workload) -> Prepared:
    """One score series, one `top_k` of it for all tiers together, one filter; the few hundred rows that are
    left are walked in Python. A frame for each tier, lazy frames collected together, and `top_k` of a frame
    were tried and are slower up to 100,000 memories and no faster above."""
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise MissingSideError("pip install polars") from None

    frame = pl.DataFrame(
        {
            "row": np.arange(workload.rows),
            "tier": workload.tier,
            "relevance": workload.relevance,
            "importance": workload.importance,
            "timestamp_us": workload.timestamp_us,
            "tokens": workload.tokens,
        }
    )
    known = Known.of(workload.tokens, workload.tier)
    w_relevance, w_importance, w_freshness = WEIGHTS
    age_hours = (NOW_US - pl.col("timestamp_us")).cast(pl.Float64) / 1e6 / 3600.0
    freshness = (-0.693 * age_hours / CONFIG.freshness_half_life_hours).exp()
    formula = (
        pl.col("relevance").cast(pl.Float64) * w_relevance
        + pl.col("importance") * w_importance
        + freshness * w_freshness
    ).alias("score")

    def allocate() -> Selection:
        score = frame.select(formula).to_series()
        count = known.count
        while True:
            everything = count >= len(score)
            is_candidate = score >= (score.min() if everything else score.top_k(count).min())
            found = frame.select("tier", "row", "tokens").filter(is_candidate)
            rests = list(BUDGETS)
            taken: Selection = [[] for _ in rests]
            candidates = zip(score.filter(is_candidate).to_list(), found.rows(), strict=True)
            for _, (tier, row, cost) in sorted(candidates, key=lambda pair: -pair[0]):
                if cost <= rests[tier]:
                    rests[tier] -= cost
                    taken[tier].append(row)
            if everything or all(rest < least for rest, least in zip(rests, known.least, strict=True)):
                return taken
            count *= WIDEN

    return Prepared(allocate, lambda selection: selection)
