"""`export --into`: what would change is shown, what must not is refused, and all files are written or none."""

import pytest

from .conftest import Commands

YAML = "tenant: acme\ncpms:\n  - {displayName: A, url: wss://h/, interval: 60}\n"


@pytest.fixture
def drifted(command: Commands) -> Commands:
    """A backend whose interval is another one live, and one that nobody declared."""
    (command.folder / "exolink.yaml").write_text(YAML, "utf-8")
    command.world.add("acme", "cpms", displayName="A", url="wss://h/", interval=30)
    command.world.add("acme", "cpms", displayName="B", url="wss://h/", interval=30)
    return command


def test_without_write_nothing_is_written(drifted: Commands) -> None:
    """The diff is shown, and how to write it."""
    result = drifted("export", "acme", "--into", "exolink.yaml")
    assert result.code == 0 and "interval: 60}\n+" in result.out and "--write" in result.err
    assert (drifted.folder / "exolink.yaml").read_text("utf-8") == YAML


def test_the_plan_after_it_has_no_such_difference(drifted: Commands) -> None:
    """What was taken into the YAML is not drift any more."""
    assert drifted("export", "acme", "--into", "exolink.yaml", "--write").code == 0
    assert (drifted.folder / "exolink.yaml").read_text("utf-8") == YAML.replace("60", "30")
    assert drifted("plan", "--detailed-exitcode").code == 0


def test_what_is_new_goes_to_the_end_of_a_file(drifted: Commands) -> None:
    """--add appends a document with what nobody declared; the plan then knows it."""
    assert drifted("export", "acme", "--into", "exolink.yaml", "--write", "--add", "exolink.yaml").code == 0
    text = (drifted.folder / "exolink.yaml").read_text("utf-8")
    assert text.startswith(YAML.replace("60", "30")) and "---\ntenant: acme\n" in text and "displayName: B" in text
    assert "unmanaged" not in drifted("plan").out


@pytest.mark.parametrize("add", ["other.yaml", "exolink.txt", "../exolink.yaml"])
def test_a_file_that_the_next_plan_would_not_read_is_refused(drifted: Commands, add: str) -> None:
    """What is added where nobody reads it would be unmanaged for ever."""
    result = drifted("export", "acme", "--into", "exolink.yaml", "--add", add)
    assert result.code == 3 and "so that planning it finds what was added" in result.err


def test_a_tenant_without_a_document_is_refused(drifted: Commands) -> None:
    """There is no text to write into."""
    result = drifted("export", "nordkap", "--into", "exolink.yaml")
    assert result.code == 3 and "no document of exolink.yaml describes the tenant nordkap" in result.err


def test_a_folder_that_cannot_be_read_whole_is_left(drifted: Commands) -> None:
    """What stands in the file that cannot be read is not known, so nothing is called new."""
    folder = drifted.folder / "conf"
    folder.mkdir()
    (folder / "a.yaml").write_text(YAML, "utf-8")
    (folder / "b.yaml").symlink_to("none.yaml")
    result = drifted("export", "acme", "--into", "conf", "--write")
    assert result.code == 3 and "the input cannot be read whole: nothing was written" in result.err
    assert (folder / "a.yaml").read_text("utf-8") == YAML


def test_standard_input_has_no_file_to_write(drifted: Commands) -> None:
    """--write needs something to write to."""
    assert "standard input cannot be written" in drifted("export", "acme", "--into", "-", "--write").err
