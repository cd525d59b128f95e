"""Names that people cannot tell apart have one skeleton."""

import pytest

from exolink_reconcile.confusables import skeleton, skeletons


@pytest.mark.parametrize(
    ("name", "other"), [("CP-A", "CP-\u0410"), ("rnodem", "modem"), ("Depot\u00a0A", "Depot A"), ("\uff23P", "CP")]
)
def test_what_looks_alike(name: str, other: str) -> None:
    """Cyrillic for Latin letters, `rn` for `m`, blanks of other kinds, letters of full width."""
    assert skeleton(name) == skeleton(other)


def test_what_does_not() -> None:
    """Case and digits are seen, and many names at once give what each gives alone."""
    names = ["CP-1", "CP-2", "cp-1", "Depot north", "D\u00e9p\u00f4t"]
    assert len({skeleton(name) for name in names}) == len(names)
    assert skeletons(names) == [skeleton(name) for name in names]
    assert skeletons(names[:4]) == [skeleton(name) for name in names[:4]]
