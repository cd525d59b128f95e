"""Facts about this run: when it began, where its metrics go, which variables its YAML named, how it shows an error."""

import time


class Run:
    """One run of a command."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a run; an earlier one of this process is over."""
        self.began = time.monotonic()
        self.metrics_file: str | None = None
        self.variables: dict[str, str] = {}
        self.wrote = False  # whether a command other than apply may have written something by now
        self.annotates = False  # whether an error that ends it is a GitHub annotation too

    @property
    def seconds(self) -> float:
        """How long the run took so far."""
        return time.monotonic() - self.began


# The run of this process.
RUN = Run()
