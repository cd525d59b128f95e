"""--target and --exclude, and the exit code that tells of differences."""

from collections.abc import Callable

from .conftest import Cli
from .support import NO_CHANGES, SETTLED

BETA = "---\ntenant: beta\ncpms: [{displayName: Beta, url: 'wss://b.example.com/', interval: 30}]\n"


def test_target(cli: Cli) -> None:
    """Only what a target matches is planned, and a kind that is ruled out wholly is not read."""
    cli.write("exolink.yaml", SETTLED)
    assert "Plan: 2 to add, 0 to change, 0 to destroy." in cli("plan", "--target", "acme/charger/*").out
    assert "/tenant/acme/cpms" not in cli.world.paths
    both = cli("plan", "--target", "acme/charger/CP-000?", "--target", "*/Test*")
    assert both.counts("Plan: 3 to add, 0 to change, 0 to destroy.")
    cli("apply", "--auto-approve", "--target", "acme/charger/CP-0002")
    assert [request.json["identity"] for request in cli.world.writes] == ["CP-0002"]


def test_exclude(start: Callable[..., Cli]) -> None:
    """What is excluded is not planned, and a tenant that is ruled out wholly is not read."""
    cli = start(("acme", "beta"))
    cli.write("exolink.yaml", SETTLED + BETA)
    plan = cli("plan", "--exclude", "beta/*", "--exclude", "acme/cpms/*")
    assert plan.counts("Plan: 2 to add, 1 to change, 0 to destroy.")
    assert not any(path.startswith(("/tenant/beta", "/tenant/acme/cpms")) for path in cli.world.paths)
    plan = cli("plan", "--target", "acme/*", "--exclude", "*/CP-0001", "--exclude", "acme/tenant/acme")
    assert plan.counts("Plan: 3 to add, 0 to change, 0 to destroy.")


def test_a_target_that_matches_nothing(settled: Cli) -> None:
    """A target that matches nothing is an error, and so is one of several."""
    runs = [("plan", "--target", "acme/charger/CP-9*"), ("plan", "--target", "acme/cpms/*", "--target", "Acme/*")]
    settled.each(runs, code=3)
    settled("apply", "--auto-approve", "--target", "acme/charger/cp-0001", code=3)
    assert settled.world.writes == []


def test_targets_of_removed_and_pruned(settled: Cli) -> None:
    """Targets are matched on removed addresses, and with --prune on live ones."""
    settled.world.add("acme", "charger", identity="OLD-1")
    settled.world.add("acme", "charger", identity="CP-9")
    settled.write("exolink.yaml", SETTLED + "policy: {exclusive: ['charger/CP-*']}\nremoved: [{charger: OLD-1}]\n")
    live = ("plan", "--target", "acme/charger/CP-9")
    settled(*live, code=3)
    removed, pruned = settled.each([("plan", "--target", "*/OLD-1"), (*live, "--prune")])
    assert removed.place("-", "OLD-1") >= 0 and pruned.place("-", "CP-9") >= 0
    assert all(plan.counts("Plan: 0 to add, 0 to change, 1 to destroy.") for plan in (removed, pruned))


def test_detailed_exitcode(settled: Cli) -> None:
    """0 without differences, 2 with; without the option always 0."""
    assert settled("plan", "--detailed-exitcode").counts(NO_CHANGES)
    settled.world.edit("acme", "charger", "CP-0001", profileId=7)
    settled("plan", "--detailed-exitcode", code=2)
    settled("plan", "--detailed-exitcode", "--target", "acme/cpms/*")
    settled("plan", "--format", "json", "--out", "p")


def test_a_base_costs_no_request(settled: Cli) -> None:
    """Whose change it is, by another checkout and by the state, is judged without asking the API anything more."""
    settled.write("base.yaml", (settled.folder / "exolink.yaml").read_text("utf-8"))
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")
    settled("apply", "--auto-approve", "--target", "acme/charger/CP-0002")
    requests, digests = [], set()
    for options in (("--state", "nowhere"), ("--base", "base.yaml"), ()):
        settled.world.log.clear()
        document = settled("plan", "--format", "json", *options).json["exolink"]
        requests.append(sorted(f"{request.method} {request.path}" for request in settled.world.log))
        digests.add(document["digest"])
        assert (document["base"] is None) == (options == ("--state", "nowhere"))
    assert requests[0] == requests[1] == requests[2] and len(digests) == 1
