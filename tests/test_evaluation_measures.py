"""What an evaluation measures: recall worked out by hand, intervals, policies of the caller."""

from __future__ import annotations

import itertools
import json
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation_data import COSINES, conversation, records, write_folder
from memory_budget_allocator import ArgumentTypeError, ArgumentValueError
from memory_budget_allocator.evaluation import (
    BUILTIN_POLICIES,
    Candidate,
    Evaluation,
    Question,
    dataset_from_records,
    evaluate,
    load,
)
from memory_budget_allocator.evaluation.bm25 import bm25_scores
from memory_budget_allocator.evaluation.bootstrap import SAMPLES, averages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memory_budget_allocator.evaluation import Estimate


def means(row: Sequence[Estimate]) -> list[float]:
    return [figure.mean for figure in row]


def small(**options: Any) -> Evaluation:
    return evaluate(dataset_from_records(records()), **options)


def test_recall_of_each_policy_is_what_one_works_out() -> None:
    found = small(budgets=(20, 30, 60, 90, 100, 250))
    # Evidence is messages 1 (60 tokens) and 3 (30 tokens); an order passes over what does not fit.
    assert means(found.recall["oracle"]) == [0, 50, 50, 100, 100, 100]
    assert means(found.recall["cosine"]) == [0, 50, 50, 100, 100, 100]  # 1, 2, 3, 0
    assert means(found.recall["cosine-cut"]) == [0, 0, 50, 50, 50, 100]
    assert means(found.recall["recent"]) == [0, 50, 50, 100, 0, 100]  # 0, 1, 2, 3
    # .0625 + .2, .25 + .1, .1875 + .05, .125 + .025 (and .15 each): 1, 0, 2, 3
    assert means(found.recall["formula"]) == [0, 50, 50, 100, 100, 100]
    assert found.recall["random"][0].mean == 0
    assert found.recall["random"][-1].mean == 100
    assert means(found.all_evidence["cosine"]) == [0, 0, 0, 100, 100, 100]
    assert means(found.newer_fact["cosine"]) == [0, 0, 100, 100, 100, 100]
    assert means(found.differences["recent"]) == [0, 0, 0, 0, -100, 0]
    assert found.baseline == "cosine"
    assert found.baseline not in found.differences
    assert list(found.recall) == list(BUILTIN_POLICIES)
    (category,) = found.categories.items()
    assert category[0] == "places"
    assert category[1].questions == 1
    assert category[1].recall == found.recall
    assert (found.conversations, found.candidates) == (1, 8)
    assert (found.questions, found.questions_without_evidence, found.questions_with_newer_fact) == (1, 1, 1)
    assert all(figure.low is figure.high is None for row in found.recall.values() for figure in row)


def test_the_formula_weighs_freshness_too() -> None:
    (record, _) = records()
    record["gold"] = ["message-0"]
    for candidate, cosine in zip(record["candidates"], (0.25, 0.375, 0.25, 0.25), strict=True):
        candidate["relevance"] = cosine
    found = evaluate(dataset_from_records([record]), budgets=[100])
    assert found.recall["formula"][0].mean == 100  # .125 + .2 beats .1875 + .1
    assert found.recall["cosine"][0].mean == 0


def test_bm25_is_that_of_the_data_where_it_has_some(tmp_path: Path) -> None:
    document = conversation()
    document["questions"][0]["text"] = "rare word"
    document["items"][2]["text"] = "a rare word"
    computed = evaluate(write_folder(tmp_path / "computed", document), budgets=[60])
    assert computed.recall["bm25"][0].mean == 0  # message 2 first, and then nothing fits
    arrays = {"sim": COSINES, "bm25": [[0, 0, 0, 9], [0] * 4]}
    given_scores = evaluate(write_folder(tmp_path / "given", document, arrays=arrays), budgets=[60])
    assert given_scores.recall["bm25"][0].mean == 50  # message 3


def test_bm25_equals_its_formula() -> None:
    record = {
        "question": "The old Cat, the cat",
        "candidates": [
            {"id": str(number), "text": text, "relevance": 0}
            for number, text in enumerate(("the cat sat", "a dog, old and tired", "Cat cat", ""))
        ],
        "gold": ["0"],
    }
    (question,) = dataset_from_records([record]).conversations[0].questions
    lengths, average = (3, 5, 2, 0), 2.5

    def term(position: int, documents: int, frequency: int) -> float:
        weight = math.log(1 + (4 - documents + 0.5) / (documents + 0.5))
        return weight * frequency * 2.5 / (frequency + 1.5 * (0.25 + 0.75 * lengths[position] / average))

    expected = [2 * term(0, 1, 1) + 2 * term(0, 2, 1), term(1, 1, 1), 2 * term(2, 2, 2), 0.0]
    assert bm25_scores(question.question.text, question.candidate_set) == pytest.approx(expected, rel=1e-12)
    nothing = dataset_from_records([record | {"candidates": [], "gold": []}]).conversations[0].questions[0]
    assert bm25_scores("cat", nothing.candidate_set).tolist() == []


# Policies of the caller


def test_a_function_may_return_a_selection_or_a_ranking() -> None:
    seen: list[tuple[Question, Sequence[Candidate], int]] = []

    def ranking(question: Question, candidates: Sequence[Candidate], budget: int) -> list[str]:
        seen.append((question, candidates, budget))
        return [each.candidate_id for each in sorted(candidates, key=lambda each: -each.relevance)]

    def selection(_question: Question, _candidates: Sequence[Candidate], budget: int) -> Any:
        return (name for name in ["message-3"] if budget >= 30)

    found = small(policies={"ranking": ranking, "selection": selection}, budgets=[20, 60, 90, 250])
    assert found.recall["ranking"] == found.recall["cosine"]
    assert means(found.recall["selection"]) == [0, 50, 50, 50]
    assert [budget for _, _, budget in seen] == [20, 60, 90, 250]
    question, candidates, _ = seen[0]
    assert (question.question_id, question.text, question.conversation) == (
        "answered",
        "Where is it?",
        "small",
    )
    assert [each.tokens for each in candidates] == [100, 60, 60, 30]
    # Nothing a policy sees tells the answer.
    assert not {"gold", "updated", "category"} & {*dir(question), *dir(candidates[0])}


def broken(*_: Any) -> list[str]:
    raise KeyError("gone")


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (lambda *_: ["message-1", "x"], ArgumentValueError, "returned 'x', which is no candidate"),
        (lambda *_: ["message-1"] * 2, ArgumentValueError, "returned 'message-1' twice"),
        (lambda *_: [1], ArgumentTypeError, "must return ids as text, got 1"),
        (lambda *_: "message-1", ArgumentTypeError, "must return ids of candidates, got 'message-1'"),
        (lambda *_: None, ArgumentValueError, "TypeError: 'NoneType' object is not iterable"),
        (broken, ArgumentValueError, "KeyError: 'gone'"),
    ],
)
def test_what_a_function_must_not_do_is_named(function: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as raised:
        small(policies={"mine": function})
    assert str(raised.value) == f"policy 'mine', question 'answered', budget 256: {message}"


def nothing(*_: Any) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"budgets": []}, ArgumentValueError, "at least one"),
        ({"budgets": [0]}, ArgumentValueError, "budgets: must be from 1 to"),
        ({"budgets": [1.5]}, ArgumentTypeError, "budgets: must be a whole number, got 1.5"),
        ({"seed": -1}, ArgumentValueError, "seed: must be from 0 to"),
        ({"seed": True}, ArgumentTypeError, "seed: must be a whole number, got True"),
        ({"builtin": ["cosin"]}, ArgumentValueError, "there is no policy 'cosin', only formula, evidence"),
        ({"builtin": []}, ArgumentValueError, "there is no policy to evaluate"),
        ({"policies": {"cosine": nothing}}, ArgumentValueError, "policy 'cosine': another one has this name"),
        ({"policies": {"mine": 5}}, ArgumentTypeError, "policy 'mine' must be a function or a Ranking"),
        ({"baseline": "mine"}, ArgumentValueError, "baseline 'mine' is none of the policies: formula"),
    ],
)
def test_impossible_arguments_are_named(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        small(**options)


def test_the_baseline_is_the_first_policy_where_there_is_no_cosine() -> None:
    assert small(builtin=["recent", "oracle"]).baseline == "recent"
    assert list(small(builtin=[], policies={"none": nothing}).recall) == ["none"]


# Intervals


def many(conversations: int, seed: int = 5) -> list[dict[str, Any]]:
    """Questions about several conversations, whose gold is anywhere."""
    generator = random.Random(seed)
    found: list[dict[str, Any]] = []
    for number, _ in itertools.product(range(conversations), range(3)):
        record = records()[0] | {"conversation": f"chat-{number}", "category": generator.choice("xy")}
        record["gold"] = generator.sample([f"message-{at}" for at in range(4)], 2)
        record["updated"] = record["gold"][: generator.randrange(2)]
        found.append(record)
    return found


def test_the_same_seed_gives_the_same_report() -> None:
    data = dataset_from_records(many(6))
    report = evaluate(data, seed=3)
    assert report == evaluate(data, seed=3)
    assert report != evaluate(data, seed=4)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == report.to_dict()


def test_intervals_are_percentiles_over_drawn_conversations() -> None:
    found = evaluate(dataset_from_records(many(5)), budgets=[60], builtin=["cosine", "recent"], seed=7)
    tables = [
        np.array(
            [
                len({"message-1"} & set(record["gold"])) / 2  # all that cosine takes into 60 tokens
                for record in many(5)
                if record["conversation"] == f"chat-{number}"
            ]
        )
        for number in range(5)
    ]
    drawn = np.random.default_rng(7).integers(0, 5, (SAMPLES, 5))
    means_drawn = [100 * np.concatenate([tables[at] for at in sample]).mean() for sample in drawn]
    (figure,) = found.recall["cosine"]
    assert figure.mean == pytest.approx(100 * np.concatenate(tables).mean())
    assert (figure.low, figure.high) == pytest.approx(tuple(np.percentile(means_drawn, (2.5, 97.5))))


def test_a_difference_is_paired() -> None:
    data = dataset_from_records(many(6))

    def twin(_question: Question, candidates: Sequence[Candidate], _budget: int) -> list[str]:
        return [each.candidate_id for each in sorted(candidates, key=lambda each: -each.relevance)]

    found = evaluate(data, policies={"twin": twin}, builtin=["cosine"], budgets=[60, 90])
    assert all((each.mean, each.low, each.high) == (0, 0, 0) for each in found.differences["twin"])
    assert all(each.low is not None and each.low < each.mean for each in found.recall["twin"])


@given(
    st.lists(
        st.lists(st.floats(0, 1), min_size=1, max_size=4),
        min_size=2,
        max_size=8,
    ),
    st.integers(0, 2**53 - 1),
)
def test_an_interval_lies_between_the_worst_and_the_best_conversation(
    values: list[list[float]], seed: int
) -> None:
    flat = np.array([[value] for each in values for value in each])
    conversations = np.array([number for number, each in enumerate(values) for _ in each])
    members = np.ones(len(flat), np.bool_)
    (found,) = averages([(flat, members)], conversations, seed)
    lowest, highest = min(np.mean(each) for each in values), max(np.mean(each) for each in values)
    assert found.mean[0] == pytest.approx(flat.mean())
    assert lowest - 1e-12 <= found.low[0] <= found.high[0] <= highest + 1e-12


def test_a_group_of_one_conversation_has_no_interval_and_a_rare_one_has() -> None:
    conversations = np.arange(30)
    values = np.linspace(0, 1, 30)[:, np.newaxis]
    alone, rare = conversations == 4, conversations < 2
    single, pair, none = averages(
        [(values, alone), (values, rare), (values, conversations < 0)], conversations, seed=0
    )
    assert single.mean[0] == values[4, 0]
    assert np.isnan([single.low[0], single.high[0], none.mean[0], none.low[0]]).all()
    assert (pair.low[0], pair.high[0]) == (0, values[1, 0])  # draws with neither say nothing


def test_drawing_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset_from_records(many(6))
    whole = evaluate(data)
    monkeypatch.setattr("memory_budget_allocator.evaluation.bootstrap.DRAWN_AT_ONCE", 6 * 77)
    assert evaluate(data).to_dict() == whole.to_dict()


def test_progress_wraps_files_and_conversations(tmp_path: Path) -> None:
    seen: list[int] = []

    def counting(steps: Sequence[Any]) -> Any:
        for step in steps:
            yield step
            seen.append(len(steps))

    data = load(write_folder(tmp_path / "data", conversation()), progress=counting)
    evaluate(data, progress=counting)
    assert seen == [1, 1]
