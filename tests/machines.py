"""Machines for a test, each a network, a host name and a time since boot of its own: namespaces of Linux.

A machine reaches this one over two cables: one to the API, one to the database, each with an address of its own here that
is the same for all machines. A cable can be unplugged, or it can swallow every packet without a word.

Nothing of it outlives this process: a namespace lives as long as the process in it, which waits for the end of a pipe that
we hold, and the kernel removes both ends of a cable with the namespace that holds one of them.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Cable = Literal["api", "database"]
CABLES: tuple[Cable, ...] = ("api", "database")
_FIRST = (198 << 24) + (18 << 16)  # 198.18.0.0/15 is for tests of networks (RFC 2544)
_NOWHERE = "02:00:00:00:00:01"  # an Ethernet address that nobody has


class Network:
    """Machines and their cables; `addresses` are where the machines reach the API and the database."""

    def __init__(self, *names: str) -> None:
        """Make them. Raises OSError, subprocess.CalledProcessError: that is not permitted here."""
        block = _FIRST + os.getpid() % 2**13 * 16
        self.addresses: dict[Cable, str] = {cable: _dotted(block + n) for n, cable in enumerate(CABLES)}
        self.machines: list[Machine] = []
        try:
            for number, name in enumerate(names):
                self.machines.append(machine := Machine(name, ahead=number * 1_000_000))
                for n, cable in enumerate(CABLES):
                    theirs = _dotted(block + 2 + 2 * number + n)
                    machine.plug_in(cable, f"x{os.getpid()}{cable[0]}{number}", self.addresses[cable], theirs)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove everything; the kernel does it if this is never called."""
        for machine in self.machines:
            machine.remove()


@dataclass
class Machine:
    """One machine; what is started with `wrap` before its command line runs on it."""

    name: str
    ahead: int = 0  # seconds: so much longer ago than this machine was it started
    _cables: dict[Cable, tuple[str, str, str]] = field(default_factory=dict)  # our end, our address, its address

    def __post_init__(self) -> None:
        started = f"hostname {self.name} && ip link set lo up && echo up && exec cat"
        clocks = (f"--monotonic={self.ahead}", f"--boottime={self.ahead}")
        self._process = subprocess.Popen(
            ["unshare", "--net", "--uts", "--time", *clocks, "sh", "-c", started], cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"up\n":
            _, error = self._process.communicate()
            raise OSError(error.decode().strip())

    def address(self, cable: Cable) -> str:
        """Its own address at the end of a cable."""
        return self._cables[cable][2]

    def holds(self, cable: Cable) -> bool:
        """Whether its kernel holds octets that it could not yet deliver through a cable."""
        _, ours, _ = self._cables[cable]
        sockets = subprocess.run([*self.wrap, "ss", "-Htn", "dst", ours], capture_output=True, text=True, check=True)
        return any(int(line.split()[2]) > 0 for line in sockets.stdout.splitlines())

    @property
    def wrap(self) -> tuple[str, ...]:
        return ("nsenter", f"--target={self._process.pid}", "--net", "--uts", "--time", "--")

    def plug_in(self, cable: Cable, end: str, ours: str, theirs: str) -> None:
        """Connect it to this machine."""
        _ip(f"link add {end} type veth peer name {cable} netns {self._process.pid}")
        self._cables[cable] = (end, ours, theirs)
        _ip(f"address add {ours} peer {theirs} dev {end}\nlink set {end} up")
        _ip(f"address add {theirs} peer {ours} dev {cable}\nlink set {cable} up", self.wrap)

    def unplug(self, cable: Cable) -> None:
        """Take the link down: the machine knows it, and so does its kernel."""
        _ip(f"link set {cable} down", self.wrap)

    def plug(self, cable: Cable) -> None:
        _ip(f"link set {cable} up", self.wrap)

    def silence(self, cable: Cable) -> None:
        """From now on every packet is lost, both ways, and nobody hears of it."""
        end, ours, theirs = self._cables[cable]
        _ip(f"neighbour replace {theirs} lladdr {_NOWHERE} nud permanent dev {end}")
        _ip(f"neighbour replace {ours} lladdr {_NOWHERE} nud permanent dev {cable}", self.wrap)

    def unsilence(self, cable: Cable) -> None:
        end, ours, theirs = self._cables[cable]
        _ip(f"neighbour delete {theirs} dev {end}")
        _ip(f"neighbour delete {ours} dev {cable}", self.wrap)

    def remove(self) -> None:
        for end, _, _ in self._cables.values():
            subprocess.run(["ip", "link", "delete", end], stderr=subprocess.DEVNULL, check=False)
        self._process.kill()
        self._process.communicate()


@functools.cache
def obstacle() -> str:
    """Why there can be no machines here; empty if there can."""
    for tool in ("ip", "ss", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"there is no command {tool}"
    try:
        Network("probe").remove()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces are not permitted here: {error}"
    return ""


Trouble = dict[str, tuple[Callable[[Machine, Cable], None], Callable[[Machine, Cable], None]]]
TROUBLE: Trouble = {"unplugged": (Machine.unplug, Machine.plug), "silent": (Machine.silence, Machine.unsilence)}


def _ip(commands: str, wrap: tuple[str, ...] = ()) -> None:
    subprocess.run(
        [*wrap, "ip", "-batch", "-"], input=commands.encode(), check=True, cwd="/", stderr=subprocess.PIPE, timeout=60
    )


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
