"""The command line as a fixture: each run is a process of its own, with next to nothing in its environment."""

import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import command
import pytest
from command import COMMAND
from world import World

from .support import SETTLED, Result

TOKEN = "canary-5d1f0c7e"
MALFORMED = (400, 405, 411, 415)


@dataclass(frozen=True)
class Cli:
    """Calling it runs the command in its own folder, against its own world."""

    folder: Path
    world: World
    url: str

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def __call__(
        self,
        *args: str,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
        bare: bool = False,
    ) -> Result:
        """Run one command and expect its exit code (None: any but that of a bug); `bare` adds no options."""
        finished = command.run(
            self._arguments(args, bare=bare), cwd=self.folder, env=self._environment(env or {}, token), timeout=60
        )
        out, err = finished.stdout.decode(), finished.stderr.decode()
        assert "\x1b" not in out + err, "colour went into a pipe"
        return _checked(Result(args, finished.returncode, out, err), code)

    def each(self, runs: Iterable[tuple[str, ...]], *, code: int | None = 0, **options: Any) -> list[Result]:
        """Several runs that do not disturb each other, two at a time; an apply waits for the other one's lock."""
        options["env"] = {"EXOLINK_LOCK_TIMEOUT": "30", **(options.get("env") or {})}
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda args: self(*args, code=code, **options), runs))

    def terminal(self, *args: str, answer: str, code: int) -> Result:
        """Run one command on a terminal, and answer its question."""
        pexpect = pytest.importorskip("pexpect")
        arguments = [*COMMAND[1:], *self._arguments(args, bare=False)]
        environment = self._environment({"TERM": "xterm"}, TOKEN)
        child = pexpect.spawn(
            COMMAND[0], arguments, cwd=str(self.folder), env=environment, encoding="utf-8", timeout=30
        )
        child.expect("yes")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        rest: str = child.before or ""
        child.close()
        exit_code = child.exitstatus if child.exitstatus is not None else -int(child.signalstatus)
        return _checked(Result(args, exit_code, rest, ""), code)

    def digest(self, *args: str) -> str:
        """The whole digest of what plan shows now."""
        digest: str = self("plan", "--format", "json", *args).json["exolink"]["digest"]
        return digest

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def swap(self, name: str, before: str, after: str) -> None:
        """Change one thing in a file."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times in {name}"
        (self.folder / name).write_text(text.replace(before, after), encoding="utf-8")

    def _arguments(self, args: tuple[str, ...], *, bare: bool) -> list[str]:
        """A saved plan knows its API, so `--plan` gets no address."""
        added: list[str] = []
        if not bare and args[0] in ("plan", "apply", "export", "doctor") and not {"--plan", "--api-url"} & set(args):
            added += ["--api-url", self.url]
        if not bare and args[0] in ("plan", "apply", "show", "doctor") and "--state" not in args:
            added += ["--state", str(self.state)]
        return [*args, *added]

    def _environment(self, extra: Mapping[str, str], token: str | None) -> dict[str, str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder / "home")}
        if token is not None:
            environment["EXOLINK_TOKEN"] = token
        return environment | dict(extra)


@contextmanager
def starting(folder: Path) -> Iterator[Callable[..., Cli]]:
    """Start worlds with options of their own; what holds after every test is checked when the block is over."""
    clis: list[Cli] = []
    with ExitStack() as stack:

        def start(tenants: Iterable[str] = ("acme",), **options: Any) -> Cli:
            own = folder / f"run{len(clis)}"
            (own / "home").mkdir(parents=True)
            world = World(tenants, TOKEN, **options)
            clis.append(Cli(own, world, stack.enter_context(world.serve())))
            return clis[-1]

        yield start
    for cli in clis:
        _check_afterwards(cli)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Cli]]:
    """Start a world with options of its own."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def cli(start: Callable[..., Cli]) -> Cli:
    """The command, and an empty tenant acme."""
    return start()


@pytest.fixture
def settled(cli: Cli) -> Cli:
    """The command, in a world where nothing is to do: what `exolink.yaml` declares is what is live."""
    cli.write("exolink.yaml", SETTLED)
    cli.world.edit("acme", "tenant", "acme", name="Acme Charging GmbH")
    cli.world.add("acme", "cpms", displayName="Primary backend", url="wss://cpms.example.com/ocpp", interval=60)
    cli.world.add("acme", "cpms", displayName="Test bench", url="wss://bench.example.com/", interval=30)
    cli.world.add("acme", "charger", identity="CP-0001", displayName="Lobby left", profileId=1)
    cli.world.add("acme", "charger", identity="CP-0002", displayName="Lobby right", profileId=2)
    return cli


def _checked(result: Result, code: int | None) -> Result:
    """What holds for every run: no traceback, no token, and the exit code that was expected."""
    __tracebackhide__ = True
    wrong = {
        "a bug in the tool": result.code == 1 or "Traceback (most recent call last)" in result.text,
        "the token is shown": TOKEN in result.text,
        f"expected exit code {code}": code is not None and result.code != code,
    }
    if True in wrong.values():
        pytest.fail("; ".join(name for name, is_wrong in wrong.items() if is_wrong) + f"\n{result.report}")
    return result


def _check_afterwards(cli: Cli) -> None:
    """No file holds the token, and no request was malformed."""
    for path in cli.folder.rglob("*"):
        if path.is_file() and not path.name.startswith("token"):
            assert TOKEN.encode() not in path.read_bytes(), f"{path.name} holds the token"
    malformed = [request for request in cli.world.log if request.status in MALFORMED and not request.overridden]
    assert malformed == []
