"""What each command prints: for programs exactly the result of the call, for people aligned tables."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    WorkspaceConfig,
    __version__,
)
from memory_budget_allocator.command_line import main
from memory_budget_allocator.command_line.allocate import verdicts_of
from memory_budget_allocator.text_width import display_width

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = "2026-03-14T15:00:00Z"
WHEN = datetime(2026, 3, 14, 15, tzinfo=UTC)
WIDE = "データベースの移行は三月末までに終わらせる予定。担当は田中さんと鈴木さんです。" * 3

RECORDS: list[dict[str, Any]] = [
    {
        "memory_id": "first",
        "text": "User is implementing a REST API",
        "tier": "working",
        "relevance_score": 0.9,
    },
    {"memory_id": "large", "text": "x", "tier": "working", "relevance_score": 0.8, "token_count": 5000},
    {
        "memory_id": "日本語",
        "text": WIDE,
        "tier": "rag",
        "relevance_score": 0.5,
        "timestamp": "2026-03-14T14:00:00",
    },
    {"memory_id": "e\u0301\x1b[31m\n\ud800", "text": "tab\there \u202e", "tier": "rag", "access_count": 9},
    {
        "memory_id": "y" * 200,
        "text": "z" * 2000,
        "tier": "project",
        "last_accessed": NOW,
        "access_count": 4,
        "relevance_score": 0.9,
    },
]


def items() -> list[MemoryItem]:
    def moment(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text)

    times = ("timestamp", "last_accessed")
    return [
        MemoryItem(**(record | dict[str, Any]((key, moment(record.get(key))) for key in times)))
        for record in RECORDS
    ]


@pytest.fixture
def memories(tmp_path: Path) -> str:
    path = tmp_path / "memories.json"
    path.write_text(json.dumps(RECORDS))
    return str(path)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str, columns: int = 80) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        code = main(arguments)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


Run: TypeAlias = "Callable[..., tuple[int, str, str]]"


def without_duration(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "processing_time_ms"}


# allocate


def test_allocate_as_json_is_the_result_of_the_call(run: Run, memories: str) -> None:
    code, out, err = run(
        *("allocate", memories, "--query", "Why?", "--workspace", "research", "--now", NOW, "--json"),
        *("--context", '{"requires_retrieval": true}'),
    )
    assert (code, err) == (0, "")
    expected = MemoryBudgetAllocator().allocate_memory_budget(
        "Why?", items(), "research", {"requires_retrieval": True}, current_time=WHEN
    )
    assert without_duration(json.loads(out)) == without_duration(dict(expected))
    assert "日本語" in out


def test_allocate_for_people(run: Run, memories: str) -> None:
    code, out, err = run("allocate", memories, "--query", "How do I use FastAPI?", "--now", NOW)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "Query       How do I use FastAPI?",
        "Complexity  medium, budgets x 1",
        "Workspace   default, 8192 tokens",
        "Time        2026-03-14T15:00:00+00:00",
    ]
    assert "working      2458     7  2451  [#-------------------]   0.28 %  1 of 2" in lines
    assert "long_term    1638     0  1638  [--------------------]   0.00 %  0 of 0" in lines
    first = next(line for line in lines if line.startswith("  first "))
    assert re.search(r" 0\.800 = 0\.450 \+ 0\.150 \+ 0\.200 +7  User is imp", first)
    assert "  large   0.750  needs 5000 tokens, more than the whole budget of 2458" in lines
    assert not any(character in out for character in "\x1b\t\u202e\ud800")


@pytest.mark.parametrize("columns", [80, 100, 120, 200])
def test_tables_fit_the_terminal_and_are_aligned(run: Run, memories: str, columns: int) -> None:
    for command in (
        ["allocate", memories, "--query", "How " * 300],
        ["allocate", memories, "--query", "x", "--workspace", "w" * 300, "--project", "p" * 300],
        ["promote", memories, "--now", NOW],
        ["complexity", "Design a scalable event-driven architecture: how and why " * 9],
        ["config", "show", "research"],
    ):
        code, out, _ = run(*command, columns=columns)
        assert code == 0
        assert max(map(display_width, out.splitlines())) <= columns
        assert not any(line.endswith(" ") for line in out.splitlines())


def test_columns_of_wide_and_combining_characters_are_aligned(run: Run, memories: str) -> None:
    _, out, _ = run("allocate", memories, "--query", "x", "--now", NOW)
    rows = [line for line in out.splitlines() if re.search(r"\d\.\d{3} = ", line)]
    assert len(rows) == 4
    assert {display_width(row[: row.index(" = ")]) for row in rows} == {
        display_width(rows[0].split(" = ")[0])
    }


def test_memories_of_a_tier_without_budget_say_so(run: Run, memories: str, tmp_path: Path) -> None:
    settings = tmp_path / "none.yaml"
    settings.write_text(
        "none:\n  tier_allocation: {working_memory_pct: 0, project_memory_pct: 0,"
        " long_term_memory_pct: 1, rag_memory_pct: 0}\n"
    )
    _, out, _ = run("allocate", memories, "--query", "x", "--config", str(settings), "--workspace", "none")
    assert "Nothing was taken." in out
    assert "needs 5000 tokens, more than the whole budget of 0" in out
    assert "working         0     0     0  [--------------------]   0.00 %  0 of 2" in out.splitlines()


def test_long_lists_of_what_was_left_out_are_cut_unless_asked_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    records = [
        {"memory_id": f"m{n}", "text": "", "tier": "rag", "token_count": 10**6, "relevance_score": n / 50}
        for n in range(50)
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    _, out, _ = run("allocate", str(path), "--query", "x")
    assert out.count("needs 1000000 tokens") == 10
    assert "  m49 " in out
    assert "  ... and 40 more (--all lists them)" in out
    _, out, _ = run("allocate", str(path), "--query", "x", "--all")
    assert out.count("needs 1000000 tokens") == 50
    assert "--all" not in out


def test_what_was_left_when_its_turn_came(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    costs = [600, 700, 400, 20]  # of the rag tier's 1024
    records = [
        {
            "memory_id": f"m{n}",
            "text": "",
            "tier": "rag",
            "token_count": cost,
            "relevance_score": 0.9 - n / 10,
        }
        for n, cost in enumerate(costs)
    ]
    path.write_text(json.dumps(records))
    _, out, _ = run("allocate", str(path), "--query", "x")
    assert "needs 700 tokens, and 424 of the budget of 1024 were left when its turn came" in " ".join(
        out.split()
    )
    assert "3 of 4" in out


@given(
    st.lists(
        st.tuples(st.sampled_from(MemoryTier), st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 1500)),
        max_size=30,
    )
)
def test_what_was_taken_fitted_and_what_was_left_out_did_not(
    memories: list[tuple[MemoryTier, float, int]],
) -> None:
    items = [
        MemoryItem("m", "", tier, None, relevance_score=relevance, token_count=tokens)
        for tier, relevance, tokens in memories
    ]
    allocation = MemoryBudgetAllocator(log_allocations=False).allocate("x", items)
    verdicts = [verdict for tier in verdicts_of(items, allocation).values() for verdict in tier]
    assert len(verdicts) == len(items)
    for verdict in verdicts:
        assert verdict.receipt.left is not None
        assert verdict.taken == (verdict.item.token_count <= verdict.receipt.left)


def test_limits_of_one_run(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "memories.jsonl"
    fields = [
        ("rule", "working", 300, 0.0, True),
        ("chat", "working", 500, 0.9, False),
        ("wide", "working", 4000, 0.8, False),
        ("poor", "rag", 10, 0.1, False),
    ]
    records = [
        {"memory_id": name, "text": name, "tier": tier, "token_count": tokens, "relevance_score": score}
        | ({"pinned": True} if pinned else {})
        for name, tier, tokens, score, pinned in fields
    ]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    command = ["allocate", str(path), "--query", "How do I use FastAPI?", "--now", NOW]
    ceiling = ["--max-prompt-tokens", "3000", "--reserve", "system=200", "--reserve", "completion=800"]
    code, out, err = run(*command, *ceiling, "--minimum-score", "0.5")
    assert (code, err) == (0, "")
    assert (
        "Ceiling     3000 tokens, system 200, completion 800 reserved, 2000 for memories" in out.splitlines()
    )
    assert re.search(
        r"^  chat +0\.800  needs 500 tokens, and the ceiling of 3000 tokens leaves no", out, re.MULTILINE
    )
    assert re.search(
        r"^  poor +0\.400  its score 0\.4 is below the minimum score of 0\.5$", out, re.MULTILINE
    )
    code, out, err = run(*command, *ceiling, "--minimum-score", "0.5", "--spill-over")
    assert (code, err) == (0, "")
    assert re.search(r"^working +800 +800 +0 ", out, re.MULTILINE)
    assert re.search(
        r"^  wide +0\.750  needs 4000 tokens, and the ceiling of 3000 tokens leaves no", out, re.MULTILINE
    )
    code, out, err = run(*command, "--max-prompt-tokens", "100")
    assert (code, out) == (1, "")
    assert "pinned memories of the working tier need 300 tokens, its budget is 30" in err


def test_another_ranking_for_one_run(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "memories.jsonl"
    fields = [
        ("large", 1000, 0.9),
        ("small", 40, 0.8),
        ("again", 60, 0.7),
        ("other", 30, 0.1),
        ("huge", 5000, 0.2),
    ]
    records = [
        {"memory_id": name, "text": name, "tier": "rag", "token_count": tokens, "relevance_score": relevance}
        for name, tokens, relevance in fields
    ]
    records[2]["text"] = "Small!"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    command = ["allocate", str(path), "--query", "How do I use FastAPI?", "--now", NOW]
    items = [MemoryItem(**record | {"timestamp": None}) for record in records]
    for ranking in ("weighted", "evidence"):
        code, out, err = run(*command, "--json", "--ranking", ranking)
        assert (code, err) == (0, "")
        allocation = MemoryBudgetAllocator().allocate(
            "How do I use FastAPI?", items, current_time=WHEN, ranking=ranking
        )
        selected = json.loads(out)["tiers"]["rag"]["selected_memories"]
        assert [each["memory_id"] for each in selected] == [
            each["memory_id"] for each in allocation.to_dict()["tiers"]["rag"]["selected_memories"]
        ]
        code, out, err = run(*command, "--ranking", ranking)
        assert (code, err) == (0, "")
        shown = re.findall(r"^  (\w+) +[01]\.\d+ = ", out, re.MULTILINE)
        assert shown == [items[position].memory_id for position in allocation.selected_positions]
        assert ("Ranking     evidence" in out.splitlines()) == (ranking == "evidence")
        assert ("SCORE is the documented score" in out) == (ranking == "evidence")
    assert re.search(
        r"^  again +0\.\d+  says what 'small' says, which had its turn before$", out, re.MULTILINE
    )
    assert re.search(
        r"^  huge +0\.\d+  needs 5000 tokens, more than the whole budget of 2048$", out, re.MULTILINE
    )
    code, out, _ = run(*command, "--ranking", "evidence", "--spill-over")
    assert re.search(
        r"^  again +0\.\d+  says what 'small' says, which had its turn before$", out, re.MULTILINE
    )
    code, out, err = run(*command, "--ranking", "evidence", "--explain", "small")
    assert (code, err) == (0, "")
    assert "relevance" in out
    assert "cost" in out
    own = tmp_path / "own.json"
    own.write_text('{"kind": "evidence", "exact_duplicates": false}')
    code, out, _ = run(*command, "--ranking", str(own))
    assert code == 0
    assert re.search(r"^  again +0\.\d+ = ", out, re.MULTILINE)
    own.write_text('{"exact_duplicate": false}')
    code, out, err = run(*command, "--ranking", str(own))
    assert (code, out) == (1, "")
    assert "own.json, line 1, column 2: exact_duplicate is an unknown key" in err
    code, out, err = run(*command, "--ranking", "best")
    assert (code, out) == (2, "")
    assert "--ranking: must be weighted, evidence or a .json file, got 'best'" in err


def test_clamped_and_enormous_scores(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    scores = {"above": 5.0, "below": -5.0, "huge": 1e300}
    records = [
        {"memory_id": name, "text": "t", "tier": "rag", "relevance_score": score}
        for name, score in scores.items()
    ]
    path.write_text(json.dumps(records))
    _, out, _ = run("allocate", str(path), "--query", "x", "--now", NOW)
    assert re.search(r"  above  1\.000 < +2\.500 \+ 0\.150 \+ 0\.200 ", out)
    assert re.search(r"  below  0\.000 > +-2\.500 \+ 0\.150 \+ 0\.200 ", out)
    assert re.search(r"  huge   1\.000 < 5\.00e\+299 \+ 0\.150 \+ 0\.200 ", out)


def test_an_unknown_workspace_is_a_warning(run: Run, memories: str) -> None:
    code, out, err = run("allocate", memories, "--query", "x", "--workspace", "no\npe")
    assert code == 0
    assert err == "memory-budget: warning: unknown workspace no\\npe: using the default configuration\n"
    assert "no\\npe (unknown: the default settings apply), 8192 tokens" in out


def test_projects_and_warnings_of_a_file(run: Run, memories: str, tmp_path: Path) -> None:
    settings = tmp_path / "own.yaml"
    settings.write_text(
        "chat: {max_total_tokens: 100, max_total_tokens: 200}\n"
        "project_overrides: {chat: {site: {max_total_tokens: 300}}}\n"
    )
    options = ["--query", "x", "--config", str(settings), "--workspace", "chat"]
    _, out, err = run("allocate", memories, *options, "--project", "site", "--json")
    result = json.loads(out)
    assert (result["config_scope"], result["budget"]["max_total_tokens"]) == ("project", 300)
    assert err.count("stands twice in the same mapping") == 1
    _, out, _ = run("allocate", memories, *options, "--project", "other")
    assert "chat, project other (without settings of its own), 200 tokens" in out
    assert logging.getLogger("memory_budget_allocator").handlers == []


# complexity


def test_complexity(run: Run) -> None:
    query = "Design a scalable microservices architecture with event-driven communication"
    code, out, _ = run("complexity", query, "--context", '{"turns": 4}', "--json")
    assert code == 0
    assert json.loads(out) == MemoryBudgetAllocator().analyze_query_complexity(query, {"turns": 4})
    _, out, _ = run("complexity", query, columns=120)
    lines = out.splitlines()
    assert lines[1] == "Complexity  expert, 8 points"
    assert "     2  expert keyword  design" in lines
    assert lines[-1] == "     8  total"
    _, out, _ = run("complexity", "Hello")
    assert out.splitlines()[-1] == "Nothing earns a point: 1 word, no keyword, no context."


def test_complexity_with_rules_of_a_file(run: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "complexity: {expert_keywords: [haiku], expert_points: 3, level_thresholds: [1, 1, 4]}\n"
    )
    _, out, _ = run("complexity", "a haiku", "--config", str(rules))
    assert "Complexity  complex, 3 points" in out
    assert "Levels      simple 0, complex 1-3, expert 4+" in out


# promote


def test_promote_as_json_scores_what_has_no_score(run: Run, memories: str) -> None:
    code, out, _ = run("promote", memories, "--now", NOW, "--json")
    assert code == 0
    allocator, scored = MemoryBudgetAllocator(), items()
    config, _ = allocator.resolve_config("default")
    for item in scored:
        allocator.calculate_memory_score(item, config, WHEN)
    expected = allocator.evaluate_promotion_demotion(scored, config, WHEN)
    assert json.loads(out) == expected
    assert expected["promotions"]


def test_a_score_in_the_file_counts_as_it_stands(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "scored.json"
    record = {"memory_id": "m", "text": "t", "tier": "project", "combined_score": 0.99, "access_count": 3}
    path.write_text(json.dumps([record]))
    _, out, _ = run("promote", str(path), "--now", NOW)
    assert "Evaluated  1 memory\n" in out
    assert "  m   project  working  score 0.9950 >= 0.8 and 3 accesses >= 3" in out.splitlines()
    assert out.endswith("\n1 up, 0 down, 0 stay where they are.\n")
    path.write_text("[]")
    _, out, _ = run("promote", str(path))
    assert out.endswith("\nNo memory should move.\n")


# config


def test_show(run: Run) -> None:
    code, out, _ = run("config", "show", "default", "--json")
    assert code == 0
    assert json.loads(out) == WorkspaceConfig("default").to_dict()
    _, out, _ = run("config", "show", "default")
    assert "working      1229    2458     3686    4915" in out.splitlines()
    assert "total        4096    8192    12288   16384" in out.splitlines()


def test_show_from_a_file_and_of_an_unknown_workspace(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "own.yaml"
    settings.write_text(
        "chat: {max_total_tokens: 100}\n"
        "talk: {ranking: {kind: evidence, freshness_half_life_hours: {rag: 24}}}\n"
    )
    _, out, _ = run("config", "show", "chat", "--config", str(settings), "--json")
    assert json.loads(out) == WorkspaceConfig("chat", max_total_tokens=100).to_dict()
    _, out, _ = run("config", "show", "talk", "--config", str(settings))
    lines = out.splitlines()
    at = lines.index(next(line for line in lines if line.startswith("ranking")))
    assert [line.split() for line in lines[at : at + 4]] == [
        ["ranking"],
        ["kind", "evidence"],
        ["freshness_half_life_hours"],
        ["rag", "24"],
    ]
    _, out, _ = run("config", "show", "default", "--config", str(settings))
    assert out.startswith("Workspace default, from the packaged configuration\n")
    code, out, err = run("config", "show", "chit", "--config", str(settings))
    assert (code, out) == (1, "")
    assert err == "memory-budget: error: there is no workspace 'chit'; the nearest workspace is 'chat'\n"


def test_check_counts_what_it_found(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "own.yaml"
    settings.write_text(
        "a: {max_total_tokens: 100}\nb: {promotion: {threshold: 0.2}}\n"
        "project_overrides: {a: {p: {}}, default: {q: {}}}\nlogging: {level: INFO}\ncomplexity: {}\n"
    )
    code, out, err = run("config", "check", str(settings), columns=200)
    assert code == 0
    assert out == (
        f"{settings}: no problems\n"
        "  workspaces         2: a, b\n"
        "  project overrides  2: a/p, default/q\n"
        "  complexity rules   its own\n"
        "  logging            1: level\n"
        "  performance        none\n"
    )
    assert err.startswith("memory-budget: warning: workspace b: promotion_threshold 0.2 is not above")
    assert err.count("\n") == 1


def test_check_reports_the_first_problem_of_each_section(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "bad.yaml"
    settings.write_text(
        "project_overrides:\n  good: {p: {max_total_tokenz: 5}}\n"
        "good: {max_total_tokens: 5}\n"
        "low: {max_total_tokens: -5}\n"
        "unknown: {freshness: {half_life: 3}}\n"
        "complexity: {expert_points: no}\n"
    )
    code, out, err = run("config", "check", str(settings))
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert all(line.startswith(f"memory-budget: error: {settings}, line ") for line in lines)
    found = [re.search(r"line (\d+).*?: ([\w.]+) ", line) for line in lines]
    assert [match and match.groups() for match in found] == [
        ("4", "low.max_total_tokens"),
        ("5", "unknown.freshness.half_life"),
        ("6", "complexity.expert_points"),
        ("2", "project_overrides.good.p.max_total_tokenz"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not valid YAML"),
        ("5", "the file must be a mapping"),
        (None, "there is no such configuration file"),
    ],
)
def test_check_of_files_that_are_no_configuration(
    run: Run, tmp_path: Path, content: str | None, message: str
) -> None:
    settings = tmp_path / "bad.yaml"
    if content is not None:
        settings.write_text(content)
    for command in (["config", "check"], ["config", "show", "default", "--config"]):
        code, out, err = run(*command, str(settings))
        assert (code, out) == (1, "")
        assert err.startswith(f"memory-budget: error: {settings}")
        assert message in err
        assert err.count("\n") == 1


# usage

ALLOCATE = ["allocate", "m.json", "--query", "x"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["allocate", "m.json"], "the following arguments are required: --query"),
        (
            ["allocate", "m.json", "--query", "x", "--now", "soon"],
            "argument --now: must be an ISO 8601 date and",
        ),
        (
            ["allocate", "m.json", "--query", "x", "--context", "[1]"],
            "argument --context: must be a JSON object",
        ),
        (
            ["complexity", "x", "--context", "{"],
            "argument --context: must be a JSON object, got '{': not valid",
        ),
        (["complexity", "x", "--context", '{"turns": NaN}'], "turns: must be a number of JSON, got NaN"),
        (["complexity", "x", "--context", '{"turns": "x"}'], 'argument --context: context["turns"] must be'),
        (["complexity", "x", "--context", '{"turns": -1}'], "got -1"),
        (["complexity", "x", "--jso"], "unrecognized arguments: --jso"),
        (["complexity", "x", "--no\nsuch"], "unrecognized arguments: --no\\nsuch"),
        (["attic"], "invalid choice: 'attic'"),
        ([*ALLOCATE, "--max-prompt-tokens", "-1"], "--max-prompt-tokens: must be a whole number from 0 to"),
        (
            [*ALLOCATE, "--max-prompt-tokens", "8k"],
            "must be a whole number from 0 to 9007199254740991, got '8k'",
        ),
        ([*ALLOCATE, "--reserve", "system"], "--reserve: must be a whole number"),
        (
            [*ALLOCATE, "--reserve", "answer=5"],
            "must be NAME=N or NAME=@FILE with one of system, query, history, completion",
        ),
        ([*ALLOCATE, "--minimum-score", "1.5"], "--minimum-score: must be a number from 0 to 1, got '1.5'"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: memory-budget ")
    assert message in err.splitlines()[-1]


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_no_command_shows_the_help(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "examples:" in err


@pytest.mark.parametrize(
    "command",
    [[], ["allocate"], ["complexity"], ["promote"], ["config"], ["config", "check"], ["config", "show"]],
)
def test_help_fits_a_terminal_and_has_examples(run: Run, command: list[str]) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "example" in out
    assert max(map(len, out.splitlines())) <= 80


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"memory-budget {__version__}\n", "")


def test_tiers_are_listed_in_their_order(run: Run, memories: str) -> None:
    _, out, _ = run("allocate", memories, "--query", "x")
    listed = [line.split()[0] for line in out.splitlines() if "%" in line]
    assert listed == [*(tier.value for tier in MemoryTier), "total"]
