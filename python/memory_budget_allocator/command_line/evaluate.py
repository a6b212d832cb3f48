"""``memory-budget evaluate``: which policy keeps the evidence, on data with known evidence."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from memory_budget_allocator.command_line.problems import DataError, UsageError
from memory_budget_allocator.command_line.progress import with_progress
from memory_budget_allocator.command_line.streams import write_lines
from memory_budget_allocator.durable_write import write_text
from memory_budget_allocator.errors import ArgumentTypeError, ArgumentValueError
from memory_budget_allocator.ranking import Ranking
from memory_budget_allocator.tables import terminal_width
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from memory_budget_allocator.evaluation import PolicyFunction

__all__ = ["run_evaluate", "writing"]


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate, print the tables and write the files that were asked for."""
    from memory_budget_allocator.evaluation import BUILTIN_POLICIES, evaluate, load
    from memory_budget_allocator.evaluation.run import choose_policies
    from memory_budget_allocator.evaluation.table import lines

    builtin = tuple(BUILTIN_POLICIES) if arguments.policies is None else arguments.policies
    # What can be wrong with the arguments is found before the work, not after it.
    with _current_folder_importable():
        own: dict[str, PolicyFunction | Ranking] = {name: _function(name) for name in arguments.policy}
        own |= {path: Ranking.from_file(path) for path in arguments.ranking}
        try:
            if arguments.plot is not None:
                from memory_budget_allocator.evaluation.plot import figure_type, format_of

                format_of(arguments.plot)
                figure_type()
            choose_policies(own, builtin, arguments.baseline, arguments.seed)
        except (ArgumentTypeError, ArgumentValueError) as error:
            raise UsageError(str(error)) from error
        evaluation = evaluate(
            load(
                arguments.data,
                conversations=arguments.conversations,
                half=arguments.split,
                progress=partial(with_progress, what="conversations read"),
            ),
            policies=own,
            builtin=builtin,
            budgets=arguments.budgets,
            baseline=arguments.baseline,
            seed=arguments.seed,
            progress=partial(with_progress, what="conversations evaluated"),
        )
    write_lines(lines(evaluation, terminal_width()))
    if arguments.json is not None:
        text = json.dumps(evaluation.to_dict(), allow_nan=False, indent=2) + "\n"
        with writing(arguments.json):
            write_text(arguments.json, [text])
    if arguments.plot is not None:
        with writing(arguments.plot):
            evaluation.plot(arguments.plot)


@contextmanager
def _current_folder_importable() -> Generator[None]:
    """As ``python -m`` has it; the program that pip installs looks for modules beside itself instead."""
    here = ""
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with suppress(ValueError):  # an imported module may have changed the path
            sys.path.remove(here)


def _function(name: str) -> PolicyFunction:
    """The function that "module:function" names, also "package.module:object.method".

    Raises:
        DataError: there is none, or its module cannot be imported.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise DataError(f"policy {shown(name)}: cannot be imported: {reason}") from error
    function: PolicyFunction = found
    return function


@contextmanager
def writing(path: str) -> Generator[None]:
    """Says which file an error of the system is about."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{one_line(path)}: {error.strerror or error}") from error
