"""A plan in colour: weight where the danger is, and not a byte of the text otherwise."""

import re

import pytest
import support_plans
from support_text import everything

from exolink_reconcile.report import colours, text


@pytest.mark.parametrize("story", ["nothing", "one", "mixed", "hostile", "many"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_colour_changes_nothing_else(story: str, width: int) -> None:
    """Without its escapes the coloured text is the plain one, byte for byte; nothing but colours was added."""
    plan = support_plans.many(1_000) if story == "many" else getattr(support_plans, story)()
    plain = text.plan(plan, "0" * 64, width=width, terminal=True, show_unmanaged=True)
    assert re.sub("\x1b\\[[0-9;]*m", "", colours.paint(plain)) == plain


def test_what_is_painted() -> None:
    """The legend, the headings, the marked lines, what changes, what apply will refuse and the totals."""
    coloured = colours.paint(text.plan(everything(), "0" * 64))
    painted = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in coloured.splitlines() if "\x1b" in line]
    assert [line.split()[0] for line in painted] == [
        "Marks:", "Held", "!", "To", "-", "To", "-/+", "interval:", "authPassThrough:", "To", "~", "To", "+", "+",
        "Apply", "Plan:",
    ]  # fmt: skip


def test_the_danger_has_the_weight() -> None:
    """A delete is bold, mark and address; the place beside it is dim, and so is what was there before."""
    lines = colours.paint(text.plan(everything(), "0" * 64, width=200)).splitlines()
    [delete] = [line for line in lines if line.startswith("  \x1b[1;31m- acme/cpms/Gone\x1b[0m  (id ")]
    assert delete.endswith("\x1b[0m") and "  \x1b[2mexolink.yaml:" in delete
    assert any("interval: \x1b[2m30 ->\x1b[0m \x1b[1m60\x1b[0m" in line for line in lines)


def test_a_mark_has_one_colour() -> None:
    """The legend shows a mark in the colour of its lines."""
    _, legend, *rest = colours.paint(text.plan(everything(), "0" * 64)).splitlines()
    tones = dict(re.findall(r"\x1b\[(\d+)m(\S+) ", legend))
    assert len(tones) == 5
    for line in rest:
        if mark := re.match(r" +\x1b\[(?:1;)?(\d+)m(\S+) ", line):
            assert tones[mark[1]] == mark[2]


RESULT = """\
  unknown create acme/cpms/A: no clear answer (E-AMBIGUOUS)
  failed update acme/cpms/failed b: refused (E-REJECTED)
  skipped create acme/cpms/C: not started
    Next: (E-STOPPED)
Apply incomplete. Resources: 0 added, 0 changed, 0 destroyed. 1 unknown.
Next: run the same command again.
Apply complete! Resources: 1 added, 0 changed, 0 destroyed.
"""


def test_a_result_in_colour() -> None:
    """What went wrong is red, what was done green, what to do next bold; no other byte changes, and no name is painted."""
    coloured = colours.paint_result(RESULT)
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == RESULT
    assert re.findall("\x1b\\[([1-9;0]+)m([^\x1b]+)\x1b\\[0m", coloured) == [
        ("1;31", "unknown"),
        ("1;31", "failed"),
        ("33", "skipped"),
        ("1;31", "Apply incomplete."),
        ("1", "Next:"),
        ("1;32", "Apply complete!"),
    ]
