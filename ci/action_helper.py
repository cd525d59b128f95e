"""What ci/action.sh leaves to Python: JSON in, single lines out. Standard library only.

outputs PLAN                  digest and counts of a saved plan, as lines for $GITHUB_OUTPUT
tool ARGUMENT...              becomes the tool, with nothing of the job's environment but what the tool needs or may have
fence LIMIT FILE              the file as an indented code block, cut to about LIMIT bytes
body PLAN.MD NAME SHA RUN     the comment: the plan between the marker and the line that says where it comes from
comment JSON NAME AUTHOR      the id of this job's comment in what `gh api --paginate` printed, or nothing
issue JSON NAME AUTHOR        the number of this job's open issue, in the same way
result FILE                   what an apply printed, as Markdown: the result first, then what failed and what to do next
"""

import fnmatch
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MARKER = "<!-- exolink-reconcile"
# Everything else in the environment of a job may be a secret, and whoever writes the YAML could have it shown in a plan.
NEEDED = frozenset(
    [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "LC_ALL",
        "TZ",
        "XDG_STATE_HOME",
        "CI",
        "GITHUB_ACTIONS",
        "GITHUB_WORKSPACE",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ]
)
NEEDED_BY_A_DATABASE = frozenset(["PGPASSFILE", "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGSSLROOTCERT"])
SUMMARY = 900_000  # GitHub takes 1 MiB a step
RESULT = re.compile(r"(Apply (complete!|incomplete\.) Resources: [0-9a-z ,]+\.( [0-9a-z ,]+\.)?)$")
NEVER_ALLOWED = re.compile(r"(EXOLINK|GH|GITHUB|ACTIONS?|RUNNER)_")


def main(command: str, *arguments: str) -> str:
    """The text that the command prints.

    Raises:
        ValueError: what was read is not what it should be.

    """
    match command, arguments:
        case "outputs", [plan]:
            return outputs(json.loads(Path(plan).read_text("utf-8")))
        case "fence", [limit, path]:
            return fence(Path(path).read_text("utf-8", "replace"), int(limit))
        case "body", [path, name, sha, run]:
            return body(Path(path).read_text("utf-8"), name, sha, run)
        case "comment", [path, name, author]:
            return comment(Path(path).read_text("utf-8"), name, author)
        case "issue", [path, name, author]:
            return issue(Path(path).read_text("utf-8"), name, author)
        case "result", [path]:
            return result(Path(path).read_text("utf-8", "replace"))
        case "tool", _:
            # -I: neither the checkout nor PYTHONPATH can put a module of its own in the place of one of ours.
            command = [sys.executable, "-I", "-m", "exolink_reconcile", *arguments]
            os.execve(sys.executable, command, environment(os.environ))
    raise ValueError(f"no such command: {command}")


def outputs(plan: dict[str, Any]) -> str:
    """Counts as Terraform counts: a replace is one add and one destroy."""
    actions = [each["change"]["actions"] for each in plan["resource_changes"]]
    counts = {
        "digest": _digest(plan),
        "add": sum("create" in each for each in actions),
        "change": sum("update" in each for each in actions),
        "destroy": sum("delete" in each for each in actions),
    }
    return "".join(f"{name}={value}\n" for name, value in counts.items())


def _digest(plan: dict[str, Any]) -> str:
    digest = plan["exolink"]["digest"]
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("the plan has no digest")
    return digest


def environment(job: Mapping[str, str]) -> dict[str, str]:
    """What the tool gets of the environment of the job: its own options, what it needs, what ACTION_ENV_ALLOW names."""
    globs = job.get("ACTION_ENV_ALLOW", "").split()
    shared_state = job.get("EXOLINK_STATE", "").startswith(("postgresql://", "postgres://"))

    def passes(name: str) -> bool:
        if name in NEEDED or (name in NEEDED_BY_A_DATABASE and shared_state):
            return True
        if NEVER_ALLOWED.match(name):
            return name.startswith("EXOLINK_") and name != "EXOLINK_TOKEN"
        return any(fnmatch.fnmatchcase(name, glob) for glob in globs)

    allowed = {"EXOLINK_ENV_ALLOW": "\n".join(globs)} if globs else {}
    return {name: value for name, value in job.items() if passes(name)} | allowed


def fence(text: str, limit: int) -> str:
    """An indented code block: unlike backticks, no line of the text can end it."""
    lines, size = [], 0
    for line in text.splitlines():
        size += len(line.encode()) + 5
        if size > limit:
            lines.append("    (cut; the log has all of it)")
            break
        lines.append(f"    {line}")
    return "\n".join(["", *lines, "", ""])


def body(markdown: str, name: str, sha: str, run: str) -> str:
    """The tool's first line is its marker; a text without one gets one."""
    marked = markdown if markdown.startswith(MARKER) else f"{MARKER} -->\n{markdown}"
    commit = f"Commit {sha}, " if re.fullmatch(r"[0-9a-f]{40,64}", sha) else ""
    return f"{marked.rstrip()}\n\n{commit}[run]({run}).\n{_job(name)}\n"


def comment(pages: str, name: str, author: str) -> str:
    """The oldest comment of this author that carries both marks. Anybody else's is never touched, whatever it says."""
    return next((f"{int(row['id'])}\n" for row in _all(pages) if _is_ours(row, name, author)), "")


def issue(pages: str, name: str, author: str) -> str:
    """The oldest open issue of this author that carries both marks; GitHub lists pull requests among the issues."""
    ours = [int(row["number"]) for row in _all(pages) if _is_ours(row, name, author) and "pull_request" not in row]
    return f"{min(ours)}\n" if ours else ""


def _is_ours(row: dict[str, Any], name: str, author: str) -> bool:
    text = (row.get("body") or "").replace("\r\n", "\n")
    marked = text.startswith(MARKER) and text.rstrip().endswith(_job(name))
    return marked and (row.get("user") or {}).get("login") == author


def result(text: str) -> str:
    """The sentence with the counts as a heading, what follows it in the open, the whole log folded."""
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines) if RESULT.match(line)]
    if not ends:
        return fence(text, SUMMARY)
    head, rest = lines[ends[-1]], "\n".join(lines[ends[-1] + 1 :]).strip()
    after = fence(rest, SUMMARY // 3) if rest else "\n"
    return f"**{head}**\n{after}\n<details><summary>The whole log</summary>\n{fence(text, SUMMARY // 2)}</details>\n"


def _job(name: str) -> str:
    return f"<!-- job: {re.sub(r'[^A-Za-z0-9._ ]', '_', name)[:100]} -->"


def _all(pages: str) -> Iterator[dict[str, Any]]:
    """Each page is an array; some versions of gh join them, some print one after the other."""
    decoder, rest = json.JSONDecoder(), pages.strip()
    while rest:
        page, end = decoder.raw_decode(rest)
        yield from page
        rest = rest[end:].lstrip()


if __name__ == "__main__":
    try:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a text file, as Python opens it
        sys.stdout.write(main(*sys.argv[1:]))
    except (ValueError, LookupError, OSError, TypeError) as error:
        sys.exit(f"{sys.argv[1]}: {type(error).__name__}: {error}")
