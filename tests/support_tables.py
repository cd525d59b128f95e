"""Files in the working folder to a desired state, tables included, and what is wrong with them."""

from collections.abc import Callable

import pytest

from exolink_reconcile.errors import InputError
from exolink_reconcile.model import DesiredState, Diagnostic

Build = Callable[..., DesiredState]


def problems(build: Build, *args: object, **more: object) -> list[str]:
    with pytest.raises(InputError) as error:
        build(*args, **more)
    return [shown(diagnostic) for diagnostic in error.value.diagnostics]


def shown(diagnostic: Diagnostic) -> str:
    return f"{diagnostic.source} {diagnostic.code} {diagnostic.summary}"
