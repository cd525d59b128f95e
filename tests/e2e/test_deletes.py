"""What may be deleted: `removed`, prune, protection, and the budget that asks for a number."""

from .conftest import Cli
from .support import NO_CHANGES, SETTLED, charger_lines, numbered


def removed(identities: list[str]) -> str:
    return "removed:\n" + "".join(f"  - {{charger: {identity}}}\n" for identity in identities)


def seed(cli: Cli, count: int) -> list[str]:
    for identity in numbered(1, count):
        cli.world.add("acme", "charger", identity=identity)
    return numbered(1, count)


def test_absence_deletes_nothing(settled: Cli) -> None:
    """An entry that is no longer there leaves its object alone."""
    settled.swap("exolink.yaml", "  - {identity: CP-0002, displayName: Lobby right, profile: night}\n", "")
    assert settled("plan", "--detailed-exitcode").counts(NO_CHANGES)


def test_removed_deletes_once(settled: Cli) -> None:
    """A removed entry deletes, with its reason shown; already gone is not a change."""
    settled.world.add("acme", "cpms", displayName="Old backend")
    settled.write("exolink.yaml", SETTLED + 'removed: [{cpms: Old backend, reason: "contract ended, OPS-123"}]\n')
    plan = settled("plan")
    assert plan.counts("Plan: 0 to add, 0 to change, 1 to destroy.") and "contract ended, OPS-123" in plan.out
    assert plan.place("-", "Old backend") >= 0 and "Lab" in plan.text
    applied = settled("apply", "--auto-approve")
    assert applied.counts("Apply complete! Resources: 0 added, 0 changed, 1 destroyed.")
    assert [row["displayName"] for row in settled.world.live("acme", "cpms")] == ["Primary backend", "Test bench"]
    assert settled("plan").counts(NO_CHANGES)


def test_removed_with_an_id_beside_its_namesake(cli: Cli) -> None:
    """A removed entry with an id may stand beside an entry of the same name that pins another id."""
    kept = cli.world.add("acme", "cpms", displayName="Bench", url="wss://a.example.com/", interval=30)
    twin = cli.world.add("acme", "cpms", displayName="Bench", url="wss://b.example.com/", interval=30)
    cli.write(
        "exolink.yaml",
        f"""
        tenant: acme
        cpms: [{{displayName: Bench, url: "wss://a.example.com/", interval: 30, id: {kept}}}]
        removed: [{{cpms: Bench, id: {twin}}}]
        """,
    )
    cli("apply", "--auto-approve")
    assert [request.line for request in cli.world.writes] == [f"DELETE /tenant/acme/cpms/{twin}"]


def test_removed_and_something_else(settled: Cli) -> None:
    """An address that is removed and declared, or removed and protected, is an error."""
    settled.write("both.yaml", SETTLED + "removed: [{charger: CP-0001}]\n")
    settled.write("protected.yaml", "tenant: acme\npolicy: {protect: ['charger/*']}\nremoved: [{charger: CP-9}]\n")
    both, protected = settled.each([("plan", "both.yaml"), ("plan", "protected.yaml")], code=3)
    assert "CP-0001" in both.text and "CP-9" in protected.text and settled.world.log == []


def test_already_gone_when_we_come_to_delete_it(settled: Cli) -> None:
    """A delete that is answered by 404 has reached its end."""
    settled.write("exolink.yaml", "tenant: acme\nremoved: [{charger: CP-0002}]\n")

    def first(index: int, method: str, path: str) -> None:
        if method == "DELETE":
            settled.world.soft_delete("acme", "charger", "CP-0002")

    settled.world.before_request = first
    settled("apply", "--auto-approve")
    assert [request.status for request in settled.world.writes] == [404]


def test_prune_deletes_what_is_exclusive(cli: Cli) -> None:
    """--prune deletes the unmanaged in what the policy claims, never what is protected, and nothing without it."""
    for identity in ("CP-1", "CP-2", "CP-DEPOT", "XX-1"):
        cli.world.add("acme", "charger", identity=identity, displayName="A")
    cli.world.add("acme", "cpms", displayName="CP-3")
    cli.write(
        "exolink.yaml",
        """
        tenant: acme
        policy: {exclusive: ["charger/CP-*"], protect: ["charger/CP-D?POT"]}
        chargers: [{identity: CP-1, displayName: A, profileId: 1}]
        """,
    )
    assert cli("plan").counts(NO_CHANGES)
    plan = cli("plan", "--prune")
    assert plan.counts("Plan: 0 to add, 0 to change, 1 to destroy.") and plan.place("-", "CP-2") >= 0
    cli("apply", "--prune", "--auto-approve")
    assert [row["identity"] for row in cli.world.live("acme", "charger")] == ["CP-1", "CP-DEPOT", "XX-1"]
    assert len(cli.world.writes) == 1


def test_prune_where_nothing_is_claimed(settled: Cli) -> None:
    """--prune does nothing where nothing is claimed, and says so."""
    settled.world.add("acme", "charger", identity="CP-9")
    plan = settled("plan", "--prune", "--detailed-exitcode")
    assert plan.counts(NO_CHANGES) and "exclusive" in plan.text


def test_a_tenth_is_free(cli: Cli) -> None:
    """Up to 10 % of the live objects may go without a number."""
    cli.write("exolink.yaml", "tenant: acme\n" + removed(seed(cli, 20)[:2]))
    assert "--allow-deletes" not in cli("plan").text
    cli("apply", "--auto-approve")
    assert len(cli.world.live("acme", "charger")) == 18


def test_more_than_a_tenth_needs_the_number(cli: Cli) -> None:
    """Beyond 10 % of the live objects the exact number of deletes is needed; soft-deleted rows do not count as live."""
    for identity in numbered(1, 30):
        cli.world.add("acme", "charger", identity=f"GONE-{identity}", deletedAt="2025-01-01T00:00:00Z")
    new = "chargers:\n" + charger_lines(["NEW-1"], displayName="A", profileId=1)
    gone = seed(cli, 20)[:3]
    cli.write("exolink.yaml", "tenant: acme\n" + new + removed(gone))
    plan = cli("plan")
    assert "--allow-deletes 3" in plan.text and all(identity in plan.out for identity in gone)
    attempts = ["apply", "--auto-approve"]
    refused = cli.each([(*attempts, *more) for more in ((), ("--allow-deletes", "4"))], code=7)
    assert "--allow-deletes 3" in refused[0].text and cli.world.writes == []
    cli(*attempts, "--allow-deletes", "3")
    assert len(cli.world.live("acme", "charger")) == 18


def test_emptying_needs_the_number(cli: Cli) -> None:
    """One single delete is free even if it is the last; two that empty a kind are not."""
    seed(cli, 2)
    cli.world.add("acme", "cpms", displayName="Only")
    cli.write("two.yaml", "tenant: acme\n" + removed(numbered(1, 2)) + "  - {cpms: Only}\n")
    assert "--allow-deletes 3" in cli("apply", "two.yaml", "--auto-approve", code=7).text
    assert cli.world.writes == []
    cli.write("one.yaml", "tenant: acme\nremoved: [{cpms: Only}]\n")
    cli("apply", "one.yaml", "--auto-approve")
    assert cli.world.live("acme", "cpms") == []


def test_more_than_25_in_all_need_the_number(cli: Cli) -> None:
    """25 deletes that are no tenth are free, and a single one elsewhere does not count; 26 need the number."""
    live = seed(cli, 300)
    cli.world.add("acme", "cpms", displayName="Old")
    cli.world.add("acme", "cpms", displayName="Other")
    cli.write("exolink.yaml", "tenant: acme\n" + removed(live[:26]))
    assert "--allow-deletes 26" in cli("apply", "--auto-approve", code=7).text
    assert cli.world.writes == []
    cli.write("exolink.yaml", "tenant: acme\n" + removed(live[:25]) + "  - {cpms: Old}\n")
    cli("apply", "--auto-approve")
    assert len(cli.world.live("acme", "charger")) == 275 and len(cli.world.live("acme", "cpms")) == 1


def test_the_budget_counts_replaces_and_what_is_targeted(cli: Cli) -> None:
    """Replaces count as deletes; what --target leaves out does not."""
    for name in "ABC":
        cli.world.add("acme", "cpms", displayName=name, url="wss://a.example.com/", interval=30)
    entries = [f'{{displayName: {name}, url: "wss://a.example.com/", interval: 60}}' for name in "ABC"]
    policy = "policy: {allowReplace: [cpms/A, cpms/B]}"
    cli.write("exolink.yaml", f"tenant: acme\n{policy}\ncpms: [{', '.join(entries[:2])}]\n")
    assert "--allow-deletes 2" in cli("plan").text
    cli("apply", "--auto-approve", code=7)
    cli("apply", "--auto-approve", "--target", "acme/cpms/A")
    assert [request.method for request in cli.world.writes] == ["DELETE", "POST"]


def test_reviewed_removals_need_no_number(cli: Cli) -> None:
    """Deletes from `removed` need no number under --plan or --expect: they were reviewed."""
    cli.write("exolink.yaml", "tenant: acme\n" + removed(seed(cli, 9)[:3]))
    cli("plan", "--out", "first.plan")
    cli("apply", "--plan", "first.plan")
    assert len(cli.world.live("acme", "charger")) == 6
    cli.write("exolink.yaml", "tenant: acme\n" + removed(numbered(4, 6)))
    cli("apply", "--expect", cli.digest())
    assert len(cli.world.live("acme", "charger")) == 3


def test_reviewed_prunes_need_the_number(cli: Cli) -> None:
    """Prune needs the number under --expect and --plan too, there as it was recorded."""
    seed(cli, 3)
    cli.write("exolink.yaml", "tenant: acme\npolicy: {exclusive: [charger]}\n")
    digest = cli.digest("--prune")
    cli("plan", "--prune", "--out", "bare.plan")
    cli("apply", "--plan", "bare.plan", code=7)
    cli("apply", "--prune", "--expect", digest, code=7)
    assert cli.world.writes == []
    cli("plan", "--prune", "--allow-deletes", "3", "--out", "full.plan")
    cli("apply", "--plan", "full.plan")
    assert cli.world.live("acme", "charger") == []
