"""Files that are missing, broken, hostile or huge: always one clear error, in bounded time and space."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory_budget_allocator import MemoryBudgetError
from memory_budget_allocator.errors import ArgumentTypeError, ConfigurationError, ConfigurationNotFoundError
from memory_budget_allocator.loader.composition import MAXIMUM_DEPTH, MAXIMUM_NODES
from memory_budget_allocator.loader.documents import MAXIMUM_FILE_BYTES, Document
from memory_budget_allocator.loader.sections import read_configuration
from memory_budget_config_loader import MemoryBudgetConfigLoader

LOADS = [
    MemoryBudgetConfigLoader.load_from_yaml,
    MemoryBudgetConfigLoader.load_project_overrides,
    MemoryBudgetConfigLoader.load_complexity_rules,
    MemoryBudgetConfigLoader.get_logging_config,
    MemoryBudgetConfigLoader.get_performance_config,
    lambda path: MemoryBudgetConfigLoader.load_workspace_config(path, "a"),  # pyright: ignore
]


def refused(folder: Path, content: bytes | str) -> str:
    path = folder / "settings.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400
    return message


@pytest.mark.parametrize("load", LOADS)
def test_a_missing_file(tmp_path: Path, load: Any) -> None:
    path = tmp_path / "nowhere.yaml"
    with pytest.raises(FileNotFoundError) as caught:
        load(path)
    assert isinstance(caught.value, ConfigurationNotFoundError)
    assert isinstance(caught.value, MemoryBudgetError)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(path))
    assert str(path) in str(caught.value)
    with pytest.raises(ConfigurationNotFoundError):
        load("")


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("path", [None, 3, 3.5, ["a"]])
def test_what_is_no_path(load: Any, path: object) -> None:
    with pytest.raises(ArgumentTypeError, match="path must be"):
        load(path)


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        MemoryBudgetConfigLoader.load_from_yaml(tmp_path)
    with pytest.raises(ConfigurationError, match="a\\\\x00b: cannot be read"):
        MemoryBudgetConfigLoader.load_from_yaml("a\0b")

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigurationError, match=r"settings\.yaml: cannot be read: Permission denied"):
        MemoryBudgetConfigLoader.load_from_yaml(tmp_path / "settings.yaml")


def test_paths_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("a: {}\n", encoding="utf-8")
    for kind in (path, str(path), os.fsencode(path)):
        assert list(MemoryBudgetConfigLoader.load_from_yaml(kind)) == ["a"]  # type: ignore[arg-type]


def test_line_breaks_in_file_names_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\nWARNING forged.yaml"
    path.write_text("a: 5\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    assert "a\\nWARNING forged.yaml, line 1" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"a: {}\nb: \xff\n", ["line 2", "not valid utf-8"]),
        (b"\xff\xfea", ["not valid utf-16"]),
        (b"a: {}\nb: \x00\n", ["line 2", "U+0000"]),
        (b"a: {}\n\x1b[31m: {}\n", ["line 2", "U+001B"]),
        ("a: [", ["line 1", "not valid YAML"]),
        ("a:\n\tb: 1\n", ["line 2", "not valid YAML"]),
        ("a: {}\n b: {}\n", ["line 2", "not valid YAML"]),
        ("a: 'open\n", ["line 2", "not valid YAML"]),
        ("a: *nobody\n", ["line 1", "undefined alias"]),
        ("a: &x {}\nb: &x {}\n", ["line 2", "duplicate anchor"]),
        ("a: {}\n---\nb: {}\n", ["line 2", "single document"]),
        ("%YAML 2.0\n---\na: {}\n", ["line 1", "not valid YAML"]),
        ("%TAG ! tag:example.com,2000:\n---\n!x\na: {}\n", ["line 3", "explicit type"]),
        ('"\\UFFFFFFFF": {}\n', ["not valid YAML"]),
        ("a: &a {freshness: *a}\n", ["line 1", "contains itself"]),
        ("logging: &a [*a]\n", ["line 1", "contains itself"]),
        ("a: &a {<<: *a}\n", ["line 1", "contains itself"]),
    ],
)
def test_what_is_no_single_yaml_document(tmp_path: Path, content: bytes | str, parts: list[str]) -> None:
    message = refused(tmp_path, content)
    for part in parts:
        assert part in message, message


def test_utf_16_and_byte_order_marks_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    for encoding in ("utf-16", "utf-8-sig", "utf-8"):
        path.write_text("naïve: {max_total_tokens: 5}\n", encoding=encoding)
        assert MemoryBudgetConfigLoader.load_from_yaml(path)["naïve"].max_total_tokens == 5


def test_files_that_are_too_large(tmp_path: Path) -> None:
    assert MAXIMUM_FILE_BYTES == 1 << 20
    largest = "#" * (MAXIMUM_FILE_BYTES - 7) + "\na: {}\n"
    path = tmp_path / "settings.yaml"
    path.write_text(largest, encoding="utf-8")
    assert list(MemoryBudgetConfigLoader.load_from_yaml(path)) == ["a"]
    assert "larger than 1048576 bytes" in refused(tmp_path, largest + "#")


def test_alias_bombs(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    message = refused(tmp_path, "logging:\n  " + "\n  ".join(rows) + "\n")
    assert f"more than {MAXIMUM_NODES}" in message
    # A bomb of merges.
    rows = ["a0: &a0 {x: 1}"]
    rows += [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 10)]
    assert f"more than {MAXIMUM_NODES}" in refused(tmp_path, "logging:\n  " + "\n  ".join(rows) + "\n")


def test_deep_nesting(tmp_path: Path) -> None:
    for text in ("[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000):
        assert f"more than {MAXIMUM_DEPTH} levels" in refused(tmp_path, "logging:\n  a:\n    " + text)
    # Each alias adds one level.
    rows = ["a0: &a0 [x]"] + [f"a{level}: &a{level} [*a{level - 1}]" for level in range(1, 100)]
    assert f"more than {MAXIMUM_DEPTH} levels" in refused(tmp_path, "logging:\n  " + "\n  ".join(rows) + "\n")


def test_nesting_that_is_not_too_deep(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    levels = MAXIMUM_DEPTH - 2
    path.write_text("logging: {a: " + "[" * levels + "]" * levels + "}\n", encoding="utf-8")
    value = MemoryBudgetConfigLoader.get_logging_config(path)["a"]
    for _ in range(levels - 1):
        (value,) = value
    assert value == []


def test_aliases_are_fine_in_moderation(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        "a: {tier_allocation: &shares {working_memory_pct: 0.4, rag_memory_pct: 0.15}}\n"
        "b: {tier_allocation: *shares}\n",
        encoding="utf-8",
    )
    configs = MemoryBudgetConfigLoader.load_from_yaml(path)
    assert configs["a"].working_memory_pct == configs["b"].working_memory_pct == 0.4


def read(text: str) -> None:
    """Everything a file can be asked for, from text; only a configuration error may come out."""
    try:
        found = read_configuration(Document("settings", text), dict)
        found.workspace_configs()
        found.project_configs()
    except ConfigurationError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 2000


# Bricks of configurations and of YAML; most stacks of them are wrong in some interesting way.
WORDS = """
    a b: - [ ] { } , : ? | > ' " # & * &x *x << <<: ! !! !!str !!int % @ ` ~ --- ... \\ 012 1e3 1:30 no null
    2024-01-01 .nan 0.5 5 -1 default: complexity: logging: performance: project_overrides: tier_allocation:
    working_memory_pct: scoring_weights: relevance: promotion: threshold: max_total_tokens: expert_keywords:
    length_steps: workspace_id:
"""
BRICKS = st.sampled_from([*WORDS.split(), *"\n\t\ud800\u2028\x85\ufeffé"])


@given(st.lists(st.tuples(BRICKS, st.sampled_from(["", " ", "\n", "\n  ", "\n    "])), max_size=40))
@example([("complexity:", " "), ("{", ""), ("expert_keywords:", " "), ("[", ""), ("*x", "")])
def test_arbitrary_stacks_of_bricks(stack: list[tuple[str, str]]) -> None:
    read("".join(brick + space for brick, space in stack))


@given(st.text())
def test_arbitrary_text(text: str) -> None:
    read(text)


@given(st.binary())
def test_arbitrary_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "settings.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigurationError):
        MemoryBudgetConfigLoader.load_from_yaml(path)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
keys = st.sampled_from(["a", "default", "complexity", "logging", "project_overrides"]) | st.text(max_size=5)


@given(
    st.dictionaries(keys, values | st.dictionaries(st.sampled_from(["promotion", "freshness", "x"]), values))
)
def test_arbitrary_structures(data: dict[str, object]) -> None:
    import json

    read(json.dumps(data))
