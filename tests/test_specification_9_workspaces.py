"""Section 9: the six workspaces that come with the library. (How files are read is tested elsewhere.)"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from memory_budget_allocator import MemoryBudgetAllocator, WorkspaceConfig
from memory_budget_config_loader import MemoryBudgetConfigLoader

if TYPE_CHECKING:
    import pytest

FILE = Path(__file__).resolve().parent.parent / "configs" / "memory-budget.yaml"

# The specification's table: tokens; working, project, long-term, RAG; simple to expert; relevance,
# importance, freshness; half-life; promotion score and accesses; demotion; tokens a character.
TABLE = """
default        8192  .30 .25 .20 .25  .5 1.0 1.5 2.0  .5 .3 .2  168  .80 3  .30  .25
development    4096  .50 .30 .10 .10  .4 0.8 1.2 1.6  .6 .2 .2   72  .75 2  .25  .25
research      16384  .15 .20 .25 .40  .5 1.2 1.8 2.5  .4 .4 .2  336  .85 5  .35  .25
production     6144  .35 .25 .20 .20  .6 1.0 1.3 1.7  .5 .3 .2  168  .80 4  .30  .25
conversation   4096  .60 .20 .15 .05  .5 1.0 1.5 2.0  .5 .2 .3   24  .70 2  .20  .25
code_analysis 12288  .25 .35 .15 .25  .6 1.1 1.6 2.2  .6 .3 .1  720  .85 3  .30  .30
"""


def expected() -> dict[str, WorkspaceConfig]:
    found: dict[str, WorkspaceConfig] = {}
    for row in TABLE.strip().splitlines():
        name, total, *rest = row.split()
        number = [float(text) for text in rest]
        found[name] = WorkspaceConfig(
            name,
            max_total_tokens=int(total),
            working_memory_pct=number[0],
            project_memory_pct=number[1],
            long_term_memory_pct=number[2],
            rag_memory_pct=number[3],
            complexity_multipliers=dict(
                zip(("simple", "medium", "complex", "expert"), number[4:8], strict=True)
            ),
            relevance_weight=number[8],
            importance_weight=number[9],
            freshness_weight=number[10],
            freshness_half_life_hours=number[11],
            promotion_threshold=number[12],
            promotion_access_threshold=int(number[13]),
            demotion_threshold=number[14],
            tokens_per_char=number[15],
        )
    return found


def test_the_file_in_the_repository() -> None:
    assert MemoryBudgetConfigLoader.load_from_yaml(FILE) == expected()


def test_the_packaged_copy_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert MemoryBudgetConfigLoader.load_default() == expected()


def test_a_fresh_allocator_knows_all_six() -> None:
    assert dict(MemoryBudgetAllocator().workspace_configs) == expected()


def test_fresh_allocators_share_no_configuration() -> None:
    one, other = MemoryBudgetAllocator(), MemoryBudgetAllocator()
    one.workspace_configs["research"].max_total_tokens = 1
    one.workspace_configs["research"].complexity_multipliers["simple"] = 9.0
    assert dict(other.workspace_configs) == expected()
    assert MemoryBudgetConfigLoader.load_default() == expected()


def test_one_workspace_of_a_file() -> None:
    assert MemoryBudgetConfigLoader.load_workspace_config(FILE, "research") == expected()["research"]
    assert MemoryBudgetConfigLoader.load_workspace_config(FILE, "nowhere") is None


def test_a_default_of_ones_own_leaves_the_other_five() -> None:
    allocator = MemoryBudgetAllocator(WorkspaceConfig("mine", max_total_tokens=1))
    others = {name: config for name, config in allocator.workspace_configs.items() if name != "default"}
    assert others == {name: config for name, config in expected().items() if name != "default"}


def test_an_allocator_of_a_file() -> None:
    allocator = MemoryBudgetAllocator.from_yaml(FILE, log_allocations=False)
    assert dict(allocator.workspace_configs) == expected()
