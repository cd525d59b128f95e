"""Work grows with the size of what is read: counted in calls of functions, not in seconds."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from exolink_reconcile.desired import desired_state, documents
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS

HEAD = "tenant: acme\nprofiles: {standard: 1}\nchargers:\n"
SHAPES: dict[str, Callable[[int], str]] = {
    "documents": lambda n: "---\n" * n,
    "documents-of-a-tenant": lambda n: "---\ntenant: acme\n" * n,
    "brackets-in-a-key": lambda n: "? " + "[" * n,
    "question-marks": lambda n: "? " * n,
    "alike-unknown-profiles": lambda n: (
        HEAD + "".join(f"- {{identity: C{i}, profile: standart{i % 7}}}\n" for i in range(n))
    ),
    "other-unknown-profiles": lambda n: HEAD + "".join(f"- {{identity: C{i}, profile: p{i}}}\n" for i in range(n)),
    "unknown-profiles-of-many": lambda n: (
        f"tenant: acme\nprofiles: {{{', '.join(f'p{i}: {i}' for i in range(1, n))}}}\nchargers:\n"
        + "".join(f"- {{identity: C{i}, profile: q{i}}}\n" for i in range(n))
    ),
    "nulls": lambda n: HEAD + "- null\n" * n,
    "unknown-keys": lambda n: HEAD + "".join(f"- {{identity: C{i}, k{i}: x}}\n" for i in range(n)),
    "the-same-charger": lambda n: HEAD + "- {identity: C, displayName: x}\n" * n,
    "duplicate-keys": lambda n: "tenant: acme\n" * n,
    "long-unknown-word": lambda n: HEAD + "- {identity: C, profile: " + "x" * 20 * n + "}\n",
    "globs": lambda n: "tenant: acme\npolicy: {protect: [" + "charger/**, " * n + "]}\n",
    "references": lambda n: HEAD + "- {identity: C, displayName: '" + "${env:A}" * n + "'}\n",
    "open-references": lambda n: HEAD + "- {identity: C, displayName: '" + "${" * n + "'}\n",
}


def calls(text: str) -> int:
    """How many functions are called, of Python and of C, to read a text and say what is wrong with it."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        parsed, problems = documents.read("f.yaml", text.encode(), None)
        desired_state.build(parsed, KINDS, problems=problems)
    except InputError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_row_E17_work_grows_with_size(shape: str) -> None:
    """Four times as much text is at most a little more than four times the work, whatever it is."""
    small, large = calls(SHAPES[shape](400)), calls(SHAPES[shape](1600))
    assert large < 5.5 * small + 2000


def test_row_E17_of_equal_problems_few_are_kept() -> None:
    """Of thousands of equal problems a file costs the first ones and a count."""
    problems = documents.read("f.yaml", (HEAD + "- null\n" * 3000).encode(), None)[1]
    assert 0 < len(problems) <= 21
