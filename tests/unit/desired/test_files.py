"""Paths to documents: what a folder holds is read, or the run says what it left out."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exolink_reconcile.desired import desired_state, files
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import DesiredState
from exolink_reconcile.planning import guardrails
from exolink_reconcile.planning.choices import Choices


@pytest.fixture(autouse=True)
def in_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, *names: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("tenant: acme\nchargers: [" + ", ".join(f"{{identity: {name}}}" for name in names) + "]\n")


def link(path: str, target: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, path)


def codes(*paths: str) -> list[str]:
    """The code and file of each problem."""
    return [f"{each.code} {each.source.path}" for each in files.read(paths, {}).problems if each.source]


def declared(*paths: str) -> list[str]:
    found = files.read(paths, {}).documents
    return sorted(entry["identity"] for document in found for entry in document.body["chargers"])


def desired(*paths: str) -> DesiredState:
    inputs = files.read(paths, {})
    return desired_state.build(inputs.documents, KINDS, problems=inputs.problems, unread=inputs.unread)


def test_row_A1_a_linked_folder_is_read() -> None:
    """What a folder reaches by a link inside of it is declared like everything else, and once."""
    write("conf/main.yaml", "A")
    write("conf/parts/b.yaml", "B")
    link("conf/again", "parts")
    link("conf/loop", ".")
    link("conf/b.yml", "parts/b.yaml")
    assert (declared("conf"), codes("conf")) == (["A", "B"], [])


def test_row_A1_suffixes_in_any_case() -> None:
    """`.YAML` and `.Yml` are YAML too, and a folder may be called so; what starts with a dot is not read."""
    for number, name in enumerate(("a.YAML", "b.Yml", "c.yaml/d.yml", ".e.yaml", ".f/g.yaml", "h.txt", "i.json")):
        write(f"conf/{name}", f"C{number}")
    assert (declared("conf"), codes("conf")) == (["C0", "C1", "C2"], [])


def test_links_into_a_hidden_folder_are_followed() -> None:
    """Kubernetes mounts a configuration as links to a folder whose name begins with dots."""
    write("conf/..2024/a.yaml", "A")
    link("conf/..data", "..2024")
    link("conf/a.yaml", "..data/a.yaml")
    assert (declared("conf"), codes("conf")) == (["A"], [])


@pytest.mark.parametrize("name", ["x.yaml", "x.CSV", "folder"])
def test_row_E21_no_link_leads_out(name: str) -> None:
    """A pull request cannot make a runner read what lies outside of the folder."""
    write("conf/a.yaml", "A")
    write("secret/b.yaml", "B")
    link(f"conf/{name}", "../secret" if name == "folder" else "../secret/b.yaml")
    assert (declared("conf"), codes("conf")) == (["A"], [f"E-LINK conf/{name}"])


def test_row_E21_what_is_not_regular_is_not_opened() -> None:
    """A pipe that nobody writes to does not hang the run: it is named, and --prune refuses."""
    write("conf/a.yaml", "A")
    os.mkfifo("conf/b.yaml")
    link("conf/c", "nowhere")
    assert codes("conf") == ["W-UNREAD conf/b.yaml", "W-UNREAD conf/c"]
    assert codes("conf/b.yaml") == ["E-READ conf/b.yaml"]
    [refusal] = guardrails.read_in_part(desired("conf"), Choices(prune=True))
    assert refusal.code == "E-PARTLY-READ" and "conf/b.yaml and 1 more" in refusal.summary
    assert guardrails.read_in_part(desired("conf"), Choices()) == []


def test_a_folder_that_cannot_be_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies below it is not known: a warning that names the folder."""
    write("conf/a.yaml", "A")
    write("conf/b/b.yaml", "B")
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if path == "conf/b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert (declared("conf"), codes("conf")) == (["A"], ["W-UNREAD conf/b"])


def test_tables_of_a_folder_are_collected() -> None:
    """Each CSV file of a folder is known, so that one that no document names can be told."""
    write("conf/a.yaml", "A")
    Path("conf/T.CSV").write_text("identity\n")
    link("conf/u.csv", "T.CSV")
    assert files.read(["conf"], {}).tables == ("conf/T.CSV", "conf/u.csv")


def test_row_A1_both_defaults_are_an_error() -> None:
    """Where `exolink.yaml` and `exolink/` stand side by side, neither is passed over: the user says which."""
    with pytest.raises(InputError, match="E-NO-PATH.*neither"):
        files.read([], {})
    write("exolink.yaml", "A")
    assert declared() == ["A"]
    write("exolink/b.yaml", "B")
    with pytest.raises(InputError, match="E-NO-PATH.*both"):
        files.read([], {})
    assert declared("exolink.yaml", "exolink") == ["A", "B"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is what stands on standard input; named twice it is read once."""
    write("a.yaml", "A")
    with open("a.yaml") as file:
        monkeypatch.setattr("sys.stdin", file)
        assert declared("-", "-") == ["A"]


def test_no_document_at_all() -> None:
    """A path that yields nothing is an error, in a folder a file without a document only a warning."""
    write("conf/a.yaml", "A")
    Path("conf/b.yaml").write_text("# nothing\n")
    Path("empty").mkdir()
    assert codes("conf", "empty", "missing.yaml") == [
        "W-EMPTY conf/b.yaml", "E-EMPTY empty", "E-READ missing.yaml",
    ]  # fmt: skip


numbers = itertools.count()
names = st.sampled_from(["a.yaml", "b.YML", "c.Yaml", "d", "e.yaml", ".f.yaml", "g.txt", ".h", "i.yml"])
kinds = st.sampled_from(["file", "file", "file", "folder", "folder", "link", "link out", "dead link", "pipe"])


@st.composite
def trees(draw: st.DrawFn, depth: int = 0) -> dict[str, object]:
    tree: dict[str, object] = {}
    for name in draw(st.lists(names, max_size=4, unique=True)):
        kind = draw(kinds)
        if kind == "folder":
            tree[name] = draw(trees(depth + 1)) if depth < 2 else {}
        elif kind == "link":
            tree[name] = draw(
                st.sampled_from(["link .", "link ..", "link a.yaml", "link d", "link .h", "link d/a.yaml"])
            )
        else:
            tree[name] = kind
    return tree


def make(folder: str, tree: dict[str, object]) -> None:
    os.makedirs(folder, exist_ok=True)
    for name, what in tree.items():
        path = f"{folder}/{name}"
        match what:
            case dict():
                make(path, what)
            case "file":
                write(path, re.sub(r"\W", "-", path))
            case "link out":
                link(path, os.path.abspath("outside"))
            case "dead link":
                link(path, "nowhere")
            case "pipe":
                os.mkfifo(path)
            case str():
                link(path, what.removeprefix("link "))


def reachable(root: str) -> set[str]:
    """The plain walk: names of all YAML files that a user who follows links would see below `root`."""
    found: set[str] = set()
    top = os.path.realpath(root)
    seen: set[str] = set()

    def look(path: str) -> None:
        real = os.path.realpath(path)
        if not (real + "/").startswith(top + "/"):
            return
        if os.path.isdir(real):
            if real not in seen:
                seen.add(real)
                for name in os.listdir(real):
                    if not name.startswith("."):
                        look(os.path.join(real, name))
        elif os.path.isfile(real) and path.lower().endswith((".yaml", ".yml")):
            found.add(re.sub(r"\W", "-", os.path.relpath(real)))

    look(root)
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=trees())
def test_row_A1_everything_is_read_or_told(tree: dict[str, object]) -> None:
    """Of any folder what is declared is what a plain walk finds, or the run says what is left out and --prune refuses."""
    root = f"conf-{next(numbers)}"
    os.makedirs("outside", exist_ok=True)
    write("outside/o.yaml", "OUT")
    make(root, {**tree, "z.yaml": "file"})
    inputs = files.read([root], {})
    assert set(declared(root)) == reachable(root)
    left_out = {each.source.path for each in inputs.problems if each.code in ("W-UNREAD", "E-LINK") and each.source}
    for folder, folders, names_there in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in [*folders, *names_there]:
            path = os.path.join(folder, name)
            visible = not name.startswith(".")
            if visible and (not os.path.exists(path) or not (os.path.isfile(path) or os.path.isdir(path))):
                assert path in left_out
    assert bool(inputs.unread) == any(each.code == "W-UNREAD" for each in inputs.problems)
