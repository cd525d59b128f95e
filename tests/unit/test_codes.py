"""Every stable word has its sentence, and every sentence its word."""

import re
from pathlib import Path

from exolink_reconcile import codes

PACKAGE = Path(codes.__file__).parent
WORD = re.compile(r"\b[EW]-[A-Z]+(?:-[A-Z]+)*\b")
# What `validate` runs. `files` also writes, for other commands.
READING = ("desired/documents.py", "desired/desired_state.py", "files.py")
WRITING = {"E-STORAGE"}


def words(*names: str) -> set[str]:
    paths = [PACKAGE / name for name in names] or [path for path in PACKAGE.rglob("*.py") if path.name != "codes.py"]
    return {word for path in paths for word in WORD.findall(path.read_text("utf-8"))}


def test_what_reading_reports() -> None:
    """Each word that reading the YAML can report is a rule with a help, and no rule is left over."""
    assert set(codes.INPUT) == words(*READING) - WRITING


def test_every_word() -> None:
    """Each word of the tool has its meaning once, and none has one that nothing says any more."""
    assert set(codes.INPUT) | set(codes.LATER) == words()
    assert not set(codes.INPUT) & set(codes.LATER)


def test_sentences() -> None:
    """Meaning and help are whole sentences on one line."""
    for word, code in {**codes.INPUT, **codes.LATER}.items():
        for sentence in code:
            assert sentence[0].isupper() or sentence[0] == "`", word
            assert sentence.endswith(".") and sentence.isprintable(), word
