"""The `policy` of a document to globs that its tenant keeps."""

import re
from collections.abc import Sequence
from typing import Any

from exolink_reconcile import globs
from exolink_reconcile.desired import shapes
from exolink_reconcile.desired.checks import POLICY_LISTS, TenantDraft
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Problems, Spot, at_item, at_value, hostile
from exolink_reconcile.inert import hostile_character
from exolink_reconcile.model import Pattern
from exolink_reconcile.references import Diagnosed, Expanded, Unresolved, as_written
from exolink_reconcile.resource import Kind
from exolink_reconcile.secret_url import quoted


def read(body: Node, tenant: TenantDraft, kinds: Sequence[Kind], problems: Problems) -> None:
    """Add the globs of a document to its tenant; report the bad ones."""
    policy = shapes.mapping(problems, body, "policy", list(POLICY_LISTS))
    if policy is None:
        return
    shapes.needs_all(problems, policy)
    for name, patterns in policy.items():
        if name not in POLICY_LISTS or isinstance(patterns, Diagnosed):
            continue
        if not isinstance(patterns, list):
            summary = f"`{name}` must be a list of KIND/NAME globs"
            problems.error("E-TYPE", at_value(policy, name), summary, f'Write `{name}: ["charger/CP-*"]`.')
            continue
        for index, pattern in enumerate(patterns):
            if not isinstance(pattern, Unresolved):
                _pattern(tenant, at_item(policy, name, index), pattern, kinds, problems)


def _pattern(tenant: TenantDraft, spot: Spot, pattern: Any, kinds: Sequence[Kind], problems: Problems) -> None:
    if not isinstance(pattern, str):
        problems.error("E-TYPE", spot, "a glob must be text: KIND/NAME")
        return
    if bad := hostile_character(pattern):
        problems.error("E-GLOB", spot, hostile("the glob", bad), "It would match nothing.")
        return
    words = [kind.kind for kind in kinds]
    exact = spot.key == "allowReplace"
    if pattern in words and not exact:
        pattern = Expanded(f"{pattern}/*", f"{as_written(pattern)}/*")
    word = pattern.partition("/")[0]
    if exact:
        names_a_kind = word in words and "/" in pattern
    else:
        names_a_kind = any(globs.may_match_below(pattern, f"{w}/") for w in words)
    if not names_a_kind:
        problem = "names no kind" if exact else "can match no kind"
        hint = problems.nearest("" if isinstance(pattern, Expanded) else word, words)
        problems.error("E-GLOB", spot, f"{quoted(pattern)} {problem}", f"It is KIND/NAME. {hint}")
        return
    if not exact and re.search(r"[\[{]", pattern):
        problems.warn(
            "W-GLOB",
            spot,
            f"{quoted(pattern)}: `[` and `{{` stand for themselves in a glob",
            "Only * and ? are special; write one glob for each alternative.",
        )
    tenant.policy[str(spot.key)].append(Pattern(pattern, spot.node.source))
