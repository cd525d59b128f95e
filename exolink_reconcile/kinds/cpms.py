"""The CPMS: a backend that the broker connects to."""

from typing import Annotated, ClassVar

from pydantic import Field

from exolink_reconcile.resource import Flag, Key, Name, Resource, WholeNumber
from exolink_reconcile.secret_url import SecretUrl


class Cpms(Resource):
    """One charge point management system (API page S1). `interval` is in seconds."""

    kind: ClassVar[str] = "cpms"
    entries: ClassVar[str | None] = "cpms"
    collection: ClassVar[str] = "/tenant/{tenant}/cpms"
    item: ClassVar[str] = "/tenant/{tenant}/cpms/{id}"
    expected: ClassVar[tuple[str, ...]] = ("url",)
    when_gone: ClassVar[str] = (
        "This plan deletes or recreates a CPMS. Check charger profiles and Lab flows that point at its id first: they cannot be seen here."
    )

    displayName: Annotated[Name, Key()] = Field(
        description="Name of the backend: how this tool finds it.", examples=["Primary backend"]
    )
    url: SecretUrl | None = Field(
        None,
        description="WebSocket URL of the backend, ws:// or wss://. Write a password as ${env:NAME}.",
        examples=["wss://cpms.example.com/ocpp"],
    )
    interval: WholeNumber | None = Field(
        None,
        description=(
            "Heartbeat or connection check interval, in seconds. By the documented API it is set on create only:"
            " name it in `createOnly` where it may differ later."
        ),
        examples=[60, 30],
    )
    authPassThrough: Flag | None = Field(
        None,
        description=(
            "Whether credentials are passed through: true or false."
            " Shown by the API; no documented operation sets it, so a difference is held back."
        ),
    )
