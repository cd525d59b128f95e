"""Any bytes as a YAML file end in a desired state or in an InputError with diagnostics; never in anything else."""

import atheris

with atheris.instrument_imports(include=["exolink_reconcile", "ruamel"]):
    from exolink_reconcile import desired_state, documents
    from exolink_reconcile.errors import InputError
    from exolink_reconcile.kinds import KINDS

from support import fuzz

ENVIRONMENT = {"SECRET": "hunter2", "EMPTY": ""}


def judge(data: bytes) -> None:
    """The rule above, on one input."""
    found, problems = documents.read("fuzz.yaml", data, ENVIRONMENT)
    try:
        desired_state.build(found, KINDS, problems=problems)
    except InputError as error:
        assert error.diagnostics
        assert all(each.summary and each.code for each in error.diagnostics)
        for each in error.diagnostics:
            assert each.source is None or (each.source.line >= 1 and each.source.column >= 1)


fuzz(judge)
