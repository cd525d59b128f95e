"""The option --stages: how many steps go before each look back."""

import re
from typing import Any

import click


class Stages(click.ParamType[tuple[int, ...]]):
    """Numbers with commas; the first is 1."""

    name = "stages"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers."""
        if isinstance(value, tuple):
            return value
        texts = [text.strip() for text in str(value).split(",")]
        if not all(re.fullmatch("[0-9]{1,9}", text) and int(text) for text in texts):
            self.fail(f"{value} is not numbers with commas: write 1,10,100.", param, ctx)
        if int(texts[0]) != 1:
            self.fail(f"the first stage is 1, not {texts[0]}: the first write of a kind goes alone.", param, ctx)
        return tuple(map(int, texts))
