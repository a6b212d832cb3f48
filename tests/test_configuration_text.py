"""Any text at all as a configuration file: a configuration, or one error that says where."""

from __future__ import annotations

import logging
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_budget_allocator import ConfigurationError, MemoryBudgetAllocator, WorkspaceConfig
from memory_budget_allocator.configuration_key import ConfigurationKey
from memory_budget_allocator.configuration_keys import COMPLEXITY_KEYS, WORKSPACE_LAYOUT
from memory_budget_config_loader import MemoryBudgetConfigLoader

pytestmark = pytest.mark.thread_unsafe(reason="sets the level of a logger")

any_character = st.characters(exclude_categories=("Cs",))

KEYS = [
    *WORKSPACE_LAYOUT,
    *(key for entry in WORKSPACE_LAYOUT.values() if not isinstance(entry, ConfigurationKey) for key in entry),
    *(row.key for row in COMPLEXITY_KEYS),
    *("complexity", "logging", "performance", "project_overrides", "default", "research", "<<", "treshold"),
]
SCALARS = [
    *(
        "0",
        "1",
        "-1",
        "0.25",
        "1.0e+3",
        "1e3",
        "012",
        "0x1F",
        "1:30",
        "no",
        "yes",
        "~",
        "null",
        "''",
        '"\\ud800"',
    ),
    *(".inf", ".nan", "9007199254740992", "1" * 400, "2024-01-01", "text", "'text'"),
    *("&a 1", "*a", "!!int 5"),
    *(
        "!!python/object/apply:os.system ['true']",
        "|",
        ">",
        "[]",
        "{}",
        "[1, [2, [3]]]",
        "- 1",
        "?",
        "%",
        "@",
    ),
]

keys = st.one_of(st.sampled_from(KEYS), st.text(any_character, max_size=8))
scalars = st.one_of(st.sampled_from(SCALARS), st.floats().map(str), st.integers().map(str))


@st.composite
def block_documents(draw: st.DrawFn) -> str:
    """Lines that look like a configuration, right and wrong indentation included."""
    lines = draw(
        st.lists(
            st.builds(
                lambda indent, key, value, end: f"{' ' * indent}{key}: {value}{end}",
                st.sampled_from([0, 0, 2, 2, 4, 4, 1, 3]),
                keys,
                st.one_of(st.just(""), scalars),
                st.sampled_from(["", "", "", " # why", " &a", "\t"]),
            ),
            max_size=12,
        )
    )
    return "\n".join(lines)


class Plain(yaml.SafeDumper):
    """Writes no aliases: they are drawn on their own."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(any_character, max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=15,
)
dumped = st.builds(
    lambda value, flow: yaml.dump(value, Dumper=Plain, allow_unicode=True, default_flow_style=flow),
    st.dictionaries(keys, values, max_size=5),
    st.sampled_from([True, False, None]),
)
damaged = st.builds(
    lambda text, at, junk: text[: at % (len(text) + 1)] + junk + text[at % (len(text) + 1) :],
    dumped,
    st.integers(0, 500),
    st.text("{}[]:,-?&*!|>'\"%@`#\n\t \\ \x00\u2028é", max_size=3),
)
documents = st.one_of(st.text(any_character, max_size=60), block_documents(), dumped, damaged)


def load(content: bytes) -> None:
    """A file is a configuration by every door, or an error by every door, the same one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_bytes(content)
        try:
            workspaces = MemoryBudgetConfigLoader.load_from_yaml(path)
        except ConfigurationError as error:
            message = str(error)
            assert message.startswith(str(path))
            assert "\n" not in message
            assert len(message) < 1500
            for other in (
                MemoryBudgetConfigLoader.load_project_overrides,
                MemoryBudgetConfigLoader.get_logging_config,
                MemoryBudgetAllocator.from_yaml,
            ):
                with pytest.raises(type(error), match=re.escape(message)):
                    other(path)
            return
        for workspace_id, config in workspaces.items():
            assert config.workspace_id == workspace_id
            assert WorkspaceConfig.from_dict(config.to_dict()) == config
            assert config.max_total_tokens >= 1
            shares = (config.working_memory_pct, config.project_memory_pct)
            shares += (config.long_term_memory_pct, config.rag_memory_pct)
            assert abs(math.fsum(shares) - 1) <= 0.010001
        allocator = MemoryBudgetAllocator.from_yaml(path)
        for workspace_id in workspaces:
            allocator.allocate("q", [], workspace_id)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """Warnings of odd thresholds and duplicate keys are many here."""
    logger = logging.getLogger("memory_budget_allocator")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


@given(documents)
@settings(max_examples=100)
def test_any_text(text: str) -> None:
    load(text.encode())


@given(st.one_of(st.binary(max_size=60), st.builds(lambda text: text.encode("utf-16"), documents)))
def test_any_bytes(content: bytes) -> None:
    load(content)


@pytest.mark.verify
@given(st.one_of(documents.map(str.encode), st.binary(max_size=60)))
@settings(max_examples=2000)
def test_many_more_texts(content: bytes) -> None:
    load(content)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_total_tokens": st.integers(1, 2**53 - 1),
            "freshness": st.fixed_dictionaries(
                {"half_life_hours": st.floats(5e-324, 1e308, exclude_min=False)}
            ),
            "complexity_multipliers": st.fixed_dictionaries(
                {}, optional={"simple": st.floats(0, 1e300), "expert": st.floats(0, 1e300)}
            ),
            "promotion": st.fixed_dictionaries({"access_threshold": st.integers(0, 2**53 - 1)}),
            "tokens_per_char": st.floats(0, 1e308),
        },
    ),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=10),
)
def test_what_can_be_is_read_as_it_was_written(workspace: dict[str, Any], workspace_id: str) -> None:
    # Quoted and with a point, as the documentation asks: YAML 1.1 reads 1e3 as text.
    if workspace_id in {"complexity", "logging", "performance", "project_overrides"}:
        return
    text = yaml.dump({workspace_id: workspace}, default_style=None, allow_unicode=True)
    text = re.sub(r"(?<=: )(\d+)(e[-+]\d+)$", r"\1.0\2", text, flags=re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            read = MemoryBudgetConfigLoader.load_from_yaml(path)
        except ConfigurationError as error:
            # The id is the one thing here that may not be what it looks like.
            assert "a key must be text" in str(error)  # noqa: PT017
            return
    assert read == {workspace_id: WorkspaceConfig.from_dict({"workspace_id": workspace_id, **workspace})}
