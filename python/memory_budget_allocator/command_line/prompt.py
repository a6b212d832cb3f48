"""``memory-budget allocate``: the files a prompt is made with, and the prompt itself as the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_budget_allocator.command_line.problems import UsageError
from memory_budget_allocator.command_line.streams import write_json, write_verbatim
from memory_budget_allocator.json_input import STANDARD_INPUT, read_text
from memory_budget_allocator.loader.sections import read_template_file

if TYPE_CHECKING:
    import argparse

    from memory_budget_allocator._core import Allocation
    from memory_budget_allocator.prompt_template import PromptTemplate
    from memory_budget_allocator.results import ReserveName

__all__ = ["check_prompt_options", "reserves_of", "template_of", "wants_prompt", "write_prompt"]


def wants_prompt(arguments: argparse.Namespace) -> bool:
    """Whether the output is the prompt, rather than what is told about it."""
    return arguments.render or arguments.messages is not None


def check_prompt_options(arguments: argparse.Namespace) -> None:
    """Refuse what argparse cannot tell: two outputs of which one is no single option, a reserve given twice,
    one input read twice.

    Raises:
        UsageError: naming the options.
    """
    if wants_prompt(arguments):
        option = "--render" if arguments.render else "--messages"
        for other, is_given in (("--report", arguments.report), ("--explain", arguments.explain is not None)):
            if is_given:
                raise UsageError(f"argument {option}: not allowed with argument {other}")
    names = [name for name, _ in arguments.reserve or ()]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"argument --reserve: {name} is given more than once")
    files = [arguments.memories, *(value for _, value in arguments.reserve or ())]
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError("argument --reserve: standard input (-) can be read once only")


def reserves_of(arguments: argparse.Namespace) -> dict[ReserveName, int | str] | None:
    """What ``--reserve`` keeps: tokens, or the text of a file, to be counted; None where it is not given.

    Raises:
        DataError: a file cannot be read, or is not in UTF-8.
    """
    if arguments.reserve is None:
        return None
    return {
        name: value if isinstance(value, int) else read_text(value)[1] for name, value in arguments.reserve
    }


def template_of(arguments: argparse.Namespace) -> PromptTemplate | None:
    """The template in the file that ``--template`` names; None where it is not given.

    Raises:
        ConfigurationNotFoundError: there is no such file.
        ConfigurationError: naming file, line, column, key and value of the first thing that is wrong.
    """
    return None if arguments.template is None else read_template_file(arguments.template)


def write_prompt(allocation: Allocation, arguments: argparse.Namespace) -> None:
    """Print the text of the prompt, or its messages."""
    if arguments.render:
        write_verbatim(allocation.render())
    else:
        write_json(allocation.to_messages(arguments.messages))
