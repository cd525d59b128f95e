"""Changes, contract and choices to notes: what a reader of the plan should know, and no step says."""

from collections.abc import Iterator, Sequence

from exolink_reconcile.contract import Contract
from exolink_reconcile.globs import Globs, may_match_below
from exolink_reconcile.model import Changes, DesiredState, DesiredTenant, Note, Step
from exolink_reconcile.planning.choices import Choices, wanted
from exolink_reconcile.references import as_written
from exolink_reconcile.resource import Kind, name_of, name_of_row

# True for an API that does not show an object by its id.
NO_BETTER_RECHECK = (
    "right before a write apply looks at its list, read again for each stage, and this API offers no better check;"
    " what another hand changes within a stage is not seen"
)


def nothing_compared(desired: DesiredState, choices: Choices) -> tuple[Note, ...]:
    """A note if the choices rule out everything."""
    if not desired.tenants or wanted(desired, choices):
        return ()
    return (Note("W-NOTHING-READ", "Nothing was read or compared: --target and --exclude rule out everything"),)


def no_recheck(steps: Sequence[Step], contract: Contract) -> Iterator[Note]:
    """A note for each kind without a GET of a single object: right before a write only a list can be read."""
    for kind in dict.fromkeys(step.kind for step in steps if step.before is not None):
        if contract.offer(kind).get is None:
            yield Note("W-RECHECK", f"The contract has no GET of a single {kind.kind}: {NO_BETTER_RECHECK}")


def globs_of_nothing(desired: DesiredState, changes: Changes) -> Iterator[Note]:
    """A note for each glob of a policy that matches nothing declared, removed or live, and so has no effect."""
    for tenant in desired.tenants:
        policy = tenant.policy
        patterns = {pattern.glob: pattern for pattern in (*policy.protect, *policy.exclusive, *policy.allow_replace)}
        kinds = {kind.kind: kind for kind in tenant.declared}
        not_read = [word for word in kinds if (tenant.name, word) not in changes.live_counts]
        matchable = {glob for glob in patterns if not any(may_match_below(glob, f"{word}/") for word in not_read)}
        matcher = Globs(matchable)
        for word, kind in kinds.items():
            if matchable:
                for name in _names(tenant, kind, changes):
                    matchable -= set(matcher.matching(f"{word}/{name}"))
        for glob in sorted(matchable):
            place = patterns[glob].source
            yield Note("W-GLOB", f"`{as_written(glob)}` of the policy of {tenant.name} ({place}) matches nothing")


def _names(tenant: DesiredTenant, kind: Kind, changes: Changes) -> Iterator[str]:
    """The names of a kind: declared, removed, live."""
    live = changes.live.tenants.get(tenant.name)
    yield from (name_of(declared.resource) for declared in tenant.declared[kind])
    yield from (removed.name for removed in tenant.removed[kind])
    yield from (name_of_row(kind, row) for row in (live.rows.get(kind, ()) if live else ()))
