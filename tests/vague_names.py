"""Count the names that say nothing of what they hold: `python tests/vague_names.py [--list] [PATH...]`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VAGUE = frozenset(
    "found each said told taken there made left shown here what where these those given whole known seen one others which that this".split()
)


def bound_names(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each variable, field and parameter that a file binds."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def main() -> None:
    """Print a line for each file that has some, the most first, and the share of all."""
    listed = "--list" in sys.argv
    folders = [ROOT / argument for argument in sys.argv[1:] if argument != "--list"] or [ROOT / "exolink_reconcile"]
    bound, vague = 0, dict[Path, list[tuple[int, str]]]()
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        names = list(bound_names(path))
        bound += len(names)
        vague[path] = [(line, name) for line, name in names if name.strip("_") in VAGUE]
    for path, names in sorted(vague.items(), key=lambda pair: -len(pair[1])):
        if names and listed:
            print("\n".join(f"{path.relative_to(ROOT)}:{line}: {name}" for line, name in sorted(names)))
        elif names:
            print(f"{len(names):4} {path.relative_to(ROOT)}")
    count = sum(map(len, vague.values()))
    print(f"{count} of {bound} names ({count / bound:.1%})")


if __name__ == "__main__":
    main()
