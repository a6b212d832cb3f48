"""`ComplexityRules`: defaults, checks, the dict shape, copies and pickles."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import ComplexityRules
from memory_budget_allocator.errors import ConfigurationError, ConfigurationTypeError


def test_defaults() -> None:
    rules = ComplexityRules()
    assert rules.expert_keywords[0] == "explain"
    assert len(rules.expert_keywords) == 10
    assert len(rules.complex_keywords) == 9
    assert rules.domain_keywords[0] == "scalable|scalability"
    assert (rules.expert_points, rules.complex_points, rules.domain_points) == (2, 1, 1)
    assert rules.domain_points_limit == 3
    assert rules.length_steps == (5, 20, 50)
    assert (rules.history_length_above, rules.history_points) == (5, 1)
    assert (rules.turn_count_above, rules.turn_points) == (3, 1)
    assert rules.retrieval_points == 2
    assert rules.level_thresholds == (2, 5, 8)


def test_rules_cannot_be_changed_and_lists_become_tuples() -> None:
    rules = ComplexityRules(expert_keywords=["prove"], length_steps=[3])  # type: ignore[arg-type]
    assert rules.expert_keywords == ("prove",)
    assert rules.length_steps == (3,)
    assert hash(rules) == hash(ComplexityRules(expert_keywords=("prove",), length_steps=(3,)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        rules.expert_points = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert dataclasses.replace(rules, expert_points=3).expert_points == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expert_keywords", [""]),
        ("expert_keywords", ["  "]),
        ("complex_keywords", ["a|"]),
        ("domain_keywords", ["|"]),
        ("expert_points", -1),
        ("length_steps", [5, 5]),
        ("length_steps", [20, 5]),
        ("length_steps", [-1]),
        ("history_length_above", float("nan")),
        ("turn_count_above", -1),
        ("level_thresholds", [5, 2, 8]),
        ("level_thresholds", [2, 5]),
        ("level_thresholds", [1, 2, 3, 4]),
    ],
)
def test_impossible_values_name_the_field(field: str, value: object) -> None:
    arguments: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError, match=field):
        ComplexityRules(**arguments)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expert_keywords", "explain"),
        ("expert_keywords", [5]),
        ("domain_keywords", None),
        ("domain_keywords", {"a"}),
        ("expert_points", "2"),
        ("expert_points", True),
        ("retrieval_points", 1.5),
        ("history_length_above", "5"),
        ("length_steps", ["5"]),
        ("level_thresholds", 5),
    ],
)
def test_wrong_types_name_the_field(field: str, value: object) -> None:
    arguments: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationTypeError, match=field):
        ComplexityRules(**arguments)


def test_the_dict_shape() -> None:
    rules = ComplexityRules(domain_keywords=(), expert_points=numpy.int64(3))  # type: ignore[arg-type]
    data = rules.to_dict()
    assert list(data) == [field.name for field in dataclasses.fields(ComplexityRules)]
    assert type(data["expert_points"]) is int
    assert ComplexityRules.from_dict(json.loads(json.dumps(data))) == rules
    assert ComplexityRules.from_dict({}) == ComplexityRules()


@given(
    st.lists(st.text("abcdefgh", min_size=1)),
    st.sets(st.integers(0, 1000)).map(sorted),
    st.tuples(*[st.integers(0, 100)] * 3).map(sorted),
)
def test_the_dict_shape_round_trips(words: list[str], steps: list[int], thresholds: list[int]) -> None:
    rules = ComplexityRules.from_dict(
        {"complex_keywords": words, "length_steps": steps, "level_thresholds": thresholds}
    )
    assert ComplexityRules.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules


def test_from_dict_refuses_unknown_keys_and_wrong_shapes() -> None:
    with pytest.raises(
        ConfigurationError, match="'expert_keyword'; the nearest known key is 'expert_keywords'"
    ):
        ComplexityRules.from_dict({"expert_keyword": []})
    wrong: Any
    for wrong in (None, [], {5: 6}):
        with pytest.raises(ConfigurationTypeError):
            ComplexityRules.from_dict(wrong)


def test_pickles_and_copies() -> None:
    rules = ComplexityRules(expert_points=5)
    for made in (pickle.loads(pickle.dumps(rules)), copy.copy(rules), copy.deepcopy(rules)):
        assert made == rules
    with pytest.raises(ConfigurationError, match="format 9"):
        ComplexityRules.__new__(ComplexityRules).__setstate__({"format": 9, "attributes": {}})
