#!/usr/bin/env -S python3 -I
"""A stand-in for GitHub's `gh api`: issue comments in a file, and a log of the calls. GH_BREAKS names the methods that are refused."""

import json
import os
import re
import sys
from pathlib import Path

PAGE = 2  # comments a page, so that a test can have several pages


def main(arguments: list[str]) -> None:
    store, log = Path(os.environ["GH_STORE"]), Path(os.environ["GH_LOG"])
    comments = json.loads(store.read_text()) if store.exists() else []
    api, paginate, silent, method, body = arguments[0], "--paginate" in arguments, "--silent" in arguments, "GET", None
    rest = [argument for argument in arguments[1:] if argument not in ("--paginate", "--silent")]
    if rest[0] == "--method":
        method, rest = rest[1], rest[2:]
    path, rest = rest[0], rest[1:]
    if rest:
        assert rest[-2] == "-F" and rest[-1].startswith("body=@"), rest
        body = Path(rest[-1].removeprefix("body=@")).read_text()
    with log.open("a") as stream:
        print(json.dumps({"method": method, "path": path, "names": sorted(os.environ)}), file=stream)
    assert api == "api" and os.environ["GH_TOKEN"] == "gh-canary"
    if method in os.environ.get("GH_BREAKS", "").split():
        sys.exit("gh: Resource not accessible by integration (HTTP 403)")
    if "/issues?" in path or re.fullmatch(r"repos/acme/fleet/issues(/\d+)?", path):
        issues(method, path, dict(each.split("=", 1) for each in rest if "=" in each), body)
        return
    if method == "GET":
        assert re.fullmatch(r"repos/acme/fleet/issues/7/comments\?per_page=100", path) and paginate
        for start in range(0, max(len(comments), 1), PAGE):  # as gh does: one array after the other
            sys.stdout.write(json.dumps(comments[start : start + PAGE]))
        return
    assert body is not None and len(body) <= 65536 and silent
    if method == "POST":
        assert path == "repos/acme/fleet/issues/7/comments"
        comments.append({"id": 100 + len(comments), "user": {"login": "github-actions[bot]"}, "body": body})
    else:
        assert method == "PATCH"
        number = int(path.removeprefix("repos/acme/fleet/issues/comments/"))
        next(comment for comment in comments if comment["id"] == number)["body"] = body
    store.write_text(json.dumps(comments))


def issues(method: str, path: str, fields: dict[str, str], body: str | None) -> None:
    """The repository's issues, kept beside the comments."""
    store = Path(os.environ["GH_STORE"]).with_name("issues.json")
    kept = json.loads(store.read_text()) if store.exists() else []
    if method == "GET":
        assert path == "repos/acme/fleet/issues?state=open&per_page=100"
        print(json.dumps([issue for issue in kept if issue["state"] == "open"]))
        return
    if method == "POST":
        assert path == "repos/acme/fleet/issues"
        user = {"login": "github-actions[bot]"}
        kept.append({"number": 1 + len(kept), "state": "open", "user": user, "title": fields["title"], "body": body})
    else:
        number = int(path.rpartition("/")[2])
        next(issue for issue in kept if issue["number"] == number).update(state=fields["state"], body=body)
    store.write_text(json.dumps(kept))


main(sys.argv[1:])
