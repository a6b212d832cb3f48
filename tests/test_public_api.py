"""What the packages offer: names, types, versions, start-up."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import memory_budget_allocator
import memory_budget_config_loader
from memory_budget_allocator import _core

pytestmark = pytest.mark.thread_unsafe(reason="ast.parse of CPython 3.11 is not thread-safe")

PACKAGE = Path(memory_budget_allocator.__file__).parent

PUBLIC_NAMES = """
    Allocation AllocationAverages AllocationDiff AllocationLogEntry AllocationOptions
    AllocationReport AllocationResult AllocationSession AllocationStatistics ArgumentTypeError
    ArgumentValueError ArrowArrayExport ArrowStreamExport BudgetSummary Columns ComplexityAnalysis
    ComplexityContribution ComplexityRules ConfigurationError ConfigurationNotFoundError
    ConfigurationTypeError DataError DiffEntry ItemTypeError ItemValueError LoggedMemory
    LoggedTierResult MemoryBudgetAllocator MemoryBudgetError MemoryItem MemoryLike MemoryPool
    MemoryTier MissingExtraError PinnedOverflowError PoolSnapshot PromotionResult PromptTemplate
    QueryComplexity Ranking Receipt ReceiptReason ReceiptResult ReceiptTerm ScoreTerm SelectedMemory
    SessionAllocation SessionBusyError TierAllocation TierChange TierChangeOutcome TierMove
    TierResult TierStatistics TokenCounter UnknownMemoryError UnmatchedTierChange WorkspaceConfig
    __version__ context_window count_all_tokens count_tokens truncate_to_tokens
""".split()  # noqa: SIM905 - a list literal would take a page


def test_the_public_names() -> None:
    assert memory_budget_allocator.__all__ == PUBLIC_NAMES
    assert memory_budget_config_loader.__all__ == ["MemoryBudgetConfigLoader"]
    for name in PUBLIC_NAMES:
        assert getattr(memory_budget_allocator, name) is not None
    strangers = {
        name
        for name, value in vars(memory_budget_allocator).items()
        if not name.startswith("_") and name not in PUBLIC_NAMES and not inspect.ismodule(value)
    }
    assert not strangers


def test_every_public_name_is_documented() -> None:
    for name in PUBLIC_NAMES:
        if not name.startswith("_") and name != "ReceiptReason":  # an alias has no docstring
            assert inspect.getdoc(getattr(memory_budget_allocator, name)), name
    for name, member in inspect.getmembers(memory_budget_allocator.MemoryBudgetAllocator):
        if not name.startswith("_"):
            assert inspect.getdoc(member), name


def test_the_version_is_that_of_the_distribution() -> None:
    assert memory_budget_allocator.__version__ == importlib.metadata.version("memory-budget-allocator")


def test_types_are_shipped() -> None:
    for package in (memory_budget_allocator, memory_budget_config_loader):
        assert (Path(str(package.__file__)).parent / "py.typed").is_file()
    assert (PACKAGE / "_core.pyi").is_file()


def stub() -> ast.Module:
    return ast.parse((PACKAGE / "_core.pyi").read_text(encoding="utf-8"))


def test_the_stub_names_what_the_module_has() -> None:
    stated: set[str] = set()
    for node in stub().body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            stated.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            stated.add(node.target.id)
    private_helpers = {name for name in stated if name.startswith("_") and name != "__version__"}
    offered = {name for name in vars(_core) if not name.startswith("__")} | {"__version__"}
    assert stated - private_helpers == offered


def parameters(function: ast.FunctionDef) -> list[str]:
    stated = function.args
    every = (*stated.posonlyargs, *stated.args, *stated.kwonlyargs, stated.kwarg)
    return [argument.arg for argument in every if argument is not None]


def test_the_stub_states_the_parameters_of_every_function() -> None:
    for node in stub().body:
        if isinstance(node, ast.FunctionDef):
            signature = inspect.signature(getattr(_core, node.name))
            assert list(signature.parameters) == parameters(node), node.name


def test_the_stub_states_the_members_of_every_class() -> None:
    for node in stub().body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        native = getattr(_core, node.name)
        stated = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        stated |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}  # type: ignore[union-attr]
        offered = {name for name in vars(native) if not name.startswith("_")}
        assert {name for name in stated if not name.startswith("_")} == offered, node.name
        for method in node.body:
            is_plain = isinstance(method, ast.FunctionDef) and not method.decorator_list
            if is_plain and not method.name.startswith("__"):
                signature = inspect.signature(getattr(native, method.name))
                assert list(signature.parameters) == parameters(method), method.name


def test_the_examples_of_typed_use_run() -> None:
    examples = Path(__file__).parent / "typing_examples.py"
    subprocess.run([sys.executable, str(examples)], check=True, capture_output=True)


def test_importing_needs_nothing_heavy() -> None:
    program = (
        "import sys, memory_budget_allocator, memory_budget_config_loader; "
        "print(*sorted(sys.modules.keys() & {'yaml', 'numpy', 'polars', 'pyarrow', 'argparse', "
        "'tempfile', 'difflib'}))"
    )
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == ""
