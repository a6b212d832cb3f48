"""A data set in memory: conversations, their questions, the candidates and the gold among them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Candidate", "CandidateSet", "Conversation", "Dataset", "JudgedQuestion", "Question"]

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """A question as a policy sees it: nothing here tells the answer."""

    question_id: str
    text: str
    conversation: str
    now: datetime
    """When the question is asked; ages count from it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate as a policy sees it, with its relevance to the question at hand."""

    candidate_id: str
    text: str
    tokens: int
    """What it costs, at least 1."""
    relevance: float
    """Similarity to the question, usually a cosine."""
    timestamp: datetime | None
    """When it was written, with an offset; None if unknown."""
    importance: float
    """Usually 0 to 1."""
    session: str | None
    """Candidates of one session follow each other in the order of the data."""


@dataclass(frozen=True)
class CandidateSet:
    """Candidates in the order of the data; the questions of a conversation may share one set."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    timestamps: tuple[datetime | None, ...]
    importances: tuple[float, ...]
    sessions: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each id stands."""
        return {candidate_id: position for position, candidate_id in enumerate(self.ids)}

    @cached_property
    def places(self) -> tuple[int, ...]:
        """The place of each candidate in its session, from 0."""
        next_of: defaultdict[str | None, count[int]] = defaultdict(count)
        return tuple(next(next_of[session]) for session in self.sessions)

    @cached_property
    def smallest(self) -> int:
        """The fewest tokens of a candidate; 0 where there is none."""
        return min(self.tokens, default=0)

    @cached_property
    def newest_first(self) -> list[int]:
        """Positions by time, the latest first; ties in the order of the data, unknown times at the end."""
        unknown = datetime.min.replace(tzinfo=UTC)
        return sorted(
            range(len(self)), key=lambda position: self.timestamps[position] or unknown, reverse=True
        )

    def latest(self) -> datetime:
        """The latest time of a candidate; without any, a time that is always the same."""
        return max((time for time in self.timestamps if time is not None), default=BEGINNING)


@dataclass(frozen=True)
class JudgedQuestion:
    """A question with its candidates, and which of them hold the answer."""

    question: Question
    candidate_set: CandidateSet
    relevance: NDArray[np.float64]
    """Similarity to each candidate."""
    gold: frozenset[int]
    """Positions of the evidence; empty if there is none, and the question is not scored."""
    updated: frozenset[int] = frozenset()
    """Positions of the newer fact, where the question asks for something that has changed."""
    category: str | None = None
    bm25: NDArray[np.float64] | None = field(default=None, repr=False)
    """BM25 scores that came with the data; None: computed where they are needed."""

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """What a policy gets to see."""
        every = self.candidate_set
        return tuple(
            map(
                Candidate,
                every.ids,
                every.texts,
                every.tokens,
                self.relevance.tolist(),
                every.timestamps,
                every.importances,
                every.sessions,
            )
        )

    @cached_property
    def most_relevant_first(self) -> list[int]:
        """Positions by relevance, descending; ties in the order of the data."""
        order: list[int] = np.argsort(-self.relevance, kind="stable").tolist()
        return order


@dataclass(frozen=True)
class Conversation:
    """Questions that resemble each other because they are about the same: what the intervals draw."""

    name: str
    questions: tuple[JudgedQuestion, ...]


@dataclass(frozen=True)
class Dataset:
    """Conversations in a fixed order, with the name of the file or folder they are from."""

    name: str
    conversations: tuple[Conversation, ...]
