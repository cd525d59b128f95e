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
from exolink_reconcile.codes import Exit


class Terminated(BaseException):
    """SIGTERM or SIGHUP outside of an apply."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def run(command: Callable[[], Exit | None]) -> NoReturn:
    """Run a command and end the process."""
    # Bulk loading makes millions of objects that live to the end: looking for cycles among them only costs time.
    gc.disable()
    # A thread whose answer has come waits this long for one that is busy with another's: 5 ms would be a quarter of a request.
    sys.setswitchinterval(0.0005)
    code = exit_code(command)
    if CONSOLE.lost and code in (Exit.DONE, Exit.DIFFERS):
        CONSOLE.err(f"error: E-STORAGE: the result could not be written: {CONSOLE.lost}.\n")
        code = Exit.STORAGE  # what was asked for could not be shown
    leave(code)


def exit_code(command: Callable[[], Exit | None]) -> Exit:
    """The exit code of a command. Every failure on purpose becomes a message; anything else is a bug and says so."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    CONSOLE.annotating = False
    try:
        return Exit(command() or Exit.DONE)
    except click.exceptions.NoArgsIsHelpError as error:
        CONSOLE.err(f"{error.format_message()}\n")
        return Exit.INVALID
    except click.UsageError as error:
        CONSOLE.err(f"{error.ctx.get_usage()}\n" if error.ctx else "")
        CONSOLE.err(f"error: E-USAGE: {error.format_message()}\n")
        return Exit.INVALID
    except Terminated as error:
        CONSOLE.err("\nTerminated. Nothing was written.\n")
        return Exit.of_signal(error.signal)
    except (KeyboardInterrupt, click.Abort):
        CONSOLE.err("\nInterrupted. Nothing was written.\n")
        return Exit.INTERRUPTED
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Exit:
    from exolink_reconcile.errors import InputError, ReconcileError
    from exolink_reconcile.inert import inert
    from exolink_reconcile.report import diagnostics_text

    if CONSOLE.annotating and isinstance(error, ReconcileError):
        from exolink_reconcile.cli import checkout
        from exolink_reconcile.report import github

        CONSOLE.out(github.failure(error, checkout.from_root(os.environ)))
    if isinstance(error, InputError):
        CONSOLE.err(diagnostics_text.diagnostics(error.diagnostics))
        return error.exit_code
    if isinstance(error, ReconcileError):
        CONSOLE.err(f"error: {error.code}: {inert(error.summary).rstrip('.?')}.\n")
        return error.exit_code
    if isinstance(error, ImportError) and error.name == "_ruamel_yaml":
        CONSOLE.err("error: E-USAGE: this Python lacks the C parser of ruamel.yaml: install ruamel.yaml.clib.\n")
        return Exit.INVALID
    # Where, but no values: a local may hold a token.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
    CONSOLE.err(f"error: E-BUG: this is a bug in exolink-reconcile {__version__}: {type(error).__name__} at {where}.\n")
    CONSOLE.err("Run plan to see what is live, and please report it with the command you ran.\n")
    return Exit.BUG


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated(number)
