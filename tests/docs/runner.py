"""The commands of a page, run as a reader would type them, and what they print beside what the page says.

What a page may hold:

- ```` ```console ````: lines that start with `$ ` are typed, what follows is what the terminal shows (stdout and stderr).
  A line `...` stands for any lines, `…` for any text within a line. A command that fails must be followed by `$ echo $?`.
  `$ command &` starts a server, `$ kill %1` ends it. At a question for `yes`, `yes` is typed on a terminal.
- ```` ```sh ````: a script that ends well; what it prints is nobody's. `not_run` names those that are left alone.
- `<!-- file: NAME -->` before a fenced block: the reader writes this file.
- `<!-- edit: NAME -->` before a `diff` block: the reader changes these lines in the file.
- `<!-- run: COMMAND -->`: what was there before the reader came; its output is nobody's. `TESTS/` is the folder of this file.

The folder, exported variables and the files last from the first block of the page to the last one.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import command as tool
import pexpect

_PART = re.compile(
    r"<!-- (?P<mark>file|edit): (?P<name>\S+) -->\n+```\w+\n(?P<text>.*?)^```$"
    r"|<!-- run: (?P<run>.*?) -->"
    r"|^```console\n(?P<console>.*?)^```$"
    r"|^```sh\n(?P<script>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_PORT = "8480"  # as the pages have it; here a free one, because tests run beside each other


@dataclass(frozen=True)
class Typed:
    """One command of a page, and what the page says that it prints."""

    command: str
    expected: str


@dataclass
class Reader:
    """Somebody who works through a page in a folder; what the page calls by an example's name `stands_for` something real."""

    folder: Path
    not_run: Container[str] = frozenset()
    stands_for: Mapping[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    code: int = 0

    def __post_init__(self) -> None:
        home = self.folder.parent / "home"
        home.mkdir()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.variables = {"PATH": path, "HOME": str(home), "NO_COLOR": "1", "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.variables["EXOLINK_PARALLELISM"] = "1"  # so that ids are given in the order of the plan
        self.port = str(_free_port())
        self.cwd = str(self.folder)

    def follow(self, page: str) -> str:
        """The page with what its commands really print, where that is not what it says."""
        try:
            return _PART.sub(self._part, page)
        finally:
            self._kill()

    def _part(self, part: re.Match[str]) -> str:
        if part["console"] is not None:
            return f"```console\n{self._block(part['console'])}```"
        if part["run"] is not None:
            self._well(part["run"])
        elif part["script"] is not None:
            if part["script"] not in self.not_run:
                lines = [re.sub(r"\s+# .*", "", line) for line in part["script"].splitlines()]
                plain = all(map(_is_plain, lines)) and not any(map(_asks, lines))
                for script in lines if plain else [f"set -e\n{part['script']}"]:
                    self._well(script)
        elif part["mark"] == "file":
            path = Path(self.cwd, part["name"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(part["text"], "utf-8")
        else:
            _edit(Path(self.cwd, part["name"]), part["text"])
        return part[0]

    def _well(self, script: str) -> None:
        output = self._type(script)
        assert self.code == 0, f"{script}\n{output}"

    def _checked(self, typed: Typed) -> str:
        output = self._type(typed.command)
        expected = typed.expected if _matches(typed.expected, output) else _elided(typed.expected, output)
        command = typed.command.replace("\n", "\n> ")
        return f"$ {command}\n{expected}"

    def _block(self, block: str) -> str:
        """A block of commands as it really goes; a failure that the page does not mention is written beside it."""
        done = ""
        for typed in _typed(block):
            if self.code and typed.command != "echo $?":
                done += f"$ echo $?\n{self._type('echo $?')}"
            done += self._checked(typed)
        return done + (f"$ echo $?\n{self._type('echo $?')}" if self.code else "")

    def _type(self, command: str) -> str:
        """What the terminal shows after this command. `code` is its exit code then."""
        if command == "echo $?":
            output, self.code = f"{self.code}\n", 0
            return output
        if command == "kill %1":
            self._kill()
            return ""
        command = command.replace(_PORT, self.port).replace("TESTS/", f"{Path(__file__).parent}/")
        for example, real in self.stands_for.items():
            command = command.replace(example, real)
        if command.endswith(" &"):
            return self._serve(command.removesuffix(" &"))
        if _is_plain(command) and not _asks(command):
            return self._called(shlex.split(command)[1:]).replace(self.port, _PORT)
        kept = self.folder.parent / "kept"
        script = f"trap 'code=$?; pwd -P > {kept}; env -0 >> {kept}; exit $code' EXIT\n{command}"
        output = self._answered(script) if _asks(command) else self._run(script)
        where, _, variables = kept.read_text("utf-8").partition("\n")
        self.cwd = where
        self.variables = dict(each.split("=", 1) for each in variables.split("\0") if each)
        return output.replace(self.port, _PORT)

    def _called(self, arguments: list[str]) -> str:
        """What the command alone prints: no shell is needed for it."""
        with tempfile.TemporaryFile() as out:
            process = tool.start(arguments, cwd=Path(self.cwd), env=self.variables, stdout=out, stderr=out)
            self.code = process.wait(60)
            out.seek(0)
            return out.read().decode()

    def _run(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self.code = done.returncode
        return done.stdout

    def _answered(self, script: str) -> str:
        """The same on a terminal, where a question is answered with yes."""
        child = pexpect.spawn(
            "bash", ["-c", script], cwd=self.cwd, env=self.variables, encoding="utf-8", timeout=60, dimensions=(50, 200)
        )
        output = ""
        while child.expect(["will be accepted: ", pexpect.EOF]) == 0:
            output += child.before + child.after
            child.sendline("yes")
        output += child.before
        child.close()
        self.code = child.exitstatus
        # A bar is drawn over itself: what stays is what was drawn last.
        lines = output.replace("\r\n", "\n").split("\n")
        return "\n".join(line.rpartition("\r")[2].removeprefix("\x1b[K") for line in lines)

    def _serve(self, command: str) -> str:
        log = self.folder.parent / "server.log"
        with log.open("wb") as stream:
            server = subprocess.Popen(
                shlex.split(command),
                cwd=self.cwd,
                env=self.variables | {"EXOLINK_LISTEN": f"127.0.0.1:{self.port}"},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        self.servers.append(server)
        for _ in range(300):
            output = log.read_text("utf-8")
            if "Try: " in output:
                return output.replace(self.port, _PORT)
            assert server.poll() is None, output
            time.sleep(0.05)
        raise AssertionError(f"{command} does not listen")

    def _kill(self) -> None:
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
            server.wait(10)
        self.servers.clear()


def runs(page: str) -> set[str]:
    """The blocks of a page that a reader runs, each with its fences."""
    return {part[0] for part in _PART.finditer(page) if part["console"] is not None or part["script"] is not None}


def _typed(block: str) -> Iterator[Typed]:
    for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = piece.partition("\n")
        while expected.startswith("> "):
            line, _, expected = expected[2:].partition("\n")
            command += f"\n{line}"
        yield Typed(command, expected)


def _matches(expected: str, output: str) -> bool:
    """Whether the terminal showed this: `...` alone on a line is any lines, `…` any text in one."""
    pattern = re.escape(expected).replace("…", "[^\n]*")
    pattern = re.sub(r"^\\\.\\\.\\\.(\\\n|\n)", r"(?:[^\\n]*\\n)*", pattern, flags=re.MULTILINE)
    return re.fullmatch(pattern, output) is not None


def _elided(expected: str, output: str) -> str:
    """What was printed, with the lines of the page that leave something out where they fit."""
    short = [line for line in expected.splitlines(keepends=True) if "…" in line]
    return "".join(
        next((line for line in short if _matches(line, printed)), printed)
        for printed in output.splitlines(keepends=True)
    )


def _edit(path: Path, diff: str) -> None:
    before = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in "- ")
    after = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in "+ ")
    text = path.read_text("utf-8")
    assert text.count(before) == 1, f"{path.name} has these lines {text.count(before)} times, not once:\n{before}"
    path.write_text(text.replace(before, after), "utf-8")


def _is_plain(command: str) -> bool:
    """Whether it is one call of the tool, with nothing that a shell would do."""
    bare = re.sub(r"'[^']*'|\"[^\"$`]*\"", "", command)
    return re.fullmatch(r"exolink-reconcile [\w ./:=,@+-]*\n?", bare) is not None


def _asks(command: str) -> bool:
    """Whether it holds an apply that nobody approved beforehand."""
    applies = [line for line in command.splitlines() if "apply" in line.split()]
    return any(not re.search(r"--(auto-approve|plan|expect)\b|^CI=", line) for line in applies)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
