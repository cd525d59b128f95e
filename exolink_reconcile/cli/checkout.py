"""The user's paths to repository paths, as GitHub and GitLab expect them in a report."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

# GitHub Actions (and Gitea, Forgejo), GitLab: where the repository is checked out.
ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def from_root(environment: Mapping[str, str]) -> Callable[[str], str]:
    """A function that turns a path into one from the root of the checkout, with forward slashes and no `./`.

    If no variable of ROOTS names the root, it is the nearest folder upwards with a `.git`. If there is none, or the path is
    outside of it, the path stays as given (an absolute one inside the working folder becomes relative to it).
    """
    root = next((os.path.realpath(environment[name]) for name in ROOTS if environment.get(name)), None) or _git_root()

    def path_from_root(path: str) -> str:
        normal_path = os.path.normpath(path)
        if root is not None or os.path.isabs(normal_path):
            folder, name = os.path.split(os.path.abspath(normal_path))
            # Follow links in the folder, as in the root's own path, but not the file: a link is in the tree itself.
            inside = os.path.relpath(os.path.join(os.path.realpath(folder), name), root or os.path.realpath("."))
            if inside != os.pardir and not inside.startswith(os.pardir + os.sep):
                normal_path = inside
        return normal_path.replace(os.sep, "/")

    return path_from_root


def _git_root() -> str | None:
    try:
        folder = Path(os.path.realpath("."))
    except OSError:  # the working folder is gone
        return None
    return next((str(above) for above in (folder, *folder.parents) if (above / ".git").exists()), None)
