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
    read_again, problems = documents.read("fuzz.yaml", data, ENVIRONMENT)
    assert ([each.body for each in read_again], problems) == ([each.body for each in parsed[0]], parsed[1])
    try:
        desired_state.build(read_again, KINDS, problems=problems)
    except InputError as error:
        assert error.diagnostics
        assert all(diagnostic.summary and diagnostic.code for diagnostic in error.diagnostics)
        for diagnostic in error.diagnostics:
            assert diagnostic.source is None or (diagnostic.source.line >= 1 and diagnostic.source.column >= 1)


fuzz(judge)
