"""Which pattern of a tenant's policy an address meets."""

from support_pipeline import document, read_yaml

from exolink_reconcile.planning.policies import Policies
from exolink_reconcile.resource import Address


def test_the_first_pattern_that_matches() -> None:
    """Of several patterns that match, the one that is written first is named."""
    policies = policies_of(protect=["cpms/P*", "cpms/Primary", "charger"])
    assert glob(policies, "acme/cpms/Primary") == "cpms/P*"
    assert glob(policies, "acme/charger/CP-1") == "charger/*"
    assert policies.first("protect", Address("acme", "cpms", "Other")) is None


def test_each_list_of_a_policy_stands_alone() -> None:
    """What is protected is not claimed, and the policy of one tenant is not that of another."""
    policies = policies_of(protect=["cpms/Primary"])
    assert policies.first("exclusive", Address("acme", "cpms", "Primary")) is None
    assert policies.first("protect", Address("beta", "cpms", "Primary")) is None


def test_one_glob_in_two_documents() -> None:
    """The place that is named is the first one."""
    text = "---\n".join(document("acme", policy={"protect": ["cpms/P*"]}) for _ in range(2))
    pattern = Policies({tenant.name: tenant for tenant in read_yaml(text).tenants}).first(
        "protect", Address("acme", "cpms", "Primary")
    )
    assert pattern is not None and pattern.source.line < text[: text.index("---")].count("\n") + 1


def policies_of(**policy: list[str]) -> Policies:
    """Those of acme, which has this policy, and of beta, which has none."""
    desired = read_yaml("---\n".join([document("acme", policy=policy), document("beta", cpms=[])]))
    return Policies({tenant.name: tenant for tenant in desired.tenants})


def glob(policies: Policies, address: str) -> str | None:
    """The glob that protects an address."""
    parsed = Address.parse(address)
    assert parsed is not None
    pattern = policies.first("protect", parsed)
    return pattern.glob if pattern else None
