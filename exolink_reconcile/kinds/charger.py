"""The charger: a charge point that a tenant owns."""

from typing import Annotated, ClassVar

from pydantic import Field

from exolink_reconcile.resource import Key, Name, NamedBy, Resource, Text, WholeNumber


class Charger(Resource):
    """One charge point (API page S9, cut). What the device reports about itself is read-only."""

    kind: ClassVar[str] = "charger"
    entries: ClassVar[str | None] = "chargers"
    collection: ClassVar[str] = "/tenant/{tenant}/charger"
    item: ClassVar[str] = "/tenant/{tenant}/charger/{id}"
    reported: ClassVar[tuple[str, ...]] = (
        "provisioned", "chargeBoxSerialNumber", "chargePointSerialNumber", "meterSerialNumber", "chargePointModel",
        "chargePointVendor", "firmwareVersion", "iccid", "imsi", "meterType",
    )  # fmt: skip

    identity: Annotated[Name, Key()] = Field(
        description="OCPP identity of the charge point, as in its WebSocket address: how this tool finds it.",
        examples=["CP-0001"],
    )
    displayName: Text | None = Field(
        None, description="Name of the charge point, as people read it.", examples=["Lobby left"]
    )
    profileId: Annotated[WholeNumber | None, NamedBy("profile", "profiles")] = Field(
        None,
        description="Id of the charger profile, a whole number; `profile: NAME` is its readable form.",
        examples=[1],
    )
