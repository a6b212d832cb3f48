"""The one table of keys, and everything derived from it: JSON Schema, packaged file, documentation."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from configuration_tables import documentation_table
from memory_budget_allocator import ComplexityRules, QueryComplexity, Ranking, WorkspaceConfig, _core
from memory_budget_allocator.configuration_keys import COMPLEXITY_KEYS, RANKING_KEYS, WORKSPACE_KEYS
from memory_budget_allocator.configuration_schema import json_schema
from memory_budget_allocator.errors import ConfigurationError
from memory_budget_allocator.loader.documents import Document
from memory_budget_allocator.loader.sections import read_configuration
from memory_budget_config_loader import MemoryBudgetConfigLoader

REPOSITORY = Path(__file__).resolve().parent.parent
FILE = REPOSITORY / "configs" / "memory-budget.yaml"
SCHEMA = REPOSITORY / "configs" / "memory-budget.schema.json"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_table_covers_every_field() -> None:
    fields = [field.name for field in dataclasses.fields(WorkspaceConfig)]
    assert {row.field for row in WORKSPACE_KEYS} == set(fields)
    assert [row.field for row in COMPLEXITY_KEYS] == [
        field.name for field in dataclasses.fields(ComplexityRules)
    ]
    assert [row.field for row in RANKING_KEYS] == [field.name for field in dataclasses.fields(Ranking)]
    levels = [row.key for row in WORKSPACE_KEYS if row.field == "complexity_multipliers"]
    assert levels == [level.value for level in QueryComplexity]
    paths = [row.path for row in (*WORKSPACE_KEYS, *RANKING_KEYS, *COMPLEXITY_KEYS)]
    assert len(set(paths)) == len(paths)


def test_the_committed_schema_is_the_generated_one() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "memory_budget_allocator.configuration_schema"],
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == SCHEMA.read_text(encoding="utf-8")
    assert json.loads(done.stdout) == json_schema()


def test_the_packaged_text_is_the_file() -> None:
    assert FILE.read_text(encoding="utf-8") == _core.PACKAGED_CONFIGURATION
    assert FILE.read_text(encoding="utf-8").startswith(
        "# yaml-language-server: $schema=./memory-budget.schema.json\n"
    )


def test_the_packaged_file_spells_out_the_defaults(validator: jsonschema.Draft202012Validator) -> None:
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    validator.validate(data)
    assert data["default"] == WorkspaceConfig("default").to_dict()
    assert data["complexity"] == ComplexityRules().to_dict()
    assert MemoryBudgetConfigLoader.load_complexity_rules(FILE) == ComplexityRules()
    assert MemoryBudgetConfigLoader.get_logging_config(FILE) == data["logging"]
    assert MemoryBudgetConfigLoader.get_performance_config(FILE) == data["performance"]
    assert "project_overrides" not in data


def test_the_example_of_overrides_works_once_uncommented() -> None:
    text = FILE.read_text(encoding="utf-8")
    start = text.index("# project_overrides:")
    end = text.index("\n\n", start)
    example = "\n".join(line.removeprefix("# ") for line in text[start:end].splitlines())
    found = read_configuration(Document("example", text[:start] + example + text[end:]), dict)
    config = found.project_configs()["development"]["legacy-migration"]
    assert (config.max_total_tokens, config.freshness_half_life_hours) == (6144, 720.0)


GOOD: list[Any] = [
    None,
    {},
    {"a": {}},
    {"a": {"workspace_id": "a", "promotion": None}},
    {"a": {"template": {"item": "{text}", "headings": "# {tier}\n", "epilogue": "", "order": "edges"}}},
    {"a": {"template": {"headings": {"rag": "Found:", "working": ""}}}},
    {"a": {"template": None}},
    {"logging": None, "performance": {"anything": [1]}, "complexity": None, "project_overrides": None},
    {"project_overrides": {"research": {"p": {"max_total_tokens": 1}}}},
    {
        "complexity": {
            "domain_keywords": [],
            "expert_keywords": ["what if", "a|b"],
            "level_thresholds": [0, 0, 0],
        }
    },
    {"a": {"ranking": "evidence"}},
    {"a": {"ranking": {}}},
    {
        "a": {
            "ranking": {
                "kind": "evidence",
                "normalisation": "rank",
                "lexical_weight": 0,
                "importance_weight": 2,
                "freshness_weight": 0.5,
                "freshness": "power_law",
                "freshness_floor": 1,
                "freshness_half_life_hours": {"rag": 8760, "working": 0.5},
                "smoothing": 0.25,
                "cost_exponent": 1.5,
                "cost_floor": 1,
                "supersession": False,
                "relevance_gate": -0.5,
                "minimum_score": -2,
                "exact_duplicates": True,
                "near_duplicates": 64,
                "diversity": 0,
                "packer": "knapsack",
            }
        }
    },
    {"a": {"ranking": {"freshness_half_life_hours": 24}}},
]
BAD: list[Any] = [
    [],
    "a",
    {"": {}},
    {"a": None},
    {"a": 5},
    {"a": {"max_tokens": 5}},
    {"a": {"max_total_tokens": 0}},
    {"a": {"max_total_tokens": 2**53}},
    {"a": {"max_total_tokens": 5.5}},
    {"a": {"max_total_tokens": "5"}},
    {"a": {"max_total_tokens": None}},
    {"a": {"max_total_tokens": True}},
    {"a": {"tier_allocation": {"working_memory_pct": 1.5}}},
    {"a": {"tier_allocation": {"working_memory_pct": -0.1}}},
    {"a": {"tier_allocation": {"attic": 0.1}}},
    {"a": {"template": {"item": 5}}},
    {"a": {"template": {"heading": "x"}}},
    {"a": {"template": {"headings": {"attic": "x"}}}},
    {"a": {"template": {"headings": {"rag": 5}}}},
    {"a": {"template": {"headings": ["x"]}}},
    {"a": {"template": {"order": "best"}}},
    {"a": {"complexity_multipliers": {"trivial": 1}}},
    {"a": {"complexity_multipliers": {"simple": -1}}},
    {"a": {"scoring_weights": {"relevance": "high"}}},
    {"a": {"freshness": {"half_life_hours": 0}}},
    {"a": {"freshness": 24}},
    {"a": {"promotion": {"threshold": 1.01}}},
    {"a": {"promotion": {"access_threshold": -1}}},
    {"a": {"demotion": {"access_threshold": 1}}},
    {"a": {"tokens_per_char": -0.25}},
    {"a": {"workspace_id": ""}},
    {"logging": "INFO"},
    {"performance": []},
    {"project_overrides": {"research": {"p": {"max_tokens": 1}}}},
    {"project_overrides": {"research": []}},
    {"complexity": {"expert_keywords": "explain"}},
    {"complexity": {"expert_keywords": [5]}},
    {"complexity": {"expert_keywords": [" "]}},
    {"complexity": {"expert_keywords": ["a|"]}},
    {"complexity": {"expert_points": -1}},
    {"complexity": {"level_thresholds": [2, 5]}},
    {"complexity": {"unknown": 1}},
    {"a": {"ranking": "best"}},
    {"a": {"ranking": 5}},
    {"a": {"ranking": []}},
    {"a": {"ranking": None}},
    {"a": {"ranking": {"kind": "best"}}},
    {"a": {"ranking": {"smooth": 0.5}}},
    {"a": {"ranking": {"smoothing": 1.5}}},
    {"a": {"ranking": {"smoothing": "0.5"}}},
    {"a": {"ranking": {"smoothing": None}}},
    {"a": {"ranking": {"lexical_weight": -1}}},
    {"a": {"ranking": {"cost_floor": 0}}},
    {"a": {"ranking": {"cost_floor": 1.5}}},
    {"a": {"ranking": {"near_duplicates": 65}}},
    {"a": {"ranking": {"supersession": 1}}},
    {"a": {"ranking": {"freshness_half_life_hours": 0}}},
    {"a": {"ranking": {"freshness_half_life_hours": {"rag": 0}}}},
    {"a": {"ranking": {"freshness_half_life_hours": {"attic": 5}}}},
    {"a": {"ranking": {"freshness_half_life_hours": [5]}}},
]


@pytest.mark.parametrize("data", GOOD, ids=json.dumps)
def test_schema_and_loader_accept_the_same(validator: jsonschema.Draft202012Validator, data: Any) -> None:
    validator.validate(data)
    text = "" if data is None else json.dumps(data).replace("null", "")
    packaged = {"research": WorkspaceConfig("research").to_dict()}
    read_configuration(Document("test", text), lambda: packaged)


@pytest.mark.parametrize("data", BAD, ids=json.dumps)
def test_schema_and_loader_refuse_the_same(validator: jsonschema.Draft202012Validator, data: Any) -> None:
    assert not validator.is_valid(data)
    packaged = {"research": WorkspaceConfig("research").to_dict()}
    with pytest.raises(ConfigurationError):
        read_configuration(Document("test", json.dumps(data).replace("null", "")), lambda: packaged)


@pytest.mark.parametrize(
    "keys", [WORKSPACE_KEYS, RANKING_KEYS, COMPLEXITY_KEYS], ids=["workspace", "ranking", "complexity"]
)
def test_the_documentation_holds_the_generated_tables(keys: Any) -> None:
    assert documentation_table(keys) in (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
