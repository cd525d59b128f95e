"""A small configuration, the API that it is for, and what a command that runs in this process gives back."""

from collections.abc import Callable

YAML = """\
tenant: acme
cpms:
  - {displayName: Primary backend, url: "wss://cpms.example.com/ocpp", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profileId: 1}
"""

API = ("--api-url", "emulator:exolink.db", "--state", "state")

Run = Callable[..., tuple[int, str, str]]
