"""YAML 1.1 reads some plain scalars as something else than a person does: none gets through silently."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yaml.nodes import ScalarNode

from memory_budget_allocator.errors import ConfigurationTypeError
from memory_budget_allocator.loader.scalars import Surprise, value_of
from memory_budget_config_loader import MemoryBudgetConfigLoader

if TYPE_CHECKING:
    from pathlib import Path

# As written; what YAML 1.1 makes of it; a way out that the message must name.
SURPRISES = [
    ("no", "the boolean false", "quotes"),
    ("Yes", "the boolean true", "write true"),
    ("on", "the boolean true", "quotes"),
    ("OFF", "the boolean false", "write false"),
    ("012", "the number 10", "decimal"),
    ("-017", "the number -15", "decimal"),
    ("00", "the number 0", "decimal"),
    ("0x1F", "the number 31", "decimal"),
    ("0b101", "the number 5", "decimal"),
    ("1_000", "the number 1000", "decimal"),
    ("1:30", "the number 90", "decimal"),
    ("-1:30:00", "the number -5400", "decimal"),
    ("1:30.5", "another number", "decimal"),
    ("1_0.5", "another number", "decimal"),
    (".inf", "infinity", "decimal"),
    ("-.INF", "infinity", "decimal"),
    (".nan", "not a number", "decimal"),
    ("1.0e+999", "infinity", "smaller"),
    ("9" * 500, "too long", "quotes"),
    ("1e3", "text, not a number", "1.0e+3"),
    ("2.5e4", "text, not a number", "2.5e+4"),
    ("-1e-3", "text, not a number", "-1.0e-3"),
    ("08", "text, not a number", "write 8"),
    ("0o17", "text, not a number", "write 15"),
    ("2024-01-01", "a date", "quotes"),
    ("2024-01-01T10:00:00Z", "a date", "quotes"),
    ("2024-01-01 10:00:00", "a date", "quotes"),
]
NAMED = pytest.mark.parametrize(
    ("written", "reading", "remedy"), SURPRISES, ids=[row[0][:12] for row in SURPRISES]
)


def refused(folder: Path, text: str) -> str:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationTypeError) as caught:
        MemoryBudgetConfigLoader.load_from_yaml(path)
    return str(caught.value)


@NAMED
@pytest.mark.parametrize(
    ("template", "where"),
    [
        ("a: {{max_total_tokens: {}}}\n", "a.max_total_tokens must be a whole number"),
        ("a: {{tokens_per_char: {}}}\n", "a.tokens_per_char must be a number"),
        ("a: {{workspace_id: {}}}\n", "a.workspace_id must be text"),
        ("a: {{freshness: {{half_life_hours: {}}}}}\n", "a.freshness.half_life_hours must be"),
        ("complexity: {{expert_points: {}}}\n", "complexity.expert_points must be"),
        ("complexity: {{length_steps: [1, {}]}}\n", "complexity.length_steps must be"),
        ("complexity: {{expert_keywords: [{}]}}\n", "complexity.expert_keywords must be a list of texts"),
        ("? {}\n: {{}}\n", "a key must be text"),
        (
            "project_overrides: {{research: {{? {} : {{}}}}}}\n",
            "a key of project_overrides.research must be text",
        ),
        ("logging: {{level: {}}}\n", "logging.level must be a value that is what it looks like"),
        ("performance: {{deep: [{{er: {}}}]}}\n", "performance.deep[0].er must be"),
        ("logging: {{? {} : 1}}\n", "a key of logging must be text"),
    ],
)
def test_refused_everywhere(  # noqa: PLR0917 - pytest passes them by name
    tmp_path: Path, written: str, reading: str, remedy: str, template: str, where: str
) -> None:
    message = refused(tmp_path, template.format(written))
    assert "line 1" in message
    assert where in message
    assert "which YAML 1.1 reads as" in message
    assert reading in message
    assert remedy in message
    assert written[:30] in message


@NAMED
def test_in_quotes_it_is_text(tmp_path: Path, written: str, reading: str, remedy: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        f"'{written}': {{workspace_id: \"{written}\"}}\nlogging: {{a: '{written}', '{written}': b}}\n"
        f"complexity: {{expert_keywords: ['{written}']}}\n",
        encoding="utf-8",
    )
    assert list(MemoryBudgetConfigLoader.load_from_yaml(path)) == [written]
    assert MemoryBudgetConfigLoader.get_logging_config(path) == {"a": written, written: "b"}


@pytest.mark.parametrize("written", ["5", "-5", "+5", "0", "1.5", "true", "False", "null", "~", "Null"])
def test_ids_that_yaml_reads_as_something_else_need_quotes(tmp_path: Path, written: str) -> None:
    for text in (f"{written}: {{}}\n", f"project_overrides: {{research: {{{written}: {{}}}}}}\n"):
        message = refused(tmp_path, text)
        assert f"got {written}, which YAML 1.1 reads as" in message
        assert "quotes" in message
    assert f"got {written}" in refused(tmp_path, f"a: {{workspace_id: {written}}}\n")
    assert f"got {written}" in refused(tmp_path, f"complexity: {{domain_keywords: [{written}]}}\n")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("8192", 8192.0),
        ("+5", 5.0),
        ("0", 0.0),
        ("0.25", 0.25),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.0e+3", 1000.0),
        ("2.5E-4", 0.00025),
        ("!!float 3", 3.0),
    ],
)
def test_plain_numbers_are_what_they_look_like(tmp_path: Path, written: str, value: float) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"a:\n  tokens_per_char: {written}\n", encoding="utf-8")
    assert MemoryBudgetConfigLoader.load_from_yaml(path)["a"].tokens_per_char == value


@pytest.mark.parametrize(
    "name", ["y", "n", "nan", "v1.2", "1.2.3", "a:b", "=", "x_1", "12 monkeys", "e3", "naïve"]
)
def test_ordinary_names_need_no_quotes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"{name}: {{}}\nlogging: {{a: {name}}}\n", encoding="utf-8")
    assert list(MemoryBudgetConfigLoader.load_from_yaml(path)) == [name]
    assert MemoryBudgetConfigLoader.get_logging_config(path) == {"a": name}


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['true']\n",
        "a: !!python/dict {}\n",
        "a: !!set {x}\n",
        "a: !!omap []\n",
        "a: !mine {}\n",
        "a: {max_total_tokens: !mine 5}\n",
        "a: {max_total_tokens: !!int '5'}\n",
        "a: {max_total_tokens: !!str 5}\n",
        "logging: {a: !!binary aGk=}\n",
        "logging: {a: !!timestamp 2024-01-01}\n",
        "logging: {a: !!pairs [b: 1]}\n",
        "!!python/name:os.system a: {}\n",
    ],
)
def test_explicit_types_are_not_constructed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        MemoryBudgetConfigLoader.load_from_yaml(path)


def test_resolvers_that_an_application_adds_to_pyyaml_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: dict[str, Any] = {"a": [("!env", re.compile("alpha"))]}
    monkeypatch.setattr(yaml.SafeLoader, "yaml_implicit_resolvers", changed)
    path = tmp_path / "settings.yaml"
    path.write_text("alpha: {max_total_tokens: 5}\n", encoding="utf-8")
    assert MemoryBudgetConfigLoader.load_from_yaml(path)["alpha"].max_total_tokens == 5


@given(st.text("0123456789_.:+-eExobnfTZ ", min_size=1, max_size=12))
def test_a_plain_scalar_is_what_it_looks_like_or_a_surprise(text: str) -> None:
    # What is accepted as a number is the number Python reads; what Python reads as one is never text.
    resolver: Any = yaml.SafeLoader("")
    tag = resolver.resolve(ScalarNode, text, (True, False))
    try:
        value = value_of(ScalarNode(tag, text))
    except Surprise:
        return
    try:
        number = float(text) if "_" not in text and text == text.strip() else None
    except ValueError:
        number = None
    if text.lower().lstrip("+-") in ("nan", "inf"):
        number = None
    if isinstance(value, str):
        assert number is None
        assert value == text
    else:
        assert value == number
