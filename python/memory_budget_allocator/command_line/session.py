"""One run of the program: arguments in, exit code out, every kind of failure in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memory_budget_allocator.command_line import streams
from memory_budget_allocator.command_line.arguments import make_parser
from memory_budget_allocator.command_line.problems import DataError, UsageError
from memory_budget_allocator.errors import ConfigurationNotFoundError, MemoryBudgetError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["run"]

SUCCESS = 0
BAD_DATA = 1
BAD_USAGE = 2
INTERRUPTED = 130
CLOSED_PIPE = 141
"""What a shell reports for a program that the signal SIGPIPE ended."""


def run(argv: Sequence[str] | None) -> int:
    """Run one command and return its exit code; whatever it has printed is written out."""
    with streams.warnings_on_standard_error():
        code = _guarded(argv)
    return _settled(code)


def _guarded(argv: Sequence[str] | None) -> int:
    try:
        _execute(argv)
    except SystemExit as stop:  # argparse: help, version, wrong usage
        return stop.code if isinstance(stop.code, int) else BAD_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return CLOSED_PIPE
    except DataError as error:
        for message in error.args:
            streams.report_error(str(message))
    except ConfigurationNotFoundError as error:
        streams.report_error(f"{error.filename}: {error.strerror}")
    except MemoryBudgetError as error:
        streams.report_error(str(error))
    except MemoryError:
        streams.report_error("not enough memory")
    except OSError as error:
        streams.report_error(error.strerror or str(error))
    except BaseException as error:  # not Exception: a panic of the native code is none
        streams.report_error(f"unexpected {type(error).__name__}: {error}")
    else:
        return SUCCESS
    return BAD_DATA


def _execute(argv: Sequence[str] | None) -> None:
    parser = make_parser()
    arguments = parser.parse_args(argv)
    chosen: argparse.ArgumentParser = arguments.parser
    if arguments.command is None:
        import sys

        chosen.print_help(sys.stderr)
        raise SystemExit(BAD_USAGE)
    try:
        arguments.command(arguments)
    except UsageError as error:
        chosen.error(str(error))


def _settled(code: int) -> int:
    """The exit code once all output has left the process."""
    try:
        streams.finish_output()
    except BrokenPipeError:
        streams.abandon_output()
        return code if code in (INTERRUPTED, BAD_DATA, BAD_USAGE) else CLOSED_PIPE
    except KeyboardInterrupt:
        streams.abandon_output()
        return INTERRUPTED
    except (OSError, ValueError) as error:
        streams.abandon_output()
        streams.report_error(f"cannot write the output: {getattr(error, 'strerror', None) or error}")
        return BAD_DATA
    return code
