"""The arguments that plan the same again."""

from exolink_reconcile.report import again


def test_options_become_words() -> None:
    """A switch that is on stands alone, one that is off or not given is left out, a list gives a pair each."""
    options = {"prune": True, "allow_inferred": False, "base": None, "target": ["acme/*", "b/*"], "allow_deletes": 3}
    words = again.arguments(["exolink.yaml"], options)
    assert words == ["--prune", "--target", "acme/*", "--target", "b/*", "--allow-deletes", "3", "exolink.yaml"]


def test_what_begins_with_a_dash_is_no_option() -> None:
    """A value or a path of that kind stays what it is: joined by `=`, or behind `--`."""
    assert again.arguments(["-x.yaml"], {"target": ["-a/*"]}) == ["--target=-a/*", "--", "-x.yaml"]
