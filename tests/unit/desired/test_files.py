"""Paths to documents: what a folder holds is read, or the run says what it left out."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exolink_reconcile.desired import desired_state, files, table_files
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
    """The code and file of each problem. What is said of a file as a whole has its first line as its place."""
    problems = files.read(paths, {}).problems
    assert all((problem.code[0] == "W") == (problem.severity == "warning") for problem in problems)
    assert all(problem.source and (problem.code == "E-SYNTAX" or problem.source[1:] == (1, 1)) for problem in problems)
    return [f"{problem.code} {problem.source.path}" for problem in problems if problem.source]


def declared(*paths: str) -> list[str]:
    documents = files.read(paths, {}).documents
    return sorted(entry["identity"] for document in documents for entry in document.body["chargers"])


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
    """Each CSV file of a folder is known, so that one that no document names can be reported."""
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
    monkeypatch.setattr("sys.stdin", Stdin(b"tenant: acme\nchargers: []\n"))
    assert codes("-", "-") == [] and files.read(["-", "-"], {}).files == ("-",)


def test_no_document_at_all() -> None:
    """A path that yields nothing is an error, in a folder a file without a document only a warning."""
    write("conf/a.yaml", "A")
    Path("conf/b.yaml").write_text("# nothing\n")
    Path("empty").mkdir()
    assert codes("conf", "empty", "missing.yaml") == [
        "W-EMPTY conf/b.yaml",
        "E-EMPTY empty",
        "E-READ missing.yaml",
    ]


def problems(*paths: str) -> dict[str, str]:
    """What is said of each file."""
    assert codes(*paths) is not None
    reported = files.read(paths, {}).problems
    return {f"{problem.code} {problem.source.path}": problem.summary for problem in reported if problem.source}


def test_a_path_that_yields_nothing_is_an_error_whatever_the_others_yield() -> None:
    """Only what is said of the path itself explains why nothing of it was declared."""
    write("a.yaml", "A")
    Path("none.yaml").write_text("# nothing\n")
    Path("broken.yaml").write_text("tenant: [\n")
    Path("warned").mkdir()
    os.mkfifo("warned/pipe.yaml")
    assert codes("a.yaml", "none.yaml") == ["E-EMPTY none.yaml"]
    assert codes("broken.yaml", "none.yaml", "a.yaml") == ["E-SYNTAX broken.yaml", "E-EMPTY none.yaml"]
    os.makedirs("folder")
    Path("folder/broken.yaml").write_text("tenant: [\n")
    assert codes("folder") == ["E-SYNTAX folder/broken.yaml"]
    assert codes("warned") == ["W-UNREAD warned/pipe.yaml", "E-EMPTY warned"]


def test_what_is_named_twice_is_read_once() -> None:
    """A file named twice, by itself and with its folder, or under another name of it declares nothing twice."""
    write("conf/a.yaml", "A")
    os.link("conf/a.yaml", "hard.yaml")
    for paths in (("conf", "conf"), ("conf", "conf/a.yaml"), ("conf/a.yaml", "hard.yaml"), ("conf", "./conf/")):
        assert (declared(*paths), codes(*paths)) == (["A"], [])
    assert files.read(["conf", "hard.yaml"], {}).files == ("conf/a.yaml",)
    Path("conf/b.yaml").write_text("# nothing\n")
    assert codes("conf", "conf") == ["W-EMPTY conf/b.yaml"]


def test_variables_that_are_allowed() -> None:
    """Every file is read with the variables that may be named, and no others."""
    write("conf/a.yaml", '"${env:X}"')
    inputs = files.read(["conf"], {"X": "A"}, ["X"])
    assert (inputs.problems, inputs.documents[0].body["chargers"][0]["identity"]) == ((), "A")
    assert [problem.code for problem in files.read(["conf"], {"X": "A"}, ["Y"]).problems] == ["E-ENV"]


def test_the_digest_is_over_names_and_bytes() -> None:
    """The digest of a configuration tells another byte, another name and another file, and nothing else."""
    write("conf/a.yaml", "A")
    write("conf/b.yaml", "B")
    digest = files.read(["conf"], {}).digest
    assert len(digest) == 64 and files.read(["conf/b.yaml", "conf/a.yaml"], {}).digest == digest
    assert files.read(["conf/a.yaml"], {}).digest != digest
    os.rename("conf/b.yaml", "conf/c.yaml")
    renamed = files.read(["conf"], {}).digest
    write("conf/c.yaml", "C")
    assert len({digest, renamed, files.read(["conf"], {}).digest}) == 3


def test_the_digest_is_over_tables_too() -> None:
    """A row of a table is a part of the configuration."""
    Path("a.yaml").write_text("tenant: acme\nchargersFrom: [{file: t.csv}]\n")
    Path("t.csv").write_text("identity\nA\n")
    digest = files.read(["a.yaml"], {}).digest
    Path("t.csv").write_text("identity\nB\n")
    assert files.read(["a.yaml"], {}).digest != digest


def test_files_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, or all together, may be as large as the limit and not larger; the file that is over it is named."""
    write("a.yaml", "A")
    write("b.yaml", "BB")
    size = os.path.getsize("b.yaml")
    monkeypatch.setattr(files, "MAX_BYTES", size)
    assert codes("a.yaml", "b.yaml") == []
    monkeypatch.setattr(files, "MAX_BYTES", size - 1)
    assert codes("a.yaml", "b.yaml") == ["E-SIZE b.yaml"]
    monkeypatch.setattr(files, "MAX_BYTES_IN_ALL", 2 * size - 1)
    monkeypatch.setattr(files, "MAX_BYTES", size)
    assert codes("a.yaml", "b.yaml") == []
    monkeypatch.setattr(files, "MAX_BYTES_IN_ALL", 2 * size - 2)
    assert codes("a.yaml", "b.yaml") == ["E-SIZE b.yaml"]
    assert declared("a.yaml", "b.yaml") == ["A"]


def test_row_E16_entries_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files together have so many entries and no more; each file that goes beyond is named."""
    for name in "abc":
        write(f"{name}.yaml", name.upper())
    monkeypatch.setattr(table_files, "MAX_ENTRIES_IN_ALL", 3)
    assert codes("a.yaml", "b.yaml", "c.yaml") == []
    monkeypatch.setattr(table_files, "MAX_ENTRIES_IN_ALL", 1)
    too_many = "all files together have more than 1 entries"
    assert problems("a.yaml", "b.yaml", "c.yaml") == {"E-SIZE b.yaml": too_many, "E-SIZE c.yaml": too_many}
    assert declared("a.yaml", "b.yaml", "c.yaml") == ["A"]


def test_the_limits_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages tell the limits in MiB."""
    with open("large.yaml", "wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    assert problems("large.yaml") == {"E-SIZE large.yaml": "the file is larger than 64 MiB"}
    assert (files.MAX_BYTES_IN_ALL, table_files.MAX_ENTRIES_IN_ALL) == (256 * 1024 * 1024, 1_200_000)
    monkeypatch.setattr(files, "MAX_BYTES_IN_ALL", 1024 * 1024)
    os.truncate("large.yaml", 1024 * 1024 + 1)
    assert problems("large.yaml") == {"E-SIZE large.yaml": "all files together are larger than 1 MiB"}


proc = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this system has no /proc")


@proc
def test_a_file_that_grows_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is what was read of it, not what the folder says: files of /proc say 0."""
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    assert problems("/proc/self/status") == {"E-SIZE /proc/self/status": "the file is larger than 0 MiB"}


class Stdin:
    """Standard input that gives this, or fails."""

    def __init__(self, data: bytes | OSError | None) -> None:
        self.data = data
        self.buffer = self

    def read(self, most: int) -> bytes | None:
        if isinstance(self.data, OSError):
            raise self.data
        return self.data[:most] if self.data is not None else None


@pytest.mark.parametrize(
    ("stdin", "summary"),
    [
        (None, "cannot be read: there is nothing to read"),  # closed
        (Stdin(OSError(5, "Input/output error")), "cannot be read: Input/output error"),
        (Stdin(None), "cannot be read: there is nothing to read now"),  # would block
        (Stdin(b"#" * 101), "the file is larger than 0 MiB"),
        (Stdin(b"#" * 100), "no document here"),
    ],
)
def test_standard_input_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, stdin: Stdin | None, summary: str) -> None:
    """Standard input that is closed, fails, is not ready or is too large is an error that says so."""
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    monkeypatch.setattr("sys.stdin", stdin)
    assert list(problems("-").values()) == [summary]


def test_a_folder_called_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input, whatever stands in the folder."""
    write("-/a.yaml", "A")
    monkeypatch.setattr("sys.stdin", Stdin(b"tenant: acme\nchargers: [{identity: B}]\n"))
    assert declared("-") == ["B"] and declared("./-") == ["A"]


@pytest.mark.parametrize("name", ["b\udcff.yaml", "\udc80"])
def test_a_name_that_is_not_utf_8(name: str) -> None:
    """It cannot be shown: the file is not read, which is an error."""
    write("conf/a.yaml", "A")
    write("conf/" + name + ("/b.yaml" if "." not in name else ""), "B")
    [(code, summary)] = problems("conf").items()
    assert code.startswith("E-READ") and summary == "the name of this file is not UTF-8"


@proc
def test_what_cannot_be_read() -> None:
    """Why is said as the system says it, when opening and when reading."""
    os.mkfifo("pipe")
    assert problems("missing.yaml", "pipe", "/proc/self/mem") == {
        "E-READ missing.yaml": "cannot be read: No such file or directory",
        "E-READ pipe": "this is neither a file nor a folder",
        "E-READ /proc/self/mem": "cannot be read: Input/output error",
    }


@proc
def test_no_file_stays_open() -> None:
    """Whatever is read or refused, nothing stays open."""
    write("a.yaml", "A")
    os.mkfifo("pipe")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        files.read(["a.yaml", "a.yaml", "pipe", "missing", "/proc/self/mem"], {})
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_order_of_a_folder() -> None:
    """Files in the order of their names, folder by folder, then what links lead to: the same on every machine."""
    for name in ("b/z.yaml", "b/a.yaml", "a/x/q.yaml", "a/p.yaml", "d.yaml", "c.yaml"):
        write(f"conf/{name}", re.sub(r"\W", "-", name))
    link("conf/a.yaml", "b/../.e.yaml")
    write("conf/.e.yaml", "E")
    assert files.read(["conf"], {}).files == tuple(
        f"conf/{name}" for name in ("c.yaml", "d.yaml", "a/p.yaml", "a/x/q.yaml", "b/a.yaml", "b/z.yaml", "a.yaml")
    )


def test_links_of_every_sort() -> None:
    """A link is what it leads to: one to nothing, a pipe or out of the folder is reported, one to what is not YAML is not."""
    write("conf/a.yaml", "A")
    write("out/o.yaml", "O")
    os.mkfifo("conf/.pipe")
    Path("conf/.notes.txt").write_text("x")
    for name, target in {
        "dead": "nowhere",
        "dead.yaml": "nowhere",
        "pipe": ".pipe",
        "pipe.yaml": ".pipe",
        "notes": ".notes.txt",
        "out.yaml": "../out/o.yaml",
        "out.txt": "../out/o.yaml",
        "out": "../out",
        "up": "..",
    }.items():
        link(f"conf/{name}", target)
    assert problems("conf") == {
        "W-UNREAD conf/dead": "not read: a link that leads nowhere",
        "W-UNREAD conf/dead.yaml": "not read: a link that leads nowhere",
        "W-UNREAD conf/pipe": "not read: neither a file nor a folder",
        "W-UNREAD conf/pipe.yaml": "not read: neither a file nor a folder",
        "E-LINK conf/out.yaml": "this link leads out of conf",
        "E-LINK conf/out": "this link leads out of conf",
        "E-LINK conf/up": "this link leads out of conf",
    }
    assert declared("conf") == ["A"]


def test_a_folder_that_is_a_link_itself() -> None:
    """What the user names may be a link; its inside is what it leads to."""
    write("real/a.yaml", "A")
    write("real/sub/b.yaml", "B")
    link("real/c.yaml", "sub/b.yaml")
    link("conf", "real")
    assert (declared("conf"), codes("conf")) == (["A", "B"], [])


def test_an_entry_that_goes_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked at is a warning with the reason, and the rest is read."""
    write("conf/a.yaml", "A")
    write("conf/b.yaml", "B")
    look = os.stat

    def refuse(path: str, **options: bool) -> os.stat_result:
        if path == "conf/a.yaml":
            raise PermissionError(13, "Permission denied")
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert problems("conf") == {"W-UNREAD conf/a.yaml": "not read: cannot be looked at: Permission denied"}
    assert declared("conf") == ["B"]


def test_a_default_that_is_a_dead_link() -> None:
    """An `exolink.yaml` that leads nowhere is an error, not a reason to look elsewhere."""
    link("exolink.yaml", "nowhere")
    assert codes() == ["E-READ exolink.yaml"]
    write("exolink/a.yaml", "A")
    with pytest.raises(InputError, match="E-NO-PATH.*both"):
        files.read([], {})
    os.unlink("exolink.yaml")
    assert declared() == ["A"]


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
    for name, content in tree.items():
        path = f"{folder}/{name}"
        match content:
            case dict():
                make(path, content)
            case "file":
                write(path, re.sub(r"\W", "-", path))
            case "link out":
                link(path, os.path.abspath("outside"))
            case "dead link":
                link(path, "nowhere")
            case "pipe":
                os.mkfifo(path)
            case str():
                link(path, content.removeprefix("link "))


def reachable(root: str) -> set[str]:
    """The plain walk: names of all YAML files that a user who follows links would see below `root`."""
    paths: set[str] = set()
    top = os.path.realpath(root)
    visited: set[str] = set()

    def look(path: str) -> None:
        real = os.path.realpath(path)
        if not (real + "/").startswith(top + "/"):
            return
        if os.path.isdir(real):
            if real not in visited:
                visited.add(real)
                for name in os.listdir(real):
                    if not name.startswith("."):
                        look(os.path.join(real, name))
        elif os.path.isfile(real) and path.lower().endswith((".yaml", ".yml")):
            paths.add(re.sub(r"\W", "-", os.path.relpath(real)))

    look(root)
    return paths


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
    left_out = {
        problem.source.path for problem in inputs.problems if problem.code in ("W-UNREAD", "E-LINK") and problem.source
    }
    for folder, folders, names_there in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in [*folders, *names_there]:
            path = os.path.join(folder, name)
            visible = not name.startswith(".")
            if visible and (not os.path.exists(path) or not (os.path.isfile(path) or os.path.isdir(path))):
                assert path in left_out
    assert bool(inputs.unread) == any(problem.code == "W-UNREAD" for problem in inputs.problems)
