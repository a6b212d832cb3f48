"""The arguments of every command, and its help."""

from __future__ import annotations

import argparse
import importlib
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast, get_args

from memory_budget_allocator._core import __version__
from memory_budget_allocator.command_line import help_texts
from memory_budget_allocator.command_line.streams import PROGRAM
from memory_budget_allocator.configuration_keys import LARGEST_COUNT
from memory_budget_allocator.prompt_template import MessageFormat
from memory_budget_allocator.results import ReserveName
from memory_budget_allocator.wording import one_line, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = ["make_parser"]

RANKINGS = ("weighted", "evidence")
RESERVES: tuple[str, ...] = get_args(ReserveName)
MESSAGE_FORMATS: tuple[str, ...] = get_args(MessageFormat)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(one_line(message))


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **options)
        # argparse forgets the indentation of commands, and would wrap after the longest of them.
        self._action_max_length = len("    complexity")


def make_parser() -> argparse.ArgumentParser:
    """The parser; what it returns has ``command`` (a function of it, or None) and ``parser`` (for errors)."""
    parser = _Parser(
        prog=PROGRAM,
        description="Decides which memories go into a prompt, within a token budget per tier.",
        epilog=help_texts.TOP,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.set_defaults(command=None, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    allocate = _command(
        commands, "allocate", "select the memories for a query", help_texts.ALLOCATE, "allocate:run_allocate"
    )
    _add_memories(allocate)
    allocate.add_argument("--query", required=True, metavar="TEXT", help="what the memories are wanted for")
    _add_workspace(allocate)
    _add_config(allocate)
    _add_context(allocate)
    _add_now(allocate)
    allocate.add_argument(
        "--tokenizer",
        metavar="NAME",
        help="counter of tokens: o200k_base, gpt-4o, tokenizer.json",
    )
    _add_limits(allocate)
    allocate.add_argument("--all", action="store_true", help="list everything left out, not ten a tier")
    allocate.add_argument(
        "--explain", action="append", metavar="ID", help="say of a memory why it was taken or not; repeatable"
    )
    allocate.add_argument(
        "--report", action="store_true", help="list a receipt of every memory, in the order of their turns"
    )
    _add_prompt(allocate)

    complexity = _command(
        commands,
        "complexity",
        "show how complex a query is, and why",
        help_texts.COMPLEXITY,
        "complexity:run_complexity",
    )
    complexity.add_argument("text", metavar="TEXT", help="the query")
    _add_context(complexity)
    _add_config(complexity, "YAML file whose section complexity applies")
    _add_json(complexity)

    promote = _command(
        commands, "promote", "recommend moves between tiers", help_texts.PROMOTE, "promote:run_promote"
    )
    _add_memories(promote)
    _add_workspace(promote)
    _add_config(promote)
    _add_now(promote)
    _add_json(promote)

    _add_evaluate(commands)
    _add_learn(commands)

    config = _command(commands, "config", "check or show a configuration", help_texts.CONFIG, None)
    actions = config.add_subparsers(title="commands", metavar="COMMAND")
    check = _command(
        actions, "check", "check a configuration file", help_texts.CHECK, "configuration:run_check"
    )
    check.add_argument("file", metavar="FILE", help="YAML file")
    show = _command(
        actions, "show", "show a workspace and its budgets", help_texts.SHOW, "configuration:run_show"
    )
    show.add_argument("workspace", metavar="ID", help="workspace: one of FILE or a packaged one")
    _add_config(show)
    _add_json(show)
    return parser


def _add_evaluate(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    evaluate = _command(
        commands,
        "evaluate",
        "measure which policy keeps the evidence",
        help_texts.EVALUATE,
        "evaluate:run_evaluate",
    )
    evaluate.add_argument("data", metavar="DATA", help="folder, or JSON lines file; - for stdin")
    _add_budgets(evaluate)
    evaluate.add_argument(
        "--policies", type=_names, metavar="NAME,...", help="which of the built-in ones (default: all)"
    )
    evaluate.add_argument(
        "--policy",
        type=_function_name,
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="a policy of your own, from a module of the current folder or an installed one; repeatable",
    )
    evaluate.add_argument(
        "--ranking",
        type=_ranking_file,
        action="append",
        default=[],
        metavar="FILE.json",
        help="the library with the ranking of that file, such as learn writes; repeatable",
    )
    evaluate.add_argument(
        "--baseline", metavar="NAME", help="the policy the others are compared with (default: cosine)"
    )
    _add_part_of_data(evaluate)
    evaluate.add_argument("--json", metavar="FILE", help="also write all figures to FILE")
    evaluate.add_argument("--plot", metavar="FILE.png", help='also draw recall (extra "plot")')


def _add_learn(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    learn = _command(
        commands, "learn", "learn a ranking from judged questions", help_texts.LEARN, "learn:run_learn"
    )
    learn.add_argument("data", metavar="DATA", help="folder, or JSON lines file; - for stdin")
    learn.add_argument(
        "-o", "--output", metavar="FILE.json", type=_ranking_file, help="where the ranking goes"
    )
    _add_budgets(learn)
    learn.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="N",
        help="parts of the data, each judged by what was learned from the others (default: %(default)s)",
    )
    _add_part_of_data(learn)
    learn.add_argument("--anyway", action="store_true", help="write it even if it kept less than evidence")


def _add_budgets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budgets",
        type=_budgets,
        default="256,512,1024,2048,4096",
        metavar="N,N,...",
        help="token budgets (default: %(default)s)",
    )


def _add_part_of_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--conversations",
        default="*",
        metavar="PATTERN",
        help="only those whose name matches, such as 'chat-*'",
    )
    parser.add_argument(
        "--split",
        choices=("odd", "even"),
        help="only every other conversation: choose a rule on one half, judge it on the other",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of random orders and intervals (default: %(default)s)",
    )


def _command(
    commands: argparse._SubParsersAction[_Parser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    summary: str,
    epilog: str,
    function: str | None,
) -> _Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.set_defaults(command=None if function is None else _later(function), parser=parser)
    return parser


def _later(name: str) -> Callable[[argparse.Namespace], None]:
    """The function "module:function" of this package, imported when it is called."""

    def call(arguments: argparse.Namespace) -> None:
        module, function = name.split(":")
        found: Any = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        found(arguments)

    return call


def _add_memories(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memories", metavar="MEMORIES", help="JSON or JSON lines file, or - for stdin")


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workspace", default="default", metavar="ID", help="whose settings apply (default: %(default)s)"
    )
    parser.add_argument("--project", metavar="ID", help="a project of the workspace, if it has settings")


def _add_prompt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--template", metavar="FILE", help="YAML or JSON file: what the prompt has around the memories"
    )
    outputs = parser.add_mutually_exclusive_group()
    outputs.add_argument("--render", action="store_true", help="print the text of the prompt, nothing else")
    outputs.add_argument(
        "--messages",
        choices=MESSAGE_FORMATS,
        metavar="FORMAT",
        help=f"print the prompt as JSON messages: {', '.join(MESSAGE_FORMATS)}",
    )
    _add_json(outputs)


def _add_config(
    parser: argparse.ArgumentParser, text: str = "YAML file, on top of the packaged workspaces"
) -> None:
    parser.add_argument("--config", metavar="FILE", help=text)


def _add_context(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--context",
        type=_context,
        metavar="JSON",
        help="object with history_length, turn_count, requires_retrieval: they raise the complexity",
    )


def _add_now(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--now", type=_moment, metavar="ISO", help="time the ages count from, such as 2026-03-14T15:09:26Z"
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-prompt-tokens", type=_tokens, metavar="N", help="tokens of the whole prompt, reserves included"
    )
    parser.add_argument(
        "--reserve",
        type=_reserve,
        action="append",
        metavar="NAME=N",
        help="tokens of it kept for system, query, history or completion, or @FILE for"
        " those of the text in FILE; once for each",
    )
    parser.add_argument(
        "--spill-over", action="store_true", help="offer budget that tiers leave to what was left out"
    )
    parser.add_argument(
        "--minimum-score", type=_score, metavar="X", help="least score that is taken, from 0 to 1"
    )
    parser.add_argument(
        "--ranking",
        type=_ranking,
        metavar="NAME",
        help="in which order memories are tried: weighted, evidence, or the file of a ranking (.json)",
    )


def _ranking_file(text: str) -> str:
    if text.endswith(".json"):
        return text
    raise argparse.ArgumentTypeError(f"must be a file that ends in .json, got {shown(text)}")


def _ranking(text: str) -> str:
    if text in RANKINGS or text.endswith(".json"):
        return text
    raise argparse.ArgumentTypeError(f"must be {', '.join(RANKINGS)} or a .json file, got {shown(text)}")


def _tokens(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_COUNT)):
        tokens = int(text)
        if tokens <= LARGEST_COUNT:
            return tokens
    raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {LARGEST_COUNT}, got {shown(text)}")


def _reserve(text: str) -> tuple[str, int | str]:
    """The name of a reserve, and its tokens or the file that holds its text."""
    name, _, value = text.partition("=")
    if name not in RESERVES or value == "@":
        raise argparse.ArgumentTypeError(
            f"must be NAME=N or NAME=@FILE with one of {', '.join(RESERVES)}, got {shown(text)}"
        )
    return name, value[1:] if value.startswith("@") else _tokens(value)


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {shown(text)}")
    return score


def _add_json(parser: argparse._ActionsContainer) -> None:  # pyright: ignore[reportPrivateUsage]
    parser.add_argument("--json", action="store_true", help="print the result of the Python call as JSON")


def _budgets(text: str) -> tuple[int, ...]:
    budgets: list[int] = []
    for part in text.split(","):
        if not (part.isascii() and part.isdecimal()) or not 1 <= len(part) <= 16:
            raise argparse.ArgumentTypeError(f"must be whole numbers with commas between, got {shown(text)}")
        budgets.append(int(part))
        if not 1 <= budgets[-1] <= LARGEST_COUNT:
            raise argparse.ArgumentTypeError(f"a budget must be from 1 to {LARGEST_COUNT}, got {part}")
    return tuple(budgets)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _function_name(text: str) -> str:
    if not re.fullmatch(r"[\w.]+:[\w.]+", text):
        raise argparse.ArgumentTypeError(f"must be MODULE:FUNCTION, got {shown(text)}")
    return text


def _context(text: str) -> dict[str, Any]:
    from memory_budget_allocator.json_input import JsonRefusedError, described, parse_strictly

    try:
        value = parse_strictly(text)
    except JsonRefusedError as error:
        raise argparse.ArgumentTypeError(f"must be a JSON object, got {shown(text)}: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be a JSON object, got {described(value)}")
    return cast("dict[str, Any]", value)


def _moment(text: str) -> datetime:
    from memory_budget_allocator.json_fields import parse_time

    try:
        return parse_time(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be an ISO 8601 date and time such as 2026-03-14T15:09:26Z, got {shown(text)}"
        ) from None
