"""The option --stages: the first write of a kind goes alone."""

import click
import pytest

from exolink_reconcile.cli.stages import Stages


@pytest.mark.parametrize(("text", "stages"), [("1", (1,)), ("1,10", (1, 10)), (" 1 , 5,100 ", (1, 5, 100))])
def test_numbers_with_commas(text: str, stages: tuple[int, ...]) -> None:
    """As many as the user wants."""
    assert Stages().convert(text, None, None) == stages


@pytest.mark.parametrize("text", ["", "1,", "1,0", "1,-5", "1;10", "one", "1.0", "1,9999999999", "10", "2,1"])
def test_anything_else_is_refused(text: str) -> None:
    """A first stage of more than one would be a write that nobody looked at before the next."""
    with pytest.raises(click.BadParameter):
        Stages().convert(text, None, None)
