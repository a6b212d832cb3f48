"""`MemoryBudgetConfigLoader`: workspaces, overrides, sections, and errors that say where to look."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import memory_budget_allocator.loader
from memory_budget_allocator import (
    ComplexityRules,
    MemoryBudgetAllocator,
    MemoryItem,
    PromptTemplate,
    Ranking,
    WorkspaceConfig,
)
from memory_budget_allocator.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationError,
    ConfigurationTypeError,
)
from memory_budget_config_loader import MemoryBudgetConfigLoader

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def refused(path: Path) -> str:
    """The message of the error that loading the file must raise."""
    with pytest.raises(ConfigurationError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}")
    return message


def test_the_two_import_names_are_one_class() -> None:
    assert MemoryBudgetConfigLoader is memory_budget_allocator.loader.MemoryBudgetConfigLoader


def test_the_key_is_the_id_and_missing_keys_default(write: Write) -> None:
    path = write("alpha:\n  max_total_tokens: 100\nbeta-2: {freshness: {half_life_hours: 24}}\n")
    assert MemoryBudgetConfigLoader.load_from_yaml(path) == {
        "alpha": WorkspaceConfig("alpha", max_total_tokens=100),
        "beta-2": WorkspaceConfig("beta-2", freshness_half_life_hours=24.0),
    }
    assert MemoryBudgetConfigLoader.load_from_yaml(str(path)).keys() == {"alpha", "beta-2"}


def test_a_missing_level_keeps_its_default(write: Write) -> None:
    path = write("alpha:\n  complexity_multipliers: {expert: 3}\n")
    config = MemoryBudgetConfigLoader.load_from_yaml(path)["alpha"]
    assert config.complexity_multipliers == {"simple": 0.5, "medium": 1.0, "complex": 1.5, "expert": 3.0}


def test_one_workspace(write: Write) -> None:
    path = write("alpha: {max_total_tokens: 100}\nlogging: {level: INFO}\n")
    load = MemoryBudgetConfigLoader.load_workspace_config
    assert load(path, "alpha") == WorkspaceConfig("alpha", max_total_tokens=100)
    assert load(path, "beta") is None
    assert load(path, "logging") is None
    with pytest.raises(ArgumentTypeError, match="workspace_id"):
        load(path, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "{}\n", "\ufeff"])
def test_an_empty_file_is_an_empty_configuration(write: Write, text: str) -> None:
    path = write(text)
    assert MemoryBudgetConfigLoader.load_from_yaml(path) == {}
    assert MemoryBudgetConfigLoader.load_project_overrides(path) == {}
    assert MemoryBudgetConfigLoader.load_complexity_rules(path) is None
    assert MemoryBudgetConfigLoader.get_logging_config(path) == {}
    assert MemoryBudgetConfigLoader.get_performance_config(path) == {}


def test_sections_with_everything_commented_out_are_empty(write: Write) -> None:
    path = write(
        "alpha:\n  tier_allocation:\n    # working_memory_pct: 0.3\n"
        "logging:\nperformance:\ncomplexity:\nproject_overrides:\n"
    )
    assert MemoryBudgetConfigLoader.load_from_yaml(path) == {"alpha": WorkspaceConfig("alpha")}
    assert MemoryBudgetConfigLoader.load_project_overrides(path) == {}
    assert MemoryBudgetConfigLoader.load_complexity_rules(path) is None
    assert MemoryBudgetConfigLoader.get_logging_config(path) == {}


def test_free_sections_come_as_plain_python(write: Write) -> None:
    path = write(
        "logging:\n  level: DEBUG\n  file:\n  rotate: true\n  sizes: [1, 2.5, 1.0e+3]\n  more: {a: 'no'}\n"
        "performance: {workers: 4, label: '012'}\n"
    )
    assert MemoryBudgetConfigLoader.get_logging_config(path) == {
        "level": "DEBUG",
        "file": None,
        "rotate": True,
        "sizes": [1, 2.5, 1000.0],
        "more": {"a": "no"},
    }
    assert MemoryBudgetConfigLoader.get_performance_config(path) == {"workers": 4, "label": "012"}
    assert MemoryBudgetConfigLoader.load_from_yaml(path) == {}


def test_complexity_rules(write: Write) -> None:
    path = write("complexity:\n  expert_keywords: [prove]\n  domain_keywords: []\n  turn_count_above: 7\n")
    assert MemoryBudgetConfigLoader.load_complexity_rules(path) == ComplexityRules(
        expert_keywords=("prove",), domain_keywords=(), turn_count_above=7.0
    )


def test_project_overrides_lie_over_their_workspace(write: Write) -> None:
    path = write(
        "alpha:\n"
        "  max_total_tokens: 100\n"
        "  freshness: {half_life_hours: 24}\n"
        "  complexity_multipliers: {simple: 0.1}\n"
        "project_overrides:\n"
        "  alpha:\n"
        "    web: {max_total_tokens: 200, complexity_multipliers: {expert: 9}}\n"
        "    same: {workspace_id: alpha}\n"
        "  research:\n"
        "    thesis: {promotion: {access_threshold: 1}}\n"
    )
    overrides = MemoryBudgetConfigLoader.load_project_overrides(path)
    alpha = MemoryBudgetConfigLoader.load_from_yaml(path)["alpha"]
    assert overrides["alpha"]["same"] == alpha
    web = overrides["alpha"]["web"]
    assert web == WorkspaceConfig(
        "alpha",
        max_total_tokens=200,
        freshness_half_life_hours=24.0,
        complexity_multipliers={"simple": 0.1, "medium": 1.0, "complex": 1.5, "expert": 9.0},
    )
    # A workspace that only the packaged configuration knows.
    packaged = MemoryBudgetConfigLoader.load_default()["research"]
    packaged.promotion_access_threshold = 1
    assert overrides["research"]["thesis"] == packaged


def test_a_template_of_a_workspace_and_of_its_projects(write: Write) -> None:
    path = write(
        "a:\n  template:\n    prologue: ''\n    item: '- {text}'\n    epilogue: ''\n"
        "    order: chronological\n"
        "b: {template: {headings: {rag: 'Found: ', working: 'Now: '}}}\n"
        "c: {template: {}}\n"
        "project_overrides: {a: {p: {template: {item: '* {text}'}}}}\n"
    )
    found = MemoryBudgetConfigLoader.load_from_yaml(path)
    assert found["a"].template == PromptTemplate(
        prologue="", item="- {text}", epilogue="", order="chronological"
    )
    assert found["b"].template == PromptTemplate(headings={"rag": "Found: ", "working": "Now: "})
    assert found["c"].template is None
    project = MemoryBudgetConfigLoader.load_project_overrides(path)["a"]["p"].template
    assert project == PromptTemplate(prologue="", item="* {text}", epilogue="", order="chronological")
    allocator = MemoryBudgetAllocator.from_yaml(path)
    memory = MemoryItem("m", "A fact.", "rag", None)
    assert allocator.allocate("q", [memory], "a").render() == "- A fact."
    assert allocator.allocate("q", [memory], "a", project_id="p").render() == "* A fact."


def test_an_allocator_takes_it_all(write: Write) -> None:
    path = write(
        "alpha: {max_total_tokens: 100}\nproject_overrides: {alpha: {web: {max_total_tokens: 200}}}\n"
        "complexity: {level_thresholds: [1, 1, 1]}\n"
    )
    allocator = MemoryBudgetAllocator.from_yaml(path)
    assert allocator.resolve_config("alpha", "web")[0].max_total_tokens == 200
    assert allocator.resolve_config("alpha")[0].max_total_tokens == 100
    assert allocator.resolve_config("research")[1] == "workspace"
    assert allocator.estimate_query_complexity("why") == "expert"


def test_the_packaged_configuration_is_fresh_each_time() -> None:
    first = MemoryBudgetConfigLoader.load_default()
    first["research"].complexity_multipliers["simple"] = 9.0
    del first["default"]
    second = MemoryBudgetConfigLoader.load_default()
    assert second["research"].complexity_multipliers["simple"] == 0.5
    assert len(second) == 6


def test_the_packaged_configuration_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from memory_budget_allocator.loader import composition, documents

    parsed: list[str] = []
    original = composition.compose

    def counting(name: str, text: str) -> object:
        parsed.append(name)
        return original(name, text)

    monkeypatch.setattr(documents, "compose", counting)
    monkeypatch.setattr(memory_budget_allocator.loader, "_packaged", None)
    threads = [threading.Thread(target=MemoryBudgetConfigLoader.load_default) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(parsed) == 1


def test_importing_the_library_does_not_import_yaml() -> None:
    code = "import sys, memory_budget_allocator, memory_budget_config_loader; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "place", "parts"),
    [
        ("a:\n  max_tokens: 5\n", "line 2, column 3", ["a.max_tokens", "unknown key", "'max_total_tokens'"]),
        ("a:\n  promotion:\n    treshold: 1\n", "line 3, column 5", ["a.promotion.treshold", "'threshold'"]),
        ("a:\n  rag_memory_pct: 1\n", "line 2, column 3", ["did you mean 'tier_allocation.rag_memory_pct'?"]),
        ("a: {x: 1}\n", "line 1, column 5", ["a.x", "unknown key", "nearest known key"]),
        ("loging: {level: INFO}\n", "line 1, column 10", ["loging.level", "section 'logging'"]),
        (
            "complexity: {expert_word: []}\n",
            "line 1, column 14",
            ["complexity.expert_word", "'expert_keywords'"],
        ),
        ("a:\n  max_total_tokens: 0\n", "line 2, column 21", ["a.max_total_tokens", "from 1", "got 0"]),
        ("a:\n  max_total_tokens: -5\n", "line 2, column 21", ["got -5"]),
        ("a:\n  max_total_tokens: 9007199254740992\n", "line 2", ["got 9007199254740992"]),
        (
            "a: {promotion: {threshold: 1.5}}\n",
            "line 1, column 28",
            ["a.promotion.threshold", "0 to 1", "got 1.5"],
        ),
        ("a: {demotion: {threshold: -0.1}}\n", "line 1", ["a.demotion.threshold", "got -0.1"]),
        ("a: {freshness: {half_life_hours: 0}}\n", "line 1", ["above 0, got 0"]),
        ("a: {tokens_per_char: -1}\n", "line 1", ["a.tokens_per_char", "got -1"]),
        (
            "a: {complexity_multipliers: {expert: -2}}\n",
            "line 1",
            ["a.complexity_multipliers.expert", "got -2"],
        ),
        ("a: {promotion: {access_threshold: -1}}\n", "line 1", ["a.promotion.access_threshold", "got -1"]),
        ("a: {workspace_id: b}\n", "line 1, column 19", ["a.workspace_id", "'a'", "'b'"]),
        (
            "a:\n  tier_allocation:\n    rag_memory_pct: 0.5\n",
            "line 2, column 3",
            ["a.tier_allocation", "sum to 1", "got 1.25", "rag_memory_pct 0.5"],
        ),
        ("a: {scoring_weights: {relevance: 0.9}}\n", "line 1, column 5", ["a.scoring_weights", "got 1.4"]),
        (
            "project_overrides:\n  reserch:\n    p: {}\n",
            "line 2, column 3",
            ["project_overrides.reserch", "no workspace", "'research'"],
        ),
        (
            "a: {}\nproject_overrides: {a: {p: {max_tokens: 1}}}\n",
            "line 2, column 29",
            ["project_overrides.a.p.max_tokens", "'max_total_tokens'"],
        ),
        ("a: {}\nproject_overrides: {a: {p: {workspace_id: p}}}\n", "line 2", ["must be 'a'", "got 'p'"]),
        (
            "a: {}\nproject_overrides: {a: {p: {demotion: {threshold: 2}}}}\n",
            "line 2",
            ["a.p.demotion.threshold"],
        ),
        (
            "a:\n  template:\n    prologue: x\n    item: no slot\n",
            "line 4, column 11",
            ["PromptTemplate: item:", "{text}"],
        ),
        (
            "a:\n  template:\n    headings: {rag: '{txt}'}\n",
            "line 3, column 15",
            ["headings[rag]", "unknown slot {txt}"],
        ),
        (
            "a: {template: {headings: {attic: x}}}\n",
            "line 1, column 27",
            ["template.headings.attic", "'rag'"],
        ),
        ("a: {template: {footer: x}}\n", "line 1, column 16", ["a.template.footer", "unknown key"]),
        ("a: {template: {order: best}}\n", "line 1, column 23", ["score or chronological", "got best"]),
        ("complexity: {level_thresholds: [5, 2, 8]}\n", "line 1, column 32", ["level_thresholds"]),
        ("complexity: {level_thresholds: [2, 5]}\n", "line 1, column 32", ["level_thresholds"]),
        ("complexity: {length_steps: [5, 5]}\n", "line 1, column 28", ["length_steps"]),
        ("complexity: {domain_keywords: ['a|']}\n", "line 1, column 31", ["domain_keywords"]),
    ],
)
def test_values_that_cannot_be_are_found_where_they_stand(
    write: Write, text: str, place: str, parts: list[str]
) -> None:
    message = refused(write(text))
    for part in [place, *parts]:
        assert part in message, message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("- a\n", ["line 1", "the file must be a mapping", "got a list"]),
        ("hello\n", ["the file must be a mapping", "got hello"]),
        ("null\n", ["the file must be a mapping", "got null"]),
        ("a: 5\n", ["a must be a mapping", "got 5"]),
        ("a: [1]\n", ["a must be a mapping", "got a list"]),
        ("a: ~\n", ["a must be a mapping", "got ~"]),
        ("a:\n", ["a holds nothing", "write {}"]),
        ("a: {}\nproject_overrides: {a: {p: }}\n", ["project_overrides.a.p holds nothing"]),
        ("a: {promotion: 0.8}\n", ["a.promotion must be a mapping", "got 0.8"]),
        ("a: {max_total_tokens: '5'}\n", ["a.max_total_tokens", "whole number", "got '5'"]),
        ("a: {max_total_tokens: many}\n", ["got many"]),
        ("a: {max_total_tokens: 5.5}\n", ["got 5.5"]),
        ("a: {max_total_tokens: 5.0}\n", ["got 5.0"]),
        ("a: {max_total_tokens: true}\n", ["got true"]),
        ("a: {max_total_tokens: [5]}\n", ["got a list"]),
        ("a: {max_total_tokens: {}}\n", ["got a mapping"]),
        ("a: {max_total_tokens: }\n", ["got nothing"]),
        ("a: {tokens_per_char: ~}\n", ["a.tokens_per_char", "got ~"]),
        ("a: {tokens_per_char: |\n    0.5\n  }\n", ["not valid YAML"]),
        ("a: {workspace_id: [a]}\n", ["a.workspace_id", "got a list"]),
        ("project_overrides: []\n", ["project_overrides must be a mapping"]),
        ("project_overrides: {research: 5}\n", ["project_overrides.research must be a mapping"]),
        ("logging: INFO\n", ["logging must be a mapping", "got INFO"]),
        ("performance: [1]\n", ["performance must be a mapping"]),
        ("complexity: []\n", ["complexity must be a mapping"]),
        (
            "complexity: {expert_keywords: explain}\n",
            ["complexity.expert_keywords must be a list", "got explain"],
        ),
        ("complexity: {expert_keywords: }\n", ["complexity.expert_keywords must be a list", "got nothing"]),
        ("complexity: {expert_keywords: [[a]]}\n", ["complexity.expert_keywords", "got a list"]),
        ("complexity: {length_steps: 5}\n", ["complexity.length_steps must be a list"]),
        ("complexity: {length_steps: [a]}\n", ["complexity.length_steps", "got a"]),
        ("complexity: {expert_points: two}\n", ["complexity.expert_points", "got two"]),
        ("[a]: {}\n", ["a key must be text", "got a list"]),
        ("{a: 1}: {}\n", ["a key must be text", "got a mapping"]),
        ("'': {}\n", ["must not be empty"]),
    ],
)
def test_wrong_types_are_refused(write: Write, text: str, parts: list[str]) -> None:
    message = refused(write(text))
    for part in parts:
        assert part in message, message


def test_errors_carry_field_and_value(write: Write) -> None:
    with pytest.raises(ConfigurationError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(write("a: {promotion: {threshold: 1.5}}\n"))
    assert (caught.value.field, caught.value.value) == ("promotion_threshold", 1.5)
    with pytest.raises(ConfigurationTypeError) as mistyped:
        MemoryBudgetConfigLoader.load_from_yaml(write("a: {tokens_per_char: many}\n"))
    assert (mistyped.value.field, mistyped.value.value) == ("tokens_per_char", "many")


def test_a_file_is_valid_as_a_whole_or_not_at_all(write: Write) -> None:
    path = write("a: {max_total_tokens: 0}\nlogging: {level: INFO}\n")
    for load in (
        MemoryBudgetConfigLoader.get_logging_config,
        MemoryBudgetConfigLoader.get_performance_config,
        MemoryBudgetConfigLoader.load_project_overrides,
        MemoryBudgetConfigLoader.load_complexity_rules,
    ):
        with pytest.raises(ConfigurationError, match="max_total_tokens"):
            load(path)


def test_long_values_are_shortened_and_line_breaks_escaped(write: Write) -> None:
    message = refused(write(f'"a\\nb":\n  max_total_tokens: "{"x" * 5000}"\n'))
    assert "'a\\nb'.max_total_tokens" in message
    assert len(message) < 500


def test_duplicate_keys_the_last_wins_with_a_warning(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a:\n  max_total_tokens: 1\n  max_total_tokens: 2\nb: {}\nb: {max_total_tokens: 3}\n")
    configs = MemoryBudgetConfigLoader.load_from_yaml(path)
    assert (configs["a"].max_total_tokens, configs["b"].max_total_tokens) == (2, 3)
    top, inner = (record.getMessage() for record in caplog.records)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert f"{path}, line 5, column 1: the key b stands twice" in top
    assert f"{path}, line 3, column 3: the key a.max_total_tokens stands twice" in inner
    assert "line 2" in inner


def test_thresholds_without_a_gap_are_one_warning(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a: {promotion: {threshold: 0.2}}\nb: {}\n")
    MemoryBudgetConfigLoader.load_from_yaml(path)
    assert len(caplog.records) == 1
    MemoryBudgetConfigLoader.get_logging_config(path)
    MemoryBudgetConfigLoader.load_workspace_config(path, "b")
    assert len(caplog.records) == 1


def test_merge_keys_share_settings(write: Write) -> None:
    path = write(
        "base: &base\n  workspace_id: base\n  max_total_tokens: 100\n  freshness: {half_life_hours: 24}\n"
        "small: &small {tokens_per_char: 0.5, max_total_tokens: 7}\n"
        "one:\n  <<: *base\n  max_total_tokens: 200\n"
        "two:\n  <<: [*small, *base]\n"
    )
    configs = MemoryBudgetConfigLoader.load_from_yaml(path)
    assert configs["one"] == WorkspaceConfig("one", max_total_tokens=200, freshness_half_life_hours=24.0)
    assert configs["two"] == WorkspaceConfig(
        "two", max_total_tokens=7, tokens_per_char=0.5, freshness_half_life_hours=24.0
    )
    assert "merges something that is no mapping" in refused(write("a: {<<: 5}\n"))
    assert "'<<' is an unknown key" in refused(write("a: {'<<': {}}\n"))


def test_errors_in_an_override_do_not_depend_on_its_order(write: Write) -> None:
    path = write("project_overrides: {late: {p: {max_total_tokens: 9}}}\nlate: {tokens_per_char: 0.5}\n")
    config = MemoryBudgetConfigLoader.load_project_overrides(path)["late"]["p"]
    assert config == WorkspaceConfig("late", max_total_tokens=9, tokens_per_char=0.5)


# Tokenizers


def test_a_tokenizer_is_a_name_or_a_file_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    elsewhere = (tmp_path / "elsewhere" / "own.json").as_posix()
    (folder / "settings.yaml").write_text(
        "named: {tokenizer: gpt-4o}\n"
        "beside: {tokenizer: llama/tokenizer.json}\n"
        "above: {tokenizer: ../tokenizer.json}\n"
        f"elsewhere: {{tokenizer: {elsewhere}}}\n"
        "project_overrides: {beside: {plain: {max_total_tokens: 9}, own: {tokenizer: own.json}}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)  # the file is sought beside the configuration, not from here
    found = MemoryBudgetConfigLoader.load_from_yaml("settings/settings.yaml")
    assert found["named"].tokenizer == "gpt-4o"
    assert Path(found["beside"].tokenizer) == folder / "llama" / "tokenizer.json"
    assert Path(found["above"].tokenizer).resolve() == tmp_path / "tokenizer.json"
    assert Path(found["elsewhere"].tokenizer) == tmp_path / "elsewhere" / "own.json"
    projects = MemoryBudgetConfigLoader.load_project_overrides("settings/settings.yaml")["beside"]
    assert projects["plain"].tokenizer == found["beside"].tokenizer
    assert Path(projects["own"].tokenizer) == folder / "own.json"
    # Read when it is needed, wherever the program is by then; the path of a call is from there.
    monkeypatch.chdir(folder)
    allocator = MemoryBudgetAllocator(found["beside"])
    memories = [MemoryItem("a", "text", "rag", None)]
    with pytest.raises(ConfigurationError, match=r"settings.llama.tokenizer\.json': No such file"):
        allocator.allocate("q", memories)
    with pytest.raises(ArgumentValueError, match=r"tokenizer file 'llama.tokenizer\.json': No such file"):
        allocator.allocate("q", memories, tokenizer="llama/tokenizer.json")


# Rankings


PARTS = {"kind": "evidence", "smoothing": 0.2, "freshness_half_life_hours": {"rag": 24.0}}


def test_a_ranking_is_a_name_a_mapping_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    (folder / "learned.json").write_text(json.dumps(PARTS), encoding="utf-8")
    path = folder / "settings.yaml"
    path.write_text(
        "named: {ranking: evidence}\n"
        "written: {ranking: {kind: evidence, smoothing: 0.2, freshness_half_life_hours: {rag: 24}}}\n"
        "in_a_file: {ranking: learned.json}\n"
        "project_overrides: {in_a_file: {plain: {ranking: {smoothing: 0.1}}}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)  # the file is sought beside the configuration, not from here
    found = MemoryBudgetConfigLoader.load_from_yaml("settings/settings.yaml")
    assert found["named"].ranking == "evidence"
    assert found["written"].ranking == found["in_a_file"].ranking == Ranking.from_dict(PARTS)
    assert found["in_a_file"].to_dict()["ranking"] == PARTS
    # What a project says stands for itself: a mapping is one ranking, not changes of another.
    overrides = MemoryBudgetConfigLoader.load_project_overrides("settings/settings.yaml")
    assert overrides["in_a_file"]["plain"].ranking == Ranking(smoothing=0.1)


def test_a_ranking_reads_what_it_writes(tmp_path: Path) -> None:
    ranking = Ranking.from_dict(PARTS)
    path = tmp_path / "ranking.json"
    path.write_text(json.dumps(ranking.to_dict()), encoding="utf-8")
    assert Ranking.from_file(path) == ranking
    path.write_text("", encoding="utf-8")
    assert Ranking.from_file(path) == Ranking()
    numbers = Ranking(smoothing=np.float32(0.5), cost_floor=np.int64(7), supersession=True)
    assert json.loads(json.dumps(numbers.to_dict())) == {
        "kind": "weighted",
        "smoothing": 0.5,
        "cost_floor": 7,
        "supersession": True,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: {ranking: best}",
            "line 1, column 14: a.ranking must be weighted or evidence, a mapping",
        ),
        (
            "a:\n  ranking: {smooth: 1}",
            "a.ranking.smooth is an unknown key; the nearest known key is",
        ),
        ("a: {ranking: {smoothing: 1.5}}", "a.ranking.smoothing must be a number from 0 to 1, got 1.5"),
        ("a: {ranking: {kind: best}}", "a.ranking.kind must be weighted or evidence, got best"),
        (
            "a: {ranking: {freshness_half_life_hours: {attic: 1}}}",
            "a.ranking.freshness_half_life_hours.attic is no tier; the nearest tier is",
        ),
        ("a: {ranking: gone.json}", "a.ranking names a file that cannot be used: [Errno 2] there is no such"),
        ("a: {ranking: wrong.json}", "wrong.json, line 1, column 15: smoothing must be a number from 0 to 1"),
        ("a: {smoothing: 0.2}", "a.smoothing is an unknown key; did you mean 'ranking.smoothing'?"),
    ],
)
def test_what_is_wrong_with_a_ranking_has_a_place(write: Write, text: str, message: str) -> None:
    path = write(text)
    (path.parent / "wrong.json").write_text('{"smoothing": 5}')
    assert message in refused(path)
