"""A ceiling with reserves, floors, caps, spill-over, a minimum score and pins, as a caller sees them."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memory_budget_allocator import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationError,
    MemoryBudgetAllocator,
    MemoryBudgetError,
    MemoryItem,
    MemoryPool,
    MemoryTier,
    PinnedOverflowError,
    WorkspaceConfig,
    context_window,
)
from memory_budget_allocator.context_windows import CONTEXT_WINDOWS
from memory_budget_allocator.errors import ConfigurationTypeError
from memory_budget_allocator.token_models import MODELS, vocabulary_of_model
from memory_budget_config_loader import MemoryBudgetConfigLoader

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 14, tzinfo=UTC)
MEDIUM = "How do I use FastAPI?"


def memory(name: str, tier: str, tokens: int, relevance: float = 0.5, **options: Any) -> MemoryItem:
    return MemoryItem(
        name,
        f"text of {name}",
        MemoryTier(tier),
        NOW,
        relevance_score=relevance,
        token_count=tokens,
        **options,
    )


def allocator_of(**fields: Any) -> MemoryBudgetAllocator:
    allocator = MemoryBudgetAllocator(log_allocations=False)
    allocator.register_workspace(WorkspaceConfig("w", **{"max_total_tokens": 1000, **fields}))
    return allocator


def names(allocation: Any) -> list[str]:
    return [each.memory_id for each in allocation]


def columns_of(memories: list[MemoryItem]) -> dict[str, list[Any]]:
    names = ("text", "tier", "timestamp", "relevance_score", "token_count", "pinned")
    return {name: [getattr(memory, name) for memory in memories] for name in names}


def test_a_ceiling_of_the_workspace_and_of_the_call() -> None:
    allocator = allocator_of(max_prompt_tokens=600, reserves={"system": 100, "completion": 100})
    memories = [memory("a", "working", 100), memory("b", "rag", 90)]
    allocation = allocator.allocate(MEDIUM, memories, "w", reserves={"completion": 50, "query": "x" * 40})
    assert allocation.reserved_tokens == {"system": 100, "query": 27, "completion": 50}  # a bound
    assert (allocation.max_prompt_tokens, allocation.available_tokens) == (600, 423)
    assert sum(tier.budget for tier in allocation.tiers.values()) == 423
    result = allocation.to_dict()
    assert list(result["budget"])[3:] == [
        "max_prompt_tokens",
        "reserved_tokens",
        "available_tokens",
        "counter",
    ]
    assert result["budget"].get("available_tokens") == 423
    assert result["budget"].get("counter") == allocation.counter == "upper_bound"
    json.dumps(result, allow_nan=False)
    assert allocator.allocation_history[0]["budget"] == result["budget"]
    wider = allocator.allocate(MEDIUM, memories, "w", max_prompt_tokens=5000)
    assert [tier.budget for tier in wider.tiers.values()] == [300, 250, 200, 250]


def test_without_limits_nothing_is_added() -> None:
    allocation = allocator_of().allocate(MEDIUM, [memory("a", "working", 100)], "w")
    assert (allocation.max_prompt_tokens, allocation.available_tokens) == (None, None)
    assert allocation.counter == "estimate"
    assert allocation.reserved_tokens == {}
    result = allocation.to_dict()
    assert len(result["budget"]) == 3
    assert all("own_budget_tokens" not in tier for tier in result["tiers"].values())


@pytest.mark.parametrize(
    "options", [{"max_prompt_tokens": 0}, {"max_prompt_tokens": 9, "reserves": {"system": 9}}]
)
def test_nothing_available_selects_nothing(options: Any) -> None:
    free = MemoryItem("free", "", MemoryTier.WORKING, NOW)
    allocation = allocator_of().allocate(MEDIUM, [free, memory("a", "rag", 1)], "w", **options)
    assert len(allocation) == 0
    assert free.access_count == 0


def test_spill_over_shows_what_was_granted() -> None:
    memories = [memory("a", "working", 290, 0.9), memory("b", "working", 280, 0.8), memory("c", "rag", 10)]
    strict = allocator_of().allocate(MEDIUM, memories, "w")
    assert names(strict) == ["a", "c"]
    shared = allocator_of(spill_over=True).allocate(MEDIUM, memories, "w")
    assert names(shared) == ["a", "b", "c"]
    working = shared.tiers[MemoryTier.WORKING]
    assert (working.own_budget, working.budget, working.used) == (300, 570, 570)
    assert sum(tier.budget for tier in shared.tiers.values()) == 1000
    result = shared.to_dict()
    assert result["tiers"]["working"].get("own_budget_tokens") == 300
    assert result["tiers"]["working"]["utilization_pct"] == 100.0
    capped = allocator_of(spill_over=True, tier_caps={"working": 0.5}).allocate(MEDIUM, memories, "w")
    assert names(capped) == ["a", "c"]


def test_pinned_memories_come_first_and_fail_loudly() -> None:
    allocator = allocator_of(minimum_score=0.9)
    rule = memory("rule", "working", 280, 0.0, importance_score=0.0, pinned=True)
    memories = [memory("a", "working", 100, 1.0, importance_score=1.0), rule]
    assert names(allocator.allocate(MEDIUM, memories, "w", current_time=NOW)) == ["rule"]
    before = [pickle.dumps(each) for each in memories]
    rule.token_count = 301
    before[1] = pickle.dumps(rule)
    with pytest.raises(
        PinnedOverflowError, match="working tier need 301 tokens, its budget is 300"
    ) as caught:
        allocator.allocate(MEDIUM, memories, "w", current_time=NOW)
    error = caught.value
    assert (error.tier, error.needed, error.budget) == (MemoryTier.WORKING, 301, 300)
    assert isinstance(error, MemoryBudgetError)
    assert isinstance(error, ValueError)
    assert [pickle.dumps(each) for each in memories] == before
    assert len(allocator.allocation_history) == 1


@pytest.mark.parametrize("door", [list, MemoryPool.from_items, columns_of])
@pytest.mark.parametrize("ranking", ["weighted", "evidence"])
def test_pinned_memories_too_much_for_the_ceiling_are_told_so(door: Any, ranking: Any) -> None:
    memories = door([memory("rule", "working", 280, pinned=True)])
    reserves: dict[Any, int] = {"system": 19, "completion": 300}
    with pytest.raises(PinnedOverflowError) as caught:
        allocator_of().allocate(
            MEDIUM, memories, "w", ranking=ranking, max_prompt_tokens=1000, reserves=reserves
        )
    assert str(caught.value) == (
        "pinned memories of the working tier need 280 tokens, its budget is 205 under the ceiling of 1000 "
        "tokens, of which 319 are reserved (system 19, completion 300)"
    )
    with pytest.raises(PinnedOverflowError, match=r"budget is 90 under the ceiling of 300 tokens$"):
        allocator_of().allocate(MEDIUM, memories, "w", max_prompt_tokens=300)
    # Where the ceiling takes nothing from the tier, the tier is the reason.
    with pytest.raises(PinnedOverflowError, match=r"need 280 tokens, its budget is 150$"):
        allocator_of().allocate("Hello", memories, "w", max_prompt_tokens=1000)


def test_evergreen_memories_do_not_age() -> None:
    allocator = allocator_of()
    old = NOW - timedelta(days=3000)
    fresh = MemoryItem("a", "t", MemoryTier.RAG, old, evergreen=True)
    stale = MemoryItem("b", "t", MemoryTier.RAG, old)
    for each in (fresh, stale):
        allocator.calculate_memory_score(each, WorkspaceConfig("x"), NOW)
    assert fresh.freshness_score == 1.0
    assert stale.freshness_score < 1e-5
    result = allocator.allocate_memory_budget("q", [fresh], "w", current_time=NOW)
    (shown,) = result["tiers"]["rag"]["selected_memories"]
    assert (shown["freshness_score"], shown["timestamp"]) == (1.0, old.isoformat())


def test_flags_of_a_pool_can_change() -> None:
    pool = MemoryPool.from_items([memory("a", "working", 200, 0.9), memory("b", "working", 200, 0.1)])
    allocator = allocator_of()
    assert names(allocator.allocate(MEDIUM, pool, "w")) == ["a"]
    pool.update("b", pinned=True, evergreen=True)
    assert (pool["b"].pinned, pool["b"].evergreen, pool["a"].pinned) == (True, True, False)
    assert names(allocator.allocate(MEDIUM, pool, "w")) == ["b"]
    # Filters come before pins.
    assert names(allocator.allocate(MEDIUM, pool, "w", tiers=["rag"])) == []
    excluded = allocator.allocate(MEDIUM, pool, "w", relevance={"a": 1.0}, missing_relevance="exclude")
    assert names(excluded) == ["a"]
    pool.remove("b")
    assert names(allocator.allocate(MEDIUM, pool, "w")) == ["a"]


def test_flags_take_no_bytes_of_a_pool() -> None:
    sizes = [
        MemoryPool.from_items(memory(f"m{at}", "rag", 9, **flags) for at in range(300)).nbytes
        for flags in ({}, {"pinned": True, "evergreen": True})
    ]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    "flags",
    [[False, True], (False, True), np.array([False, True]), [np.bool_(False), np.bool_(True)]],
    ids=["list", "tuple", "array", "scalars"],
)
def test_flags_of_columns(flags: Any) -> None:
    columns = {
        "memory_id": ["a", "b"],
        "relevance_score": [0.9, 0.1],
        "token_count": [200, 200],
        "timestamp": [NOW, NOW - timedelta(days=900)],
    }
    flagged = columns | {"pinned": flags, "evergreen": flags}
    for memories in (flagged, MemoryPool.from_columns(flagged)):
        (found,) = allocator_of().allocate(MEDIUM, memories, "w", current_time=NOW)
        assert isinstance(found, MemoryItem)
        assert (found.memory_id, found.pinned, found.evergreen) == ("b", True, True)
        assert found.freshness_score == 1.0
        assert found.timestamp == columns["timestamp"][1]


def test_flags_of_an_arrow_table() -> None:
    pa = pytest.importorskip("pyarrow")
    scores = {"relevance_score": [0.9, 0.1, 0.2], "token_count": [200, 200, 200]}
    table = pa.table(scores | {"pinned": pa.array([True, False, True])}).slice(1)
    assert allocator_of().allocate(MEDIUM, table, "w").selected_positions == [1]
    for flags, message in [
        (pa.array([True, None, True]), "column pinned, row 1: must be a value, got null"),
        (pa.array([1, 0, 1]), "column pinned must be booleans, not int64"),
        (pa.nulls(3), "column pinned, row 0: must be a value, got null"),
    ]:
        with pytest.raises((ArgumentTypeError, ValueError), match=message):
            allocator_of().allocate(MEDIUM, pa.table(scores | {"pinned": flags}), "w")


@pytest.mark.parametrize("flags", [[0, 1], [None, True], ["yes", "no"], np.array([0, 1])])
def test_flags_are_no_numbers(flags: Any) -> None:
    columns = {"relevance_score": [0.9, 0.1], "token_count": [200, 200], "evergreen": flags}
    with pytest.raises(TypeError, match="column evergreen"):
        allocator_of().allocate(MEDIUM, columns, "w")
    with pytest.raises(TypeError, match="column evergreen"):
        MemoryPool.from_columns(columns | {"memory_id": ["a", "b"]})


def test_an_older_pickle_is_read() -> None:
    item = memory("a", "rag", 5, pinned=True)
    make, arguments, (version, values, counter, subclass) = item.__reduce__()  # type: ignore[misc]
    assert (version, values[14:]) == (3, (True, False, None, None, None))
    for older_version, count, pinned in ((1, 14, False), (2, 16, True)):
        older = make(*arguments)
        older.__setstate__((older_version, values[:count], counter, subclass))
        assert (older.memory_id, older.pinned, older.session_id) == ("a", pinned, None)
    with pytest.raises(ValueError, match="damaged"):
        make(*arguments).__setstate__((1, values, counter, subclass))
    config = WorkspaceConfig("w", spill_over=True)
    state = config.__getstate__()
    attributes: Any = state["attributes"]
    for name in ("reserves", "tier_floors", "tier_caps", "minimum_score"):
        del attributes[name]
    older_config = WorkspaceConfig.__new__(WorkspaceConfig)
    older_config.__setstate__(state)
    assert older_config == config


CALLS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"max_prompt_tokens": -1}, ArgumentValueError, "max_prompt_tokens must be an integer from 0"),
    ({"max_prompt_tokens": 1.5}, ArgumentTypeError, "max_prompt_tokens must be an integer from 0"),
    ({"max_prompt_tokens": True}, ArgumentTypeError, "max_prompt_tokens must be an integer from 0"),
    ({"reserves": {"system": 1}}, ArgumentValueError, "there is none: give it as well"),
    ({"max_prompt_tokens": 9, "reserves": 3}, ArgumentTypeError, "reserves must be a mapping"),
    (
        {"max_prompt_tokens": 9, "reserves": {"sytem": 3}},
        ArgumentValueError,
        "a key of reserves must be 'system'",
    ),
    ({"max_prompt_tokens": 9, "reserves": {1: 3}}, ArgumentTypeError, "a key of reserves must be 'system'"),
    (
        {"max_prompt_tokens": 9, "reserves": {"query": -3}},
        ArgumentValueError,
        r"reserves\[query\] must be a number",
    ),
    (
        {"max_prompt_tokens": 9, "reserves": {"query": None}},
        ArgumentTypeError,
        r"reserves\[query\] must be a number",
    ),
    (
        {"max_prompt_tokens": 9, "reserves": {"query": 8, "system": "x" * 8}},
        ArgumentValueError,
        r"the reserves of 13 tokens \(system 5, query 8\) exceed max_prompt_tokens, which is 9",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), CALLS)
def test_calls_that_cannot_be(options: dict[str, Any], error: type[Exception], message: str) -> None:
    allocator = allocator_of()
    item = memory("a", "rag", 1)
    with pytest.raises(error, match=message):
        allocator.allocate(MEDIUM, [item], "w", **options)
    assert (item.access_count, item.combined_score) == (0, 0.0)
    assert not allocator.allocation_history


WORKSPACES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"max_prompt_tokens": 2**53}, ConfigurationError, "max_prompt_tokens"),
    ({"max_prompt_tokens": "8k"}, ConfigurationTypeError, "max_prompt_tokens"),
    ({"max_prompt_tokens": 5, "reserves": {"system": 6}}, ConfigurationError, "the reserves of 6 tokens"),
    ({"reserves": {"assistant": 6}}, ConfigurationError, "a key of reserves"),
    ({"reserves": [("system", 6)]}, ConfigurationTypeError, "reserves must be a mapping"),
    ({"tier_floors": {"attic": 6}}, ConfigurationError, "a key of tier_floors"),
    ({"tier_floors": {"rag": 1.01}}, ConfigurationError, r"tier_floors\[rag\]"),
    ({"tier_floors": {"rag": -1}}, ConfigurationError, r"tier_floors\[rag\]"),
    ({"tier_floors": {"rag": "10%"}}, ConfigurationTypeError, r"tier_floors\[rag\]"),
    ({"tier_caps": {"rag": float("nan")}}, ConfigurationError, r"tier_caps\[rag\]"),
    ({"tier_caps": {"rag": True}}, ConfigurationTypeError, r"tier_caps\[rag\]"),
    ({"tier_caps": None}, ConfigurationTypeError, "tier_caps must be a mapping"),
    (
        {"tier_floors": {"rag": 600}, "tier_caps": {"rag": 599}},
        ConfigurationError,
        "the rag tier has a floor of 600 tokens above its cap of 599",
    ),
    (
        {"max_prompt_tokens": 5, "tier_floors": {"rag": 3, "working": 3}},
        ConfigurationError,
        "the tier floors sum to 6 tokens, but only 5 are available",
    ),
    ({"spill_over": "score"}, ConfigurationTypeError, "spill_over must be a bool"),
    ({"spill_over_order": "rank"}, ConfigurationError, "spill_over_order must be 'score' or 'tier'"),
    ({"spill_over_order": True}, ConfigurationTypeError, "spill_over_order must be 'score' or 'tier'"),
    ({"minimum_score": 1.5}, ConfigurationError, "minimum_score must be a number from 0 to 1"),
    ({"minimum_score": None}, ConfigurationTypeError, "minimum_score"),
]


@pytest.mark.parametrize(("fields", "error", "message"), WORKSPACES)
def test_workspaces_that_cannot_be(fields: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"workspace 'x': {message}"):
        WorkspaceConfig("x", **fields)
    allocator = allocator_of()
    for name, value in fields.items():
        setattr(allocator.workspace_configs["w"], name, value)
    if "spill_over_order" in fields:
        allocator.workspace_configs["w"].spill_over = True
    if "reserves" in fields:
        allocator.workspace_configs["w"].max_prompt_tokens = 5
    with pytest.raises(error, match=message):
        allocator.allocate(MEDIUM, [memory("a", "rag", 1)], "w")


def test_floors_that_cannot_be_kept() -> None:
    allocator = allocator_of(tier_floors={"working": 200, "rag": 0.25})
    with pytest.raises(ConfigurationError, match="floors sum to 225 tokens, but only 100 are") as caught:
        allocator.allocate(MEDIUM, [], "w", max_prompt_tokens=100)
    assert (caught.value.field, caught.value.value) == ("tier_floors", {"working": 200, "rag": 0.25})
    allocator = allocator_of(tier_floors={"working": 200}, tier_caps={"working": 0.1})
    with pytest.raises(
        ConfigurationError, match="working tier has a floor of 200 tokens above its cap of 100"
    ) as caught:
        allocator.allocate(MEDIUM, [], "w")
    assert (caught.value.field, caught.value.value) == ("tier_floors[working]", 200)


def test_floors_that_some_call_can_keep_are_for_the_call_to_refuse() -> None:
    allocator = allocator_of(tier_floors={"working": 200}, tier_caps={"working": 0.1})
    expert = "Explain and compare the architecture, then design and debug it"
    assert allocator.allocate(expert, [], "w").tiers[MemoryTier.WORKING].budget == 200
    # Reserves of a call replace those of the workspace, and a floor raises a budget above the total.
    config = WorkspaceConfig(
        "w", 100, tier_floors={"rag": 700}, max_prompt_tokens=1000, reserves={"history": 400}
    )
    allocator.register_workspace(config)
    with pytest.raises(ConfigurationError, match="floors sum to 700 tokens, but only 600 are available"):
        allocator.allocate(MEDIUM, [], "w")
    allocation = allocator.allocate(MEDIUM, [], "w", reserves={"history": 300})
    assert allocation.tiers[MemoryTier.RAG].budget == 700


@pytest.mark.parametrize("call", [{}, {"max_prompt_tokens": 0}, {"reserves": {"history": 100}}])
def test_nothing_available_is_nothing_whatever_the_floors(call: Any) -> None:
    limits: dict[str, Any] = {"tier_floors": {"rag": 60, "working": 0.5}, "tier_caps": {"rag": 0.9}}
    allocator = allocator_of(max_prompt_tokens=100 if call else 0, **limits)
    for memories in (
        [memory("a", "rag", 5)],
        MemoryPool.from_items([memory("a", "rag", 5)]),
        {"relevance_score": [0.9], "token_count": [5], "tier": ["rag"]},
    ):
        allocation = allocator.allocate(MEDIUM, memories, "w", **call)
        assert len(allocation) == 0
        assert [tier.budget for tier in allocation.tiers.values()] == [0, 0, 0, 0]
    with pytest.raises(PinnedOverflowError):
        allocator.allocate(MEDIUM, [memory("a", "rag", 5, pinned=True)], "w", **call)


FILE = """
desk:
  max_prompt_tokens: 4000
  reserves: {system: 400, history: "what was said", completion: 1000}
  tier_floors: {project: 200, working: 0.25}
  tier_caps: {rag: 1.0}
  spill_over: true
  spill_over_order: tier
  minimum_score: 0.2
project_overrides:
  desk:
    open:
      max_prompt_tokens: null
      tier_floors: {working: 0}
"""


def test_limits_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(FILE, encoding="utf-8")
    config = MemoryBudgetConfigLoader.load_from_yaml(path)["desk"]
    assert config == WorkspaceConfig(
        "desk",
        max_prompt_tokens=4000,
        reserves={"system": 400, "history": "what was said", "completion": 1000},
        tier_floors={"working": 0.25, "project": 200},
        tier_caps={"rag": 1.0},
        spill_over=True,
        spill_over_order="tier",
        minimum_score=0.2,
    )
    assert type(config.tier_caps["rag"]) is float
    assert type(config.tier_floors["project"]) is int
    assert WorkspaceConfig.from_dict(config.to_dict()) == config
    project = MemoryBudgetConfigLoader.load_project_overrides(path)["desk"]["open"]
    assert (project.max_prompt_tokens, project.tier_floors) == (None, {"project": 200, "working": 0})
    assert project.reserves == config.reserves


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("max_prompt_tokens: -1", "desk.max_prompt_tokens must be a whole number from 0"),
        ("max_prompt_tokens: 1e3", "max_prompt_tokens"),
        ("reserves: {system: 1.5}", "desk.reserves.system must be a whole number of tokens"),
        ("reserves: {sytem: 1}", "unknown key; the nearest known key is 'system'"),
        ("tier_floors: {rag: 1.5}", "desk.tier_floors.rag must be a whole number of tokens, or a share"),
        ("tier_floors: {rag: -2}", "desk.tier_floors.rag must be"),
        ("tier_caps: {rag: true}", "desk.tier_caps.rag must be"),
        ("spill_over: yes", "spill_over"),
        ("spill_over: 1", "desk.spill_over must be true or false"),
        ("spill_over_order: rank", "desk.spill_over_order must be score or tier"),
        ("minimum_score: 2", "desk.minimum_score must be a number from 0 to 1"),
    ],
)
def test_files_that_cannot_be(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(f"desk:\n  {line}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["max_prompt_tokens: 1000", "tier_floors:", "  working: 600", "  rag: 500"],
            "line 3, column 3: desk.tier_floors: the tier floors sum to 1100 tokens, but only 1000 are "
            "available",
        ),
        (
            ["tier_caps: {rag: 499}", "tier_floors:", "  working: 600", "  rag: 500"],
            "line 5, column 10: desk.tier_floors.rag: the rag tier has a floor of 500 tokens above its cap "
            "of 499",
        ),
        (
            ["max_prompt_tokens: 9", "reserves: {query: 10}"],
            "line 3, column 3: desk.reserves: the reserves of 10 tokens (query 10) exceed max_prompt_tokens, "
            "which is 9",
        ),
    ],
)
def test_keys_of_a_file_that_cannot_be_together(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text("\n  ".join(["desk:", *lines]), encoding="utf-8")
    for read in (MemoryBudgetConfigLoader.load_from_yaml, MemoryBudgetConfigLoader.get_logging_config):
        with pytest.raises(ConfigurationError) as caught:
            read(path)
        assert str(caught.value) == f"{path}, {message}"


def test_a_project_that_cannot_keep_the_floors_of_its_workspace(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(f"{FILE}    small: {{max_prompt_tokens: 1500, tier_floors: {{rag: 1301}}}}\n")
    with pytest.raises(ConfigurationError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    assert str(caught.value) == (
        f"{path}, line 15, column 38: project_overrides.desk.small.tier_floors: "
        "the tier floors sum to 1501 tokens, but only 1500 are available"
    )
    narrow = FILE.replace("max_prompt_tokens: null", "max_prompt_tokens: 10")
    path.write_text(narrow.replace("tier_floors: {working: 0}", "reserves: {}"))
    with pytest.raises(ConfigurationError, match=r"project_overrides\.desk\.open\.reserves: the reserves"):
        MemoryBudgetConfigLoader.load_from_yaml(path)
    path.write_text("desk: {tier_floors: {rag: 9}}\nproject_overrides: {desk: {a: {max_prompt_tokens: 8}}}")
    with pytest.raises(ConfigurationError, match=r"line 2, column 28: project_overrides\.desk\.a: the tier"):
        MemoryBudgetConfigLoader.load_from_yaml(path)


def test_what_is_unusual_in_a_file_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text("desk: {promotion: {threshold: 0.2}}")
    MemoryBudgetConfigLoader.load_from_yaml(path)
    assert [record.message for record in caplog.records] == [
        "workspace desk: promotion_threshold 0.2 is not above demotion_threshold 0.3, so memories may move "
        "back and forth"
    ]


def test_every_model_whose_tokens_are_counted_has_a_window() -> None:
    without = {
        *("davinci-002", "babbage-002"),  # their pages give the length of the completion alone
        "gpt-35-turbo",  # Azure's name, whose window goes with the deployed version
        *("text-embedding-ada-002", "text-embedding-3-small", "text-embedding-3-large"),  # take no prompt
    }
    for model in MODELS:
        listed = any(name == model or name.startswith(f"{model}-") for name in CONTEXT_WINDOWS)
        assert listed != (model in without), model
    for name in CONTEXT_WINDOWS:
        if name.startswith(("gpt", "chatgpt", "o1", "o3", "o4")):
            assert vocabulary_of_model(name) is not None, name


def test_context_windows() -> None:
    assert context_window("gpt-5") == context_window("gpt-5-mini-2025-08-07") == 400_000
    assert context_window("gpt-oss-20b") == 131_072
    assert context_window("chatgpt-4o-latest") == context_window("gpt-4.5-preview-2025-02-27") == 128_000
    assert context_window("gpt-4o") == context_window("GPT-4o-2024-08-06") == 128_000
    assert context_window("claude-3-5-sonnet-latest") == 200_000
    assert context_window("gpt-4-0613") == 8_192
    assert context_window("gpt-4-1106-preview") == 128_000
    assert (
        context_window("models/gemini-2.5-pro") == context_window("vertex_ai/gemini-2.5-flash") == 1_048_576
    )
    assert context_window("claude-3-5-sonnet@20241022") == 200_000
    with pytest.raises(ArgumentTypeError):
        context_window(8192)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "name",
    ["{}", "openai/{}", "openrouter/openai/{}:free", "ft:{}:team::a/b", "openai/ft:{}:team", "azure/{}"],
)
@pytest.mark.parametrize("release", ["", "-2024-07-18", "-latest", "-20240718"])
def test_windows_and_vocabularies_read_names_alike(name: str, release: str) -> None:
    for model, window in CONTEXT_WINDOWS.items():
        for each in (name.format(model + release), name.format(model + release).upper()):
            assert context_window(each) == window, each
            assert vocabulary_of_model(each) == vocabulary_of_model(model), each


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gpt-4oo", "'gpt-4o'"),
        ("gpt4o", "'gpt-4o'"),
        ("claude-3-5-sonet", "'claude-3-5-sonnet'"),
        ("gpt-35-turbo", "'gpt-3.5-turbo'"),
        ("gemini-2.5-pr", "'gemini-2.5-pro'"),
        *((other, None) for other in ("claude-opus-9", "gpt-6", "llama-3.1-9b", "mistral-large", "/", "")),
    ],
)
def test_an_unknown_model_gets_those_it_may_be_a_slip_for(name: str, near: str | None) -> None:
    with pytest.raises(ArgumentValueError, match="is not listed") as caught:
        context_window(name)
    message = str(caught.value)
    assert message.endswith("; give its tokens as a number")
    assert f"of {name!r} is" in message
    assert (f"did you mean {near}" in message) if near else ("did you mean" not in message)


def plans(name: str, tier: str, words: int, relevance: float) -> MemoryItem:
    """A memory whose tokens merge with those of its frame."""
    return MemoryItem(name, "plan " * words + name, tier, NOW, relevance_score=relevance)


def test_by_the_parts_there_is_no_room_for_what_a_floor_covers_and_by_the_whole_there_is() -> None:
    memories = [plans("a", "project", 2, 0.82), plans("b", "rag", 1, 0.53), plans("c", "rag", 4, 0.19)]
    config = WorkspaceConfig("w", 100, complexity_multipliers={}, tier_floors={"rag": 14})
    allocation = MemoryBudgetAllocator().what_if(
        "plan", memories, config, current_time=NOW, tokenizer="o200k_base", max_prompt_tokens=28
    )
    assert [memory.memory_id for memory in allocation] == ["b", "c"]
    assert allocation.rendered_tokens == 27


@pytest.mark.parametrize("spill_over", [False, True])
def test_what_is_spilled_over_takes_the_place_of_nothing_that_fits_by_the_whole(spill_over: bool) -> None:
    memories = [
        plans("m0", "project", 24, 0.1),
        plans("m1", "working", 35, 0.19),
        plans("m2", "working", 17, 0.14),
        plans("m3", "working", 17, 0.79),
    ]
    config = WorkspaceConfig("w", 100, 0.5, 0.5, 0.0, 0.0, {}, spill_over=spill_over)
    allocation = MemoryBudgetAllocator().what_if(
        "plan", memories, config, current_time=NOW, tokenizer="o200k_base", max_prompt_tokens=66
    )
    assert [memory.memory_id for memory in allocation] == ["m3", "m0"]
    assert allocation.rendered_tokens == 65
