"""Paths as the user gave them to paths from the root of the repository: what hosts of code look for in a report."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

# GitHub Actions (and Gitea, Forgejo), GitLab: where the repository is checked out.
ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def from_root(environment: Mapping[str, str]) -> Callable[[str], str]:
    """What turns a path into one from the root of the checkout, with forward slashes and no `./`.

    Where no variable of ROOTS names the root, it is the nearest folder upwards with a `.git`. Where there is none, or the
    path is outside of it, the path stays as it was given (an absolute one inside the working folder becomes relative to it).
    """
    root = next((os.path.realpath(environment[name]) for name in ROOTS if environment.get(name)), None) or _git_root()

    def path_from_root(path: str) -> str:
        normal_path = os.path.normpath(path)
        if root is not None or os.path.isabs(normal_path):
            folder, name = os.path.split(os.path.abspath(normal_path))
            # The folder's links are followed, as in the root's own path; a file that is a link is itself in the tree.
            inside = os.path.relpath(os.path.join(os.path.realpath(folder), name), root or os.path.realpath("."))
            if inside != os.pardir and not inside.startswith(os.pardir + os.sep):
                normal_path = inside
        return normal_path.replace(os.sep, "/")

    return path_from_root


def _git_root() -> str | None:
    try:
        here = Path(os.path.realpath("."))
    except OSError:  # the working folder is gone
        return None
    return next((str(folder) for folder in (here, *here.parents) if (folder / ".git").exists()), None)
