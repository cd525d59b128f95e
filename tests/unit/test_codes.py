"""Every stable code and every exit code says what it means."""

import itertools

import pytest

from exolink_reconcile import errors
from exolink_reconcile.codes import READING, Code, Exit


def test_the_order_of_care() -> None:
    """The order in which exit codes win, the signals' after all others: what was written counts more than what stopped it."""
    order = [1, 9, 11, 8, 10, 7, 6, 5, 4, 3, 129, 130, 143, 2, 0]
    assert [int(exit) for exit in Exit] == order
    for first, second in itertools.combinations(Exit, 2):
        assert Exit.worst([second, first]) is Exit.worst([first, second]) is first
    assert Exit.worst([]) is Exit.DONE


def test_every_exit_code_is_explained() -> None:
    """Each one says what it means, what to do (but for success), and what JSON calls it."""
    for exit in Exit:
        assert exit.means and exit.outcome, exit
        assert exit.help or exit is Exit.DONE, exit


def test_row_C4_every_signal_has_an_exit_code() -> None:
    """A run that a signal stopped has an exit code that can be compared with any other."""
    assert [Exit.of_signal(number) for number in (1, 2, 15)] == [Exit.HANGUP, Exit.INTERRUPTED, Exit.TERMINATED]
    assert Exit.worst([Exit.HANGUP, Exit.STORAGE]) is Exit.STORAGE


def test_sentences() -> None:
    """Meaning and help are whole sentences on one line."""
    for code in Code:
        for sentence in (code.means, code.help):
            assert sentence[0].isupper() or sentence[0] == "`", code
            assert sentence.endswith(".") and sentence.isprintable(), code


def test_every_error_ends_with_something() -> None:
    """An error has exit codes, and a warning has none: it changes nothing."""
    for code in Code:
        assert code[:2] in ("E-", "W-"), code
        assert bool(code.exits) is code.startswith("E-"), code
        assert len(set(code.exits)) == len(code.exits), code
    assert all(Exit.INVALID in code.exits for code in READING if code.startswith("E-"))


def test_names_of_members() -> None:
    """A member is named as the code it stands for."""
    assert all(code.name == code.replace("-", "_") for code in Code)


def test_an_unknown_code_is_refused() -> None:
    """A code that has no row cannot be raised: nobody could look up what it means."""
    with pytest.raises(ValueError, match="E-NO-SUCH"):
        errors.PlanRefused("E-NO-SUCH", "a sentence")
