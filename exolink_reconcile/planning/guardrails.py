"""Steps to the guardrails that refuse them: what `apply` refuses although the plan shows it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from exolink_reconcile.model import Action, DesiredState, Refusal, Step
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import ListKey

# What a plan may delete without its number: this share of each list, and so many in all.
FREE_SHARE = 0.10
FREE_TOTAL = 25


def read_in_part(desired: DesiredState, choices: Choices) -> list[Refusal]:
    """The guardrail on --prune if a part of the configuration was not read: it may declare what would be deleted."""
    if not choices.prune or not desired.unread:
        return []
    more = f" and {len(desired.unread) - 1} more" if len(desired.unread) > 1 else ""
    return [
        Refusal(
            "E-PARTLY-READ",
            f"--prune deletes nothing while a part of the configuration was not read: {desired.unread[0].path}{more};"
            " take it away or make it readable",
        )
    ]


def shrunk(live: Mapping[ListKey, int], counts_before: Mapping[ListKey, int], choices: Choices) -> list[Refusal]:
    """The guardrail on lists that became empty: that is more likely an error than the truth."""
    return [
        Refusal(
            "E-LIST-SHRANK",
            f"the list of {place} is empty, and an earlier run saw {counts_before[place]} rows;"
            f" if that is true, --allow-shrunk {place}",
        )
        for place, count in sorted(live.items())
        if count == 0 and counts_before.get(place, 0) > 0 and str(place) not in choices.allow_shrunk
    ]


def inferred(steps: Iterable[Step], choices: Choices) -> list[Refusal]:
    """The guardrail on writes that the contract only infers."""
    first = next((step for step in steps if step.inferred), None)
    if first is None or choices.may_infer:
        return []
    write = f"{first.action.word} of a {first.kind.kind} ({first.address}) is inferred, not documented"
    return [Refusal("E-INFERRED", f"{write}: give --allow-inferred, or a --contract in which it is documented")]


def delete_budget(steps: Sequence[Step], live: Mapping[ListKey, int], choices: Choices) -> list[Refusal]:
    """The guardrail on deletes, over the whole plan: more than a few need their number in --allow-deletes."""
    deletes = [step for step in steps if step.deletes]
    groups = Counter(step.address.list_key for step in deletes if _counts(step, choices))
    counted = {place: count for place, count in groups.items() if count > 1}
    why = []
    for place, count in sorted(counted.items()):
        live_count = live.get(place, 0)
        if count >= live_count:
            why.append(f"it would empty {place} ({count} of {live_count})")
        elif count > FREE_SHARE * live_count:
            why.append(f"it deletes {count} of {live_count} in {place}, more than {FREE_SHARE:.0%}")
    if sum(counted.values()) > FREE_TOTAL:
        why.append(f"it deletes {sum(counted.values())}, more than {FREE_TOTAL}")
    total = choices.saved.deletes if choices.saved else len(deletes)
    if deletes and choices.allow_deletes is not None and choices.allow_deletes != total:
        summary = f"--allow-deletes {choices.allow_deletes} is not the number of deletes of this plan, {total}"
        return [Refusal("E-DELETES", summary)]
    if not why or choices.allow_deletes == total:
        return []
    return [Refusal("E-DELETES", f"{total} deletes need --allow-deletes {total}: {'; '.join(why)}")]


def _counts(step: Step, choices: Choices) -> bool:
    """Whether a delete needs a number: a reviewed `removed` entry does not; a replace and prune always do."""
    return step.action is Action.REPLACE or step.pruned or not choices.reviewed


def permissions(steps: Sequence[Step], live: Mapping[ListKey, int], choices: Choices) -> Iterator[str]:
    """The options that `apply` needs to accept these steps, as words of a command line."""
    free = replace(choices, allow_deletes=None)
    if choices.allow_deletes is not None or delete_budget(steps, live, free):
        yield from ("--allow-deletes", str(sum(step.deletes for step in steps)))
    if inferred(steps, choices):
        yield "--allow-inferred"
