"""How every run ends: each failure to a message and an exit code."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from exolink_reconcile import __version__
from exolink_reconcile.cli.console import CONSOLE, leave
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.cli.signals import SIGNALS, Interrupted
from exolink_reconcile.codes import Exit


def run(command: Callable[[], Exit | None]) -> NoReturn:
    """Run a command and end the process."""
    # Bulk loading makes millions of objects that live to the end: a search for cycles among them only costs time.
    gc.disable()
    # A thread with an answer waits this long for a thread that is busy with another: 5 ms would be a quarter of a request.
    sys.setswitchinterval(0.0005)
    leave(exit_code(command))


def exit_code(command: Callable[[], Exit | None]) -> Exit:
    """The exit code of a command. Every expected failure becomes a message; anything else is a bug and says so."""
    CONSOLE.begin()
    RUN.begin()
    outcome = SIGNALS.outcome(lambda: _heeding_signals(command))
    code = outcome if isinstance(outcome, Exit) else _reported(outcome)
    CONSOLE.finish()
    if CONSOLE.lost:  # the result could not be shown
        CONSOLE.err(f"error: E-STORAGE: the result could not be written: {CONSOLE.lost}.\n")
        code = Exit.worst((code, Exit.STORAGE))
    return _measured(code)


def _heeding_signals(command: Callable[[], Exit | None]) -> Exit:
    SIGNALS.listen()
    return Exit(command() or Exit.DONE)


def _measured(code: Exit) -> Exit:
    """The exit code, after the metrics of the run are written, if somebody wants them."""
    if RUN.metrics_file is None:
        return code
    from exolink_reconcile.cli.metrics import METRICS
    from exolink_reconcile.errors import StorageFailed

    try:
        METRICS.write(RUN.metrics_file, code)
    except StorageFailed as failure:
        return Exit.worst((code, _failed(failure)))
    finally:
        METRICS.begin()
    return code


def _reported(failure: BaseException) -> Exit:
    """Report on stderr what ended a command; returns its exit code."""
    match failure:
        case click.exceptions.NoArgsIsHelpError():
            CONSOLE.err(f"{failure.format_message()}\n")
            return Exit.INVALID
        case click.UsageError():
            from exolink_reconcile.inert import inert

            CONSOLE.err(f"{failure.ctx.get_usage()}\n" if failure.ctx else "")
            lines = [inert(line.strip()) for line in failure.format_message().splitlines()]
            CONSOLE.err(f"error: E-USAGE: {' '.join(lines)}\n")
            return Exit.INVALID
        case Interrupted():
            word = "Interrupted" if failure.signal == signal.SIGINT else "Terminated"
            CONSOLE.err(f"\n{word}. {_what_is_written()}\n")
            return Exit.of_signal(failure.signal)
        case KeyboardInterrupt() | click.Abort():
            CONSOLE.err(f"\nInterrupted. {_what_is_written()}\n")
            return Exit.INTERRUPTED
        case Exception():
            return _failed(failure)
    raise failure


def _what_is_written() -> str:
    return "What was written by then stays." if RUN.wrote else "Nothing was written."


def _failed(error: Exception) -> Exit:
    from exolink_reconcile.cli import findings, variables
    from exolink_reconcile.errors import InputError, ReconcileError, StorageFailed

    variables.clean(error)
    if RUN.annotates and isinstance(error, ReconcileError):
        from exolink_reconcile.cli import checkout
        from exolink_reconcile.report import github

        CONSOLE.out(github.failure(error, checkout.from_root(os.environ)))
    if isinstance(error, InputError):
        findings.tell(error.diagnostics)
        return error.exit_code
    if isinstance(error, ReconcileError):
        findings.failure(error)
        return error.exit_code
    if isinstance(error, ImportError) and error.name == "_ruamel_yaml":
        CONSOLE.err("error: E-USAGE: this Python lacks the C parser of ruamel.yaml: install ruamel.yaml.clib.\n")
        return Exit.INVALID
    if isinstance(error, OSError) and not _stands_somewhere():
        findings.failure(StorageFailed("E-STORAGE", "the working folder was deleted: change into one that is there"))
        return Exit.STORAGE
    # Say where, but show no values: a local may hold a token.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
    CONSOLE.err(f"error: E-BUG: this is a bug in exolink-reconcile {__version__}: {type(error).__name__} at {place}.\n")
    CONSOLE.err("Run plan to see what is live, and please report it with the command you ran.\n")
    return Exit.BUG


def _stands_somewhere() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
