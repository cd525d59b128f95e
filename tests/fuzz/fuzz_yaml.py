"""Any bytes as a YAML file end in a desired state or in an InputError with diagnostics; never in anything else.

And they are read the same, plain lists cut out or not.
"""

import sys

import atheris

with atheris.instrument_imports(include=["exolink_reconcile", "ruamel"]):
    from exolink_reconcile.desired import desired_state, documents, plain_lists
    from exolink_reconcile.errors import InputError
    from exolink_reconcile.kinds import KINDS

from support import fuzz

ENVIRONMENT = {"SECRET": "hunter2", "EMPTY": ""}


def judge(data: bytes) -> None:
    """The rule above, on one input."""
    plain_lists.SHORTEST = sys.maxsize
    parsed = documents.read("fuzz.yaml", data, ENVIRONMENT)
    plain_lists.SHORTEST = 3
    found, problems = documents.read("fuzz.yaml", data, ENVIRONMENT)
    assert ([each.body for each in found], problems) == ([each.body for each in parsed[0]], parsed[1])
    try:
        desired_state.build(found, KINDS, problems=problems)
    except InputError as error:
        assert error.diagnostics
        assert all(each.summary and each.code for each in error.diagnostics)
        for each in error.diagnostics:
            assert each.source is None or (each.source.line >= 1 and each.source.column >= 1)


fuzz(judge)
