"""What the stories share: the YAML they start from, and the ways to look at a result."""

import json
import re
from dataclasses import dataclass
from typing import Any

NO_CHANGES = "No changes. Your infrastructure matches the configuration."

SETTLED = """
tenant: acme
name: Acme Charging GmbH
profiles: {standard: 1, night: 2}
cpms:
  - {displayName: Primary backend, url: "wss://cpms.example.com/ocpp", interval: 60}
  - {displayName: Test bench, url: "wss://bench.example.com/", interval: 30}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profile: standard}
  - {identity: CP-0002, displayName: Lobby right, profile: night}
"""


@dataclass(frozen=True)
class Result:
    """What one run left behind."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def lines(self) -> list[str]:
        """The lines of stdout that say something."""
        return [line.strip() for line in self.out.splitlines() if line.strip()]

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def report(self) -> str:
        return f"{' '.join(self.args)}\nexit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"

    def counts(self, line: str) -> bool:
        """Does stdout have this very line?"""
        return line in self.lines

    def place(self, mark: str, name: str) -> int:
        """The number of the line that shows this mark and this name. Raises: AssertionError, when there is none."""
        pattern = re.compile(rf"^{re.escape(mark)}\s.*{re.escape(name)}")
        for number, line in enumerate(self.lines):
            if pattern.search(line):
                return number
        raise AssertionError(f"no line with {mark} and {name}\n{self.report}")


def charger_lines(identities: list[str], **fields: Any) -> str:
    """YAML entries for these chargers."""
    extra = "".join(f", {name}: {value}" for name, value in fields.items())
    return "".join(f"  - {{identity: {identity}{extra}}}\n" for identity in identities)


def numbered(first: int, last: int) -> list[str]:
    """CP-001 and on, both ends included."""
    return [f"CP-{number:03}" for number in range(first, last + 1)]
