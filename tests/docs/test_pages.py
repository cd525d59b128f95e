"""The pages say what happens: every command of every page is run, and prints what stands beside it.

What cannot be run here stands in NOT_RUN, with the reason. Of that the shell reads the syntax, click the calls of the tool,
and make knows the targets.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import postgres_server
import pytest

from . import calls
from .runner import Reader, runs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob(".github/*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    ROOT / "tests/README.md",
]
NOT_RUN = {  # by page and the first line of the block
    (
        "README.md",
        "make demo    #",
    ): "it makes an environment of its own; the suite runs `demo`, and is itself `make test`",
    ("CONTRIBUTING.md", "make         #"): "the same",
    ("docs/index.md", "pipx install"): "it installs; the suite runs `demo`, `make wheels-only` installs the wheel",
    ("docs/pipelines.md", "docker build"): "there is no Docker engine",
    ("docs/how-to/rotate-password.md", "read -rs"): "somebody types a password; the page's next mark sets it",
    ("examples/fleet-migration/README.md", ""): "tests/e2e/test_examples.py runs it, and reads what each wave reports",
}
DATABASE = "postgresql://exolink_ci@db.example.com/exolink?sslmode=verify-full"  # here a server of the tests
FENCE = re.compile(
    r"^(?P<indent> *)(?P<mark>```+)(?P<language>\S*)[^\n]*\n(?P<text>.*?)^ *(?P=mark)$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block of a page for a shell."""

    page: str
    text: str
    whole: str

    @property
    def reason(self) -> str | None:
        """Why it is not run; None if it is."""
        return next(
            (why for (page, start), why in NOT_RUN.items() if page == self.page and self.text.startswith(start)), None
        )


def blocks(page: Path) -> Iterator[Block]:
    """What a reader of the page may type. A block in no language counts, if it has a line with a prompt or calls the tool."""
    for fence in FENCE.finditer(page.read_text("utf-8")):
        text = re.sub(f"^{fence['indent']}", "", fence["text"], flags=re.MULTILINE)
        typed = re.search(r"^(\$ |exolink-reconcile )", text, re.MULTILINE) and not USAGE.fullmatch(text)
        if fence["language"] in ("sh", "bash", "shell", "console", "zsh", "fish") or typed:
            yield Block(str(page.relative_to(ROOT)), text, fence[0])


USAGE = re.compile(r"exolink-reconcile [a-z ]+\[OPTIONS\][^\n]*\n")  # of the generated reference
BLOCKS = {page: list(blocks(page)) for page in PAGES}
FOLLOWED = [page for page, typed in BLOCKS.items() if any(block.reason is None for block in typed)]
LEFT = [block for typed in BLOCKS.values() for block in typed if block.reason is not None]


@pytest.mark.timeout(300)  # dozens of processes, on a machine that may be busy
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_reader_sees_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Typed in an empty folder, in order, each command prints what the page shows; UPDATE_DOCS=1 writes what it printed."""
    folder = tmp_path / "try"
    folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    text = page.read_text("utf-8")
    if " jq " in text and shutil.which("jq") is None:
        pytest.skip("there is no jq")
    reader = Reader(folder, {block.text for block in BLOCKS[page] if block.reason}, _stands_for(text))
    really = reader.follow(text)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(really, "utf-8")
    assert really == text


def _stands_for(text: str) -> Mapping[str, str]:
    """What the page calls by a name that is nobody's. Only who needs a database waits for one."""
    if DATABASE not in text:
        return {}
    server = postgres_server.server()
    return {DATABASE: server.url(server.new_database(tables=False))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_for_a_shell_is_run_or_has_its_reason(page: Path) -> None:
    """A command that nobody runs is wrong one day, and nobody notices."""
    run = runs(page.read_text("utf-8"))
    assert [block.text for block in BLOCKS[page] if block.reason is None and block.whole not in run] == []


def test_every_reason_has_its_block() -> None:
    """A block that went takes its line in NOT_RUN with it."""
    assert {(block.page, block.reason) for block in LEFT} == {(page, why) for (page, _), why in NOT_RUN.items()}


@pytest.mark.parametrize("block", LEFT, ids=lambda block: f"{block.page}: {block.text.splitlines()[0]}")
def test_what_is_not_run_is_read(block: Block) -> None:
    """A shell can read it, click its calls of the tool, and the Makefile has its targets."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    for call in calls.of(block.text):
        calls.parse(call)
    targets = re.findall(r"^make ([a-z-]+)", block.text, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
