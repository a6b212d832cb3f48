"""Data of the evaluation: both formats read alike, and what cannot be used is named."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evaluation_data import COSINES, NOW, conversation, records, write_folder, write_lines
from memory_budget_allocator import DataError
from memory_budget_allocator.evaluation import Dataset, dataset_from_records, evaluate, load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thread_unsafe(reason="numpy.load parses with ast: not thread-safe in CPython 3.11")


def test_both_formats_say_the_same(tmp_path: Path) -> None:
    folder = load(write_folder(tmp_path / "data", conversation()))
    lines = load(write_lines(tmp_path / "data.jsonl", records()))
    assert folder.name == "data"
    assert lines.name == "data.jsonl"
    for one, other in zip(folder.conversations, lines.conversations, strict=True):
        assert one.name == other.name == "small"
        for left, right in zip(one.questions, other.questions, strict=True):
            assert left.question == right.question
            assert left.candidates == right.candidates
            assert (left.gold, left.updated, left.category) == (right.gold, right.updated, right.category)


def test_what_a_policy_sees(tmp_path: Path) -> None:
    data = load(write_folder(tmp_path / "data", conversation()))
    answered, open_question = data.conversations[0].questions
    assert answered.question.now == NOW
    assert answered.gold == {1, 3}
    assert answered.updated == {1}
    assert answered.category == "places"
    assert open_question.category is None
    last = answered.candidates[3]
    assert (last.candidate_id, last.tokens, last.relevance) == ("message-3", 30, 0.25)
    assert (last.timestamp, last.importance, last.session) == (
        datetime(2026, 2, 21, 12, tzinfo=UTC),
        0.5,
        "1",
    )


def test_what_may_be_left_out_of_a_line() -> None:
    record = {
        "question": "Which?",
        "candidates": [
            {"id": "a", "text": "nineteen characters", "similarity": np.float32(0.5), "metadata": {"x": 1}},
            {"id": "b", "text": "", "relevance": 1, "timestamp": datetime(2026, 1, 2)},
        ],
        "gold": ("b",),
    }
    data = dataset_from_records([record, record])
    assert [each.name for each in data.conversations] == ["question 1", "question 2"]
    (question,) = data.conversations[1].questions
    assert question.question.question_id == "2"
    assert question.candidate_set.tokens == (4, 1)
    assert question.question.now == datetime(2026, 1, 2, tzinfo=UTC)
    assert question.relevance.tolist() == [0.5, 1.0]
    assert question.candidate_set.timestamps[0] is None


def names(data: Dataset) -> list[str]:
    return [each.name for each in data.conversations]


def test_conversations_are_chosen_by_name_and_in_halves(tmp_path: Path) -> None:
    for number in (10, 1, 2, 9):
        document = conversation() | {"conversation": f"chat-{number}"}
        write_folder(tmp_path / "data", document, f"chat-{number}")
    folder = tmp_path / "data"
    assert names(load(folder)) == ["chat-1", "chat-2", "chat-9", "chat-10"]
    assert names(load(folder, half="odd")) == ["chat-1", "chat-9"]
    assert names(load(folder, half="even")) == ["chat-2", "chat-10"]
    assert names(load(folder, conversations="chat-1*")) == ["chat-1", "chat-10"]
    # The half of a conversation does not depend on the pattern.
    assert names(load(folder, conversations="chat-1*", half="even")) == ["chat-10"]
    with pytest.raises(
        DataError, match=r"data: none of 2 odd conversations matches 'x'; the first is 'chat-1'"
    ):
        load(folder, conversations="x", half="odd")


def spoil(key: str, value: Any, document: Any = None) -> Any:
    """A document with one value changed or taken away; the key is a path such as ``items.0.tokens``."""
    document = conversation() if document is None else document
    *path, last = (int(step) if step.isdigit() else step for step in key.split("."))
    place: Any = document
    for step in path:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


BAD_DOCUMENTS: dict[str, tuple[Any, str]] = {
    "tokens of nothing": (spoil("items.1.tokens", 0), "items[1]: tokens: must be a whole number from 1 to"),
    "tokens as text": (
        spoil("items.1.tokens", "60"),
        "items[1]: tokens: must be a whole number from 1 to 90071",
    ),
    "tokens as truth": (spoil("items.1.tokens", True), "9007199254740991, got true"),
    "no tokens": (spoil("items.1.tokens", ...), "items[1]: tokens: missing, must be a whole number from 1"),
    "no such day": (spoil("items.2.ts", "2026-02-30"), "items[2]: ts: must be an ISO 8601 date and time"),
    "no time": (
        spoil("items.2.ts", None),
        "items[2]: ts: must be an ISO 8601 date and time such as 2026-03-14T15:",
    ),
    "time as a number": (spoil("now", 1710000000), "now: must be an ISO 8601 date and time"),
    "unknown evidence": (
        spoil("questions.0.evidence", ["message-9"]),
        'questions[0]: evidence: "message-9" is the id of no candidate',
    ),
    "unknown newer fact": (
        spoil("questions.0.updated", ["message-9"]),
        'questions[0]: updated: "message-9" is the id of no candidate',
    ),
    "evidence as a number": (
        spoil("questions.0.evidence", [3]),
        "questions[0]: evidence: must be an array of texts, got an array",
    ),
    "the same id twice": (spoil("items.1.id", "message-0"), 'items[1]: id: "message-0" stands twice'),
    "a session that is none": (spoil("items.1.session", [1]), "items[1]: session: must be text, a whole"),
    "a category that is none": (
        spoil("questions.0.category_name", True),
        "questions[0]: category_name: must be",
    ),
    "no items": (spoil("items", {}), "items: must be an array, got an object"),
    "an item that is none": (spoil("items.0", "x"), 'items[0]: the item: must be an object, got "x"'),
    "an array": ([], "the document: must be an object, got an array"),
    "no questions": (spoil("questions", ...), "questions: missing, must be an array"),
}


@pytest.mark.parametrize(("document", "message"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_bad_documents_are_named(document: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        load(write_folder(tmp_path / "data", document))
    assert str(raised.value).startswith(f"{tmp_path / 'data' / 'small.json.gz'}: {message}"[:60])
    assert message in str(raised.value)


def test_bad_folders_and_files_are_named(tmp_path: Path) -> None:
    def expect(message: str, path: Path = tmp_path / "data") -> None:
        with pytest.raises(DataError) as raised:
            load(path)
        assert message in str(raised.value)

    data = write_folder(tmp_path / "data", conversation())
    expect("nowhere: there is no such file", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    expect("empty: no conversation in it (a NAME.json.gz with a NAME.npz)", tmp_path / "empty")

    whole = (data / "small.json.gz").read_bytes()
    for content, message in {
        whole[:-20]: "cannot be read",
        b"{}": "cannot be read",
        gzip.compress(b"{"): "not valid JSON",
        gzip.compress(b'{"now": NaN}'): "now: must be a number of JSON, got NaN",
        gzip.compress(b'{"now": 1, "now": 2}'): "now: stands twice in one object",
        gzip.compress(b'{"now": "\xff"}'): "not valid UTF-8",
    }.items():
        (data / "small.json.gz").write_bytes(content)
        expect(f"small.json.gz: {message}")
    (data / "small.json.gz").write_bytes(whole)
    (data / "small.npz").write_bytes(b"no archive")
    expect("small.npz: cannot be read")
    (data / "small.npz").unlink()
    expect("small.npz: missing, although there is a small.json.gz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"sim": COSINES[:1]}, "sim: must hold floats for 2 questions x 4 items, got float16 1 x 4"),
        ({"cosine": COSINES}, "sim: missing, must be floats"),
        ({"sim": [[0, float("nan"), 0, 0]] * 2}, "sim[0, 1]: must be a finite number, got nan"),
        (
            {"sim": COSINES, "bm25": COSINES[0]},
            "bm25: must hold floats for 2 questions x 4 items, got float16 4",
        ),
    ],
)
def test_bad_arrays_are_named(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        load(write_folder(tmp_path / "data", conversation(), arrays=arrays))
    assert f"small.npz: {message}" in str(raised.value)


BAD_LINES: dict[str, tuple[Any, str]] = {
    "no object": ([], "a question must be a JSON object, got an array"),
    "no question": (spoil("question", ..., records()[0]), "question: missing, must be text"),
    "no gold": (spoil("gold", ..., records()[0]), "gold: missing, must be an array of texts"),
    "a misspelt key": (
        spoil("golden", [], records()[0]),
        "'golden': unknown key, the nearest known key is 'gold'",
    ),
    "unknown gold": (spoil("gold", ["x"], records()[0]), 'gold: "x" is the id of no candidate'),
    "candidates as an object": (
        spoil("candidates", {}, records()[0]),
        "candidates: must be an array, got an object",
    ),
    "no relevance": (
        spoil("candidates.2.relevance", ..., records()[0]),
        "candidates[2]: relevance: missing, must be a number",
    ),
    "relevance as text": (
        spoil("candidates.2.relevance", "0.5", records()[0]),
        'candidates[2]: relevance: must be a number, got "0.5"',
    ),
    "relevance twice": (
        spoil("candidates.2.similarity", 0.5, records()[0]),
        "candidates[2]: similarity: the same as relevance; give one of them",
    ),
    "an id twice": (
        spoil("candidates.2.id", "message-0", records()[0]),
        'candidates[2]: id: "message-0" stands twice',
    ),
    "no tokens at all": (
        spoil("candidates.0.tokens", 0, records()[0]),
        "candidates[0]: tokens: must be a whole",
    ),
    "a time that is none": (
        spoil("candidates.0.timestamp", "noon", records()[0]),
        "candidates[0]: timestamp: must",
    ),
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_bad_lines_are_named(line: Any, message: str, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "data.jsonl", [records()[0], line])
    with pytest.raises(DataError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}:2: {message}")


def test_records_may_not_hold_what_json_cannot() -> None:
    record = spoil("candidates.0.relevance", float("nan"), records()[0])
    with pytest.raises(DataError, match=r"^mine:1: candidates\[0\]: relevance: must be a number, got NaN$"):
        dataset_from_records([record], "mine")


def test_no_question_and_no_evidence_are_named(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"none\.jsonl: no question in it"):
        load(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"^records: no question has evidence$"):
        evaluate(dataset_from_records(records()[1:]))


def test_a_json_array_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(records(), indent=1))
    assert len(load(path).conversations[0].questions) == 2
