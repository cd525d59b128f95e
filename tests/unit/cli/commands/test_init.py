"""init: a first configuration that is valid, and never over a file that is there."""

import subprocess
from pathlib import Path

import pytest
from support_cli import API, Run


def test_init(run: Run) -> None:
    """What is written is valid, and its first line points at the schema beside it."""
    Path("exolink.yaml").unlink()
    assert run("init", "--ci", "github")[0] == 0
    assert run("validate")[0] == 0
    schema = Path("exolink.yaml").read_text("utf-8").splitlines()[0].partition("$schema=")[2]
    assert Path(schema).read_text("utf-8") == run("schema", "config")[1]
    assert {path.name for path in Path(".github/workflows").iterdir()} == {
        "exolink-plan.yml",
        "exolink-apply.yml",
        "exolink-drift.yml",
    }


def test_init_leaves_nothing_to_fix_by_hand(run: Run) -> None:
    """Where the action is, and which commit was reviewed, is asked for; without an answer the text that waits for it is named."""
    Path("exolink.yaml").unlink()
    action = f"acme/exolink-reconcile@{'c0ffee00' * 5}"
    for wrong in (
        ("--action", action),
        ("--ci", "gitlab", "--action", action),
        ("--ci", "github", "--action", "acme/x@main"),
    ):
        assert run("init", *wrong)[0] == 3 and not Path("exolink.yaml").exists()
    code, out, _ = run("init", "--ci", "github", "--action", action)
    texts = [path.read_text("utf-8") for path in Path(".github/workflows").iterdir()]
    assert code == 0 and "OWNER" not in "".join([*texts, out]) and all(f"uses: {action}\n" in text for text in texts)
    assert "EXOLINK_READ_TOKEN" in out and "exolink-production" in out and "--allow-inferred" in out


def test_the_command_that_puts_the_action_in_its_place_works(run: Run) -> None:
    """Who did not know the commit when init ran pastes one line later, and nothing is left to replace."""
    Path("exolink.yaml").unlink()
    out = run("init", "--ci", "github")[1]
    pasted = [line.strip() for line in out.splitlines() if line.strip().startswith(("sed ", "rm "))]
    action = f"acme/exolink-reconcile@{'c0ffee00' * 5}"
    script = "\n".join(pasted).replace("OWNER/REPOSITORY@COMMIT", action)
    subprocess.run(["bash", "-e", "-c", script], check=True, timeout=60)
    texts = [path.read_text("utf-8") for path in Path(".github/workflows").iterdir()]
    assert len(texts) == 3 and all("OWNER" not in text and f"uses: {action}\n" in text for text in texts)


def test_init_from_what_is_live(run: Run) -> None:
    """What is live is declared: planning it shows no changes."""
    assert run("apply", "-y", *API)[0] == 0
    Path("exolink.yaml").unlink()
    assert run("init", "--from-live", "acme", "--api-url", "emulator:exolink.db")[0] == 0
    assert "No changes." in run("plan", *API)[1]


@pytest.mark.parametrize(
    "there", ["exolink.yaml", "schemas/exolink-config.schema.json", ".gitlab-ci.yml", "exolink.gitlab-ci.yml"]
)
def test_init_over_a_file(run: Run, there: str) -> None:
    """A file that is there: 3, and nothing is written at all."""
    Path("exolink.yaml").unlink()
    Path(there).parent.mkdir(exist_ok=True)
    Path(there).write_text("mine\n", "utf-8")
    before = sorted(str(path) for path in Path().rglob("*"))
    code, _, err = run("init", "--ci", "gitlab")
    assert code == 3 and there in err and Path(there).read_text("utf-8") == "mine\n"
    assert sorted(str(path) for path in Path().rglob("*")) == before


def test_init_beside_a_folder_of_that_name(run: Run) -> None:
    """What init writes can be planned: a folder exolink/ beside exolink.yaml could not."""
    Path("exolink.yaml").unlink()
    Path("exolink").mkdir()
    code, _, err = run("init")
    assert code == 3 and "E-EXISTS" in err and [path.name for path in Path().iterdir()] == ["exolink"]
