"""The arguments that plan the same again, from those a plan was made with."""

from collections.abc import Mapping, Sequence
from typing import Any


def arguments(paths: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Options, then paths, each as one unquoted word of a command line."""
    words: list[str] = []
    for name, value in options.items():
        switch = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(switch)
        elif value is not None and value is not False:
            for element in value if isinstance(value, (list, tuple)) else [value]:
                words += [f"{switch}={element}"] if str(element).startswith("-") else [switch, str(element)]
    if any(path.startswith("-") for path in paths):
        words.append("--")
    return [*words, *paths]
