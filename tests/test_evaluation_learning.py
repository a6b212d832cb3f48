"""Learned rankings: the model, folds that share no conversation, and when nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_data import records, talks, write_lines
from memory_budget_allocator import (
    ArgumentTypeError,
    ArgumentValueError,
    DataError,
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    Ranking,
)
from memory_budget_allocator.command_line import main
from memory_budget_allocator.evaluation import dataset_from_records, evaluate, learn, learning
from memory_budget_allocator.evaluation.logistic import EVIDENCE, Weights, _objective, _score, fit
from memory_budget_allocator.evaluation.signals import Signals, signals_of
from test_ranking_against_reference import candidate_lists, rate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reference_ranking import Candidate

BUDGETS = (100, 300, 900)


def signals(written: list[dict[str, Any]]) -> list[Signals]:
    return [
        signals_of(question)
        for conversation in dataset_from_records(written).conversations
        for question in conversation.questions
    ]


# The model


@given(candidate_lists())
def test_the_weights_that_learning_starts_from_are_those_of_evidence(candidates: list[Candidate]) -> None:
    parts = Ranking.from_dict({"kind": "evidence", **learning.parts_of(EVIDENCE)})
    budgets = [100] * 4
    assert rate("tea plan", candidates, parts, budgets) == rate("tea plan", candidates, "evidence", budgets)


@pytest.mark.parametrize("weights", [EVIDENCE, Weights(1.1, 1.25, 0.7, 0.9, 1.5)])
def test_the_logit_is_the_score_of_the_core(weights: Weights) -> None:
    written = talks(1, 3)
    found = evaluate_scores(written, Ranking(kind="evidence", **learning.parts_of(weights)))
    for question, scores in zip(signals(written), found, strict=True):
        factor = weights.match * (1.0 + weights.neighbours)
        assert _score(question, weights)[0] == pytest.approx(np.array(scores) * factor, abs=1e-9)


def evaluate_scores(written: list[dict[str, Any]], ranking: Ranking) -> list[list[float]]:
    """The scores that the core gives the candidates of each question."""
    from memory_budget_allocator import _core

    found = []
    for conversation in dataset_from_records(written).conversations:
        for question in conversation.questions:
            every = question.candidate_set
            columns: dict[str, list[Any]] = {
                "text": list(every.texts),
                "tier": ["rag"] * len(every),
                "relevance_score": question.relevance.tolist(),
                "importance_score": list(every.importances),
                "timestamp": [time and _core.epoch_microseconds(time) for time in every.timestamps],
                "token_count": list(every.tokens),
                "session": [int(session or 0) for session in every.sessions],
                "position": list(range(len(every))),
                "identity": list(range(len(every))),
                "replaces": [None] * len(every),
            }
            now = _core.epoch_microseconds(question.question.now)
            rated = _core.rate_candidates(
                question.question.text, columns, ranking, [0] * 4, now, (1.0, 0.0, 0.0), 1.0
            )
            found.append(rated["scores"])
    return found


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32),
    st.tuples(*[st.floats(0.05, 2.0)] * 5).map(lambda values: Weights(*values)),
)
def test_the_gradient_is_that_of_the_likelihood(seed: int, weights: Weights) -> None:
    questions = signals(talks(1, 3, seed, length=8))
    at = np.array(weights)
    _, slope, curvature = _objective(questions, at)
    for number in range(len(at)):
        step = np.zeros(len(at))
        step[number] = 1e-6
        higher, lower = (_objective(questions, at + sign * step)[0] for sign in (1, -1))
        # Where another message becomes the lowest there is no gradient; so little moves there that the
        # difference quotient of one side is near that of the other.
        assert (higher - lower) / 2e-6 == pytest.approx(slope[number], rel=1e-3, abs=1e-3)
    assert np.linalg.eigvalsh(curvature)[0] > 0.0


def test_learning_finds_the_weights_the_evidence_was_picked_by() -> None:
    written = talks(40, 12, lexical=1.0, freshness=1.5, importance=0.8, smoothing=0.4, match=2.0)
    found = fit(signals(written))
    # Words and relevance together have the deviation of a match: the square root of 1 + 1.
    scale = np.sqrt(2.0)
    expected = Weights(2.0 * scale * (1.0 - 0.4), 1.0, 0.8 / scale, 1.5 / scale, 0.4 / (1.0 - 0.4))
    assert found == pytest.approx(expected, abs=0.25)


def test_few_judgements_change_little_and_none_that_tell_nothing() -> None:
    (question,) = signals(talks(1, 1, freshness=5.0))
    assert fit([question]) == pytest.approx(EVIDENCE, abs=0.4)
    # Where importance, age and place are the same, nothing can be learned about them.
    written = talks(3, 5)
    for record in written:
        for candidate in record["candidates"]:
            candidate["importance"] = 0.5
            del candidate["timestamp"], candidate["session"]
    found = fit(signals(written))
    expected = (EVIDENCE.importance, EVIDENCE.freshness, EVIDENCE.neighbours)
    assert (found.importance, found.freshness, found.neighbours) == pytest.approx(expected, abs=1e-9)


def test_weights_do_not_become_negative() -> None:
    written = talks(10, 10, freshness=-3.0, importance=-3.0, lexical=-1.0, smoothing=0.0)
    found = fit(signals(written))
    assert min(found) >= 0.0
    assert (found.lexical, found.importance, found.freshness) == (0.0, 0.0, 0.0)
    assert fit(signals(talks(10, 10, match=-2.0))).match == 0.25


# Folds


def test_no_ranking_is_judged_by_a_conversation_it_was_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    written = talks(7, 3)
    written.insert(3, {**written[0], "conversation": "silent", "gold": [], "id": "silent"})
    dataset = dataset_from_records(written)
    learned_from: list[set[str]] = []
    whose: dict[int, str] = {}
    kept: list[Signals] = []

    def named(question: Any) -> Signals:
        found = signals_of(question)
        kept.append(found)  # so that no other gets its id
        whose[id(found)] = question.question.conversation
        return found

    def recorded(questions: Sequence[Signals]) -> Weights:
        learned_from.append({whose[id(each)] for each in questions})
        # The fold is written into a weight, so that it can be seen who answers.
        return EVIDENCE._replace(freshness=len(learned_from) / 100.0)

    answered: list[tuple[str, int]] = []
    select = learning.LibraryPolicy.select

    def watched(self: Any, question: Any, budgets: Sequence[int]) -> Any:
        ranking = self._settings["ranking"]
        if isinstance(ranking, Ranking):
            answered.append(
                (question.question.conversation, round(100.0 * (ranking.freshness_weight or 0.0)))
            )
        return select(self, question, budgets)

    monkeypatch.setattr(learning, "fit", recorded)
    monkeypatch.setattr(learning, "signals_of", named)
    monkeypatch.setattr(learning.LibraryPolicy, "select", watched)
    learned = learn(dataset, budgets=BUDGETS, folds=3)
    everything = {f"talk {number}" for number in range(7)}
    assert learned_from[-1] == everything
    assert len(learned_from) == len(learned.fold_rankings) + 1 == 4
    assert set.union(*(everything - seen for seen in learned_from[:-1])) == everything
    assert len(answered) == 7 * 3
    for conversation, fold in answered:
        assert conversation not in learned_from[fold - 1]


def test_what_is_learned_is_a_ranking_like_any_other(tmp_path: Path) -> None:
    dataset = dataset_from_records(talks(12, 8, freshness=2.5))
    learned = learn(dataset, budgets=BUDGETS)
    assert learned.is_no_worse
    assert (learned.ranking.freshness_weight or 0.0) > 1.0
    assert all(difference.mean > 2.0 for difference in learned.evaluation.differences["learned"])
    assert learn(dataset, budgets=BUDGETS).to_dict() == learned.to_dict()
    assert json.loads(json.dumps(learned.to_dict(), allow_nan=False))["is_no_worse"] is True
    path = tmp_path / "learned.json"
    learned.save(path)
    ranking = Ranking.from_file(path)
    assert ranking == learned.ranking
    # The scorer is that of the library: an allocation by hand takes what the evaluation counted.
    found = evaluate(dataset, builtin=(), policies={"learned": ranking}, budgets=[300]).recall["learned"][0]
    question = dataset.conversations[0].questions[0]
    memories = [
        MemoryItem(each.candidate_id, each.text, MemoryTier.WORKING, each.timestamp, token_count=each.tokens,
                   relevance_score=each.relevance, importance_score=each.importance,
                   session_id=each.session, position=place)
        for each, place in zip(question.candidates, question.candidate_set.places, strict=True)
    ]  # fmt: skip
    allocator = MemoryBudgetAllocator()
    first, second = (
        allocator.allocate(question.question.text, memories, ranking=each, current_time=question.question.now)
        for each in (ranking, learned.ranking)
    )
    assert first.selected_positions == second.selected_positions != []
    assert 0.0 < found.mean < 100.0


def contrary() -> list[dict[str, Any]]:
    """Two conversations, in one of which the evidence is new and in the other old."""
    new, old = talks(2, 30, freshness=4.0), talks(2, 30, freshness=-4.0)
    return [record for record in new if record["conversation"] == "talk 0"] + [
        record for record in old if record["conversation"] == "talk 1"
    ]


def test_two_conversations_are_needed() -> None:
    with pytest.raises(DataError, match=r"learning takes two conversations .* there is 1$"):
        learn(dataset_from_records(talks(1)))
    with pytest.raises(DataError, match="there is none"):
        learn(dataset_from_records([records()[1]]))
    two = learn(dataset_from_records(talks(2, 2)), budgets=BUDGETS, folds=20)
    assert len(two.fold_rankings) == 2


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"folds": 1}, ArgumentValueError, "folds: must be from 2 to"),
        ({"folds": 2.0}, ArgumentTypeError, "folds: must be a whole number, got 2.0"),
        ({"seed": -1}, ArgumentValueError, "seed: must be from 0 to"),
        ({"budgets": []}, ArgumentValueError, "at least one"),
    ],
)
def test_impossible_arguments_are_named(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        learn(dataset_from_records(talks(2, 1)), **options)


# The command


def test_the_command_writes_what_it_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    data = str(write_lines(tmp_path / "data.jsonl", talks(8, 8, freshness=2.5)))
    target = tmp_path / "learned.json"
    arguments = ["learn", data, "--budgets", "100,300,900", "--folds", "4"]
    assert main([*arguments, "-o", str(target)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    learned = learn(data, budgets=BUDGETS, folds=4)
    assert printed.out == learned.table() + "\n"
    lines = printed.out.splitlines()
    assert lines[0].split() == ["PART", "EVIDENCE", "LEARNED", "OVER", "FOLDS"]
    assert [line.split()[0] for line in lines[1:5]] == list(learning.parts_of(EVIDENCE))
    assert "Judged in 4 folds, each by what was learned from the others." in lines
    assert any(line.startswith("- evidence") for line in lines)
    assert max(map(len, lines)) <= 80
    assert Ranking.from_file(target) == learned.ranking
    assert json.loads(target.read_text(encoding="utf-8")) == learned.ranking.to_dict()

    figures = tmp_path / "figures.json"
    compare = ["evaluate", data, "--policies", "evidence", "--baseline", "evidence", "--json", str(figures)]
    assert main([*compare, "--ranking", str(target)]) == 0
    found = json.loads(figures.read_text(encoding="utf-8"))
    assert list(found["recall_percent"]) == ["evidence", str(target)]
    again = evaluate(data, builtin=["evidence"], policies={str(target): learned.ranking}, baseline="evidence")
    assert found == again.to_dict()


def test_the_command_does_not_write_what_is_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(write_lines(tmp_path / "data.jsonl", contrary()))
    target = tmp_path / "learned.json"
    assert main(["learn", data, "-o", str(target)]) == 1
    printed = capsys.readouterr()
    assert "LEARNED" in printed.out
    assert printed.err.startswith(f"memory-budget: error: {target}: not written: at ")
    assert printed.err.endswith("points less than evidence of what it had not seen (--anyway writes it)\n")
    assert not target.exists()
    assert main(["learn", data]) == 0
    assert main(["learn", data, "-o", str(target), "--anyway"]) == 0
    assert target.exists()
    assert main(["learn", data, "-o", str(tmp_path / "nowhere" / "learned.json"), "--anyway"]) == 1
    assert "learned.json: cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["learn", "DATA", "--folds", "1"], "folds: must be from 2 to"),
        (["learn", "DATA", "--seed", "-1"], "seed: must be from 0 to"),
        (["learn", "DATA", "-o", "learned.txt"], "must be a file that ends in .json, got 'learned.txt'"),
        (["evaluate", "DATA", "--ranking", "evidence"], "must be a file that ends in .json, got 'evidence'"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_lines(tmp_path / "data.jsonl", talks(2, 1)))
    assert main([data if each == "DATA" else each for each in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err


def test_a_ranking_file_that_cannot_be_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_lines(tmp_path / "data.jsonl", records()))
    path = tmp_path / "learned.json"
    assert main(["evaluate", data, "--ranking", str(path)]) == 1
    assert "there is no such configuration file" in capsys.readouterr().err
    path.write_text('{"smoothing": 3}')
    assert main(["evaluate", data, "--ranking", str(path)]) == 1
    assert f"{path}, line 1, column 15: smoothing must be a number from 0 to 1" in capsys.readouterr().err
