"""The JSON lines format: a question on each line, with candidates of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from memory_budget_allocator.errors import DataError
from memory_budget_allocator.evaluation.checks import aware, positions_of, unique_ids
from memory_budget_allocator.evaluation.dataset import (
    CandidateSet,
    Conversation,
    Dataset,
    JudgedQuestion,
    Question,
)
from memory_budget_allocator.json_fields import checked, known_keys_only, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from memory_budget_allocator.json_fields import Kind

__all__ = ["dataset_from_located_records", "dataset_from_records"]

QUESTION_FIELDS: Mapping[str, Kind] = {
    "question": "text",
    "candidates": "list",
    "gold": "texts",
    "updated": "texts",
    "id": "label",
    "category": "label",
    "conversation": "label",
    "now": "time",
    "metadata": "object",
}

CANDIDATE_FIELDS: Mapping[str, Kind] = {
    "id": "text",
    "text": "text",
    "relevance": "number",
    "similarity": "number",
    "tokens": "positive count",
    "timestamp": "time",
    "importance": "number",
    "session": "label",
    "metadata": "object",
}

HINT = "; data of your own belongs under 'metadata'"

CHARACTERS_PER_TOKEN = 4
"""The library's estimate where nothing else is known: tokens_per_char .25."""


def dataset_from_records(records: Iterable[Mapping[str, Any]], name: str = "records") -> Dataset:
    """A data set from dicts, each of which is what a line of the JSON lines format holds.

    Args:
        records: a question each; see docs/evaluation.md for the keys.
        name: of the data set, for reports and messages.

    Raises:
        DataError: a record cannot be used; the message counts records from 1.
    """
    located = ((f"{name}:{number}", record) for number, record in enumerate(records, start=1))
    return dataset_from_located_records(name, located)


def dataset_from_located_records(name: str, records: Iterable[tuple[str, Mapping[str, Any]]]) -> Dataset:
    """A data set from questions, each with its place for messages.

    Raises:
        DataError: a record cannot be used.
    """
    conversations: dict[str, list[JudgedQuestion]] = {}
    for number, (place, record) in enumerate(records, start=1):
        question = _question(place, checked(place, "the question", "object", record), number)
        conversations.setdefault(question.question.conversation, []).append(question)
    return Dataset(
        name, tuple(Conversation(each, tuple(questions)) for each, questions in conversations.items())
    )


def _question(place: str, record: Mapping[str, Any], number: int) -> JudgedQuestion:
    fields = _fields(place, record, QUESTION_FIELDS, ("question", "candidates", "gold"))
    candidates, relevance = _candidates(place, fields["candidates"])
    conversation = fields.get("conversation")
    now: datetime | None = fields.get("now")
    question_id = fields.get("id")
    return JudgedQuestion(
        Question(
            question_id=str(number) if question_id is None else question_id,
            text=fields["question"],
            # Without a conversation it stands for itself.
            conversation=f"question {number}" if conversation is None else conversation,
            now=candidates.latest() if now is None else aware(now),
        ),
        candidates,
        np.array(relevance, np.float64),
        gold=positions_of(place, "gold", fields["gold"], candidates),
        updated=positions_of(place, "updated", fields.get("updated", ()), candidates),
        category=fields.get("category"),
    )


def _candidates(place: str, entries: list[object]) -> tuple[CandidateSet, list[float]]:
    places = [f"{place}: candidates[{position}]" for position in range(len(entries))]
    records = [
        _fields(where, checked(where, "the candidate", "object", entry), CANDIDATE_FIELDS, ("id", "text"))
        for where, entry in zip(places, entries, strict=True)
    ]
    times: list[datetime | None] = [record.get("timestamp") for record in records]
    candidates = CandidateSet(
        ids=unique_ids((where, record["id"]) for where, record in zip(places, records, strict=True)),
        texts=tuple(record["text"] for record in records),
        tokens=tuple(
            record.get("tokens", max(1, len(record["text"]) // CHARACTERS_PER_TOKEN)) for record in records
        ),
        timestamps=tuple(None if time is None else aware(time) for time in times),
        importances=tuple(record.get("importance", 0.5) for record in records),
        sessions=tuple(record.get("session") for record in records),
    )
    return candidates, [_relevance(where, record) for where, record in zip(places, records, strict=True)]


def _relevance(place: str, record: Mapping[str, Any]) -> float:
    if "relevance" in record and "similarity" in record:
        raise DataError(f"{place}: similarity: the same as relevance; give one of them")
    key = "similarity" if "similarity" in record else "relevance"
    require(place, record, key, "number")
    relevance: float = record[key]
    return relevance


def _fields(
    place: str, record: Mapping[str, Any], kinds: Mapping[str, Kind], required: Iterable[str]
) -> dict[str, Any]:
    known_keys_only(place, record, kinds, HINT)
    for key in required:
        require(place, record, key, kinds[key])
    return {key: checked(place, key, kinds[key], value) for key, value in record.items()}
