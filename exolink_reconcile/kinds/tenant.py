"""The tenant: the account that a document describes. Its domain prefix is its name and its place in every path."""

from typing import Annotated, ClassVar

from pydantic import Field

from exolink_reconcile.resource import Key, Name, Resource


class Tenant(Resource):
    """One account (API page S2). By the documented contract it can be neither created nor deleted."""

    kind: ClassVar[str] = "tenant"
    entries: ClassVar[str | None] = None
    collection: ClassVar[str] = "/tenant"
    item: ClassVar[str] = "/tenant/{tenant}"
    reported: ClassVar[tuple[str, ...]] = ("stripeCustomerId", "connectUrl", "customDomain")

    domainPrefix: Annotated[Name, Key()] = Field(
        description="The tenant's domain prefix, as in its paths and hosts.", examples=["acme"]
    )
    name: Name | None = Field(
        None,
        description="Name of the tenant, as people read it. Managed when written.",
        examples=["Acme Charging GmbH"],
    )
