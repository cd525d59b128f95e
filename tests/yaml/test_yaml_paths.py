"""Which files `validate` reads, how it names them, what it exits with, and the shape of its JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = "tenant: acme\nname: Acme\n"
BAD = "tenant: acme\nchargrs: []\n"  # an unknown key at 2:1


def places(result: Any) -> list[tuple[str, int, int]]:
    return sorted((error.file, error.line, error.column) for error in result.errors)


def test_json_shape(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """`validate --format json` is Terraform's shape."""
    result = validate("conf", cwd=folder({"conf/a.yaml": BAD, "conf/empty.yaml": ""}))
    report = result.json
    assert set(report) >= {"format_version", "valid", "error_count", "warning_count", "diagnostics"}
    assert re.fullmatch(r"1\.\d+", report["format_version"])
    assert (report["valid"], report["error_count"], report["warning_count"]) == (False, 1, 1)
    assert sorted(entry["severity"] for entry in report["diagnostics"]) == ["error", "warning"]
    for entry in report["diagnostics"]:
        assert re.fullmatch(r"[A-Z]+(-[A-Z0-9]+)+", entry["code"]), entry
        assert entry["summary"] and isinstance(entry["summary"], str)
        assert "\n" not in entry["summary"]
        assert isinstance(entry["detail"], str)
        assert isinstance(entry["range"]["filename"], str)
    (error,) = [entry for entry in report["diagnostics"] if entry["severity"] == "error"]
    assert error["range"]["filename"] == "conf/a.yaml"
    assert (error["range"]["start"]["line"], error["range"]["start"]["column"]) == (2, 1)
    assert type(error["range"]["start"]["line"]) is int and type(error["range"]["start"]["column"]) is int


def test_json_of_valid_files(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """Nothing wrong: valid, no counts, an empty list, exit 0."""
    result = validate("a.yaml", cwd=folder({"a.yaml": GOOD}))
    report = result.json
    assert result.exit_code == 0
    assert (report["valid"], report["error_count"], report["warning_count"]) == (True, 0, 0)
    assert report["diagnostics"] == []


def test_text_of_valid_files(run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """In text too: exit 0 and something said."""
    result = run("validate", "a.yaml", cwd=folder({"a.yaml": GOOD}))
    assert result.exit_code == 0
    assert result.stdout.strip()


def test_same_input_same_bytes(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """The order of diagnostics does not depend on the run: files in order, then lines."""
    files = {f"conf/{name}.yaml": f"tenant: {name}\nzzz: 1\nchargrs: []\npolcy: {{}}\n" for name in "cadb"}
    root = folder(files)
    first, second = validate("conf", cwd=root), validate("conf", cwd=root, env={"PYTHONHASHSEED": "7"})
    assert first.stdout == second.stdout
    places = [(error.file, error.line) for error in first.errors]
    assert places == sorted(places) and len(places) == 12


def test_format_from_the_environment(run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """Every option has an environment variable."""
    result = run("validate", "a.yaml", cwd=folder({"a.yaml": GOOD}), env={"EXOLINK_FORMAT": "json"})
    assert (result.exit_code, result.json["valid"]) == (0, True)


def test_offline(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """`validate` needs neither API nor token, and looks at neither."""
    env = {"EXOLINK_API_URL": "http://127.0.0.1:9", "EXOLINK_TOKEN_FILE": "/nonexistent"}
    assert validate("a.yaml", cwd=folder({"a.yaml": GOOD}), env=env).exit_code == 0


@pytest.mark.parametrize("arguments", [["--format", "bogus"], ["--bogus"], ["--token", "x"]])
def test_usage_errors_exit_3(arguments: list[str], run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """A command line that is wrong is invalid input like any other."""
    result = run("validate", "a.yaml", *arguments, cwd=folder({"a.yaml": GOOD}))
    assert result.exit_code == 3
    assert result.stderr.strip()


def test_relative_stays_relative_and_absolute_absolute(
    validate: Callable[..., Any], folder: Callable[..., Any]
) -> None:
    """A place names the file as the user gave it, so that it can be clicked and found in the repository."""
    root = folder({"conf/deep/a.yaml": BAD, "conf/b.yml": "tenant: b\nchargrs: []\n"})
    relative = [("conf/b.yml", 2, 1), ("conf/deep/a.yaml", 2, 1)]
    assert places(validate("conf", cwd=root)) == relative
    assert places(validate("conf/", cwd=root)) == relative
    assert places(validate("conf/deep/a.yaml", "conf/b.yml", cwd=root)) == relative
    assert places(validate("../conf/b.yml", cwd=root / "conf")) == [("../conf/b.yml", 2, 1)]
    assert places(validate(str(root / "conf/b.yml"), cwd=root)) == [(str(root / "conf/b.yml"), 2, 1)]
    assert places(validate(".", cwd=root / "conf/deep")) in ([("a.yaml", 2, 1)], [("./a.yaml", 2, 1)])


def test_without_path(validate: Callable[..., Any], run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """Without PATH: `exolink.yaml` or the folder `exolink/`; both there, or neither, is an error that names both."""
    root = folder({"exolink.yaml": BAD, "exolink/a.yaml": BAD, "other.yaml": "]"})
    assert "there are both" in run("validate", cwd=root).output
    (root / "exolink.yaml").unlink()
    assert places(validate(cwd=root)) == [("exolink/a.yaml", 2, 1)]
    (root / "exolink/a.yaml").unlink()
    (root / "exolink").rmdir()
    result = run("validate", cwd=root)
    assert result.exit_code == 3
    assert "exolink.yaml" in result.output


def test_folder_is_read_recursively(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """`*.yaml` and `*.yml` at any depth; hidden folders and other files are not looked at."""
    names = ["a.yaml", "b.yml", "x/c.yaml", "x/y/z/d.yml", "folder.yaml/e.yaml"]
    ignored = [
        ".git/f.yaml",
        "x/.hidden/g.yml",
        "x/.hidden/deep/h.yaml",
        "notes.txt",
        "data.json",
        "i.yaml.bak",
        "yaml",
    ]
    files = {f"conf/{name}": f"tenant: t{number}\nchargrs: []\n" for number, name in enumerate(names)}
    result = validate("conf", cwd=folder({**files, **{f"conf/{name}": "]" for name in ignored}}))
    assert places(result) == sorted((f"conf/{name}", 2, 1) for name in names)
    assert result.warnings == []


def test_hidden_parents_do_not_count(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """A checkout below a hidden folder, or a hidden folder named outright, is read."""
    root = folder({".work/conf/a.yaml": BAD})
    assert places(validate("conf", cwd=root / ".work")) == [("conf/a.yaml", 2, 1)]
    assert places(validate(".work/conf", cwd=root)) == [(".work/conf/a.yaml", 2, 1)]
    assert places(validate(str(root / ".work"), cwd=root)) == [(str(root / ".work/conf/a.yaml"), 2, 1)]


def test_a_file_may_have_any_ending(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """A file that is named outright is read, whatever it is called."""
    assert places(validate("fleet.conf", cwd=folder({"fleet.conf": BAD}))) == [("fleet.conf", 2, 1)]


@pytest.mark.parametrize("empty", ["", "\n\n", "# only a comment\n", "\ufeff", "  # indented\r\n"])
def test_empty_file_of_a_folder_is_a_warning(
    empty: str, validate: Callable[..., Any], folder: Callable[..., Any]
) -> None:
    """A file of a folder without any document is skipped with a warning."""
    result = validate("conf", cwd=folder({"conf/a.yaml": GOOD, "conf/b.yaml": empty}))
    assert result.exit_code == 0
    assert [warning.file for warning in result.warnings] == ["conf/b.yaml"]


def test_warnings_in_text(run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """The text form does not keep warnings to itself."""
    result = run("validate", "conf", cwd=folder({"conf/a.yaml": GOOD, "conf/b.yaml": ""}))
    assert result.exit_code == 0
    assert "conf/b.yaml" in result.output


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (["missing.yaml"], "missing.yaml"),
        (["missing"], "missing"),
        (["good", "missing"], "missing"),
        (["empty.yaml"], "empty.yaml"),
        (["good", "empty.yaml"], "empty.yaml"),
        (["blank"], "blank"),
        (["good", "blank"], "blank"),
        (["texts"], "texts"),
        (["comments"], "comments"),
        (["hidden"], "hidden"),
    ],
)
def test_path_that_yields_nothing_is_an_error(
    paths: list[str], named: str, run: Callable[..., Any], folder: Callable[..., Any]
) -> None:
    """A wrong folder must never look like an empty fleet: each path has to yield a document."""
    files = {
        "good/a.yaml": GOOD,
        "empty.yaml": "",
        "texts/a.txt": GOOD,
        "comments/a.yaml": "# nothing\n",
        "hidden/.x/a.yaml": GOOD,
    }
    root = folder(files)
    (root / "blank").mkdir()
    as_text = run("validate", *paths, cwd=root)
    assert as_text.exit_code == 3
    assert named in as_text.output
    as_json = run("validate", *paths, "--format", "json", cwd=root)
    assert as_json.exit_code == 3
    assert named in as_json.output


def test_missing_path_hides_no_other_problem(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """All problems in one go, a missing path being one of them."""
    result = validate("missing.yaml", "a.yaml", cwd=folder({"a.yaml": BAD}))
    assert ("a.yaml", 2, 1) in [(error.file, error.line, error.column) for error in result.errors]
    assert "missing.yaml" in result.stdout


def test_plan_refuses_the_same(run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """`plan` says the same of bad input and exits 3 before it asks the API for anything."""
    root = folder({"conf/a.yaml": BAD, "conf/b.yaml": "tenant: b\nname: a: b\n"})
    for command in (["plan"], ["apply", "--auto-approve"]):
        result = run(*command, "conf", "--api-url", "emulator:live.db", "--state", "state", cwd=root)
        assert result.exit_code == 3
        assert "conf/a.yaml:2:1" in result.output and "conf/b.yaml:2:" in result.output


def test_unreadable_names_and_links(validate: Callable[..., Any], folder: Callable[..., Any], tmp_path: Path) -> None:
    """A file name that is not UTF-8 is an error, a link to nowhere a warning; both are named."""
    root = folder({"conf/a.yaml": BAD})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/conf/caf\xe9.yaml")).write_text("tenant: b\nchargrs: []\n")
    (root / "conf/link.yaml").symlink_to("nowhere.yaml")
    result = validate("conf", cwd=root)
    assert result.exit_code == 3
    assert ("conf/a.yaml", 2, 1) in [(error.file, error.line, error.column) for error in result.errors]
    assert "W-UNREAD" in result.stdout and "link.yaml" in result.stdout
    assert len({error.file for error in result.errors}) == 2


def test_output_that_cannot_take_every_character(run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """A stdout that only takes ASCII changes the look, not the answer."""
    root = folder({"größe.yaml": "tenant: acme\ngröße: 1\n"})
    for form in ("text", "json"):
        result = run("validate", "größe.yaml", "--format", form, cwd=root, env={"PYTHONIOENCODING": "ascii"})
        assert result.exit_code == 3
