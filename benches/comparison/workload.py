"""One set of memories as columns, and the answer that every side must give."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from measuring import NOW, OLDEST_US, QUERY, SEED, TEXT_LENGTHS, reference, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Selection: TypeAlias = "list[list[int]]"
"""Rows per tier, in the order of `reference.TIERS`, best first."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW_US = (NOW - EPOCH) // timedelta(microseconds=1)
CONFIG = reference.Workspace("default")
LEVEL = reference.analyze_query_complexity(QUERY)["complexity"]
BUDGETS = [reference.tier_budget(CONFIG, tier, LEVEL) for tier in reference.TIERS]
WEIGHTS = (CONFIG.relevance_weight, CONFIG.importance_weight, CONFIG.freshness_weight)
# Long texts a million times over would measure the machine's memory; only objects have a text at all.
DIFFERENT_TEXTS = 1_000


@dataclass
class Workload:
    """Memories in the caller's order, four tiers mixed, token counts known.

    The relevance is what a matrix product with an embedding gives, float32; widened to float64 it
    decides on every side.
    """

    rows: int

    def __post_init__(self) -> None:
        generator = np.random.default_rng(SEED + self.rows)
        self.relevance = generator.random(self.rows, dtype=np.float32)
        self.importance = generator.random(self.rows)
        self.timestamp_us = NOW_US - generator.integers(0, OLDEST_US, self.rows)
        least, most = (length // 4 for length in TEXT_LENGTHS)
        self.tokens = generator.integers(least, most + 1, self.rows)
        self.tier = generator.integers(0, len(reference.TIERS), self.rows).astype(np.uint8)

    @property
    def read_bytes(self) -> int:
        """Bytes of the columns that scores are made of: everything but the tokens, which only
        candidates near the cut are asked for."""
        columns = (self.relevance, self.importance, self.timestamp_us, self.tier)
        return sum(column.nbytes for column in columns)

    @property
    def ids(self) -> Iterator[str]:
        return (f"memory-{number}" for number in range(self.rows))

    def fields(self) -> Iterator[dict[str, object]]:
        """The memories one by one, as an application that has objects makes them."""
        some_texts = list(islice(texts(random.Random(SEED)), DIFFERENT_TEXTS))
        columns = (self.tier, self.timestamp_us, self.relevance, self.importance, self.tokens)
        rows = zip(self.ids, *(column.tolist() for column in columns), strict=True)
        for number, (memory_id, tier, timestamp_us, relevance, importance, tokens) in enumerate(rows):
            yield {
                "memory_id": memory_id,
                "text": some_texts[number % DIFFERENT_TEXTS],
                "tier": reference.TIERS[tier],
                "timestamp": EPOCH + timedelta(microseconds=timestamp_us),
                "relevance_score": relevance,
                "importance_score": importance,
                "token_count": tokens,
            }

    @cached_property
    def freshness(self) -> NDArray[np.float64]:
        """At the time of the call."""
        age_hours = (NOW_US - self.timestamp_us) / 1e6 / 3600.0
        return np.exp(-0.693 * age_hours / CONFIG.freshness_half_life_hours)

    def expected(self) -> Selection:
        """The answer by a full stable sort and a walk through all of it."""
        w_relevance, w_importance, w_freshness = WEIGHTS
        score = self.relevance.astype(np.float64) * w_relevance
        score += self.importance * w_importance
        score += self.freshness * w_freshness
        selection: Selection = []
        for tier, budget in enumerate(BUDGETS):
            members = np.flatnonzero(self.tier == tier)
            members = members[np.argsort(-score[members], kind="stable")]
            rest = budget
            taken: list[int] = []
            for row, tokens in zip(members.tolist(), self.tokens[members].tolist(), strict=True):
                if tokens <= rest:
                    rest -= tokens
                    taken.append(row)
            selection.append(taken)
        return selection
