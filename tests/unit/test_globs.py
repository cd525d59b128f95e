"""Globs: `*` any run, `?` one character, nothing else is special."""

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exolink_reconcile import globs
from exolink_reconcile.globs import Globs

globs_ = st.text(alphabet="ab/*?", max_size=6)
words = st.text(alphabet="ab/", max_size=6)


def by_hand(glob: str, text: str) -> bool:
    """The meaning of a glob, spelt out."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(by_hand(glob[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and by_hand(glob[1:], text[1:])


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("charger/CP-*", "charger/CP-0001", True),
        ("charger/CP-*", "charger/cp-0001", False),
        ("*", "a/b/c\nd", True),
        ("a*c", "a/b/c", True),
        ("a?c", "a/c", True),
        ("a?c", "ac", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a.b", "axb", False),
        ("a+(b|c)$^\\", "a+(b|c)$^\\", True),
        ("CP", "CP-1", False),
    ],
)
def test_matches(glob: str, text: str, expected: bool) -> None:
    """The whole text matches; case counts; slashes and line breaks are characters like any other."""
    assert globs.matches(glob, text) is expected


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(globs_, words)
def test_as_by_hand(glob: str, text: str) -> None:
    """A glob means what its definition says."""
    assert globs.matches(glob, text) == by_hand(glob, text)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(globs_, words, words)
def test_what_may_match_below(glob: str, prefix: str, rest: str) -> None:
    """What matches something below a prefix is never ruled out, so that nothing is left unread."""
    if by_hand(glob, prefix + rest):
        assert globs.may_match_below(glob, prefix)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(globs_, words)
def test_what_may_not_match_below(glob: str, prefix: str) -> None:
    """What is not ruled out does match something: the glob itself says what."""
    if globs.may_match_below(glob, prefix):
        endings = {"", *(glob[n:].replace("*", "").replace("?", "a") for n in range(len(glob) + 1))}
        assert any(by_hand(glob, prefix + ending) for ending in endings)


def test_hostile_globs_take_no_time() -> None:
    """A glob of many stars cannot hang a pipeline."""
    code = "from exolink_reconcile import globs; print(globs.matches('*a' * 16 + 'b', 'a' * 60), globs.may_match_below('*a' * 16, 'a' * 60))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=5)
    assert done.stdout.split() == ["False", "True"]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(globs_, max_size=6), words)
def test_row_D9_many_globs_at_once(many: list[str], text: str) -> None:
    """Many globs together find what each of them finds by itself."""
    assert set(Globs(many).matching(text)) == {glob for glob in many if globs.matches(glob, text)}
    assert Globs(many).match(text) is any(globs.matches(glob, text) for glob in many)


def test_row_D9_only_globs_that_begin_alike_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up an address among 2,000 globs tries those that have its beginning or end, not all of them."""
    tried: list[str] = []
    many = Globs([f"acme/charger/CP-{n:04}*" for n in range(1000)] + [f"*/CP-{n:04}" for n in range(1000)] + ["x"])
    monkeypatch.setattr(globs, "matches", lambda glob, text: bool(tried.append(glob)))
    assert not many.match("acme/charger/CP-0042") and len(tried) == 2
